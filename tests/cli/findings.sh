#!/bin/sh
# analysis/: the committed page is what the committed results give; a study is collected with what it took, whole or partial.
. "$(dirname "$0")/lib.sh"
cp -r "$root/analysis" . # the scripts read and write beside themselves
mkdir -p sweeps/paper
published='published: [{where: {ffn.kind: dense}, metric: final.clean.accuracy, mean: 0.999, sd: 0.001, n: 5, source: nowhere}]'
steps='{where: {ffn.kind: glu}, metric: curve.clean.steps_to_99, n: 0, of: 5, source: nowhere}]'
{ echo '# What a tiny study is.'; tiny tiny 5 'dense, glu' 3; } |
    sed "s/baseline: {ffn.kind: dense}/&, ${published%]}, $steps/; s/zero_ffn.accuracy]/zero_ffn.accuracy, curve.clean.steps_to_99]/" >sweeps/paper/tiny.yaml
cat >>sweeps/paper/tiny.yaml <<'EOS'
claims: [{name: gates differ, metric: final.zero_ffn.accuracy, compare: {ffn.kind: glu}, against: {ffn.kind: dense}, expect: different}]
EOS

study() { python3 -c "import json; print(json.load(open('analysis/results/tiny/study.json'))['$1'])"; }
states() { [ "$(study "$1")" = "$2" ] || { echo "$1 is $(study "$1"), not $2"; return 1; }; }
collect() { python3 analysis/collect.py --gridshift "$gridshift" "$@"; }
findings() { python3 analysis/findings.py "$@"; }

ok 'FINDINGS.md is what the results give' findings --check

partial_study() {
    code 0 "$gridshift" run -q --np 0 --shard 0/2 -o tiny sweeps/paper/tiny.yaml && code 0 collect sweeps/paper/tiny.yaml tiny &&
        states state partial && states done 3 && states left 3
}
ok 'half of a study is partial' partial_study
ok 'then the old page is not reproduced' code 1 findings --check
partial_page() { findings && says analysis/FINDINGS.md '[tiny](results/tiny/README.md) (partial)' && says analysis/FINDINGS.md '3 of 6'; }
ok 'and the new one marks it' partial_page

whole_study() {
    code 0 "$gridshift" run -q --np 0 -o tiny sweeps/paper/tiny.yaml && code 0 collect sweeps/paper/tiny.yaml tiny &&
        states state whole && states done 6 && states command 'gridshift run sweeps/paper/tiny.yaml' && [ -s analysis/results/tiny/claims.csv ]
}
ok 'a whole study' whole_study
core_hours() { awk -F, 'NR > 1 {s += $4} END {printf "%.4f\n", s / 3600}' tiny/timings.csv; }
took() { python3 -c "import sys; sys.exit(abs($(study core_hours) - $(core_hours)) > 2e-4)"; }
ok 'with the time that its runs took' took
whole_page() { findings && findings --check && says analysis/FINDINGS.md '| gates differ | undecided |' && says analysis/results/tiny/README.md '| gates differ | undecided |'; }
ok 'its claim is on the page' whole_page
published_far() { grep -qE '^\| dense \| accuracy \(end\), % \| 99.90 ± 0.11 \| .*\| \*\*-[0-9.,]+\*\* \| \[tiny\]' analysis/FINDINGS.md; }
ok 'a published mean is beside ours, and far from it' published_far
nobody_groks() { says analysis/FINDINGS.md '| GLU | 0 of 3 | – | – | – (0 of 5) |'; }
ok 'who never gets there is not left out' nobody_groks
in_words() { [ "$(study title)" = 'What a tiny study is.' ] && says analysis/FINDINGS.md '| What a tiny study is. | 6 |'; }
ok 'the file says what the study is' in_words
other_page() { code 0 cp analysis/results/tiny/README.md kept.md && echo x >>analysis/results/tiny/README.md && code 1 findings --check && cp kept.md analysis/results/tiny/README.md; }
ok 'the page of a study is checked too' other_page
sed -i 's/undecided/supported/' analysis/results/tiny/claims.csv
ok 'another verdict is another page' code 1 findings --check

cp -r analysis/results/tiny analysis/results/twin
told_once() { findings && says analysis/FINDINGS.md '[tiny](results/tiny/README.md), [twin](results/twin/README.md) |' && published_far; }
ok 'a number that two studies share is told once' told_once
sed -i 's/gates differ/gates matter/' sweeps/paper/tiny.yaml
newer_claim() { code 0 collect sweeps/paper/tiny.yaml tiny && says analysis/results/tiny/claims.csv 'gates matter' && says tiny/spec.yaml 'gates differ'; }
ok 'a newer claim is judged on the same runs' newer_claim
sed -i 's/train.batch: 16/train.batch: 8/' sweeps/paper/tiny.yaml
other_file() { code 1 collect sweeps/paper/tiny.yaml tiny && says err.txt 'Run the sweep again'; }
ok 'results of other runs are not taken' other_file
planned() { code 0 collect --plans && says analysis/results/plans.csv 'sweeps/paper/tiny.yaml,6,'; }
ok 'the plans of all sweep files' planned
finish
