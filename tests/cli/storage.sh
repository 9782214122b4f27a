#!/bin/sh
# What a disk or a memory that is too small does to a sweep: a clear message, exit 75 or a failed record, and the same command goes on.
# $2: the library of faulty.c.
faulty=$(realpath "$2")
. "$(dirname "$0")/lib.sh"
tiny disk 12 'dense, moe' 3 | sed 's/eval.every: 5/eval.every: 5\n  train.save: true/' >disk.yaml
run() { "$gridshift" run --np 0 "$@" disk.yaml; }
# stops SAYS COMMAND...: exit code 75 (or 2 when nothing could be started), with a message.
stops() {
    text=$1
    shift
    "$@" >out.txt 2>err.txt </dev/null
    got=$?
    { [ "$got" = 75 ] || [ "$got" = 2 ]; } && says err.txt "$text" && return 0
    echo "exit code $got: $*"
    cat out.txt err.txt
    return 1
}
with() { FAULTY=$1 LD_PRELOAD=${sanitizer:+$sanitizer:}$faulty "$gridshift" run --np 0 -o "$2" disk.yaml; }
# sound DIR: every record that is there is whole, and none is there twice.
sound() {
    [ ! -e "$1/spec.yaml" ] && return 0
    code 0 "$gridshift" status "$1" && ! grep -q damage out.txt && [ "$(cut -d'"' -f4 "$1/journal.jsonl" | sort | uniq -d | wc -l)" = 0 ]
}
whole() { code 0 run -o whole; }
short() { code 0 with short short && same whole short; }
interrupted() { code 0 with eintr eintr && same whole eintr; }
full() {
    bytes=300
    stopped=0
    while with "full:$bytes" "full$bytes" >out.txt 2>err.txt </dev/null; [ $? != 0 ]; do
        stops 'Make room on this file system' with "full:$bytes" "again$bytes" && sound "again$bytes" && code 0 run -o "again$bytes" &&
            same whole "again$bytes" && lines "again$bytes/journal.jsonl" 6 || return 1
        stopped=$((stopped + 1))
        bytes=$((bytes * 17 / 10))
    done
    echo "# stopped at $stopped sizes, up to $bytes bytes" >sizes.txt
    [ "$stopped" -gt 8 ]
}
failing() {
    for n in 1 4 9 20 40; do
        stops 'The disk or the file server has an error' with "sync:$n" "sync$n" && sound "sync$n" && code 0 run -o "sync$n" && same whole "sync$n" ||
            return 1
    done
}
limited() {
    (ulimit -f 4; stops 'ulimit -f' run -o limited) && sound limited && code 0 run -o limited && same whole limited
}
# The address sanitizer wants to be the first of the libraries, and its shadow is over every limit of address space.
sanitizer=$(ldd "$gridshift" | sed -n 's/.*libasan.* => \([^ ]*\).*/\1/p')
ok 'a whole run' whole
ok 'short writes' short
ok 'interrupted calls' interrupted
ok 'a disk that is full after so many bytes' full
cat sizes.txt
ok 'a disk that cannot sync' failing
ok 'a limit on the size of files' limited

# -- folders that are not as they should be ----------------------------------------------------------------------------

# vanishes NP: the folder is removed while the sweep goes on.
vanishes() {
    "$gridshift" run --np "$1" -o "gone$1" --set train.steps=3000 --set train.checkpoint_minutes=0.001 disk.yaml >out.txt 2>err.txt </dev/null &
    pid=$!
    for _ in $(seq 1200); do
        [ -e "gone$1/checkpoints" ] && break
        sleep 0.05
    done
    mv "gone$1" "away$1"
    wait $pid
    got=$?
    [ "$got" = 75 ] && [ ! -e "gone$1" ] && says err.txt 'The folder is gone' && mv "away$1" "gone$1" && sound "gone$1" && return 0
    echo "exit code $got"
    cat out.txt err.txt
    ls "gone$1"
    return 1
}
in_the_way() { mkdir -p way && : >way/runs && stops 'cannot make the folder' run -o way && rm way/runs && code 0 run -o way && same whole way; }
links() {
    mkdir -p linked/tables outside && ln -s "$work/outside/journal" linked/journal.jsonl && stops 'symbolic link' run -o linked && rm linked/journal.jsonl
    ln -sf "$work/outside/table" linked/tables/kinds.md && ln -sf "$work/outside/results" linked/results.csv
    code 0 run -o linked && [ -z "$(ls outside)" ] && same whole linked && [ ! -L linked/results.csv ]
}
names() {
    for given in ../up .. . .hidden a/b /etc/x a+b '~'; do
        sed "s|^name:.*|name: \"$given\"|" disk.yaml >named.yaml
        refuses 'names files' "$gridshift" run --np 0 named.yaml || return 1
        sed "s|^  kinds:|  ${given}:|" disk.yaml >named.yaml
        refuses 'names files' "$gridshift" run --np 0 -o named named.yaml || return 1
    done
    [ ! -e named ] && [ ! -e runs ]
}
ok 'the folder vanishes: in one process' vanishes 0
ok 'the folder vanishes: with workers' vanishes 2
ok 'a file where a folder should be' in_the_way
ok 'symbolic links are not followed out of the folder' links
ok 'names that would leave the folder' names

# -- a small file system, where root may mount one -------------------------------------------------------------------------

mount_small() { mkdir -p small && mount -t tmpfs -o "$1" tmpfs small 2>mount.txt; }
unmount() { umount small 2>umount.txt || umount -l small; }
fills() {
    mount_small size=64k || return 1
    stops 'Make room on this file system' "$gridshift" run --np 2 -o small/dir disk.yaml && sound small/dir && mount -o remount,size=16m small &&
        code 0 run -o small/dir && same whole small/dir
    got=$?
    unmount
    return $got
}
read_only() {
    mount_small size=16m || return 1
    code 0 "$gridshift" run --np 0 -o small/dir --set seed=0,1 disk.yaml && mount -o remount,ro small && stops 'read-only' run -o small/dir &&
        code 0 "$gridshift" status small/dir && mount -o remount,rw small && code 0 run -o small/dir && same whole small/dir
    got=$?
    unmount
    return $got
}
if mount_small size=64k; then
    unmount
    ok 'a small file system fills' fills
    ok 'a read-only file system' read_only
else
    echo "# no small file system can be mounted here: $(cat mount.txt)"
fi

# -- memory --------------------------------------------------------------------------------------------------------------

over_budget() {
    { sed 's/^  ffn.kind/  ffn.width: {values: [16, 4096]}\n  ffn.kind/; s/rows: \[/rows: [ffn.width, /; s/, baseline.*/}/' disk.yaml; echo 'budget: {bytes: 1.5e6}'; } >memory.yaml
    code 0 "$gridshift" plan memory.yaml && says out.txt '6 runs need more than budget.bytes' &&
        code 3 "$gridshift" run --np 0 -o memory memory.yaml && says err.txt '6 of 12 runs failed' && says err.txt 'and budget.bytes is 1500000' &&
        lines memory/journal.jsonl 12
}
# Training fits, and its probes do not: refused before it begins.
probed() {
    cat <<EOF
sweep: 1
name: probed
defaults: {task: modular, task.modulus: 31, train.steps: 2, eval.every: 2, model.d_model: 16, model.heads: 2, ffn.width: 64}
parameters: {seed: {range: [0, 2]}}
$1
EOF
}
bytes_of() { "$gridshift" plan --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["runs"][0]["bytes"])'; }
probes_over_budget() {
    probed '' >bare.yaml && probed 'probe: [fourier]' >probed.yaml && bare=$(bytes_of bare.yaml) && with=$(bytes_of probed.yaml) &&
        [ "$with" -gt "$bare" ] && budget="budget: {bytes: $(((bare + with) / 2))}" && echo "$budget" >>bare.yaml && echo "$budget" >>probed.yaml &&
        code 3 "$gridshift" run --np 0 --partial -o probed probed.yaml && says err.txt "it needs $with bytes of memory" && [ ! -e probed/runs ] &&
        code 0 "$gridshift" run --np 0 -o bare bare.yaml
}
over_limit() {
    (ulimit -v 3000000; code 3 "$gridshift" run --np 0 -o limit --set ffn.width=65536 --set model.d_model=4096 --set seed=0 disk.yaml) &&
        says err.txt '2 of 2 runs failed' && says err.txt 'RLIMIT_AS (ulimit -v)' && says limit/journal.jsonl 'bytes of memory'
}
ok 'runs over budget.bytes are failed records' over_budget
ok 'runs whose probes are over it too' probes_over_budget
if [ -z "$sanitizer" ]; then
    ok 'runs over the limit of the process are failed records' over_limit
else
    echo '# skipped under the address sanitizer, whose shadow needs terabytes of address space: runs over the limit of the process'
fi
finish
