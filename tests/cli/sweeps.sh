#!/bin/sh
# Every sweep file of the project plans, and says on top what it costs.
. "$(dirname "$0")/lib.sh"

plans() { code 0 "$gridshift" plan "$1" && says out.txt predicted; }
states_cost() { sed '/^sweep:/q' "$1" | grep -qiE '^#.*(core hour|minute)' || { echo "no core hours above 'sweep:' in $1"; return 1; }; }

for file in "$root"/sweeps/*.yaml "$root"/sweeps/*/*.yaml; do
    short=${file#"$root"/}
    ok "$short plans" plans "$file"
    ok "$short states its cost" states_cost "$file"
done
finish
