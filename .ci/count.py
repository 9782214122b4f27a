"""Counts TAP subtests (and whole tests where a program prints no TAP) of a meson test log; skips are neither.

usage: count.py TESTLOG.json CODE, where CODE is the exit code of the commands that wrote the log.
Prints "N passed, N failed" and exits 1 when something failed.
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


def main(path, code):
    try:
        with open(path, encoding="utf-8") as log:
            counts = [count(json.loads(line)) for line in log]
    except OSError:
        counts = []
    passed, failed = (sum(column) for column in zip(*counts)) if counts else (0, 0)
    # Nothing was counted although a step failed: the build itself.
    if code != 0 and failed == 0:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
