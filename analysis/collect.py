#!/usr/bin/env python3
"""Takes the small tables of a results folder into analysis/results/, beside what it took to make them.

usage: analysis/collect.py [options] SWEEP DIR    tables and study.json of one study
       analysis/collect.py [options] --plans      plans.csv: what every sweep file would take, by gridshift's own prediction

SWEEP must plan the runs that DIR was made for (its tables and claims may be newer), and the records be of this gridshift's result version: then
the same command makes the same tables again. DIR is only read, so that it may be at work. A study that is not done is taken as partial, with the
tables of the seeds that are there.
"""
import argparse
import collections
import csv
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "analysis" / "results"
LARGEST = 400_000  # bytes of a table; what is larger stays in the folder of the runs


def call(*words):
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"collect: `{' '.join(map(str, words))}` ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def found(pattern, text, what):
    match = re.search(pattern, text)
    if not match:
        sys.exit(f"collect: no {what} in:\n{text}")
    return match


def from_root(path):
    return Path(path).resolve().relative_to(ROOT).as_posix()


def result_version(gridshift):
    return int(found(r"results version (\d+)", call(gridshift, "doctor"), "results version")[1])


def progress(gridshift, folder):
    """{planned, done, failed, left}: of the runs whose ids this gridshift computes, so of its result version."""
    numbers = found(r": (\d+) runs: (\d+) done, (\d+) failed, (\d+) left", call(gridshift, "status", folder), "count of runs")
    return dict(zip(("planned", "done", "failed", "left"), map(int, numbers.groups())))


def about(sweep):
    """What the file says of itself: the comment on top without its cost, and the task's defaults."""
    text = sweep.read_text(encoding="utf-8")
    top = " ".join(line.lstrip("# ") for line in text[:text.find("sweep:")].splitlines())
    task = {key: value for key, value in re.findall(r"\b(task(?:\.\w+)*): *([^\s,{}\[\]]+)", text)}
    return {"title": re.sub(r"\s*\b\d+ runs(:| of [\d,]+ steps).*", "", top).strip(), "task": task}


def timings(folder):
    """Core-hours: the time of all runs. Wall: the longest time that one worker computed."""
    workers = collections.Counter()
    with open(folder / "timings.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            workers[row["host"], row["rank"]] += float(row["wall_s"])
    seconds = list(workers.values()) or [0]
    return {"workers": len(workers), "core_hours": round(sum(seconds) / 3600, 4), "wall_hours": round(max(seconds) / 3600, 4)}


def command_of(sweep, folder):
    return " ".join(["gridshift run", from_root(sweep)] + [f"--set {word}" for word in set_words(folder)])


def planned_ids(gridshift, spec, words):
    rows = csv.DictReader(io.StringIO(call(gridshift, "plan", "--partial", "--csv", *(part for word in words for part in ("--set", word)), spec)))
    return {row["id"] for row in rows}


def set_words(folder):
    return [word for word in (folder / "set.txt").read_text(encoding="utf-8").split("\n") if word]


def take(options, sweep, folder, copy):
    """The records of a folder and today's sweep file, in a folder of their own."""
    words = set_words(folder)
    if planned_ids(options.gridshift, sweep, words) != planned_ids(options.gridshift, folder / "spec.yaml", words):
        sys.exit(f"collect: {folder}/spec.yaml plans other runs than {sweep}. Run the sweep again: runs that are done are not repeated.")
    for path in [*folder.glob("journal*.jsonl"), folder / "set.txt"]:
        shutil.copyfile(path, copy / path.name)
    shutil.copyfile(sweep, copy / "spec.yaml")
    if (folder / "runs").exists():
        (copy / "runs").symlink_to((folder / "runs").resolve())


def copy_tables(folder, target):
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in sorted((folder / "tables").iterdir()):
        if path.suffix in (".csv", ".md") and path.stat().st_size <= LARGEST:
            shutil.copyfile(path, target / path.name)


def collect(options):
    with tempfile.TemporaryDirectory() as copy:
        take(options, Path(options.sweep), Path(options.folder), Path(copy))
        collect_from(options, Path(options.sweep), Path(copy))


def collect_from(options, sweep, folder):
    runs = progress(options.gridshift, folder)
    if not runs["done"]:
        sys.exit(f"collect: {options.folder} has no run of result version {result_version(options.gridshift)}.")
    partial = runs["done"] < runs["planned"]
    call(options.gridshift, "tables", "-q", *(["--partial"] if partial else []), folder)
    target = RESULTS / sweep.stem
    copy_tables(folder, target)
    narrowed = bool(set_words(folder))
    study = {"sweep": from_root(sweep), **about(sweep), "command": command_of(sweep, folder), "state": "partial" if partial or narrowed else "whole", **runs,
             **timings(folder), "cpu_hours": options.cpu_hours, "result_version": result_version(options.gridshift), "note": options.note}
    (target / "study.json").write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")
    print(f"{from_root(target)}: {study['state']}, {runs['done']} of {runs['planned']} runs, {study['core_hours']} core-hours")


def plan(gridshift, sweep):
    text = call(gridshift, "plan", sweep)
    runs = found(r"\n(\d+) runs: ", text, "count of runs")
    hours = found(r"\(([\d.e+-]+) core hours\)", text, "prediction")
    return {"sweep": from_root(sweep), "runs": runs[1], "predicted_core_hours": hours[1]}


def collect_plans(options):
    rows = [plan(options.gridshift, sweep) for folder in ("paper", "extended") for sweep in sorted((ROOT / "sweeps" / folder).glob("*.yaml"))]
    RESULTS.mkdir(parents=True, exist_ok=True)
    with open(RESULTS / "plans.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{from_root(RESULTS / 'plans.csv')}: {len(rows)} sweep files")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", nargs="?")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--plans", action="store_true", help="what every sweep file would take")
    parser.add_argument("--gridshift", default=str(ROOT / "build" / "gridshift"), help="the program (default: build/gridshift)")
    parser.add_argument("--cpu-hours", type=float, help="processor time of the command, where it was measured")
    parser.add_argument("--note", default="", help="a sentence for the page of findings")
    options = parser.parse_args()
    if options.plans:
        collect_plans(options)
    elif options.folder:
        collect(options)
    else:
        parser.error("name SWEEP and DIR, or --plans")


if __name__ == "__main__":
    main()
