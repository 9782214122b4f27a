#!/bin/sh
# The same command again continues, whatever happened in between.
. "$(dirname "$0")/lib.sh"
tiny again 10 'dense, glu' 3 >again.yaml
run() { "$gridshift" run --np 0 -o dir "$@"; }

first() { code 0 run again.yaml && cp -r dir whole; }
nothing_to_do() { code 0 run again.yaml && cmp dir/journal.jsonl whole/journal.jsonl && same dir whole; }
one_line_less() { sed -i 3d dir/journal.jsonl && code 0 run again.yaml && lines dir/journal.jsonl 6 && same dir whole; }
torn() { truncate -s -20 dir/journal.jsonl && code 0 run again.yaml && lines dir/journal.jsonl 6 && same dir whole; }
damaged() { sed -i '2s/seed/sEEd/' dir/journal.jsonl && code 0 "$gridshift" status dir && says out.txt 'damage' && code 0 run again.yaml && same dir whole; }
status() { code 0 "$gridshift" status dir && says out.txt 'dir: 6 runs: 6 done, 0 failed, 0 left'; }
tables() { rm -r dir/tables dir/results.csv && code 0 "$gridshift" tables dir && same dir whole; }
show() {
    id=$(sed -n 2p dir/results.csv | cut -d, -f1)
    code 0 "$gridshift" show dir "$id" && says out.txt final.zero_ffn.accuracy && says out.txt ffn.kind && says out.txt step &&
        code 0 "$gridshift" show --json dir "$id" && python3 -c 'import json; json.load(open("out.txt"))'
}
ambiguous() { refuses 'Give more of it' "$gridshift" show dir ''; }
ok 'a first run' first
ok 'again: nothing is done twice' nothing_to_do
ok 'a missing journal line: that run alone' one_line_less
ok 'a torn last line: that run alone' torn
ok 'a damaged line is reported, and its run done again' damaged
ok 'status' status
ok 'tables are rewritten from the journal' tables
ok 'show' show
ok 'show of an ambiguous id' ambiguous

more_seeds() { tiny again 10 'dense, glu' 4 >more.yaml && before=$(wc -l <dir/journal.jsonl) && code 0 run more.yaml && lines dir/journal.jsonl $((before + 2)); }
more_ablation() {
    sed 's/^ablate.*/ablate: [{site: ffn.out, mode: zero}, {site: attn.out, mode: zero}]/' more.yaml >wider.yaml
    before=$(wc -l <dir/journal.jsonl)
    code 0 "$gridshift" plan -o dir wider.yaml && says out.txt '8 to do' && code 0 run wider.yaml && lines dir/journal.jsonl $((before + 8)) &&
        says dir/results.csv final.zero_attn.accuracy
}
more_probes() {
    sed 's/^ablate.*/&\nprobe: {kinds: [norms], every: 5}/' wider.yaml >probed.yaml
    before=$(wc -l <dir/journal.jsonl)
    code 0 "$gridshift" plan -o dir probed.yaml && says out.txt '8 to do' && code 0 run probed.yaml && lines dir/journal.jsonl $((before + 8)) &&
        says dir/results.csv step5.norms.norm && says dir/results.csv 'final.norms.ratio[since=5]' &&
        sed 's/], every: 5/], every: 10/' probed.yaml >coarser.yaml && code 0 "$gridshift" plan -o dir coarser.yaml && says out.txt '0 to do' &&
        sed 's/], every: 5/], every: 2/' probed.yaml >finer.yaml && code 0 "$gridshift" plan -o dir finer.yaml && says out.txt '8 to do'
}
fewer_by_set() {
    code 0 run --set seed=0,1 again.yaml && lines dir/results.csv 5 && code 0 "$gridshift" status dir && says out.txt '4 runs: 4 done' &&
        rm dir/results.csv && code 0 "$gridshift" tables dir && lines dir/results.csv 5
}
saved_models() {
    code 0 run --set train.save=true again.yaml && lines dir/results.csv 7 && id=$(sed -n 2p dir/results.csv | cut -d, -f1) &&
        [ -s "dir/runs/$id/model.safetensors" ] && rm "dir/runs/$id/model.safetensors" && code 0 run --set train.save=true again.yaml &&
        [ -s "dir/runs/$id/model.safetensors" ]
}
# eval of what a run wrote: the run's numbers, bit for bit.
evaluated() {
    id=$(sed -n 2p dir/results.csv | cut -d, -f1)
    code 0 "$gridshift" eval --json --probe all "dir/runs/$id/model.best.safetensors" && python3 -c '
import csv, json
run = next(csv.DictReader(open("dir/results.csv")))
given = {"best" + k[5:]: v for k, v in json.load(open("out.txt"))["metrics"].items()}
common = [k for k in given if k in run]
assert "best.clean.loss" in common and "best.zero_ffn.loss" in common and "given.norms.norm" in json.load(open("out.txt"))["metrics"] and all(float(run[k]) == given[k] for k in common)'
}
other_sweep() { tiny other 10 dense 1 >other.yaml && refuses "dir holds the sweep 'again', not 'other'" run other.yaml; }
ok 'more seeds: the new runs alone' more_seeds
ok 'one more ablation: every run again' more_ablation
ok 'one more probe: every run again' more_probes
ok '--set is recorded' fewer_by_set
ok 'a model that is to be saved and is not there: that run again' saved_models
ok 'eval of a saved model: the numbers of its run' evaluated
ok 'a folder of another sweep is refused' other_sweep

# Divergence: a run that fails is a row, and the others go on.
tiny bad 30 dense 2 | sed 's/eval.every: 5/eval.every: 5\n  train.clip: 0/; s/^  seed:/  train.lr: {values: [0.001, 1000]}\n  seed:/; s/rows: \[/rows: [train.lr, /; s/, baseline.*/}/' >bad.yaml
run_bad() { "$gridshift" run --np 0 -o bad "$@" bad.yaml; }
diverges() { code 3 run_bad && says err.txt '2 of 4 runs failed' && says err.txt 'train.lr=1' && says err.txt diverged && lines bad/journal.jsonl 4; }
failed_is_done() { code 3 run_bad && lines bad/journal.jsonl 4; }
retries() { code 3 run_bad --retry failed && lines bad/journal.jsonl 6; }
failed_status() { code 0 "$gridshift" status bad && says out.txt '2 done, 2 failed, 0 left' && says out.txt diverged; }
refuses_unequal() { refuses 'has no result for seeds 0, 1' "$gridshift" tables bad; }
marks_unequal() { code 0 "$gridshift" tables --partial bad && says out.txt '0*' && lines bad/results.csv 5; }
ok 'a diverged run: exit 3, with its reason' diverges
ok 'it counts as done' failed_is_done
ok '--retry failed' retries
ok 'status lists it' failed_status
ok 'tables refuse unequal seeds' refuses_unequal
ok 'and mark them with --partial' marks_unequal
finish
