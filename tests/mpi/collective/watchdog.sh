#!/bin/sh
# usage: watchdog.sh PROGRAM: 3 ranks, one of which hangs; with and without --enable-recovery.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The code of the job is in the status file, as `gridshift run` reads it.
stuck() {
    : >"$work/status"
    GRIDSHIFT_STATUS=$work/status timeout 120 mpirun --quiet -n 3 "$@" >"$work/out" 2>"$work/err" </dev/null
    if grep -q 'rank 0 on .*: stuck for 2 s in a sum over the ranks' "$work/err" && grep -q 'tables are safe' "$work/err" && grep -qx 'code 75' "$work/status"; then
        return 0
    fi
    cat "$work/out" "$work/err" "$work/status"
    return 1
}

echo 1..2
code=0
stuck "$1" && echo 'ok 1 - a hanging rank ends the others' || { echo 'not ok 1 - a hanging rank ends the others'; code=1; }
stuck --enable-recovery "$1" && echo 'ok 2 - under recovery too' || { echo 'not ok 2 - under recovery too'; code=1; }
exit $code
