#!/bin/bash
# Sweeps through a real Slurm, in trouble and out of it: each must end with the tables of a workstation, byte for byte, and with every
# run recorded once.
#
#   slurm.sh GRIDSHIFT             requeue and limit, the two that every test run has
#   slurm.sh GRIDSHIFT all         every case
#   slurm.sh GRIDSHIFT CASE...     requeue limit submit2 submit4 array preempt twice node cancel
# shellcheck disable=SC2317 # functions that `ok` calls by name
here=$(dirname "$0")
# shellcheck source=tests/slurm/cluster.sh
. "$here/cluster.sh"
# shellcheck source=tests/cli/lib.sh
. "$here/../cli/lib.sh"
trap 'cluster_down; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
shift
cases=${*:-${GRIDSHIFT_SLURM_CASES:-requeue limit}}
[ "$cases" != all ] || cases='submit2 submit4 array requeue limit twice preempt node cancel'
runs=24
patience=300
ldd "$gridshift" | grep -q libasan && patience=3000 # a minute's job then gets through two or three of its runs

reason=$(cluster_reason)
if [ -n "$reason" ]; then
    echo "1..0 # SKIP no Slurm here: $reason"
    exit 0
fi
# Virtual nodes have one host name, so no memory that ranks could share.
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_pml=ob1
export GRIDSHIFT=$gridshift

# Ports may be taken in between, and a loaded machine may be slow: three times.
for try in 1 2 3; do
    cluster_up 4 >up.txt 2>&1 && break
    sed 's/^/# /' up.txt
    cluster_down
    [ $try -lt 3 ] || { echo '1..0 # SKIP no Slurm here: its daemons do not come up (see above)'; exit 0; }
done
tiny sweep "${SLURM_STEPS:-1500}" 'dense, glu, moe' 8 | sed 's/d_model: 16/d_model: 32/; s/eval.every: 5$/eval.every: 50/' >sweep.yaml

# -- the job ---------------------------------------------------------------------------------------------------

# submit DIR OPTIONS...: sets job, the number of its job.
submit() {
    local dir=$1
    shift
    code 0 "$gridshift" submit -o "$dir" "$@" sweep.yaml || return 1
    job=$(sed -n 's/^submitted .* as job \([0-9]*\)$/\1/p' out.txt | head -n 1)
    [ -n "$job" ] || { cat out.txt; return 1; }
}
recorded_lines() { cat "$1"/journal*.jsonl 2>/dev/null | wc -l; }
# middle DIR [BEFORE]: waits until the sweep is in the middle, with more runs than BEFORE; fails when it was missed.
middle() {
    local n before=${2:-0}
    for _ in $(seq 1200); do
        n=$(recorded_lines "$1")
        [ "$n" -gt "$before" ] && break
        sleep 0.1
    done
    [ "$n" -gt "$before" ] && [ "$n" -lt $runs ] && return 0
    echo "$n runs are recorded: not in the middle"
    return 1
}
ranks_of() { pgrep -f "^$gridshift run .*-o $work/$1( |\$)" | while read -r pid; do
    tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -q '^OMPI_COMM_WORLD_RANK=' && echo "$pid"
done; }
held=''
# hold DIR: its ranks stand still; release DIR: they go on. So a sweep cannot be over before what it waits for has come.
hold() {
    held=$1
    ranks_of "$1" | xargs -r kill -STOP
}
release() { ranks_of "$1" | xargs -r kill -CONT; }
release_all() { [ -z "$held" ] || release "$held"; }
trap 'release_all; cluster_down; rm -rf "$work"' EXIT
log_has() { cat "$1"/slurm/*.log 2>/dev/null | grep -qF -- "$2"; }
# A requeued job waits for two minutes of its own accord. It is hurried when it has waited for ten seconds: one that starts while
# the end of its last start is still under way is taken for ended.
hurry() {
    local waiting
    for waiting in $(squeue -h -t PENDING -o '%A|%t|%r' | grep '|PD|BeginTime$' | cut -d'|' -f1 | sort -u); do
        [ -e "waits.$waiting" ] || touch "waits.$waiting"
        [ $(($(date +%s) - $(stat -c %Y "waits.$waiting"))) -ge 10 ] || continue
        scontrol update "jobid=$waiting" StartTime=now 2>/dev/null && rm -f "waits.$waiting"
    done
}
# A controller that does not answer is no empty queue.
all_gone() {
    local queue
    hurry
    queue=$(squeue -h) && [ -z "$queue" ]
}
# A job that is requeued is in no list for a moment, so an empty queue alone is not the end.
over() { all_gone && [ "$(recorded_lines "$1")" -ge $runs ]; }
# ends DIR: waits until every run is recorded and nothing is in the queue; then the tables are a workstation's, and no run was recorded
# twice.
ends() {
    if ! cluster_wait $patience over "$1"; then
        squeue
        sinfo -N -l
        tail -n 30 "$1"/slurm/*.log
        return 1
    fi
    [ "$(recorded_lines "$1")" = $runs ] && same whole "$1" && return 0
    echo "$(recorded_lines "$1") runs are recorded"
    tail -n 40 "$1"/slurm/*.log
    return 1
}
# thrice CASE: again when the sweep was over before the test could do anything to it.
thrice() {
    local try
    for try in 1 2 3; do
        dir=$1.$try
        "$1" "$dir" && return 0
        cluster_wait 120 all_gone
        [ "$(recorded_lines "$dir")" = $runs ] || return 1
    done
    return 1
}

# -- the cases -------------------------------------------------------------------------------------------------

submit2() { submit "$1" -N 2 -n 4 --time 10 && ends "$1" && code 0 "$gridshift" status "$1" && says out.txt "$runs done, 0 failed, 0 left"; }
submit4() { submit "$1" -N 4 -n 8 --time 10 && ends "$1"; }
array() {
    submit "$1" --array 4 -n 1 --time 10 && cluster_wait 120 test -e "$1/journal.3.jsonl" && code 0 "$gridshift" status "$1" &&
        says out.txt "${job}_3" && says out.txt '(Dependency)' && ends "$1" && [ ! -e "$1/journal.jsonl" ]
}
# An administrator's.
requeue() { submit "$1" -N 2 -n 4 --time 10 && middle "$1" && scontrol requeue "$job" && ends "$1" && log_has "$1" "job $job, start 2:"; }
# The signal that Slurm sends before the time limit: half a minute after the start, with a limit of a minute.
expire() {
    cluster_wait 120 log_has "$1" "job $job, start $2:" && middle "$1" "$(($2 == 1 ? 0 : $(recorded_lines "$1")))" && hold "$1" &&
        cluster_wait 180 said_times "$1" 'is asked to stop with' "$2"
    local result=$?
    release "$1"
    return $result
}
said_times() { [ "$(cat "$1"/slurm/*.log | grep -cF -- "$2")" -ge "$3" ]; }
limit() {
    submit "$1" -N 1 -n 3 --time 1 && expire "$1" 1 && ends "$1" && log_has "$1" "job $job goes back into the queue" && log_has "$1" "job $job, start 2:"
}
twice() {
    submit "$1" -N 2 -n 3 --time 1 && expire "$1" 1 && cluster_wait 120 hurried "$1" 2 && expire "$1" 2 && ends "$1" && log_has "$1" "job $job, start 3:"
}
hurried() { hurry && log_has "$1" "start $2:"; }
preempt() {
    submit "$1" -N 4 -n 4 --time 10 -p main && middle "$1" || return 1
    sbatch -p urgent -N 4 -n 16 --exclusive -o /dev/null --wrap 'sleep 5' && cluster_wait 120 log_has "$1" 'is asked to stop with' && ends "$1" &&
        log_has "$1" "job $job, start 2:"
}
# One of two nodes goes down under a job; there are others.
node() {
    submit "$1" -N 2 -n 4 --time 10 && middle "$1" || return 1
    local name
    name=$(scontrol show hostnames "$(squeue -h -j "$job" -o %N)" | tail -n 1)
    cluster_kill_node "${name#n}" && scontrol update "nodename=$name" state=DOWN reason=test && ends "$1" && log_has "$1" "job $job, start 2:"
    local result=$?
    cluster_node "${name#n}"
    scontrol update "nodename=$name" state=RESUME 2>/dev/null
    cluster_wait 120 cluster_idle 4
    return $result
}
# By its user: it does not come back by itself, and the same command goes on.
cancel() {
    submit "$1" -N 2 -n 4 --time 10 && middle "$1" && scancel "$job" && cluster_wait 120 all_gone && [ "$(recorded_lines "$1")" -lt $runs ] &&
        submit "$1" -N 2 -n 4 --time 10 && ends "$1"
}

ok 'the sweep on a workstation' code 0 "$gridshift" run --np 2 -q -o whole sweep.yaml
for name in $cases; do
    began=$(date +%s)
    ok "$name ends with a workstation's tables" thrice "$name"
    echo "# $name: $(($(date +%s) - began)) s"
done
finish
