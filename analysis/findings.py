#!/usr/bin/env python3
"""Writes analysis/FINDINGS.md from analysis/results/: what came out of the studies, in one page.

usage: analysis/findings.py [--check]    --check: compares with the page that is there, and writes nothing

No statistic is computed here: every number is one of the tables that gridshift wrote, printed with fewer digits.
"""
import csv
import itertools
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE / "FINDINGS.md"
VERDICTS = ("supported", "contradicted", "undecided")
VERDICT_WORDS = """A claim stands in the sweep file before the runs, with its test; p is corrected by Holm over the claims of its file. *Undecided* is a
result: the seeds do not decide it, and `n needed` is how many would with a power of 0.8, if what was seen is so.
"""
FAR = 2  # |z| from which a published mean and ours are called apart


def read_csv(path):
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_studies():
    """The studies, those of sweeps/paper first: study.json, its name, its claims, its published numbers."""
    studies = []
    for path in RESULTS.glob("*/study.json"):
        study = json.loads(path.read_text(encoding="utf-8"))
        study["name"] = path.parent.name
        study["claims"] = read_csv(path.parent / "claims.csv")
        study["published"] = [row for table in sorted(path.parent.glob("*.csv")) for row in published_rows(table)]
        studies.append(study)
    return sorted(studies, key=lambda s: (not s["sweep"].startswith("sweeps/paper/"), s["sweep"]))


def without_unit(column):
    return re.sub(r" \([^()]*\)$", "", column)


def published_rows(path):
    """The cells of one table that have a published mean: the arm, the metric, and both means with what lies between them."""
    for row in read_csv(path):
        percent = {without_unit(column) for column in row if column.endswith(" (%)")}
        cells = {without_unit(column): text for column, text in row.items()}
        keys = list(itertools.takewhile(lambda column: column != "params_total", cells))
        for column in cells:
            metric = column.removesuffix(" published mean")
            if metric != column and cells[column]:
                yield {"arm": ", ".join(f"{key.split('.')[-1]} {cells[key]}" for key in keys if cells[key]), "metric": metric, "table": path.stem,
                       "unit": " %" if column in percent else "", "published": cells[column], "published_sd": cells[f"{metric} published sd"],
                       "ours": cells[f"{metric} mean"], "ours_sd": cells[f"{metric} sd"], "n": cells[f"{metric} n"], "z": cells[f"{metric} z"],
                       "difference": cells[f"{metric} ours - published"]}


# -- words --------------------------------------------------------------------------------------------------------------

def number(text, digits=2):
    return f"{float(text):.{digits}f}" if text else "–"


def signed(text, digits=2):
    return f"{float(text):+.{digits}f}" if text else "–"


def p_value(text):
    if not text:
        return "–"
    return f"{float(text):.3f}" if float(text) >= 0.001 else f"{float(text):.1e}"


def table(head, rows, right=()):
    rule = ["--:" if k in right else "---" for k in range(len(head))]
    lines = [" | ".join(map(str, row)) for row in [head, rule, *rows]]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def link(study):
    return f"[{study['name']}](results/{study['name']}/)" + ("" if study["state"] == "whole" else " (partial)")


# -- parts of the page --------------------------------------------------------------------------------------------------

def studies_part(studies):
    rows = []
    for s in studies:
        runs = str(s["done"]) if s["done"] == s["planned"] else f"{s['done']} of {s['planned']}"
        cpu = "–" if s["cpu_hours"] is None else number(s["cpu_hours"], 3)
        rows.append([link(s), f"`{s['command']}`", runs + (f", {s['failed']} failed" if s["failed"] else ""), number(s["core_hours"], 3), cpu,
                     number(s["wall_hours"], 3), s["workers"], s["result_version"], s["state"]])
    notes = [f"* {s['name']}: {s['note']}\n" for s in studies if s["note"]]
    head = ["study", "command", "runs", "core-hours", "CPU hours", "wall hours", "workers", "result version", "state"]
    return table(head, rows, range(2, 8)) + ("\n" + "".join(notes) if notes else "")


def claim_row(study, c):
    unit = f" {c['unit']}" if c["unit"] else ""
    found = f"{signed(c['estimate'])} [{signed(c['estimate low'])}, {signed(c['estimate high'])}]{unit}"
    seeds = c["n_compare"] if c["n_compare"] == c["n_against"] else f"{c['n_compare']} + {c['n_against']}"
    sides = f"{c['compare']} against {c['against']}"
    return [link(study), c["claim"], f"`{c['metric']}`: {sides}", c["expect"], found, c["test"], p_value(c["p (Holm)"]), seeds,
            c["n needed"] or "–"]


def claims_part(studies, title):
    """A section with a table for each verdict."""
    head = ["study", "claim", "of what", "expected", "found: difference [95 %]", "test", "p (Holm)", "n", "n needed"]
    parts = []
    for verdict in VERDICTS:
        rows = [claim_row(s, c) for s in studies for c in s["claims"] if c["verdict"] == verdict]
        parts += [f"### {verdict.capitalize()}: {len(rows)}\n", table(head, rows, (6, 7, 8))] if rows else []
    return [f"## {title}\n", *parts] if parts else []


def counts_part(studies):
    rows = []
    for s in studies:
        if s["claims"]:
            rows.append([link(s)] + [sum(c["verdict"] == v for c in s["claims"]) for v in VERDICTS])
    rows.append(["all"] + [sum(row[k] for row in rows) for k in (1, 2, 3)])
    return table(["study", *VERDICTS], rows, (1, 2, 3))


def mean_sd(mean, sd, unit):
    if not mean:
        return "–"
    return (f"{number(mean)} ± {number(sd)}" if sd else number(mean)) + unit


def published_row(study, cell):
    apart = cell["z"] and abs(float(cell["z"])) >= FAR
    return [link(study), cell["arm"], f"`{cell['metric']}`", mean_sd(cell["published"], cell["published_sd"], cell["unit"]),
            mean_sd(cell["ours"], cell["ours_sd"], cell["unit"]), cell["n"], signed(cell["difference"]),
            f"**{signed(cell['z'])}**" if apart else signed(cell["z"])]


def published_part(studies):
    cells = [(study, cell) for study in studies for cell in study["published"]]
    if not cells:
        return "None of the studies that were run has a published number.\n"
    z = [abs(float(cell["z"])) for _, cell in cells if cell["z"]]
    head = ["study", "arm", "metric", "published", "ours", "n", "ours - published", "z"]
    return (f"{len(cells)} published means stand beside ours, {len(z)} of them with a spread, so that there is a z; {sum(x >= FAR for x in z)} of these are "
            f"apart by |z| >= {FAR} (bold). ± is the sd with n - 1.\n\n" + table(head, [published_row(*pair) for pair in cells], (3, 4, 5, 6, 7)))


def left_part(studies):
    have = {s["sweep"] for s in studies}
    rows = [[f"`{p['sweep']}`", p["runs"], p["predicted_core_hours"]] for p in read_csv(RESULTS / "plans.csv") if p["sweep"] not in have]
    return table(["sweep file", "runs", "predicted core-hours"], rows, (1, 2)) if rows else "Every sweep file was run.\n"


def page(studies):
    of_paper = [s for s in studies if s["sweep"].startswith("sweeps/paper/")]
    ours = [s for s in studies if s not in of_paper]
    return "\n".join([
        "# Findings\n",
        "What came out of the studies, generated by `analysis/findings.py` from the tables in `analysis/results/`; every number is a table's.\n",
        "## What was run\n", studies_part(studies), "## Verdicts\n", VERDICT_WORDS, counts_part(studies),
        *claims_part(of_paper, "Claims of the paper"), *claims_part(ours, "What the paper leaves open"),
        "## Published numbers beside ours\n", published_part(studies),
        "## Where models land\n", "[map.md](map.md): how alike the streams of all runs are, of a sweep of 216 runs and of the headline.\n", "## Not run\n", left_part(studies)])


def main():
    text = page(read_studies())
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit("analysis/FINDINGS.md is not what analysis/results/ gives: run analysis/findings.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
