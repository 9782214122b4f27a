#!/bin/sh
# Ranks that are killed, crash, stop or hang, a lost master and a lost mpirun, in jobs of $2 ranks ($3: hang.c): the sweep completes, at once or
# by the same command, and has the tables of an undisturbed one.
. "$(dirname "$0")/../cli/lib.sh"
. "$root/tests/mpi/ranks.sh"
ranks=$2
hang=$3
runs=8
tiny faults 150 'dense, glu' 4 | sed 's/d_model: 16/d_model: 64/; s/batch: 16/batch: 128/; s/eval.every: 5/eval.every: 50/' >faults.yaml

whole() { code 0 "$gridshift" run --np 0 -o whole faults.yaml; }

# start DIR OPTION...: a job whose ranks are all there, its first run recorded; leaves $pid and the file DIR.ranks.
start() {
    dir=$1
    shift
    "$gridshift" run --np $((ranks - 1)) -o "$dir" "$@" faults.yaml >"$dir.out" 2>"$dir.err" </dev/null &
    pid=$!
    until_ok all_there $pid "$ranks" "$dir.ranks" && until_ok recorded "$dir" 1
}
# ends DIR CODE...: it ends with one of these codes and leaves no process.
ends() {
    dir=$1
    shift
    wait $pid
    ended=$?
    for good in "$@"; do
        [ $ended = "$good" ] && until_ok all_gone "$dir.ranks" && return 0
    done
    echo "exit code $ended, not $*"
    cat "$dir.err"
    return 1
}
once() {
    sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' "$1/journal.jsonl" | sort | uniq -d >twice.txt
    [ ! -s twice.txt ] || { echo "recorded twice: $(cat twice.txt)"; return 1; }
}
completes() { code 0 "$gridshift" run --np 2 -o "$1" faults.yaml; }
complete() { lines "$1/journal.jsonl" $runs && once "$1" && same whole "$1" && [ ! -e "$1/RESUMABLE" ]; }
# With one worker nobody is left: a stop that the same command goes on from. With more the others do all of it.
survives() {
    if [ "$ranks" = 2 ]; then
        ends "$1" 75 && says "$1.err" 'all workers are lost' && [ -e "$1/RESUMABLE" ] && completes "$1" && complete "$1"
    else
        ends "$1" 0 && complete "$1"
    fi
}
# hit SIGNAL DIR WHY OPTION...
hit() {
    signal=$1
    dir=$2
    why=$3
    shift 3
    start "$dir" "$@" && kill "-$signal" "$(pid_of 1 "$dir.ranks")" && survives "$dir" && says "$dir.err" "is lost: $why"
}
# The thread of the runs hangs, and the other one does not.
stuck() {
    start stuck --stuck-after 6 || return 1
    "$hang" "$(pid_of 1 stuck.ranks)" runs >hang.txt &
    hanging=$!
    until_ok grep -q hangs hang.txt && survives stuck && says stuck.err 'did not get on for 6 s' && wait $hanging
}
may_trace() {
    sleep 600 &
    traced=$!
    "$hang" $traced sleep >trace.txt &
    tracer=$!
    until_ok sh -c "grep -q hangs trace.txt || ! kill -0 $tracer 2>/dev/null"
    kill -KILL $traced
    wait $tracer
}
# As soon as it has said that it begins: mostly in MPI_Init, which waits for ever for a rank that dies in it.
newborn() {
    "$gridshift" run --np $((ranks - 1)) -o newborn faults.yaml >newborn.out 2>newborn.err </dev/null &
    pid=$!
    until_ok born $pid && kill -KILL "$(pid_of 1 newborn.ranks)" && ends newborn 0 1 75 && completes newborn && complete newborn
}
born() { ranks_of "$1" >newborn.ranks && grep -q '^1 ' newborn.ranks && grep -q "^rank $(pid_of 1 newborn.ranks)$" gridshift-status-*; }
# Without recovery a rank that stops is lost as well; when it wakes up, what it says is ignored.
wakes_up() {
    mpirun -n "$ranks" "$gridshift" run --lost-after 4 -o plain --set train.steps=600 faults.yaml >plain.out 2>plain.err </dev/null &
    pid=$!
    until_ok recorded plain 1 || return 1
    for one in $(children $pid); do
        tr '\0' '\n' <"/proc/$one/environ" | grep -qx OMPI_COMM_WORLD_RANK=1 && worker=$one
    done
    kill -STOP "$worker" && until_ok grep -q 'rank 1 .* is lost: no sign of life for 4 s' plain.err && kill -CONT "$worker"
    wait $pid
    ended=$?
    cat plain.err
    [ $ended = 0 ] && says plain.err 'without mpirun --enable-recovery' && lines plain/journal.jsonl $runs && once plain
}
master_killed() {
    start master && kill -KILL "$(pid_of 0 master.ranks)" && ends master 1 && says master.err 'before the master did' &&
        [ -e master/RESUMABLE ] && completes master && complete master
}
# Stopped for longer than its workers wait for an answer, so that they leave: no fault of their runs.
master_stopped() {
    start away --lost-after 3 && master=$(pid_of 0 away.ranks) && kill -STOP "$master" && until_ok alone away.ranks && kill -CONT "$master" &&
        ends away 75 0 && says away.err 'no answer from the master' && [ ! -e away/losses.txt ] && completes away && complete away
}
alone() { for one in $(sed -n 's/^[1-9][0-9]* //p' "$1"); do lives "$one" && return 1; done; return 0; }
# A stopped worker does not survive its mpirun either.
mpirun_killed() {
    start mpirun && kill -STOP "$(pid_of 1 mpirun.ranks)" && kill -KILL "$(pid_of mpirun mpirun.ranks)" && ends mpirun 1 &&
        [ -e mpirun/RESUMABLE ] && completes mpirun && complete mpirun
}

ok 'a whole run' whole
ok "kill -9 of a worker of $ranks ranks" hit KILL killed 'its process is gone'
ok 'a crash' hit SEGV crashed 'its process is gone'
ok 'a stopped worker' hit STOP stopped 'no sign of life for 4 s' --lost-after 4
if may_trace >trace.log 2>&1; then ok 'a run that hangs' stuck; else echo "# no test of a run that hangs: no process may trace another here"; fi
ok 'kill -9 of a worker that begins' newborn
[ "$ranks" = 2 ] || ok 'a worker under plain mpirun that is lost and wakes up' wakes_up
ok 'kill -9 of the master' master_killed
ok 'a master that is away for longer than its workers wait' master_stopped
ok 'kill -9 of mpirun' mpirun_killed
finish
