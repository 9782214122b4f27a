#!/bin/sh
# Stops that are no accident: signals, time limits, Slurm's end; the lock; runs that end their workers.
. "$(dirname "$0")/lib.sh"
. "$root/tests/mpi/ranks.sh"
# Eight runs that take for ever, unless --set train.steps says otherwise.
tiny long 100000000 'dense, glu' 4 | sed 's/d_model: 16/d_model: 64/; s/batch: 16/batch: 128/; s/eval.every: 5/eval.every: 50/; s/^  eval/  train.checkpoint_minutes: 0\n  eval/' >long.yaml

start() {
    dir=$1
    shift
    "$gridshift" run -o "$dir" "$@" >"$dir.out" 2>"$dir.err" </dev/null &
    pid=$!
}
stopped() {
    wait $pid
    ended=$?
    cat "$dir.err"
    [ $ended = 75 ] && [ -e "$dir/RESUMABLE" ] && says "$dir.err" 'The same command goes on' && [ ! -e "$dir/lock" ]
}
checkpoints() { ls "$1/checkpoints" 2>/dev/null | grep -q .; }
# The lock is there before the runs are; a stop that comes too early for a run leaves no checkpoint, which is right too.
signalled() {
    start "$1" --np "$2" long.yaml
    until_ok [ -e "$1/lock" ] && sleep 1 && kill -USR1 $pid && stopped
}
limited() {
    start "$1" --np "$2" --time-limit 4 long.yaml
    stopped && says "$1.err" 'stopping, the time is over' && checkpoints "$1"
}
# Slurm's end of the job, as its environment says it, as squeue says it, and as scontrol says it.
slurm() {
    mkdir -p fake
    printf '#!/bin/sh\n%s\n' "$2" >fake/squeue
    printf '#!/bin/sh\n%s\n' "$3" >fake/scontrol
    chmod +x fake/squeue fake/scontrol
    dir=$1
    PATH=$work/fake:$PATH SLURM_JOB_ID=7 SLURM_JOB_END_TIME=$4 "$gridshift" run --np 0 -o "$dir" --time-limit 1h long.yaml >"$dir.out" 2>"$dir.err" </dev/null &
    pid=$!
    stopped && says "$dir.err" 'are left to the Slurm job' && says "$dir.err" 'stopping, the time is over'
}
in_5_s() { date -d "$(date +%Y-%m-%dT%H:%M:%S) +5 seconds" +%Y-%m-%dT%H:%M:%S; }
removed_when_done() {
    code 0 "$gridshift" run --np 2 -o done --set train.steps=20 long.yaml && [ ! -e done/RESUMABLE ] && [ ! -e done/lock ]
}
refuses_limit() {
    for bad in 0 soon 1:2:3:4 -5 1e999; do refuses "--time-limit takes seconds (at least 1), 90m, 2h, 1d or H:MM:SS, not '$bad'" "$gridshift" run --time-limit "$bad" long.yaml || return 1; done
    refuses '--lost-after takes seconds (at least 3)' "$gridshift" run --lost-after 1 long.yaml && refuses '--stuck-after takes' "$gridshift" run --stuck-after x long.yaml
}
ok 'USR1 to workers: exit 75, RESUMABLE' signalled usr1 2
ok '--time-limit with workers: exit 75 with checkpoints' limited limit 2
ok 'SLURM_JOB_END_TIME' slurm env 'exit 1' 'exit 1' $(($(date +%s) + 6))
ok 'what squeue says is left' slurm squeue 'echo "      0:05"' 'exit 1' ''
ok 'the end that scontrol says' slurm scontrol 'echo INVALID; exit 1' "echo \"JobId=7 StartTime=x EndTime=$(in_5_s) TimeLimit=1\"" ''
ok 'RESUMABLE goes when all is done' removed_when_done
ok 'durations are checked' refuses_limit

# -- a second signal loses nothing that was finished --
# Short runs; the counter of finished runs on the terminal never shows more than the journal has.
tiny short 20 'dense, glu' 150 >short.yaml
twice() {
    start "$1" --np "$2" short.yaml
    until_ok recorded "$1" 3 && kill -INT $pid && kill -INT $pid
    wait $pid
    [ $? = 75 ] && [ -e "$1/RESUMABLE" ] || { cat "$1.err"; return 1; }
    shown=$(tr '\r' '\n' <"$1.err" | sed -n 's/^\([0-9]*\) of [0-9]* runs.*/\1/p' | tail -n 1)
    [ "$(wc -l <"$1/journal.jsonl")" -ge "${shown:-0}" ] && cp "$1/journal.jsonl" before.jsonl &&
        code 0 "$gridshift" run --np 2 -q -o "$1" short.yaml && lines "$1/journal.jsonl" 300 &&
        head -c "$(wc -c <before.jsonl)" "$1/journal.jsonl" | cmp - before.jsonl && [ ! -e "$1/RESUMABLE" ]
}
ok 'a second INT to workers keeps every finished run' twice now2 2
ok 'a second INT in one process keeps every finished run' twice now0 0

# -- the lock --
replaced() {
    start mine --np "$1" long.yaml
    until_ok [ -e mine/lock ] && sleep 1 && rm mine/lock
    wait $pid
    [ $? = 75 ] && says mine.err 'another process took this folder over' && rm -r mine
}
foreign() {
    mkdir -p foreign && echo 'elsewhere 0123 77 88 99' >foreign/lock && refuses 'process 77 on host elsewhere' "$gridshift" run --np 0 -o foreign long.yaml &&
        code 0 "$gridshift" run --np "$1" --force-unlock -o foreign --set train.steps=20 long.yaml && [ ! -e foreign/lock ] && rm -r foreign
}
old() {
    mkdir -p foreign && echo 'elsewhere 0123 77 88 99' >foreign/lock && touch -d '3 minutes ago' foreign/lock &&
        code 0 "$gridshift" run --np 0 -o foreign --set train.steps=20 long.yaml && rm -r foreign
}
ok 'a master whose lock is gone stops' replaced 2
ok "another host's lock: --force-unlock" foreign 0
ok "another host's lock that is not refreshed any more" old

# -- a run that ends its workers: here the test kills them; the other run is short --
sed 's/^  train.steps.*//; s/checkpoint_minutes: 0/checkpoint_minutes: 0.001/; s/{values: \[dense, glu\]}/{values: [dense]}/; s/^  seed:.*/  train.steps: {values: [20, 100000000]}\n  seed: {range: [0, 1]}/; s/rows: \[/rows: [train.steps, /; s/, baseline.*/}/' long.yaml >deadly.yaml
at_work() { find deadly/checkpoints -type f -newer mark 2>/dev/null | grep -q .; }
# dies CODE OUTPUT N: another session in which the long run loses its worker, when N runs are there.
dies() {
    "$gridshift" run --np 1 -o deadly deadly.yaml >deadly.out 2>deadly.err </dev/null &
    pid=$!
    until_ok all_there $pid 2 deadly.ranks && until_ok recorded deadly "$3" && touch mark && until_ok at_work && kill -KILL "$(pid_of 1 deadly.ranks)"
    wait $pid
    ended=$?
    cat deadly.err
    [ $ended = "$1" ] && says deadly.err "$2"
}
last_and_alone() { dies 3 'is quarantined: it ended its worker three times' 1 && lines deadly/journal.jsonl 2 && says deadly.err 'quarantined: it ended its worker three times'; }
ok 'a run loses its worker' dies 75 'all workers are lost' 0
ok 'and a second one, in another session, after the others' dies 75 'all workers are lost' 1
ok 'the third time it comes last, and is quarantined' last_and_alone
ok 'then it counts as failed' code 3 "$gridshift" run --np 1 --partial -o deadly deadly.yaml
finish
