# shellcheck shell=sh disable=SC2034
# TAP for the shell tests; to be sourced. $1 of a test is the gridshift binary. Each test works in a new folder, which is
# removed at the end.
set -u
gridshift=$(realpath "$1")
root=$(realpath "$(dirname "$0")/../..")
count=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset OPENBLAS_NUM_THREADS
# What `gridshift run` sets itself, for the tests that call mpirun.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# What killed ranks leave behind goes with the folder.
export TMPDIR=$work OMPI_MCA_btl_vader_backing_directory=$work

# What the undefined behaviour sanitizer said in any process, also in one whose death was expected.
defined() {
    reports=$(grep -rhs --include='*.txt' --include='*.err' ': runtime error: ' .)
    [ -z "$reports" ] || { echo "$reports"; return 1; }
}

# ok NAME COMMAND...: passes when the command ends with 0; its output is shown when it does not.
ok() {
    name=$1
    shift
    count=$((count + 1))
    if "$@" >output.txt 2>&1 && defined >>output.txt; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name"
        sed 's/^/# /' output.txt
    fi
}

# code N COMMAND...: ends with 0 when the command ends with N; stdout and stderr stay in out.txt and err.txt.
code() {
    wanted=$1
    shift
    "$@" >out.txt 2>err.txt </dev/null
    got=$?
    [ "$got" = "$wanted" ] && return 0
    echo "exit code $got, not $wanted: $*"
    cat out.txt err.txt
    return 1
}

# says FILE TEXT: the file has a line with this text.
says() {
    grep -qF -- "$2" "$1" && return 0
    echo "$1 lacks '$2'; it has:"
    cat "$1"
    return 1
}

# refuses TEXT COMMAND...: exit code 2, nothing on stdout, the text on stderr.
refuses() {
    text=$1
    shift
    code 2 "$@" && says err.txt "$text" && [ ! -s out.txt ]
}

# lines FILE N: the file has so many lines.
lines() {
    got=$(wc -l <"$1")
    [ "$got" = "$2" ] && return 0
    echo "$1 has $got lines, not $2"
    return 1
}

# same A B: two folders have the same results, byte for byte.
same() {
    diff -r "$1/tables" "$2/tables" && cmp "$1/results.csv" "$2/results.csv"
}

# tiny NAME STEPS KINDS SEEDS: a sweep file on stdout whose runs take a moment.
tiny() {
    cat <<EOF
sweep: 1
name: $1
defaults:
  task: addition
  task.digits: 2
  model.d_model: 16
  model.heads: 2
  ffn.width: 16
  train.steps: $2
  train.batch: 16
  eval.every: 5
parameters:
  ffn.kind: {values: [$3]}
  seed: {range: [0, $4]}
ablate: [{site: ffn.out, mode: zero}]
tables:
  kinds: {kind: comparison, rows: [ffn.kind], metrics: [final.clean.accuracy, final.zero_ffn.accuracy], baseline: {ffn.kind: dense}}
EOF
}

finish() {
    echo "1..$count"
    [ "$failed" = 0 ]
}
