#!/usr/bin/env python3
"""Writes analysis/FINDINGS.md, and a README.md for each study, from analysis/results/: what came out of the studies.

usage: analysis/findings.py [--check]    --check: compares with the pages that are there, and writes nothing

No statistic is computed here: every number is one of the tables that gridshift wrote, printed with fewer digits.
"""
import itertools
import re
import sys
from pathlib import Path

import words
from studies import FAR, RESULTS, VERDICTS, judged, published_once, read_csv, read_studies

PAGE = Path(__file__).resolve().parent / "FINDINGS.md"
LEADS = {  # the studies whose claims and numbers are told first
    "headline": "Does a sparse feed-forward block move computation into attention? (n + 7, as published)",
    "gate": "Is it built in that routing need not be learned? (n + 7; raw gates give the router a gradient of the task)",
    "modular_headline": "Modular addition, as published",
    "modular_headline_quick": "Modular addition, modulo 53",
    "histogram_headline": "Histogram, as published",
}
READING = """A claim stands in the sweep file before the runs, with its test; p is corrected by Holm over the claims of its file. *Supported* is
p < 0.05 with the stated sign (equivalence: TOST within the stated margin), *contradicted* the other sign (equivalence: the 95 % interval wholly outside
the margin). *Undecided* is a result: the seeds do not decide it, and `n needed` is how many would with a power of 0.8, if what was seen is so (of an
equivalence: "if none", if there is no difference; seeds that many and still undecided mean that the difference itself is near the margin). A difference is that of the first side minus the second, with its 95 % interval. A *partial* study lacks runs: its verdicts are of the seeds that are there. Studies
share runs (the published seeds of an arm), so that claims of several files may rest on the same numbers.

"Without the block" is accuracy after the feed-forward block's output is set to zero, "without attention" after attention's is: what is right then was
computed by the rest. *best* is the first checkpoint of the best accuracy, *end* the last step. The constant answer of n + 7 is right in 32.3 % of the
digits, that of the histogram in 20 % of the positions (a fifth of them count 1), so that these, and not 10 %, are the floors of their accuracies.

Steps to 99 % are Kaplan-Meier medians with their 95 % limits and (k of n) seeds that got there; a seed that did not is censored at the end of its run,
never left out. Their log-rank test takes its p from the splits of the seeds, so that three seeds a side cannot be below 0.1. Published steps are
means over the seeds that got there, and are held against ours only where all did.

Some published numbers are read off a figure (their `source` in the sweep file says so), to about 0.005 or half a point: "outside" is there no more than
that.

Published GLUs are matched in the final figures only. Elsewhere they are wider or narrower than ours of equal parameters: 512 units in modular
addition and the histogram; 128, and 256 in a mixture, in n + 7. n + 7 and the histogram have arms of those widths beside the published numbers; the
published time to 99 % and ablations of modular GLUs stand beside ours of 340 units, and are not theirs.

A unit of a mixture is 0 for the pairs that the router sends elsewhere; *unrouted* concentrations are of every expert on all pairs, which is what was
published, at the best checkpoint.

Modular addition was published modulo 113 with 30 % of the pairs. The *quick* files are modulo 53 with 60 % of them, where a dense block groks within
minutes: what is supported or contradicted there holds there, and is no verdict on the published setting, which `modular_headline` repeats.
"""


# -- words of a study -------------------------------------------------------------------------------------------------------

def link(study, base="results/"):
    return f"[{study.name}]({base}{study.name}/README.md)" + ("" if study.whole else " (partial)")


def title(study):
    return study.about.get("title") or study.name


def runs(study):
    a = study.about
    return (str(a["done"]) if a["done"] == a["planned"] else f"{a['done']} of {a['planned']}") + (f", {a['failed']} failed" if a["failed"] else "")


def found(claim):
    unit = claim["unit"]
    limits = words.interval(claim["estimate low"], claim["estimate high"], unit, True)
    if not claim["estimate"]:
        return "no values yet" if claim["n_compare"] == "0" else "nobody got there"
    return " ".join(part for part in (words.number(claim["estimate"], unit, True), limits, unit) if part)


def seeds(claim):
    return claim["n_compare"] if claim["n_compare"] == claim["n_against"] else f"{claim['n_compare']} + {claim['n_against']}"


def needed(claim):
    if not claim["n needed"]:
        return "–"
    return claim["n needed"] + (" if none" if claim["expect"].startswith("equivalent") else "")


def sentence(claim):
    needs = f", needs {needed(claim)}" if claim["verdict"] == "undecided" and claim["n needed"] else ""
    return f"**{claim['verdict']}**: {claim['claim']} (expected: {claim['expect']}; found: {found(claim)}; n = {seeds(claim)}{needs})"


# -- in short ---------------------------------------------------------------------------------------------------------------

def counted(n, one, many=None):
    return f"{n} {one if n == 1 else many or one + 's'}"


def lead(study, question):
    return [f"**{question}** {link(study)}, {runs(study)} runs:\n", *(f"* {sentence(claim)}" for claim in study.claims), ""]


def contradicted(studies):
    told = [f"* {link(study)}: {sentence(claim)}" for study in studies for claim in study.claims if claim["verdict"] == "contradicted"]
    return ["**Everything that was contradicted:**\n", *told, ""] if told else ["No claim was contradicted.\n"]


def compared(studies):
    cells = [place[-1] for place in published_once(studies)]
    verdicts = [judged(cell) for cell in cells]
    return len(cells), sum(bool(how) for how, _ in verdicts), sum(far for _, far in verdicts)


def short_part(studies):
    whole = sum(study.whole for study in studies)
    number = {verdict: sum(study.count(verdict) for study in studies) for verdict in VERDICTS}
    cells, of, far = compared(studies)
    hours = sum(study.about["core_hours"] for study in studies)
    tasks = [[name, len(members), *(sum(study.count(verdict) for study in members) for verdict in VERDICTS), "{2} of {1}".format(*compared(members))]
             for name, members in sections_of(studies)]
    lines = [f"{counted(len(studies), 'study', 'studies')} ({whole} whole, {len(studies) - whole} partial) of "
             f"{counted(sum(study.about['done'] for study in studies), 'run')}, {hours:.3g} core-hours. Of {sum(number.values())} claims "
             f"{number['supported']} are supported, {number['contradicted']} contradicted, {number['undecided']} undecided. {cells} published numbers "
             f"stand beside ours; {of} of them can be judged, and {far} of these are apart (|z| >= {FAR}; p < 0.05 for the share of seeds that "
             "grok; outside our 95 % interval where no spread was published).\n", words.table(["task", "studies", *VERDICTS, "apart from the published"], tasks, range(1, 6))]
    for name, question in LEADS.items():
        for study in studies:
            lines += lead(study, question) if study.name == name and study.claims else []
    return "\n".join(lines + contradicted(studies))


# -- a task's section -------------------------------------------------------------------------------------------------------

def group(study):
    """(order, title) of the section that a study is in."""
    task = study.about.get("task", {})
    if task.get("task") == "modular":
        modulus = int(task.get("task.modulus", 113))
        return 2 + (modulus < 113), f"Modular addition, p = {modulus}"
    if task.get("task") == "histogram":
        return 4, "Histogram"
    return (1, "The sum of two numbers") if task.get("task.operands") == "2" else (0, f"Addition, n + {task.get('task.addend', 7)}")


def sections_of(studies):
    groups = {}
    for study in studies:
        groups.setdefault(group(study), []).append(study)
    return [(name, members) for (_, name), members in sorted(groups.items())]


def overview_part(studies):
    rows = []
    for study in studies:
        _, of, far = compared([study])
        rows.append([link(study), re.split(r"(?<=[.?]) ", title(study))[0], runs(study), *(study.count(verdict) for verdict in VERDICTS), f"{far} of {of}" if of else "–"])
    return words.table(["study", "what", "runs", *VERDICTS, "apart from the published"], rows, range(2, 7))


def claim_row(study, claim):
    verdict = claim["verdict"] if claim["verdict"] == "undecided" else f"**{claim['verdict']}**"
    what = f"{words.metric(claim['metric'])}: {words.selector(claim['compare'])} against {words.selector(claim['against'])}"
    return [claim["claim"], verdict, found(claim), claim["expect"], what, words.p_value(claim["p (Holm)"]), seeds(claim), needed(claim), link(study)]


def claims_part(studies):
    rows = [claim_row(study, claim) for study in studies for claim in study.claims]
    head = ["claim", "verdict", "found", "expected", "of what", "p (Holm)", "n", "n needed", "study"]
    return ["### Claims\n", words.table(head, rows, (5, 6, 7))] if rows else []


def steps_row(study, row, cell):
    theirs = words.published(cell, "") if cell.get("published n_runs") else "–"
    return [link(study), words.arm(row.keys), f"{cell['n']} of {cell['n_runs']}", words.number(cell["median"]), words.interval(cell["low"], cell["high"]) or "–", theirs]


def steps_part(studies):
    """Time to grok: every arm once, of the table that has published numbers beside it where there is one."""
    rows, metric = [], "curve.clean.steps_to_99"
    for study in studies:
        tables = [table for table in study.tables if metric in table.units]
        if tables:
            best = max(tables, key=lambda table: sum(bool(row.cells[metric].get("published n_runs")) for row in table.rows))
            rows += [steps_row(study, row, row.cells[metric]) for row in best.rows]
    head = ["study", "arm", "reached 99 %", "median steps", "95 %", "published mean (k of n)"]
    return ["### Steps to 99 % of the test pairs\n", words.table(head, rows, (2, 3, 4, 5))] if rows else []


def published_row(studies, table, rows, metric, cell):
    unit = table.units[metric]
    points = "pp" if unit == "%" else unit
    how, far = judged(cell)
    text = {"": "–", "z": words.number(cell.get("z"), signed=True), "p": f"p {words.p_value(cell.get('p of the shares'))}",
            "interval": "outside" if far else "inside"}[how]
    return [min((words.arm(row.keys) for row in rows), key=len), words.with_unit(metric, unit), words.published(cell, unit), words.value(cell, unit),
            words.number(cell.get("ours - published"), points, True), f"**{text}**" if far else text, ", ".join(map(link, studies))]


def published_part(studies):
    rows = [published_row(*place) for place in published_once(studies)]
    head = ["arm", "what", "published", "ours", "ours - published", "z, p or place", "studies"]
    return ["### Beside the published numbers\n", "± is the sd with n - 1. z where a spread was published; p: Fisher's, of the shares of seeds that got "
            "there; else whether the published number, to its digits, is inside our 95 % interval. Bold: apart.\n\n" + words.table(head, rows, (2, 3, 4, 5))] if rows else []


def section(name, studies):
    leads = [study for study in studies if study.name in LEADS]
    numbers = [text for study in leads for table in study.tables for text in (f"#### {table.name}\n", *turned(table, brief=True))]
    return [f"## {name}\n", overview_part(studies), *claims_part(studies), *steps_part(studies),
            *(["### Numbers of the main studies\n", *numbers] if numbers else []), *published_part(studies)]


# -- a table turned, so that it is as long as its metrics and as wide as its arms --------------------------------------------

WIDEST = 6
CHANGES = ("difference", "redistribution", "slope")


def change_row(rows, metric, unit, changes):
    """What follows a metric: its difference from the baseline, or its slope."""
    for change in changes:
        cells = [row.cells[metric] for row in rows]
        if any(cell.get(change) for cell in cells):
            return [f"– {change}", *(f"{words.number(c[change], unit, True)} {words.interval(c[f'{change} low'], c[f'{change} high'], unit, True)}".strip()
                                     if c.get(change) else "–" for c in cells)]
    return None


def turned_rows(table, rows, brief):
    yield ["seeds", *(row.counts["seeds"] + ("*" if row.counts.get("partial") == "yes" else "") for row in rows)]
    if not brief and "params_total" in rows[0].counts:
        yield ["parameters", *(row.counts["params_total"] for row in rows)]
        yield ["parameters met by a token", *(row.counts["params_active"] for row in rows)]
    for metric, unit in table.units.items():
        if brief and ".floor." in metric:
            continue
        yield [words.with_unit(metric, unit), *(words.value(row.cells[metric], unit) for row in rows)]
        change = change_row(rows, metric, "pp" if unit == "%" else unit, ("redistribution",) if brief else CHANGES)
        if change:
            yield change


def turned(table, brief=False):
    texts = []
    for first in range(0, len(table.rows), WIDEST):
        rows = table.rows[first:first + WIDEST]
        texts.append(words.table(["", *(words.arm(row.keys) for row in rows)], list(turned_rows(table, rows, brief)), range(1, len(rows) + 1)))
    return texts


# -- the page of one study --------------------------------------------------------------------------------------------------

def exact_claims(study):
    rows = [[c["claim"], c["verdict"], found(c), c["expect"], c["test"], words.p_value(c["p (Holm)"]), words.p_value(c["p"]), seeds(c), needed(c),
             words.number(c["Hedges g"]), words.number(c["Cliff delta"]), f"`{c['metric']}`", c["compare"], c["against"]] for c in study.claims]
    head = ["claim", "verdict", "found", "expected", "test", "p (Holm)", "p", "n", "n needed", "Hedges g", "Cliff delta", "metric", "compare", "against"]
    return ["## Claims\n", words.table(head, rows, range(5, 11))] if rows else []


def agreement_part(study):
    if not study.agreement:
        return []
    names = list(study.agreement[0])
    keys = list(itertools.takewhile(lambda name: name != "checkpoint", names))
    rows = [[words.arm([(key, row[key]) for key in keys if row[key]]), row["checkpoint"], row["runs"],
             *(words.number(str(100 * float(row[name])), "%") for name in ("agreement", "chance")), words.number(row["corrected"])] for row in study.agreement]
    return ["## Do seeds route alike?\n", words.table(["arm", "checkpoint", "runs", "agreement, %", "by chance, %", "corrected"], rows, range(2, 6))]


def study_page(study):
    a = study.about
    state = f"{study.about['state'].capitalize()}: {runs(study)} runs, {a['core_hours']:.3g} core-hours, {a['wall_hours']:.3g} hours on {counted(a['workers'], 'worker')}."
    tables = [text for table in study.tables for text in (f"## {table.name}\n", *turned(table))]
    return "\n".join([f"# {study.name}\n", title(study) + "\n", f"`{a['command']}`\n", state + (f" {a['note'][:1].upper()}{a['note'][1:]}." if a["note"] else "") + "\n",
                      *exact_claims(study), *tables, *agreement_part(study),
                      "Means ± sd (n - 1) over seeds. The .md beside this page have every interval, the counts that were matched and the notes of each table; "
                      "the .csv have all digits. [All findings](../../FINDINGS.md).\n"])


# -- the page of all --------------------------------------------------------------------------------------------------------

def cost_part(studies):
    rows, plans = [], {plan["sweep"]: plan["predicted_core_hours"] for plan in read_csv(RESULTS / "plans.csv")}
    for study in studies:
        a = study.about
        cpu = "–" if a["cpu_hours"] is None else words.number(str(a["cpu_hours"]))
        rows.append([link(study), f"`{a['command']}`", runs(study), words.number(str(a["core_hours"])), words.number(plans.get(a["sweep"], "")), cpu, words.number(str(a["wall_hours"])), a["workers"], a["result_version"]])
    notes = [f"* {study.name}: {study.about['note']}\n" for study in studies if study.about["note"]]
    head = ["study", "command", "runs", "core-hours", "predicted for all runs", "CPU hours", "wall hours", "workers", "result version"]
    text = ("\nCore-hours are the time of the runs on their workers; a run that several studies share counts in each. A run that was stopped and resumed "
            "may have its last part alone there: only since 27 November 2026 are all parts recorded. Wall hours are the runs of the busiest worker.\n")
    return words.table(head, rows, range(2, 9)) + text + "".join(["\n", *notes] if notes else [])


def left_part():
    rows = [[f"`{p['sweep']}`", p["runs"], p["predicted_core_hours"]] for p in read_csv(RESULTS / "plans.csv") if not (RESULTS / Path(p["sweep"]).stem).is_dir()]
    return words.table(["sweep file", "runs", "predicted core-hours"], rows, (1, 2)) if rows else "Every sweep file was run.\n"


def page(studies):
    sections = [text for name, members in sections_of(studies) for text in section(name, members)]
    return "\n".join([
        "# Findings\n",
        "What came out of the studies of sweeps/paper (arXiv 2605.09403) and of sweeps/extended (what that paper leaves open). Generated by `analysis/findings.py` "
        "from the tables in `analysis/results/`; every number is a table's.\n",
        "## In short\n", short_part(studies), "## How to read this\n", READING, *sections,
        "## Where models land\n", "[map.md](map.md): how alike the streams of all runs are, of a sweep of 216 runs and of the headline.\n",
        "## What it took\n", cost_part(studies), "## Not run\n", left_part()])


def main():
    studies = read_studies()
    pages = {PAGE: page(studies), **{RESULTS / study.name / "README.md": study_page(study) for study in studies}}
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    for path, text in pages.items():
        if not sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what analysis/results/ gives: run analysis/findings.py")


if __name__ == "__main__":
    main()
