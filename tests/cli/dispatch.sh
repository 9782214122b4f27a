#!/bin/sh
# Many short runs: they lie in queues and are recorded in groups, and still none is lost or done twice.
. "$(dirname "$0")/lib.sh"
runs=600
tiny short 2 'dense, glu' $((runs / 2)) >short.yaml

# recorded DIR N: N runs, no two with one id.
recorded() {
    lines "$1/journal.jsonl" "$2" && sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' "$1/journal.jsonl" | sort -u >ids.txt && lines ids.txt "$2"
}
# some DIR N: waits until N runs are in the journal.
some() {
    for _ in $(seq 3000); do
        [ -e "$1/journal.jsonl" ] && [ "$(wc -l <"$1/journal.jsonl")" -ge "$2" ] && return 0
        sleep 0.01
    done
    echo "no $2 runs in $1 after 30 s"
    return 1
}
count_of() { wc -l <"$1/journal.jsonl"; }

whole() { code 0 "$gridshift" run --np 0 -o whole short.yaml && recorded whole $runs; }
stopped() {
    "$gridshift" run --np 2 -q -o stopped short.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    some stopped 1 && kill -TERM $pid
    wait $pid
    [ $? = 75 ] || { cat err.txt; return 1; }
    at=$(count_of stopped)
    [ "$at" -lt $runs ] && recorded stopped "$at"
}
# What was recorded is not done again: its lines are still the first ones.
continues() {
    cp "$1/journal.jsonl" before.jsonl
    for _ in $(seq 100); do
        "$gridshift" run --np 2 -q -o "$1" short.yaml >out.txt 2>err.txt </dev/null && break
        sleep 0.2 # the ranks of a killed master end within seconds; until then the folder is theirs
    done
    head -c "$(wc -c <before.jsonl)" "$1/journal.jsonl" | cmp - before.jsonl && recorded "$1" $runs && same whole "$1"
}
# killed DIR N: kill -9 of the master once N runs are on the disk. A torn last line is cut off, and nothing else may be missing.
killed() {
    "$gridshift" run --np 2 -q -o "$1" short.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    some "$1" "$2" && cp "$1/journal.jsonl" seen.jsonl && kill -KILL "$(cut -d' ' -f3 "$1/lock")"
    wait $pid
    [ $? = 1 ] || { cat err.txt; return 1; }
    at=$(count_of "$1")
    [ "$at" -lt $runs ] && head -c "$(wc -c <seen.jsonl)" "$1/journal.jsonl" | cmp - seen.jsonl || return 1
    head -n "$at" "$1/journal.jsonl" >sound.jsonl && mv sound.jsonl "$1/journal.jsonl"
    code 0 "$gridshift" status "$1" && says out.txt "$at done, 0 failed" && ! grep -q damage out.txt && recorded "$1" "$at"
}

ok 'a whole run' whole
ok 'TERM: what is queued is dropped, what is recorded is there once' stopped
ok 'it continues to the same tables' continues stopped
for after in 1 $((40 + $$ % 60)) $((150 + $$ % 100)); do
    ok "kill -9 of the master after $after runs: only the last moment is missing" killed "killed$after" "$after"
    ok 'it continues to the same tables' continues "killed$after"
done

bench() {
    code 0 "$gridshift" bench dispatch --runs 2000 --repeat 2 -o . --json && lines out.txt 1 &&
        python3 -c 'import json; r = json.load(open("out.txt")); assert r["runs"] == 2000 and r["runs_per_s"] > 100 and r["counted_bytes_per_run"] < 512, r' &&
        [ -z "$(ls -d gridshift-bench-* 2>/dev/null)" ]
}
ok 'bench dispatch' bench
ok 'bench has no operand' refuses "unexpected 'dispach'" "$gridshift" bench dispach
ok 'bench has cases' refuses "bench has no case 'add8'; the cases are modular_dense" "$gridshift" bench --case add8
ok 'bench has two kinds of products' refuses "--gemm takes own or blas, not 'mkl'" "$gridshift" bench --gemm mkl
bench_case() {
    code 0 "$gridshift" bench --case add7_moe --runs 1 --reductions off --json && lines out.txt 1 &&
        python3 -c 'import json; r = json.load(open("out.txt")); assert r["case"] == "add7_moe" and 0 < r["share_performed"] <= 1.2 and abs(sum(r["expert_load"]) - 1) < 1e-6'
}
ok 'bench of a case' bench_case
ok 'bench dispatch checks its options' refuses '--runs takes a multiple of 10' "$gridshift" bench dispatch --runs 15
finish
