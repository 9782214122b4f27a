# shellcheck shell=sh
# Who is who in a job of `gridshift run --np W`; to be sourced after lib.sh.

# until_ok COMMAND...: repeats it until it ends with 0; fails after two minutes.
until_ok() {
    for _ in $(seq 2400); do
        "$@" && return 0
        sleep 0.05
    done
    echo "in vain for two minutes: $*"
    return 1
}
lives() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
gone() { ! lives "$1"; }
# children PID: its children, a line each.
children() { cat "/proc/$1"/task/*/children 2>/dev/null | tr " " "\n" | grep .; }
# ranks_of LAUNCHER: "RANK PID" a line, of the ranks that live, and "mpirun PID".
ranks_of() {
    for mpirun in $(children "$1"); do
        echo "mpirun $mpirun"
        for one in $(children "$mpirun"); do
            rank=$(tr '\0' '\n' <"/proc/$one/environ" 2>/dev/null | sed -n 's/^OMPI_COMM_WORLD_RANK=//p')
            [ -n "$rank" ] && lives "$one" && echo "$rank $one"
        done
    done
}
# pid_of WHO FILE: from what ranks_of printed.
pid_of() { sed -n "s/^$1 //p" "$2"; }
# recorded DIR N: at least N runs are in the journal.
recorded() { [ "$2" = 0 ] || [ -e "$1/journal.jsonl" ] && [ "$(wc -l <"$1/journal.jsonl")" -ge "$2" ]; }
# all_there LAUNCHER N FILE: N ranks and mpirun, into the file.
all_there() { ranks_of "$1" >"$3" && [ "$(wc -l <"$3")" = $(($2 + 1)) ]; }
all_gone() {
    for one in $(cut -d' ' -f2 "$1"); do lives "$one" && return 1; done
    return 0
}
