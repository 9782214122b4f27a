#!/bin/sh
# plan --simulate, and the bench of sleeping runs that it is held against.
. "$(dirname "$0")/lib.sh"
tiny some 10 'dense, glu' 4 >some.yaml
plan() { "$gridshift" plan -o dir --simulate "$1" some.yaml; }
rows() { code 0 plan workers=1,workers=4,seconds=10,runs=8 && says out.txt 'saturates near' && grep -qE '^ +1 +1:2[01] +100.0 %' out.txt && grep -qE '^ +4 +2[01] s +100.0 %' out.txt; }
json() {
    code 0 "$gridshift" plan --json -o dir --simulate workers=10000,seconds=5,runs=100000 some.yaml &&
        python3 -c 'import json; r = json.load(open("out.txt")); assert r["workers"] == 10000 and r["efficiency"] > 0.95 and 50 <= r["makespan_s"] < 53, r'
}
nothing_left() { code 0 "$gridshift" run -q --np 0 -o dir some.yaml && code 0 plan workers=3 && says out.txt 'there is nothing to do'; }
ok 'a row for each number of workers' rows
ok 'as json; one master is enough for ten thousand workers and runs of five seconds' json
ok 'the runs that are left' nothing_left
ok 'the words' code 0 "$gridshift" plan --simulate help some.yaml
for bad in workers=0 workers=x workers workers=2,cores=-1 workers=2,seconds=nan workers=2,years=3 workers=1.5 workers=2,; do
    ok "--simulate $bad" refuses '--simulate does not take' plan "$bad"
done
ok 'workers are needed' refuses '--simulate needs workers=N' plan cores=2
ok 'runs need seconds' refuses 'runs=N together with seconds=S' plan workers=2,runs=7
# Ten sleeping workers: the time that ten need when nothing else takes time is the least that can be.
sleeping() {
    code 0 "$gridshift" bench dispatch --runs 50 --workers 10 --sleep 100 --repeat 1 -o . --json &&
        python3 -c 'import json; r = json.load(open("out.txt")); assert r["sleep_ms"] == 100 and 0 < r["efficiency"] <= 1 and 0 < r["runs_per_s"] <= 100, r'
}
ok 'bench of sleeping runs' sleeping
ok 'bench of one run a message' code 0 "$gridshift" bench dispatch --runs 200 --workers 1 --single --repeat 1 -o . --json
finish
