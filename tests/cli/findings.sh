#!/bin/sh
# analysis/: the committed page is what the committed results give; a study is collected with what it took, whole or partial.
. "$(dirname "$0")/lib.sh"
cp -r "$root/analysis" . # the scripts read and write beside themselves
mkdir -p sweeps/paper
published='published: [{where: {ffn.kind: dense}, metric: final.clean.accuracy, mean: 0.999, sd: 0.001, n: 5, source: nowhere}]'
tiny tiny 5 'dense, glu' 3 | sed "s/baseline: {ffn.kind: dense}/&, $published/" >sweeps/paper/tiny.yaml
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
partial_page() { findings && says analysis/FINDINGS.md '[tiny](results/tiny/) (partial)' && says analysis/FINDINGS.md '3 of 6'; }
ok 'and the new one marks it' partial_page

whole_study() {
    code 0 "$gridshift" run -q --np 0 -o tiny sweeps/paper/tiny.yaml && code 0 collect sweeps/paper/tiny.yaml tiny &&
        states state whole && states done 6 && states command 'gridshift run sweeps/paper/tiny.yaml' && [ -s analysis/results/tiny/claims.csv ]
}
ok 'a whole study' whole_study
core_hours() { awk -F, 'NR > 1 {s += $4} END {printf "%.4f\n", s / 3600}' tiny/timings.csv; }
took() { python3 -c "import sys; sys.exit(abs($(study core_hours) - $(core_hours)) > 2e-4)"; }
ok 'with the time that its runs took' took
whole_page() { findings && findings --check && says analysis/FINDINGS.md '| [tiny](results/tiny/) | gates differ |'; }
ok 'its claim is on the page' whole_page
published_far() { grep -qE '^\| \[tiny\].*\| kind dense \| `final.clean.accuracy` \| 99.90 ± 0.11 % .*\| \*\*-[0-9.]+\*\* \|$' analysis/FINDINGS.md; }
ok 'a published mean is beside ours, and far from it' published_far
sed -i 's/undecided/supported/' analysis/results/tiny/claims.csv
ok 'another verdict is another page' code 1 findings --check

echo '# changed' >>sweeps/paper/tiny.yaml
other_file() { code 1 collect sweeps/paper/tiny.yaml tiny && says err.txt 'Run the sweep again'; }
ok 'results of another sweep file are not taken' other_file
planned() { code 0 collect --plans && says analysis/results/plans.csv 'sweeps/paper/tiny.yaml,6,'; }
ok 'the plans of all sweep files' planned
finish
