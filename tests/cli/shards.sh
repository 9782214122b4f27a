#!/bin/sh
# A sweep in parts: every shard a process with its own journal and lock, one folder, the same tables.
. "$(dirname "$0")/lib.sh"
tiny parts 10 'dense, glu' 4 >parts.yaml
shard() { code "$1" "$gridshift" run --np "${np:-0}" -q -o "$2" --shard "$3" parts.yaml; }
tables() { code 0 "$gridshift" tables -q "$1" && same whole "$1"; }

whole() { code 0 "$gridshift" run --np 0 -o whole parts.yaml; }
# Rows 1 and 5 of 8.
first() {
    code 0 "$gridshift" run --np 0 -o dir --shard 1/4 parts.yaml && says out.txt 'shard 1 of 4 is done: 2 runs. When all are' &&
        lines dir/journal.1.jsonl 2 && [ ! -e dir/journal.jsonl ] && [ ! -e dir/lock.1 ] && [ ! -d dir/tables ] &&
        sed -n '3p;7p' dir/plan.csv | cut -d, -f1 | sort >wanted.txt && sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' dir/journal.1.jsonl | sort | cmp - wanted.txt
}
too_early() { code 0 "$gridshift" status dir && says out.txt '8 runs: 2 done, 0 failed, 6 left'; }
one_by_one() {
    shard 0 dir 0/4 && shard 0 dir 2/4 && shard 0 dir 3/4 && tables dir && code 0 "$gridshift" status dir && says out.txt '8 done, 0 failed, 0 left'
}
again() { cp dir/journal.0.jsonl before.jsonl && shard 0 dir 0/4 && cmp before.jsonl dir/journal.0.jsonl; }
at_once() {
    pids=''
    for k in 0 1 2 3; do
        "$gridshift" run --np $((k % 2)) -q -o together --shard $k/4 parts.yaml >shard.$k.txt 2>&1 </dev/null &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid" || { cat shard.*.txt; return 1; }
    done
    lines together/journal.3.jsonl 2 && tables together
}
# Half of the shards, then the whole: it does the rest alone.
rest() { shard 0 half 0/2 && code 0 "$gridshift" run --np 0 -q -o half parts.yaml && lines half/journal.jsonl 4 && same whole half; }
damaged() {
    sed -i '2s/seed/sEEd/' dir/journal.3.jsonl && code 0 "$gridshift" status dir && says out.txt 'dir/journal.3.jsonl:2: the checksum' &&
        says out.txt '1 left' && shard 0 dir 3/4 && says err.txt 'journal.3.jsonl:2' && lines dir/journal.3.jsonl 3 && tables dir
}
torn() {
    truncate -s -20 dir/journal.2.jsonl && shard 0 dir 2/4 && says err.txt 'journal.2.jsonl: cut off' && lines dir/journal.2.jsonl 2 && tables dir
}
lost() { rm dir/journal.0.jsonl && shard 0 dir 0/4 && lines dir/journal.0.jsonl 2 && tables dir; }
# A lock of a living process: this shell's.
held() {
    start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)
    echo "$(hostname) $(cat /proc/sys/kernel/random/boot_id) $$ $start" >"dir/$1"
    shift
    "$@"
    failed_here=$?
    rm -f dir/lock dir/lock.*
    return $failed_here
}
ok 'the whole sweep' whole
ok 'one shard: its rows, its journal, no tables' first
ok 'status sums what is there' too_early
ok 'the others one after the other: the same tables' one_by_one
ok 'again: nothing is done twice' again
ok 'four at once: the same tables' at_once
ok 'a shard, then the whole' rest
ok 'a damaged line of a shard: that run alone' damaged
ok 'a torn last line of a shard: that run alone' torn
ok 'a lost journal of a shard: its runs' lost
ok 'a shard in use is refused' held lock.1 refuses 'lock.1: process' "$gridshift" run --np 0 -o dir --shard 1/4 parts.yaml
ok 'another one is not' held lock.1 shard 0 dir 2/4
ok 'the whole is refused while a shard is in use' held lock.1 refuses 'lock.1: process' "$gridshift" run --np 0 -o dir parts.yaml
ok 'a shard is refused while the whole is in use' held lock refuses 'lock: process' "$gridshift" run --np 0 -o dir --shard 2/4 parts.yaml
for bad in 4/4 -1/4 1 1/ /4 0/0 a/b 1/4x '1 /4' 1/2/3 +1/4 0/100001 99999999999/4 ''; do
    ok "--shard '$bad'" refuses "--shard takes K/N with K from 0 to N - 1 and N up to 100000, as 0/4, not '$bad'" "$gridshift" run --np 0 -o bad --shard "$bad" parts.yaml
done
ok 'nothing was made by them' [ ! -e bad ]
failing() {
    tiny bad 30 dense 2 | sed 's/eval.every: 5/eval.every: 5\n  train.clip: 0/; s/^  seed:/  train.lr: {values: [0.001, 1000]}\n  seed:/; s/rows: \[/rows: [train.lr, /; s/, baseline.*/}/' >bad.yaml
    code 0 "$gridshift" run --np 0 -q -o bad --shard 0/4 bad.yaml && code 3 "$gridshift" run --np 0 -q -o bad --shard 3/4 bad.yaml &&
        says err.txt '1 of 1 runs failed' && code 0 "$gridshift" run --np 0 -q -o bad --shard 1/4 bad.yaml && [ ! -s err.txt ] &&
        code 0 "$gridshift" status bad && says out.txt '2 done, 1 failed, 1 left'
}
ok 'a failed run is its shard'"'"'s' failing
finish
