#!/bin/sh
# GRIDSHIFT_SCRATCH: checkpoints by the timer on a disk of the node, those of a stop in the sweep's folder; the same bytes in the end.
. "$(dirname "$0")/lib.sh"
tiny often 3000 'dense, moe' 1 | sed 's/d_model: 16/d_model: 32/; s/batch: 16/batch: 64/; s/eval.every: 5/eval.every: 100/' >often.yaml
every='train.checkpoint_minutes=0.0003'
mkdir disk
start() { "$gridshift" run --np 0 -o "$1" --set "$every" often.yaml >out.txt 2>err.txt </dev/null & pid=$!; }
goes_on() { code 0 "$gridshift" run --np 0 -o "$1" --set "$every" often.yaml && same whole "$1"; }
# local_ones: checkpoints on the node's disk; waits for one.
local_ones() { ls disk/gridshift.*/checkpoints/*.safetensors; }
some_local() {
    for _ in $(seq 1200); do
        local_ones >/dev/null 2>&1 && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    echo 'no checkpoint on the disk of the node'
    return 1
}
nothing_local() { [ -z "$(ls disk)" ] || { find disk; return 1; }; }

whole() { code 0 "$gridshift" run --np 0 -o whole --set train.checkpoint_minutes=0 often.yaml; }
killed() {
    start killed
    some_local || return 1
    kill -KILL $pid
    wait $pid
    local_ones && goes_on killed && nothing_local
}
# What is on the node's disk is read: damaged, it is named.
damaged() {
    start damaged
    some_local || return 1
    kill -KILL $pid
    wait $pid
    for file in $(local_ones); do
        truncate -s -8 "$file"
    done
    goes_on damaged && says err.txt 'this checkpoint is not used' && says err.txt "$work/disk" && nothing_local
}
# After a stop the run may go on anywhere.
stopped() {
    start stopped
    some_local || return 1
    kill -TERM $pid
    wait $pid
    [ $? = 75 ] && ls stopped/checkpoints/*.safetensors && nothing_local && (unset GRIDSHIFT_SCRATCH && goes_on stopped)
}
unwritable() {
    GRIDSHIFT_SCRATCH=/proc/nothing code 0 "$gridshift" run --np 0 -o unwritable --set "$every" often.yaml && same whole unwritable &&
        says err.txt 'GRIDSHIFT_SCRATCH is not used for this run'
}
workers() { code 0 "$gridshift" run --np 2 -o workers --set "$every" often.yaml && same whole workers && nothing_local && [ -z "$(ls workers/checkpoints 2>/dev/null)" ]; }
ok 'without checkpoints' whole
export GRIDSHIFT_SCRATCH="$work/disk"
ok 'kill -9: it goes on from the disk of the node' killed
ok 'a damaged one there is named and not used' damaged
ok 'a stop leaves the newest in the folder of the sweep' stopped
ok 'a disk that cannot be written' unwritable
ok 'workers' workers
finish
