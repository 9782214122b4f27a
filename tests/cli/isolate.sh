#!/bin/sh
# --isolate: a process for each run, the same results, and a crash that is a failed run.
. "$(dirname "$0")/lib.sh"
. "$root/tests/mpi/ranks.sh"
tiny alone 10 'dense, glu' 2 >alone.yaml
tiny crash 100000000 dense 2 | sed 's/^  eval/  train.checkpoint_minutes: 0.001\n  eval/' >crash.yaml

whole() { code 0 "$gridshift" run --np 0 -o whole alone.yaml; }
isolated() { code 0 "$gridshift" run --isolate --np "$1" -o "isolated$1" alone.yaml && lines "isolated$1/journal.jsonl" 4 && same whole "isolated$1" && diff -r whole/runs "isolated$1/runs"; }
at_work() { find "$1/checkpoints" -type f 2>/dev/null | grep -q .; }
# The first run's process is killed, then a stop ends the second one, which leaves a checkpoint.
crashes() {
    "$gridshift" run --isolate --np "$1" -o "crash$1" crash.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    until_ok at_work "crash$1" || return 1
    parent=$pid
    if [ "$1" != 0 ]; then ranks_of $pid >ranks.txt && parent=$(pid_of 1 ranks.txt); fi
    kill "-$2" "$(children "$parent")" && until_ok recorded "crash$1" 1 && kill -USR1 $pid || kill -KILL $pid
    wait $pid
    ended=$?
    cat err.txt
    [ $ended = 75 ] && code 0 "$gridshift" status "crash$1" && says out.txt "1 failed, 1 left" && says out.txt "was ended by signal $3"
}
ok 'a whole run' whole
ok 'the same, isolated' isolated 0
ok 'isolated in workers' isolated 2
ok 'a crash is a failed run' crashes 0 SEGV '11 (Segmentation fault)'
ok 'kill -9 in a worker is one too' crashes 1 KILL '9 (Killed)'
finish
