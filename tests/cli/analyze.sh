#!/bin/sh
# The map of a sweep: after the runs and by `analyze`, on any number of ranks, with the refusals.
. "$(dirname "$0")/lib.sh"
cat >map.yaml <<END
sweep: 1
name: map
defaults: {task: addition, task.digits: 2, model.d_model: 16, model.heads: 2, ffn.width: 16, train.steps: 60, train.batch: 16, eval.every: 20}
parameters:
  ffn.kind: {values: [dense, moe]}
  router.mode: {values: [learned, frozen], when: {ffn.kind: moe}}
  model.d_model: {values: [8, 16]}
  seed: {range: [0, 3]}
END
sed 's/eval.every: 20/eval.every: 20, analysis.features: true, analysis.inputs: 40/' map.yaml >features.yaml

# close A B: the numbers of two files agree to 2e-6, everything else is the same.
close() {
    python3 - "$1" "$2" <<'END'
import re, sys
a, b = (open(p).read() for p in sys.argv[1:])
number = re.compile(r"-?\d+\.\d+")
assert number.sub("#", a) == number.sub("#", b), "other texts"
worst = max([0] + [abs(float(x) - float(y)) for x, y in zip(number.findall(a), number.findall(b))])
assert worst <= 2e-6, worst
END
}
same_map() { for f in similarity.csv shares.csv arms.csv axes.csv map.md inputs.txt; do close "np0/analysis/$f" "$1/analysis/$f" || return 1; done; }

plain() { code 0 "$gridshift" run --np 0 -o np0 map.yaml && [ ! -e np0/analysis ]; }
refused_without() { refuses 'Put `analysis.features: true` under `defaults:`' "$gridshift" analyze np0; }
# Runs that are done and lack their features are run again, and give the same table.
again() {
    cp np0/results.csv before.csv && code 0 "$gridshift" run --np 0 -o np0 features.yaml && lines np0/journal.jsonl 36 &&
        says out.txt 'np0/analysis/ has everything.' && says out.txt 'After blocks.0.ffn' && lines np0/analysis/similarity.csv 307
}
once() { code 0 "$gridshift" run --np 0 -o np0 features.yaml && lines np0/journal.jsonl 36 && ! grep -q analysis out.txt; }
# What cannot be written is a stop that the same command goes on from, as it is for the tables.
in_the_way() {
    rm -r np0/analysis && : >np0/analysis && code 75 "$gridshift" run --np "$1" -o np0 features.yaml && says err.txt 'analysis: ' && [ -e np0/RESUMABLE ] &&
        rm np0/analysis && code 0 "$gridshift" run --np 0 -o np0 features.yaml && [ -e np0/analysis/map.md ] && [ ! -e np0/RESUMABLE ] && once
}
worker_ranks() { code 0 "$gridshift" run --np 3 -o np3 features.yaml && same np0 np3 && same_map np3 && diff -r np0/runs np3/runs; }
by_ranks() { rm -rf np3/analysis && code 0 "$gridshift" analyze --np "$1" np3 && same_map np3 && says out.txt 'np3/analysis/ has everything.'; }
launched() { rm -rf np3/analysis && code 0 mpirun -n "$1" "$gridshift" analyze np3 && same_map np3; }
# Another probe set: other features are asked for, so all runs are done again.
other_probe() { code 0 "$gridshift" run --np 0 -o np3 --set analysis.inputs=50 features.yaml && lines np3/journal.jsonl 36 && says np3/analysis/inputs.txt 'analysis.inputs=50'; }
one_is_missing() {
    id=$(sed -n 2p np0/results.csv | cut -d, -f1)
    rm "np0/runs/$id/features.safetensors" && code 0 "$gridshift" analyze --np 2 np0 && says err.txt '1 of 18 runs are not in it: 1 to do' &&
        lines np0/analysis/similarity.csv 273
}
broken() {
    id=$(sed -n 3p np0/results.csv | cut -d, -f1)
    truncate -s 1200 "np0/runs/$id/features.safetensors"
    refuses "runs/$id/features.safetensors" "$gridshift" analyze --np 1 np0 && code 2 "$gridshift" analyze --np 3 np0 && says err.txt "$id"
}
too_little_memory() {
    refuses 'above analysis.rank_bytes (1000)' "$gridshift" run --np 0 -o small --set analysis.rank_bytes=1000 features.yaml && [ ! -e small ] &&
        code 2 "$gridshift" run --np 2 -o small --set analysis.rank_bytes=1000 features.yaml && [ ! -e small ]
}
cat >wide.yaml <<END
sweep: 1
name: wide
defaults: {task: modular, task.modulus: 31, model.d_model: 16, model.heads: 2, ffn.width: 24, train.steps: 20, eval.every: 10, train.save: true, analysis.spectra: qr}
parameters:
  ffn.kind: {values: [dense, glu, moe]}
  seed: {range: [0, 2]}
END
# Built without ScaLAPACK, one rank does everything, so that what exceeds its memory is refused.
team() { "$gridshift" doctor | grep -qE '^ScaLAPACK +yes'; }
spectra() { code 0 "$gridshift" run --np 0 -o wide wide.yaml && lines wide/analysis/spectra.csv 7 && [ "$(grep -c ',0,qr,961,24,' wide/analysis/spectra.csv)" = 6 ]; }
# Dealt to the ranks, then (too large for one) over all of them; by the Gram matrix too.
spectra_by() {
    cp -r wide "wide$1$2" && sed -i "s/spectra: qr/spectra: $2, analysis.rank_bytes: $3/" "wide$1$2/spec.yaml" &&
        code 0 "$gridshift" analyze --np "$1" "wide$1$2" && sed 's/,gram,/,qr,/' "wide$1$2/analysis/spectra.csv" >by.csv && near wide/analysis/spectra.csv by.csv
}
# near A B: 6 significant digits agree up to the last one or two.
near() {
    python3 - "$1" "$2" <<'END'
import re, sys
a, b = (open(p).read() for p in sys.argv[1:])
number = re.compile(r"(?<=,)\d+\.\d+(?:e-?\d+)?")
assert number.sub("#", a) == number.sub("#", b), "other texts"
worst = max(abs(float(x) - float(y)) / max(abs(float(x)), 1e-3) for x, y in zip(number.findall(a), number.findall(b)))
assert worst <= 1e-4, worst
END
}
spectra_refused() {
    refuses 'analysis.spectra needs the saved models' "$gridshift" run --np 0 -o no --set train.save=false wide.yaml &&
        refuses 'the spectrum of 24 hidden units over 961 rows needs 184512 bytes on one rank' "$gridshift" run --np 0 -o no --set analysis.rank_bytes=90000 wide.yaml
}

planned() {
    code 0 "$gridshift" plan --analyze 4 features.yaml && says out.txt 'map of 18 runs, 160 rows of 16 features, 2 sites, on' &&
        code 0 "$gridshift" plan --analyze 3 --set analysis.rank_bytes=120000 wide.yaml && says out.txt 'at most 961 rows of 24 units: 180 KiB on one rank' &&
        code 0 "$gridshift" plan --analyze 1 map.yaml && [ ! -s out.txt ] &&
        code 2 "$gridshift" plan --analyze 2 --set analysis.rank_bytes=5000 features.yaml && says err.txt 'above analysis.rank_bytes (5000): use more ranks'
}

bad_words() {
    refuses '--np takes a whole number of at least 1' "$gridshift" analyze --np 0 np0 && refuses 'there is no spec.yaml' "$gridshift" analyze nowhere &&
        refuses '--limit takes a whole number' "$gridshift" analyze --limit soon np0
}

ok 'without features there is no map' plain
ok 'analyze says how to get features' refused_without
ok 'done runs that lack features run again, and the map follows' again
ok 'nothing is done twice' once
ok 'a file where the analysis goes: exit 75, and again' in_the_way 0
ok 'the map with workers, and the same features' worker_ranks
for ranks in 1 2 3 4; do
    ok "analyze --np $ranks" by_ranks $ranks
done
ok 'mpirun -n 6 analyze' launched 6
ok 'another probe set' other_probe
ok 'a run without features is left out and named' one_is_missing
ok 'a broken file is named, on any number of ranks' broken
ok 'too little memory' too_little_memory
ok 'spectra of hidden activations' spectra
ok 'spectra dealt to 2 ranks' spectra_by 2 qr 1000000000
if team; then
    ok 'spectra over 3 ranks' spectra_by 3 qr 120000
    ok 'spectra over 4 ranks by the Gram matrix' spectra_by 4 gram 120000
    ok 'plan --analyze' planned
else
    ok 'spectra that need ranks are refused' refuses 'needs 184512 bytes on one rank' "$gridshift" run --np 2 -o no --set analysis.rank_bytes=120000 wide.yaml
fi
ok 'spectra refused' spectra_refused
ok 'bad words' bad_words
finish
