#!/bin/sh
# The command line itself: commands, options, help; what is wrong is exit 2 with what to do.
. "$(dirname "$0")/lib.sh"
tiny words 5 'dense, glu' 2 >words.yaml

help_of() { code 0 "$gridshift" "$1" --help && says out.txt "usage: gridshift $1"; }
for command in plan run status tables show eval keys doctor; do
    ok "$command has --help" help_of "$command"
done
ok 'no command: the list, exit 2' code 2 "$gridshift"
ok '--help lists the commands' code 0 "$gridshift" --help
ok 'unknown command' refuses "unknown command 'paln'. Did you mean 'plan'?" "$gridshift" paln
ok 'a command of a later version' refuses "'report' is not in this version" "$gridshift" report words
ok 'unknown option' refuses "unknown option '--jsn' of \`plan\`. Did you mean '--json'?" "$gridshift" plan --jsn words.yaml
ok 'unknown letter' refuses "unknown option '-x' of \`run\`" "$gridshift" run -x words.yaml
ok 'option without its argument' refuses "option '--set' needs an argument" "$gridshift" plan words.yaml --set
ok 'no sweep' refuses 'usage: gridshift plan [options] SWEEP' "$gridshift" plan
ok 'two sweeps' refuses "unexpected 'b.yaml'" "$gridshift" plan words.yaml b.yaml
unknown_isa() { GRIDSHIFT_ISA=sse refuses 'GRIDSHIFT_ISA=sse: this processor runs none of that name' "$gridshift" run --np 0 words.yaml; }
ok 'an unknown instruction set' unknown_isa
ok '--np is a number' refuses "--np takes a whole number of at least 0, not 'two'" "$gridshift" run --np two words.yaml
ok '--np is not negative' refuses "not '-1'" "$gridshift" run --np -1 words.yaml
ok '--retry takes failed' refuses "--retry takes the word \`failed\`, not 'all'" "$gridshift" run --retry all words.yaml
ok '--set with an unknown key' refuses "ffn.kind" "$gridshift" plan --set ffn.knd=glu words.yaml
ok '--set with a value that is not listed' refuses "moe" "$gridshift" plan --set ffn.kind=moe words.yaml
ok '--set without a value' refuses "ffn.kind" "$gridshift" plan --set ffn.kind words.yaml
ok 'status of no folder' refuses 'there is no spec.yaml' "$gridshift" status nowhere
ok 'show of an unknown id' refuses "no finished run's id begins with 'abc'" "$gridshift" show nowhere abc
ok 'keys of an unknown key' refuses "unknown key 'ffn.widht'. Did you mean 'ffn.width'?" "$gridshift" keys ffn.widht
ok 'keys of an unknown task' refuses 'additon' "$gridshift" keys --task additon

ok 'eval of an unknown probe' refuses "--probe: there is no probe 'fourrier'. Did you mean 'fourier'?" "$gridshift" eval --probe fourrier nowhere
manual_of_probes() { code 0 "$gridshift" keys && says out.txt 'routing: loads, entropies' && says out.txt 'neuron_concentration_live_one_sided'; }
ok 'keys lists the probes and their metrics' manual_of_probes

one_key() { code 0 "$gridshift" keys ffn.top_k && says out.txt 'ffn.top_k: integer 1..256; default 1; when' && lines out.txt 2; }
manual_of_task() { code 0 "$gridshift" keys --task modular && says out.txt 'train.weight_decay' && says out.txt 'default 1' && ! grep -q task.digits out.txt; }
json_manual() { code 0 "$gridshift" keys --json && python3 -c 'import json; k = json.load(open("out.txt"))["keys"]; assert any(r["name"] == "ffn.kind" and "moe" in r["choices"].split() for r in k)'; }
ok 'keys of one key' one_key
ok 'keys of a task' manual_of_task
ok 'keys as json' json_manual
doctor() { code 0 "$gridshift" doctor && for word in cores CPU ISA kernels OpenBLAS MPI ScaLAPACK memory disk libyaml; do says out.txt $word || return 1; done; }
preset() { OPENBLAS_CORETYPE=Haswell code 0 "$gridshift" doctor && says out.txt 'OPENBLAS_CORETYPE=Haswell is preset'; }
ok 'doctor' doctor
ok 'doctor warns of a preset BLAS core' preset

plan_text() { code 0 "$gridshift" plan words.yaml && says out.txt '4 runs: 0 done, 0 failed, 4 to do' && says out.txt 'core hours'; }
plan_csv() { code 0 "$gridshift" plan --csv words.yaml && lines out.txt 5 && head -1 out.txt | grep -q '^id,seed,ffn.kind,state,'; }
plan_json() { code 0 "$gridshift" plan --json words.yaml && python3 -c 'import json; p = json.load(open("out.txt")); assert p["count"] == 4 == len(p["runs"]) and p["runs"][1]["varying"] == {"ffn.kind": "dense", "seed": 1} and p["runs"][0]["params_total"] > 0'; }
plan_set() { code 0 "$gridshift" plan --set ffn.kind=glu --set train.steps=9 words.yaml && says out.txt '2 runs: 0 done'; }
readme_sweep() { sed -n '/^```yaml/,/^```$/p' "$root/README.md" | grep -v '^```' >readme.yaml && code 0 "$gridshift" plan readme.yaml && says out.txt '30 runs' && says out.txt 'todo   -0.109 %'; }
every_sweep() { find "$root/sweeps" -name '*.yaml' >sweeps.txt && [ -s sweeps.txt ] && while read -r sweep; do code 0 "$gridshift" plan "$sweep" || return 1; done <sweeps.txt; }
nothing_made() { [ ! -e runs ]; }
ok 'plan as text' plan_text
ok 'plan as csv' plan_csv
ok 'plan as json' plan_json
ok 'plan with --set' plan_set
ok "README's sweep file" readme_sweep
ok 'every sweep file of the project' every_sweep
over_budget() { { cat words.yaml; echo 'budget: {core_hours: 1e-9}'; } >budget.yaml; code 2 "$gridshift" run --np 0 budget.yaml && says err.txt 'core_hours'; }
ok 'a sweep over its budget does not start' over_budget
full_output() { "$gridshift" plan words.yaml >/dev/full 2>err.txt; [ $? = 1 ] && says err.txt 'the output could not be written: No space left on device.'; }
file_as_folder() { : >file && refuses 'file is not a folder. Give another with -o.' "$gridshift" run --np 0 -o file words.yaml; }
ok 'a full disk behind stdout' full_output
ok 'a file for a folder' file_as_folder
ok 'none of these made a folder' nothing_made
finish
