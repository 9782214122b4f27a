#!/bin/sh
# Every sweep file of the project plans, and says on top what it costs.
. "$(dirname "$0")/lib.sh"

plans() { code 0 "$gridshift" plan "$1" && says out.txt predicted; }
states_cost() { sed '/^sweep:/q' "$1" | grep -qiE '^#.*(core hour|minute)' || { echo "no core hours above 'sweep:' in $1"; return 1; }; }

for file in "$root"/sweeps/*.yaml "$root"/sweeps/*/*.yaml; do
    short=${file#"$root"/}
    ok "$short plans" plans "$file"
    ok "$short states its cost" states_cost "$file"
done
# A sweep with everything that its tables and claims can ask for: all files are there, and `tables` writes the same bytes again.
cat >all.yaml <<'E'
sweep: 1
name: all
defaults: {task: addition, task.digits: 2, model.d_model: 16, model.heads: 2, ffn.width: 16, train.steps: 30, train.batch: 16, eval.every: 5}
parameters:
  ffn.kind: {values: [dense, moe]}
  seed: {range: [0, 4]}
ablate: [{site: ffn.out, mode: zero}]
tables:
  kinds:
    kind: comparison
    rows: [ffn.kind]
    metrics: [curve.clean.steps_to_50, final.zero_ffn.accuracy, final.zero_ffn.above_floor]
    baseline: {ffn.kind: dense}
    interval: bca
    statistics: [median, iqm]
    published: [{where: {ffn.kind: moe}, metric: final.zero_ffn.accuracy, mean: 0.443, sd: 0.125, n: 5, source: figure 1}]
claims:
  - {name: "a, b", metric: final.zero_ffn.accuracy, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: greater}
  - {name: within, metric: final.zero_ffn.accuracy, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: equivalent, margin: 0.5, test: permutation}
  - {name: times, metric: curve.clean.steps_to_50, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: less}
E
tells() {
    code 0 "$gridshift" run --quiet --np 0 -o all all.yaml && code 0 "$gridshift" tables all && says out.txt verdict || return 1
    for table in kinds kinds_matching claims; do
        for form in md csv tex json; do [ -s all/tables/$table.$form ] || { echo "no $table.$form"; return 1; }; done
    done
    python3 -m json.tool all/tables/claims.json >/dev/null && says all/tables/claims.csv '"a, b",greater,' && lines all/tables/claims.csv 4 &&
        says all/tables/kinds.md 'ours - published' && says all/tables/kinds_matching.md 'ffn.experts 4 / –'
}
again() {
    cp -r all/tables before && code 0 "$gridshift" tables all && diff -r before all/tables
}
narrowed() {
    code 0 "$gridshift" run --quiet --np 0 -o moe --set ffn.kind=moe all.yaml && code 0 "$gridshift" tables moe &&
        says out.txt 'Claim within is left out: --set left it no runs.' && [ ! -e moe/tables/claims.md ]
}
ok 'tables and claims in every form' tells
ok 'the same bytes again' again
ok 'claims without runs are left out' narrowed
finish
