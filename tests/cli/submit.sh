#!/bin/sh
# submit and the queue in status, with an sbatch and an squeue that only tell what they were asked. tests/slurm has the real ones.
. "$(dirname "$0")/lib.sh"
tiny some 2000 'dense, glu' 4 >some.yaml
mkdir bin
cat >bin/sbatch <<'EOF'
#!/bin/sh
[ ! -e refuse ] || { echo "sbatch: error: invalid partition specified: p9" >&2; exit 1; }
n=$(($(cat number 2>/dev/null || echo 40) + 1))
echo "$n" >number
echo "$*" >>asked
echo "$n;one"
EOF
cat >bin/squeue <<'EOF'
#!/bin/sh
echo "$*" >asked_squeue
cat queue 2>/dev/null
EOF
chmod +x bin/sbatch bin/squeue
export PATH="$work/bin:$PATH"
submit() { "$gridshift" submit "$@" some.yaml; }
bash_reads() { sed -n '/^#!/,$p' out.txt | bash -n; }

dry() {
    code 0 submit --dry-run -o "a 'b' %j" -N 2 -n 5 -t 30 -p p1,p2 -A me -a 3 --after 7:8 --set seed=0,1 --set train.steps=1000 && bash_reads && [ ! -e asked ] &&
        [ ! -e "a 'b' %j" ] && says out.txt '#SBATCH --nodes=2' && says out.txt '#SBATCH --ntasks=5' && says out.txt '#SBATCH --time=0-00:30:00' &&
        says out.txt '#SBATCH --partition=p1,p2' && says out.txt '#SBATCH --account=me' && says out.txt '#SBATCH --array=0-2' &&
        says out.txt '#SBATCH --dependency=afterany:7:8' && says out.txt '#SBATCH --signal=B:USR1@120' && says out.txt '#SBATCH --requeue' &&
        says out.txt "#SBATCH --output=\"$work/a 'b' %%j/slurm/%A.%a.log\"" && says out.txt '#SBATCH --mem-per-cpu=257M' &&
        says out.txt "set -- '$work/some.yaml' '-o' '$work/a '\\''b'\\'' %j' '--set' 'seed=0,1' '--set' 'train.steps=1000'" && says out.txt '4 runs to do'
}
# The script that users copy and the one that is written are the same below their heads.
same_body() {
    sed -n '/^# ---- from here/,$p' "$root/slurm/run.sbatch" >body.txt && sed -n '/^# ---- from here/,$p' out.txt | sed '$d' | cmp - body.txt
}
one() {
    code 0 submit -o one -n 2 && says out.txt 'as job 41' && says out.txt 'gridshift status' && says asked "--parsable $work/one/slurm/run.sbatch" &&
        [ "$(cat one/slurm/jobs)" = '41 run' ] && bash -n one/slurm/run.sbatch && [ -s one/spec.yaml ]
}
queue() {
    echo '41|some|PENDING|0:00|20:00|1|(Priority)' >queue
    code 0 "$gridshift" status one && says out.txt '8 left' && says out.txt 'PENDING' && says out.txt '(Priority)' && says asked_squeue '-j 41'
    rm queue
    code 0 "$gridshift" status one && says out.txt 'none of its jobs is in the queue (41)'
}
array() {
    code 0 submit -o many -a 2 && says out.txt 'as job 42' && says out.txt 'as job 43' && says many/slurm/tables.sbatch '#SBATCH --dependency=afterany:42' &&
        says many/slurm/tables.sbatch "tables '$work/many'" && [ "$(cat many/slurm/jobs)" = "$(printf '42 array\n43 tables')" ]
}
# By what was done before: a record says that runs take a hundred times as long.
calibrated() {
    code 0 "$gridshift" run -q --np 0 --set seed=0 -o slow some.yaml && python3 - <<'EOF' && code 0 submit -o slow --dry-run -n 1 && says out.txt 'by what the done runs took'
import re, zlib
lines = []
for line in open("slow/journal.jsonl"):
    json = re.sub(r'"wall_s":[0-9.e-]+', '"wall_s":500', line[9:].rstrip("\n"))
    lines.append("%08x %s\n" % (zlib.crc32(json.encode()), json))
open("slow/journal.jsonl", "w").writelines(lines)
EOF
}
too_short() { refuses 'the longest run is predicted to take' submit -o slow --dry-run -t 5 && says err.txt '--split-runs' && refuses 'Give' submit -o slow -t 5 && [ ! -e slow/slurm ]; }
split() { code 0 submit -o slow --dry-run -t 5 --split-runs && says out.txt 'more than one time limit' && says out.txt '#SBATCH --signal=B:USR1@75'; }
refused() { touch refuse && code 2 submit -o no && says err.txt 'invalid partition specified: p9' && [ ! -e no/slurm/jobs ]; }
missing() {
    rm refuse
    PATH="$work/none" code 2 "$gridshift" submit -o none some.yaml && says err.txt 'sbatch is not here'
}
finished() { code 0 "$gridshift" run -q --np 0 -o done some.yaml && rm -f asked && code 0 submit -o done && says out.txt 'all 8 runs are done' && [ ! -e asked ]; }
ok 'the script of a job with everything' dry
ok 'its body is slurm/run.sbatch' same_body
ok 'a job is submitted and noted' one
ok 'status shows the queue' queue
ok 'an array, and a job for the tables after it' array
ok 'time limits by what done runs took' calibrated
ok 'a time limit too short for a run is refused' too_short
ok 'unless runs may be split' split
ok 'what sbatch refuses is said' refused
ok 'without sbatch' missing
ok 'nothing is left to do' finished
ok 'another sweep'"'"'s folder' refuses "holds the sweep 'some', not 'other'" sh -c 'sed s/some/other/ some.yaml >other.yaml; "$1" submit -o done other.yaml' - "$gridshift"
for bad in '--ntasks 0' '--nodes x' '--array 0' '--array 10001' '--time 0' '--time 5x' '--time 1' '--partition a;b' '--account a/b' '--after x' '--env nothing'; do
    # shellcheck disable=SC2086 # an option and its value
    case $bad in
    '--time 1') ok 'a minute is a time limit' code 0 submit --dry-run -o new $bad ;;
    *) ok "$bad" refuses "${bad%% *}" submit --dry-run -o new $bad ;;
    esac
done
finish
