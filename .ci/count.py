"""Counts TAP subtests (and whole tests where a program prints no TAP) of a meson test log; skips are neither.

usage: count.py TESTLOG.json CODE [AGAIN.json], where CODE is the exit code of the commands that wrote the log, and AGAIN.json the log of
a second try of the tests that failed; it takes their place.
Prints "N passed, N failed" and exits 1 when something failed.
       count.py --failed TESTLOG.json prints the names of the tests that failed.
"""
import json
import re
import sys

LINE = re.compile(r"^(not )?ok\b(?!.*# *SKIP)", re.MULTILINE | re.IGNORECASE)


def count(test):
    """One test of the log -> (passed, failed)."""
    if test["result"] in ("SKIP", "IGNORED"):
        return 0, 0
    fine = test["result"] in ("OK", "EXPECTEDFAIL")
    found = LINE.findall(test.get("stdout", ""))
    passed, failed = found.count(""), len(found) - found.count("")
    if not found:
        return int(fine), int(not fine)
    # A program that died after its last "ok" line failed all the same.
    return passed, failed if fine else max(failed, 1)


def read(path):
    """A log -> its tests by name; none without a log."""
    try:
        with open(path, encoding="utf-8") as log:
            return {test["name"]: test for test in map(json.loads, log)}
    except OSError:
        return {}


def failed(path):
    for name, test in read(path).items():
        if test["result"] not in ("OK", "SKIP", "IGNORED", "EXPECTEDFAIL"):
            print(name.split(" / ")[-1].strip())


def main(path, code, again=None):
    tests = read(path)
    second = read(again) if again else {}
    for name, test in second.items():
        print(f"second try: {name.split(' / ')[-1].strip()} {test['result']}")
    counts = [count(test) for test in {**tests, **second}.values()]
    passed, wrong = (sum(column) for column in zip(*counts)) if counts else (0, 0)
    # Nothing was counted although a step failed: the build itself.
    if code != 0 and wrong == 0:
        wrong = 1
    print(f"{passed} passed, {wrong} failed")
    return int(wrong != 0)


if __name__ == "__main__":
    if sys.argv[1] == "--failed":
        failed(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
