#!/bin/sh
# A sweep of 60 short runs under a loop of faults, from a seed that is printed: workers are killed, stopped and continued, the master,
# mpirun and the launcher killed, a stop is asked, the journal's tail cut and flipped, the file system filled; and every time the same
# command goes on. At the end: the tables of an undisturbed sweep, every run recorded once, none lost, nothing recorded ever changed.
#
#   CHAOS_SEED=N CHAOS_FAULTS=N chaos.sh GRIDSHIFT
. "$(dirname "$0")/../cli/lib.sh"
. "$root/tests/mpi/ranks.sh"
seed=${CHAOS_SEED:-$(date +%s)}
number=${CHAOS_FAULTS:-10}
runs=60
steps=60
[ "$number" -gt 20 ] && steps=300 # or the sweep is done before the faults are
tiny chaos $steps 'dense, glu, moe' 20 | sed 's/d_model: 16/d_model: 64/; s/batch: 16/batch: 128/; s/eval.every: 5/eval.every: 20/; s/^  eval/  train.checkpoint_minutes: 0.002\n  eval/' >chaos.yaml
echo "# CHAOS_SEED=$seed CHAOS_FAULTS=$number"

# "KIND MOMENT WHO SIZE" a line: seconds to wait before it, a number that picks a worker, one that says how much.
awk -v seed="$seed" -v n=$((number * 3)) 'BEGIN {
    srand(seed)
    kinds = split("kill kill kill stop stop pause pause pause master master mpirun launcher ask ask flip flip cut cut fill", kind, " ")
    for (i = 0; i < n; i++) printf "%s %.2f %d %d\n", kind[1 + int(kinds * rand())], 1.2 * rand(), int(1000 * rand()), int(1000 * rand())
}' >faults.txt

small=$work/small
mkdir "$small"
if mount -t tmpfs -o size=8m chaos "$small" 2>mount.txt; then
    trap 'umount "$small"; rm -rf "$work"' EXIT
    can_fill=true
else
    echo "# no full file system: mount needs root ($(cat mount.txt))"
    can_fill=false
fi
dir=$small/d
faults=0
sessions=0
happened=''

note() {
    faults=$((faults + 1))
    happened="$happened $1"
}
over() { gone "$pid"; }
ready_or_over() { over || all_there "$pid" $((workers + 1)) ranks.txt; }
# a_worker N: one that lives.
a_worker() { ranks_of "$pid" | awk -v n="$1" '$1 + 0 > 0 { at[k++] = $2 } END { if (k) print at[n % k] }'; }
signal() { [ -n "$2" ] && kill "-$1" "$2" 2>/dev/null; }
wait_over() {
    until_ok over || return 1
    wait "$pid"
    code=$?
    until_ok all_gone ranks.txt
}
# flip N: one byte within the last half kilobyte becomes another one; cut N: up to a kilobyte of the end goes.
damage() {
    [ -s "$dir/journal.jsonl" ] || return 1
    python3 - "$dir/journal.jsonl" "$1" "$2" <<'PY'
import sys
path, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = bytearray(open(path, "rb").read())
if kind == "cut":
    del data[-(1 + n % min(1024, len(data))):]
else:
    data[-(1 + n % min(512, len(data)))] ^= 1 << n % 8
open(path, "wb").write(data)
PY
}
fill() { ! dd if=/dev/zero of="$small/filler" bs=4k 2>/dev/null; }
# One fault -> 0: the session goes on; 1: it is over; 2: it is over, and the journal is damaged; 3: it lost something.
strike() {
    case $1 in
    kill) signal KILL "$(a_worker "$3")" && note kill ;;
    stop) signal STOP "$(a_worker "$3")" && note stop ;;
    pause)
        worker=$(a_worker "$3")
        signal STOP "$worker" && sleep "0.$4" && note pause && signal CONT "$worker"
        ;;
    master) signal KILL "$(pid_of 0 ranks.txt)" && note master && wait_over && return 1 ;;
    mpirun) signal KILL "$(pid_of mpirun ranks.txt)" && note mpirun && wait_over && return 1 ;;
    launcher) signal KILL "$pid" && note launcher && wait_over && return 1 ;;
    ask) signal INT "$pid" && note ask && wait_over && return 1 ;;
    flip | cut)
        signal KILL "$(pid_of 0 ranks.txt)"
        wait_over && kept || return 3
        damage "$1" "$4" && note "$1"
        return 2
        ;;
    fill)
        "$can_fill" || return 0
        fill
        note fill
        wait_over
        rm -f "$small/filler"
        return 1
        ;;
    esac
    return 0
}
# What was recorded before the session is still there, but for a line that had no end.
kept() {
    sound=$(python3 -c 'import sys; print(open(sys.argv[1], "rb").read().rfind(b"\n") + 1)' before.jsonl)
    head -c "$sound" "$dir/journal.jsonl" | cmp -n "$sound" - before.jsonl
}
session() {
    sessions=$((sessions + 1))
    workers=$((2 + sessions % 2))
    mkdir -p "$dir" && touch "$dir/journal.jsonl" && cp "$dir/journal.jsonl" before.jsonl
    : >ranks.txt
    "$gridshift" run -q --np $workers --lost-after 4 --retry failed -o "$dir" chaos.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    until_ok ready_or_over || return 1
    while [ $faults -lt "$number" ] && read -r kind moment who size <&3; do
        sleep "$moment"
        over && break
        strike "$kind" "$moment" "$who" "$size"
        case $? in
        1) kept; return ;;
        2) return 0 ;;
        3) return 1 ;;
        esac
    done
    wait_over && kept || return 1
    case $code in
    0 | 75 | 3 | 1) return 0 ;;
    esac
    echo "exit code $code after:$happened"
    cat err.txt
    return 1
}
# When everything is done too early, the journal loses its end, and there is something to do again.
chaos() {
    code=75
    while [ $faults -lt "$number" ] || [ "$code" != 0 ]; do
        session || return 1
        if [ "$code" = 0 ] && [ $faults -lt "$number" ]; then
            for _ in 1 2 3 4 5 6 7 8; do damage cut 1023; done
            note cut
            code=75
        fi
        [ $sessions -lt $((20 + 3 * number)) ] || { echo "no end after $sessions sessions:$happened"; return 1; }
    done 3<faults.txt
    echo "$faults faults:$happened" >summary.txt
}
# Sound lines of finished runs: each id once.
once() {
    python3 - "$dir/journal.jsonl" $runs <<'PY'
import collections, json, sys, zlib
seen = collections.Counter()
for line in open(sys.argv[1], "rb").read().split(b"\n"):
    crc, _, text = line.partition(b" ")
    try:
        record = json.loads(text) if int(crc, 16) == zlib.crc32(text) else None
    except ValueError:
        record = None
    if record and record["status"] == "done":
        seen[record["id"]] += 1
assert len(seen) == int(sys.argv[2]) and set(seen.values()) == {1}, seen
PY
}
whole() { code 0 "$gridshift" run --np 2 -o whole chaos.yaml; }
ok 'an undisturbed sweep' whole
ok "$number faults, and the same command again and again" chaos
ok 'every run is recorded once, none is lost' once
ok 'the tables are those of the undisturbed sweep' same whole "$dir"
sort_of() { tr ' ' '\n' <summary.txt | sed 1,2d | sort | uniq -c | awk '{ printf "%s %s, ", $1, $2 }'; }
[ -e summary.txt ] && echo "# $faults faults in $sessions sessions: $(sort_of)"
finish
