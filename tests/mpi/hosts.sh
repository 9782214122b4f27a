#!/bin/sh
# Two hosts: network namespaces with names of their own, joined by one cable. In the middle of a sweep the second one is cut off:
# the workers of the first do all of it. Needs root and iproute2.
. "$(dirname "$0")/../cli/lib.sh"
. "$root/tests/mpi/ranks.sh"

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip 'network namespaces need root'
command -v ip >/dev/null || skip 'no ip (package iproute2)'
a=gs$$a
b=gs$$b
ip netns add "$a" 2>ip.txt || skip "no network namespaces here: $(cat ip.txt)"
tidy() {
    for host in $a $b; do
        # shellcheck disable=SC2046
        kill -KILL $(ip netns pids "$host" 2>/dev/null) 2>/dev/null
        ip netns del "$host" 2>/dev/null
        rm -rf "/etc/netns/$host"
    done
    rm -rf "$work"
}
trap tidy EXIT
cable() {
    ip netns add "$b" && ip link add "v$a" netns "$a" type veth peer name "v$b" netns "$b" &&
        ip -n "$a" addr add 10.99.7.1/24 dev "v$a" && ip -n "$b" addr add 10.99.7.2/24 dev "v$b" || return 1
    for host in $a $b; do
        ip -n $host link set lo up && ip -n $host link set "v$host" up && mkdir -p "/etc/netns/$host" "$work/$host" &&
            printf '127.0.0.1 localhost\n10.99.7.1 %s\n10.99.7.2 %s\n' "$a" "$b" >"/etc/netns/$host/hosts" || return 1
    done
}
# What mpirun takes for ssh: AGENT HOST COMMAND...
cat >agent <<EOF
#!/bin/sh
host=\$1
shift
exec ip netns exec \$host unshare --uts sh -c "hostname \$host; export TMPDIR=$work/\$host; \$*"
EOF
chmod +x agent
export OMPI_MCA_plm_rsh_agent="$work/agent" OMPI_MCA_btl=self,vader,tcp OMPI_MCA_pml=ob1
export OMPI_MCA_btl_tcp_if_include=10.99.7.0/24 OMPI_MCA_oob_tcp_if_include=10.99.7.0/24
tiny hosts 600 'dense, glu' 4 | sed 's/d_model: 16/d_model: 64/; s/batch: 16/batch: 128/; s/eval.every: 5/eval.every: 100/' >hosts.yaml

# job DIR: ranks 0 and 1 on the first host, 2 and 3 on the second.
job() {
    "$work/agent" $a mpirun --enable-recovery --host $a:2,$b:2 -n 4 "$gridshift" run --lost-after 5 -o "$work/$1" "$work/hosts.yaml"
}
whole() { code 0 "$gridshift" run --np 2 -o whole hosts.yaml; }
both() { job both >both.txt 2>&1 </dev/null && same whole both && [ "$(cut -d, -f2 both/timings.csv | sort -u | wc -l)" = 3 ]; }
worked() { grep -q "\"host\":\"$b\"" "$1/journal.jsonl" 2>/dev/null; }
# The master has all results, and has left; its mpirun then waits for a host that does not answer.
done_all() { [ -e cut/tables/kinds.csv ] && recorded cut 8 && [ ! -e cut/lock ]; }
cut_off() {
    job cut >cut.txt 2>&1 </dev/null &
    pid=$!
    until_ok worked cut && ip -n $b link set "v$b" down && until_ok done_all || { cat cut.txt; return 1; }
    # shellcheck disable=SC2046
    until_ok none_left $a && kill -KILL $(ip netns pids $a)
    wait $pid
    cat cut.txt
    says cut.txt 'is lost: no sign of life for 5 s' && lines cut/journal.jsonl 8 && same whole cut
}
# The ranks of the host that is alone leave when their master has not answered for twice --lost-after.
alone() { until_ok none_left $b; }
none_left() { for one in $(ip netns pids "$1"); do grep -q gridshift "/proc/$one/comm" 2>/dev/null && return 1; done; return 0; }

# All processes of the second host die, its part of mpirun too. mpirun may end the other ranks with them; then the same command goes on.
died() {
    job died >died.txt 2>&1 </dev/null &
    pid=$!
    until_ok worked died || return 1
    # shellcheck disable=SC2046
    kill -KILL $(ip netns pids $b)
    until_ok gone $pid
    wait $pid
    mpirun_code=$?
    if [ -e died/tables/kinds.csv ]; then went=completed; else went="were ended by mpirun"; fi
    echo "when a host died, mpirun ended with $mpirun_code and the ranks of the other one $went" >went.txt
    cat died.txt
    code 0 "$work/agent" $a "$gridshift" run --np 2 -o "$work/died" "$work/hosts.yaml" && lines died/journal.jsonl 8 && same whole died
}

ok 'two hosts and a cable' cable
ok 'a whole sweep' whole
ok 'on two hosts: the same tables' both
ok 'one host dies: the same command has all of it' died
sed 's/^/# /' went.txt
ok 'one host cut off: the other one completes the sweep' cut_off
ok 'the workers that were cut off leave by themselves' alone
finish
