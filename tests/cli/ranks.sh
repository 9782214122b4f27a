#!/bin/sh
# The same sweep on any number of ranks, however started, gives the same bytes.
. "$(dirname "$0")/lib.sh"
tiny ranks 10 'dense, glu, moe, moe_glu' 3 >ranks.yaml

alone() { code 0 "$gridshift" run --np 0 -o np0 ranks.yaml && says out.txt 'np0/tables/' && lines np0/journal.jsonl 12 && lines np0/results.csv 13; }
started() { code 0 "$gridshift" run --np "$1" -o "np$1" ranks.yaml && says out.txt "np$1/tables/" && lines "np$1/journal.jsonl" 12 && same np0 "np$1"; }
launched() { code 0 mpirun -n "$1" "$gridshift" run -o "n$1" ranks.yaml && lines "n$1/journal.jsonl" 12 && same np0 "n$1"; }
default() { code 0 "$gridshift" run ranks.yaml && same np0 runs/ranks; }
# Curves and configs too: everything in runs/ but nothing about time.
run_folders() { diff -r np0/runs n3/runs; }
timings() { lines np0/timings.csv 13 && says np0/timings.csv 'id,host,rank,wall_s' && cut -d, -f3 n3/timings.csv | sort -u | tr '\n' ' ' | grep -qx '1 2 rank '; }
no_time_or_rank() { ! grep -rqE "$(hostname)|wall_s|$work" np0/results.csv np0/tables np0/runs; }
quiet() { code 0 "$gridshift" run --quiet --np 2 -o quiet ranks.yaml && [ ! -s out.txt ] && [ ! -s err.txt ]; }
all_ranks_agree() { code 2 mpirun --quiet -n 3 "$gridshift" run -o bad absent.yaml && lines err.txt 1 && [ ! -e bad ]; }

ok '--np 0' alone
ok '--np 1' started 1
ok '--np 2' started 2
ok 'a worker per core' default
for ranks in 1 2 3 5; do
    ok "mpirun -n $ranks" launched $ranks
done
ok "runs' folders are the same" run_folders
ok 'timings say where; the master does not work' timings
ok 'results hold no host, time or path' no_time_or_rank
ok '--quiet' quiet
ok 'bad input under mpirun: one message, exit 2' all_ranks_agree
finish
