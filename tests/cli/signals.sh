#!/bin/sh
# Interrupted in the middle: stopped kindly, killed, and started twice.
. "$(dirname "$0")/lib.sh"
tiny slow "${SLOW_STEPS:-400}" 'dense, glu' 4 | sed 's/d_model: 16/d_model: 64/; s/batch: 16/batch: 128/; s/eval.every: 5/eval.every: 100/' >slow.yaml

# some DIR N: waits until N runs are in the journal.
some() {
    for _ in $(seq 600); do
        [ -e "$1/journal.jsonl" ] && [ "$(wc -l <"$1/journal.jsonl")" -ge "$2" ] && return 0
        sleep 0.05
    done
    echo "no $2 runs in $1 after 30 s"
    return 1
}
# interrupt SIGNAL DIR NP: starts a sweep, sends the signal to it after the first run, and leaves its exit code in $ended.
interrupt() {
    "$gridshift" run --np "$3" -o "$2" slow.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    some "$2" 1
    kill "-$1" $pid
    wait $pid
    ended=$?
}
incomplete() { [ "$(wc -l <"$1/journal.jsonl")" -lt 8 ] || { echo "$1 was finished before the signal"; return 1; }; }
whole() { code 0 "$gridshift" run --np 0 -o whole slow.yaml; }
kindly() { interrupt "$1" "$2" "$3" && cat err.txt && [ "$ended" = 75 ] && says err.txt 'The same command goes on' && incomplete "$2"; }
continues() { code 0 "$gridshift" run --np 2 -o "$1" slow.yaml && lines "$1/journal.jsonl" 8 && same whole "$1"; }
# at_once DIR NP: two signals end runs whose steps take minutes, so that no checkpoint is in sight.
at_once() {
    "$gridshift" run --np "$2" -o "$1" --set train.batch=1000000 --set model.layers=16 slow.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    some "$1" 0 && sleep 2 && kill -INT $pid && sleep 1 && { kill -INT $pid || true; } && began=$(date +%s)
    wait $pid
    [ $? = 75 ] && [ $(($(date +%s) - began)) -lt 60 ] && code 0 "$gridshift" status "$1" && says out.txt ' 0 done, 0 failed, 8 left'
}
killed() { interrupt KILL killed 2 && incomplete killed; }
# The ranks of a killed parent end within seconds; until then the folder is theirs.
released() {
    for _ in $(seq 100); do
        "$gridshift" run --np 2 -o killed slow.yaml >out.txt 2>err.txt && return 0
        sleep 0.2
    done
    cat out.txt err.txt
    return 1
}
continues_killed() { released && same whole killed; }
# children PID: its children, on one line.
children() { cat "/proc/$1/task/$1/children"; }
lost_worker() {
    "$gridshift" run --np 2 -o lost slow.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    some lost 1
    kill -KILL "$(children "$(children $pid | tr -d ' ')" | awk '{ print $NF }')"
    wait $pid
    [ $? = 0 ] && says err.txt 'is lost: its process is gone' && lines lost/journal.jsonl 8 && same whole lost
}
started_twice() {
    "$gridshift" run --np 2 -o twice slow.yaml >first.txt 2>&1 </dev/null &
    pid=$!
    some twice 1
    for np in 0 2; do
        code 2 "$gridshift" run --np $np -o twice slow.yaml && lines err.txt 1 && says err.txt 'on this host is writing this folder' || return 1
    done
    wait $pid && lines twice/journal.jsonl 8 && same whole twice
}
watched() {
    "$gridshift" run --np 2 -o watched slow.yaml >first.txt 2>&1 </dev/null &
    pid=$!
    some watched 1
    code 0 "$gridshift" status watched && says out.txt 'left' && cat out.txt && wait $pid
}

ok 'a whole run' whole
ok 'TERM to workers under mpirun: exit 75' kindly TERM term 2
ok 'it continues to the same tables' continues term
ok 'INT in one process: exit 75' kindly INT int 0
ok 'it continues to the same tables' continues int
ok 'a second INT to workers: at once, exit 75' at_once now2 2
ok 'a second INT in one process: at once, exit 75' at_once now0 0
ok 'kill -9' killed
ok 'it continues to the same tables' continues_killed
ok 'a killed worker: the other one does its runs' lost_worker
ok 'a second start on the same folder is refused' started_twice
ok 'status while a run is going' watched
finish
