#!/usr/bin/env python3
"""Writes analysis/FINDINGS.md from analysis/results/: what came out of the studies, in one page.

usage: analysis/findings.py [--check]    --check: compares with the page that is there, and writes nothing

No statistic is computed here: every number is one of the tables that gridshift wrote, printed with fewer digits.
"""
import csv
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE / "FINDINGS.md"
VERDICTS = ("supported", "contradicted", "undecided")
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
        study["published"] = [row for table in sorted(path.parent.glob("*.csv")) for row in published_rows(study["name"], table)]
        studies.append(study)
    return sorted(studies, key=lambda s: (not s["sweep"].startswith("sweeps/paper/"), s["sweep"]))


def published_rows(name, path):
    """The cells of one table that have a published mean beside them."""
    for row in read_csv(path):
        keys = []
        for column in row:
            if column in ("params_total", "seeds"):
                break
            keys.append((column, row[column]))
        for column in row:
            if column.endswith(" published") and row[column]:
                metric = column.removesuffix(" published")
                yield {"study": name, "table": path.stem, "arm": ", ".join(v for _, v in keys if v), "metric": metric, "row": row}


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


def published_part(studies):
    rows = []
    for s in studies:
        for cell in s["published"]:
            row, m = cell["row"], cell["metric"]
            z = row[f"{m} z"]
            mark = "**apart**" if z and abs(float(z)) >= FAR else ""
            rows.append([link(s), cell["arm"], f"`{m}`", number(row[f"{m} published"]), number(row[f"{m} mean"]), signed(z), mark])
    apart = sum(bool(row[-1]) for row in rows)
    head = ["study", "arm", "metric", "published", "ours", "z", ""]
    words = f"{len(rows)} published means stand beside ours; {apart} of them are apart by |z| >= {FAR}.\n\n"
    return words + table(head, rows, (3, 4, 5)) if rows else "None of the studies that were run has a published number.\n"


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
        "## What was run\n", studies_part(studies), "## Verdicts\n", counts_part(studies),
        *claims_part(of_paper, "Claims of the paper"), *claims_part(ours, "What the paper leaves open"),
        "## Published numbers beside ours\n", published_part(studies), "## Not run\n", left_part(studies)])


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
