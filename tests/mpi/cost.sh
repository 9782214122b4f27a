#!/bin/sh
# What protection costs: a sweep with it and without it (--unprotected and no checkpoints), in pairs whose order alternates -> the
# ratio of the wall times with its 95 % interval, and of the processor times. Not a test: run it on a machine that does nothing else.
#
#   cost.sh GRIDSHIFT [PAIRS [SWEEP [OPTION...]]]
set -eu
gridshift=$(realpath "$1")
pairs=${2:-10}
sweep=$(realpath "${3:-$(dirname "$0")/../../sweeps/paper/headline.yaml}")
[ $# -gt 3 ] && shift 3 || set -- --set train.steps=1000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# once NAME OPTION...: "wall user+system" in seconds, into NAME.txt.
once() {
    name=$1
    shift
    rm -rf dir
    python3 - "$gridshift" run -q -o dir "$sweep" "$@" >>"$name.txt" <<'PY'
import os, subprocess, sys, time
began, before = time.monotonic(), os.times()
subprocess.run(sys.argv[1:], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
after = os.times()
print(time.monotonic() - began, after.children_user + after.children_system - before.children_user - before.children_system)
PY
}
on() { once on "$@"; }
off() { once off "$@" --unprotected --set train.checkpoint_minutes=0; }
pair=0
while [ $pair -lt "$pairs" ]; do
    if [ $((pair % 2)) = 0 ]; then on "$@" && off "$@"; else off "$@" && on "$@"; fi
    pair=$((pair + 1))
done
python3 - <<'PY'
import math
on, off = ([[float(x) for x in line.split()] for line in open(name)] for name in ("on.txt", "off.txt"))
T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262, 11: 2.228, 12: 2.201, 13: 2.179, 14: 2.160,
     15: 2.145, 16: 2.131, 18: 2.110, 20: 2.093}
for what, k in (("wall", 0), ("processor", 1)):
    logs = [math.log(a[k] / b[k]) for a, b in zip(on, off)]
    n = len(logs)
    mean = sum(logs) / n
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = T.get(n, 2.1) * sd / math.sqrt(n)
    middle = lambda rows: sorted(r[k] for r in rows)[n // 2]
    print(f"{what} time on/off: {math.exp(mean):.4f}, 95 % interval [{math.exp(mean - half):.4f}, {math.exp(mean + half):.4f}], {n} pairs; "
          f"medians {middle(on):.2f} s and {middle(off):.2f} s")
PY
