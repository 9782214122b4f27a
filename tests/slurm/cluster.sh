# shellcheck shell=bash
# A real Slurm on this one machine, for tests; to be sourced by bash. slurmctld, a slurmd per virtual node (n1, n2, ...) and munged, all
# in the folder $cluster with free ports of the loopback: nothing of the machine's own Slurm is touched, several clusters live side by
# side, and no systemd, cgroup or daemon account is needed.
#
#   cluster_reason      why no cluster can run here, on stdout; nothing when it can
#   cluster_up NODES    brings it up in a new folder and waits until all nodes are idle; sets cluster, SLURM_CONF
#   cluster_node K      (re)starts node K;  cluster_kill_node K  ends its daemon and everything that runs there
#   cluster_down        ends all of it and removes the folder
CLUSTER_CPUS=${CLUSTER_CPUS:-4} # that each node claims: more than the machine has

cluster_reason() {
    local tool
    for tool in munged slurmctld slurmd scontrol sbatch squeue mpirun; do
        PATH=$PATH:/usr/sbin command -v $tool >/dev/null || { echo "$tool is not installed (.ci/deps installs it)"; return; }
    done
    [ "$(id -u)" = 0 ] || echo 'slurmd starts jobs as root only'
}

# Numbers of free TCP ports, below the range that the system gives out itself.
cluster_ports() {
    python3 - "$1" <<'PYTHON'
import random, socket, sys
free = []
while len(free) < int(sys.argv[1]):
    probe = socket.socket()
    port = random.randrange(12000, 32000)
    try:
        probe.bind(("127.0.0.1", port))
        if port not in free:
            free.append(port)
    except OSError:
        pass
    probe.close()
print(*free)
PYTHON
}

# cluster_wait SECONDS COMMAND...: until the command ends with 0.
cluster_wait() {
    local until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $until ] || return 1
        sleep 0.2
    done
}

cluster_munge() {
    local owner
    owner=$(id -un)
    mkdir -p "$cluster/munge"
    chmod 711 "$cluster/munge"
    head -c 128 /dev/urandom >"$cluster/munge/key"
    chmod 400 "$cluster/munge/key"
    munged --force --socket="$cluster/munge/socket" --key-file="$cluster/munge/key" --pid-file="$cluster/munge/pid" \
        --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" 2>"$cluster/munge/err" || { cat "$cluster/munge/err"; return 1; }
    cluster_wait 30 munge -n --socket="$cluster/munge/socket" || { echo "munged of $owner does not answer"; return 1; }
}

cluster_conf() {
    local nodes=$1 host port k memory
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    read -ra port <<<"$(cluster_ports $((nodes + 2)))"
    cat <<CONF
ClusterName=gridshift
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${port[0]}
SlurmdPort=${port[1]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
CredType=cred/munge
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool/%n
TmpFS=$cluster/tmp/%n
SlurmctldPidFile=$cluster/ctld.pid
SlurmdPidFile=$cluster/%n.pid
SlurmctldLogFile=$cluster/ctld.log
SlurmdLogFile=$cluster/%n.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=200000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=10
MinJobAge=3600
InactiveLimit=0
SlurmdTimeout=${CLUSTER_SLURMD_TIMEOUT:-300}
SlurmctldTimeout=300
MessageTimeout=60
OverTimeLimit=0
CONF
    for k in $(seq "$nodes"); do
        echo "NodeName=n$k NodeHostname=$host NodeAddr=127.0.0.1 Port=${port[k + 1]} CPUs=$CLUSTER_CPUS RealMemory=$memory State=UNKNOWN"
    done
    echo 'PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60'
    echo 'PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF'
}

cluster_node() {
    mkdir -p "$cluster/spool/n$1" "$cluster/tmp/n$1"
    slurmd -f "$SLURM_CONF" -N "n$1" >>"$cluster/n$1.log" 2>&1
}

# cluster_nodes STATES: how many nodes are in one of these states ("idle|mix").
cluster_nodes() { sinfo -h -N -p main -o '%N %t' | grep -cE " ($1)\$"; }
cluster_idle() { [ "$(cluster_nodes idle)" = "$1" ]; }

cluster_up() {
    local k
    PATH=$PATH:/usr/sbin
    cluster=$(mktemp -d "${TMPDIR:-/tmp}/gridshift-slurm-XXXXXX") || return 1
    chmod 755 "$cluster"
    cluster_nodes_up=$1
    export SLURM_CONF=$cluster/slurm.conf
    mkdir -p "$cluster/state" "$cluster/spool" "$cluster/tmp"
    : >"$cluster/plugstack.conf"
    cluster_munge && cluster_conf "$1" >"$SLURM_CONF" && slurmctld -c -f "$SLURM_CONF" >>"$cluster/ctld.log" 2>&1 || return 1
    for k in $(seq "$1"); do
        cluster_node "$k" || return 1
    done
    cluster_wait 120 cluster_idle "$1" && return 0
    sinfo -N -l
    tail -n 20 "$cluster"/*.log
    return 1
}

# The processes of a node: its daemon, the daemon's steps, and what these started.
cluster_family() {
    local child
    for child in $(pgrep -P "$1"); do
        cluster_family "$child"
    done
    echo "$1"
}
# As when its power fails. A step's daemon is known by the node's log, which it has open.
cluster_kill_node() {
    local pid step
    pid=$(cat "$cluster/n$1.pid") || return 1
    kill -KILL "$pid"
    for step in $(pgrep slurmstepd); do
        find "/proc/$step/fd" -lname "$cluster/n$1.log" 2>/dev/null | grep -q . || continue
        cluster_family "$step" | xargs -r kill -KILL 2>/dev/null
    done
    return 0
}

# cluster_end PIDFILE NAME: ends that daemon, if it is one.
cluster_end() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 0
    kill "$pid"
    cluster_wait 10 test ! -e "/proc/$pid" || kill -KILL "$pid" 2>/dev/null
}

cluster_empty() { [ -z "$(squeue -h)" ]; }

cluster_down() {
    local k
    [ -n "${cluster:-}" ] && [ -d "$cluster" ] || return 0
    squeue -h -o %A 2>/dev/null | sort -u | xargs -r scancel -f 2>/dev/null
    cluster_wait 60 cluster_empty
    for k in $(seq "$cluster_nodes_up"); do
        cluster_end "$cluster/n$k.pid" slurmd
    done
    cluster_end "$cluster/ctld.pid" slurmctld
    cluster_end "$cluster/munge/pid" munged
    rm -rf "$cluster"
    unset SLURM_CONF cluster
}
