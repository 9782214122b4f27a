"""What collect.py left in analysis/results/: study.json and the tables of each study, as they are. Nothing is computed here."""
import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
FAR = 2  # |z| from which a published mean and ours are called apart
VERDICTS = ("supported", "contradicted", "undecided")
COUNTS = ("params_total", "params_active", "flops_per_token", "mismatch", "seeds", "partial")  # columns between the keys and the metrics


@dataclass
class Row:
    keys: list  # [(name, text)], those that the arm has
    counts: dict
    cells: dict = field(default_factory=dict)  # metric -> {part: text}: mean or median, sd, low, high, n, n_runs, ...


@dataclass
class Table:
    name: str
    rows: list
    units: dict  # metric -> its unit


@dataclass
class Study:
    name: str
    about: dict  # study.json
    claims: list
    tables: list
    agreement: list  # of routing between seeds

    @property
    def whole(self):
        return self.about["state"] == "whole"

    def count(self, verdict):
        return sum(claim["verdict"] == verdict for claim in self.claims)

    def published(self):
        """[(table, row, metric, cell)] of the cells that have a published number."""
        return [(table, row, metric, cell) for table in self.tables for row in table.rows for metric, cell in row.cells.items()
                if cell.get("published mean") or cell.get("published n_runs")]


def read_csv(path):
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def split_unit(column):
    match = re.fullmatch(r"(.*?)(?: \(([^()]*)\))?", column)
    return match[1], match[2] or ""


def read_row(record, units):
    row = Row([], {})
    for column, text in record.items():
        name, unit = split_unit(column)
        metric, _, part = name.partition(" ")
        if name in COUNTS:
            row.counts[name] = text
        elif not row.counts:
            row.keys += [(name, text)] if text else []
        else:
            row.cells.setdefault(metric, {})[part] = text
            if part in ("mean", "median"):
                units[metric] = unit
    return row


def read_table(path):
    """A comparison or a scaling table; None: another kind."""
    records, units = read_csv(path), {}
    if not records or path.stem.endswith("_matching") or "seeds" not in records[0]:
        return None
    return Table(path.stem, [read_row(record, units) for record in records], units)


def read_study(path):
    folder = path.parent
    tables = [read_table(file) for file in sorted(folder.glob("*.csv"))]
    return Study(folder.name, json.loads(path.read_text(encoding="utf-8")), read_csv(folder / "claims.csv"), [t for t in tables if t],
                 read_csv(folder / "routing_agreement.csv"))


def read_studies():
    """Those of sweeps/paper first."""
    studies = [read_study(path) for path in RESULTS.glob("*/study.json")]
    return sorted(studies, key=lambda s: (not s.about["sweep"].startswith("sweeps/paper/"), s.about["sweep"]))


def published_once(studies):
    """[(studies, table, rows, metric, cell)]: studies that share runs have the same number beside the same published one, which is told
    once. Their rows are the same runs by other keys."""
    places = {}
    for study in studies:
        for table, row, metric, cell in study.published():
            counts = [row.counts.get(name) for name in COUNTS[:3]]
            same = (metric, *counts, *(cell.get(part) for part in ("published mean", "published n", "mean", "median", "low", "n", "n_runs")))
            studies_of, _, rows, *_ = places.setdefault(same, ([], table, [], metric, cell))
            studies_of.append(study)
            rows.append(row)
    return list(places.values())


def outside(cell):
    """A published mean without a spread, to the digits that it was given with, lies outside our 95 % interval; None: there is no interval."""
    theirs, low, high = cell.get("published mean"), cell.get("low"), cell.get("high")
    if "median" in cell or not (theirs and low and high) or cell.get("published sd"):
        return None
    digits = f"{float(theirs):.6g}".partition(".")[2]
    half = 0.5 * 10 ** -len(digits)
    return not float(low) - half <= float(theirs) <= float(high) + half


def judged(cell):
    """(how the published number and ours are held against each other, are they apart); ("", False): they cannot be."""
    z, p = cell.get("z"), cell.get("p of the shares")
    if z:
        return "z", abs(float(z)) >= FAR
    if p:
        return "p", float(p) < 0.05
    return ("", False) if outside(cell) is None else ("interval", outside(cell))
