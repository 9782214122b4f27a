#!/bin/sh
# kill -9 at random moments, again and again: the runs go on from their checkpoints to the same bytes. SEED=N repeats a sequence.
. "$(dirname "$0")/lib.sh"
seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# SEED=$seed"
tiny often 1200 'dense, moe' 2 | sed 's/d_model: 16/d_model: 32/; s/batch: 16/batch: 64/; s/eval.every: 5/eval.every: 100\n  eval.record_every: 250\n  train.save: true/' >often.yaml
session_of() { exec "$gridshift" run --np 0 -o dir --set train.checkpoint_minutes=0.0003 often.yaml; }

whole() { code 0 "$gridshift" run --np 0 -o whole --set train.checkpoint_minutes=0 often.yaml; }
# state: changes with each checkpoint and each record.
state() { (cd dir 2>/dev/null && ls -l --time-style=full-iso checkpoints journal.jsonl 2>/dev/null) | md5sum; }
# moment: a random time below 0.15 s, from the seed.
moment() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    sleep "$(printf '0.%02d' $((seed / 65536 % 15)))"
}
# session: starts, waits for something new on the disk, waits a random moment more, kills. 0: it was over before that.
session() {
    before=$(state)
    session_of >out.txt 2>err.txt </dev/null &
    pid=$!
    for _ in $(seq 2400); do
        [ "$(state)" != "$before" ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    moment
    kill -KILL $pid 2>/dev/null
    wait $pid
    ended=$?
    [ "$ended" = 0 ]
}
killed() {
    for kills in $(seq 300); do
        session && break
        [ "$ended" = 137 ] || { cat out.txt err.txt; return 1; }
    done
    echo "# $kills sessions" >sessions.txt
    (code 0 session_of) && [ "$kills" -gt 2 ]
}
same_runs() {
    for run in whole/runs/*; do
        for file in curve.csv model.safetensors model.best.safetensors; do
            cmp "$run/$file" "dir/runs/${run##*/}/$file" || return 1
        done
    done
}
nothing_left() { find dir -name '*.tmp' -o -path '*/checkpoints*' >left.txt && [ ! -s left.txt ] || { cat left.txt; return 1; }; }
once() { [ "$(wc -l <dir/journal.jsonl)" = 4 ]; }
ok 'a whole run' whole
ok 'killed until it is done' killed
cat sessions.txt
ok 'the same tables' same whole dir
ok 'the same curves and models' same_runs
ok 'no checkpoint and no temporary file is left' nothing_left
ok 'no run was recorded twice' once
finish
