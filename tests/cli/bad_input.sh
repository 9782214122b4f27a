#!/bin/sh
# Everything that can be wrong with a sweep file: exit 2 before anything starts, and exactly one message, from `plan` and from `run`.
. "$(dirname "$0")/lib.sh"

# refused FILE MESSAGE [OPTION...]: by both commands, with this message alone, and nothing is left behind.
refused() {
    file=$1
    printf 'gridshift: %s\n' "$2" >wanted.txt
    shift 2
    for command in plan run; do
        code 2 "$gridshift" $command "$@" "$file" || return 1
        cmp -s wanted.txt err.txt || { echo "$command says:"; cat err.txt; echo 'wanted:'; cat wanted.txt; return 1; }
        if [ -s out.txt ] || [ -e runs ]; then echo "$command started something"; return 1; fi
    done
}

# bad NAME LINE:COLUMN MESSAGE: the file is stdin.
bad() {
    cat >bad.yaml
    ok "$1" refused bad.yaml "bad.yaml:$2: $3"
}

# one LINE:COLUMN MESSAGE TEXT: the file is `sweep: 1` and the text, whose first line is line 2.
one() {
    printf 'sweep: 1\n%b\n' "$3" >bad.yaml
    ok "$(printf %s "$3" | sed 's/\\[nt]/ | /g; s/#/ /g')" refused bad.yaml "bad.yaml:$1: $2"
}

refused_default() {
    printf 'sweep: 1\nparameters: {seed: {values: [1, 2]}}\ninclude: [{ffn.kind: glu, seed: 1}]\n' >bad.yaml
    refused bad.yaml 'bad.yaml: table comparison: row ffn.kind glu has no run with seed 2, which other rows have. Give all rows the same seeds, or give --partial, which marks such rows.' &&
        code 0 "$gridshift" plan --partial bad.yaml && says out.txt '3 runs'
}

# -- the file ---------------------------------------------------------------------------------------------------

: >bad.yaml
ok 'an empty file' refused bad.yaml 'bad.yaml:1:1: the file is empty; a sweep file begins with `sweep: 1`'
bad 'only a comment' 1:1 'the file is empty; a sweep file begins with `sweep: 1`' <<'E'
# nothing
E
mkdir folder.yaml
ok 'a directory' refused folder.yaml 'folder.yaml:1:1: this is a folder; name a file'
ok 'no file' refused absent.yaml 'absent.yaml:1:1: No such file or directory'
head -c 104857600 /dev/zero >big.yaml
ok 'a file of 100 MB' refused big.yaml 'big.yaml:1:1: the file has 104857600 bytes and may have 4194304; name a sweep file, and in it ranges instead of lists'
rm big.yaml
mkfifo pipe.yaml
ok 'a named pipe' refused pipe.yaml 'pipe.yaml:1:1: this is not a regular file'
head -c 100000 /dev/zero | tr '\0' '[' >bad.yaml
ok '100,000 levels of lists' refused bad.yaml 'bad.yaml:1:65: more than 64 levels of nesting; a sweep file needs five'
head -c 200000 /dev/zero | tr '\0' '{' >bad.yaml
ok '200,000 levels of maps' refused bad.yaml 'bad.yaml:1:2: a key must be a name, not a list or a map'
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "- "; print "" }' >bad.yaml
ok '100,000 levels of block lists' refused bad.yaml 'bad.yaml:1:129: more than 64 levels of nesting; a sweep file needs five'
awk 'BEGIN { print "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"; for (i = 1; i < 20; i++) { printf "a%d: &a%d [", i, i; for (j = 0; j < 10; j++) printf "%s*a%d", j ? ", " : "", i - 1; print "]" } }' >bad.yaml
ok 'aliases of aliases' refused bad.yaml 'bad.yaml:6:45: more than 1000000 values, with aliases written out; write ranges instead of lists'
printf 'sweep: 1\nname: caf\351\n' >bad.yaml
ok 'bad UTF-8' refused bad.yaml 'bad.yaml:2:10: the byte 0xe9 is not UTF-8; save the file as UTF-8'
printf 'sweep: 1\nname: \300\257\n' >bad.yaml
ok 'overlong UTF-8' refused bad.yaml 'bad.yaml:2:7: the byte 0xc0 is not UTF-8; save the file as UTF-8'
printf '\377\376s\000w\000' >bad.yaml
ok 'UTF-16' refused bad.yaml 'bad.yaml:1:1: the byte 0xff is not UTF-8; save the file as UTF-8'
printf 'sweep: 1\nname: a\000b\n' >bad.yaml
ok 'a zero byte' refused bad.yaml 'bad.yaml:2:8: the control character U+0000 is not allowed; remove it'
printf 'sweep: 1\nname: "\\0"\n' >bad.yaml
ok 'an escaped zero byte' refused bad.yaml 'bad.yaml:2:7: a value has a zero byte; remove it'

# -- YAML -------------------------------------------------------------------------------------------------------

one 3:1 'a tab cannot stand here; indent with spaces' 'defaults:\n\tseed: 1'
one 3:3 'a tab cannot stand here; indent with spaces' 'defaults:\n  \tseed: 1'
one 4:3 "'seed': this key is there twice; keep one of the two" 'defaults:\n  seed: 1\n  seed: 2'
one 3:1 "'name': this key is there twice; keep one of the two" 'name: a\nname: b'
one 4:3 'merge keys (<<) are not supported; write the keys out' 'defaults: &d\n  seed: 1\n  <<: *d'
one 2:14 "'d': this alias stands inside what it stands for; write the values out" 'exclude: &d [*d]'
one 2:11 "'d': this alias has no anchor before it; write the values out" 'exclude: [*d]'
one 2:1 'a second document begins here; a sweep file has one' '---\nsweep: 1'
one 2:7 'tags (!) are not supported; the key gives a value its type' 'name: !!str a'
one 2:1 'a key must be a name, not a list or a map' '[a]: 1'
one 3:1 'this is not YAML: did not find expected node content while parsing a flow node' 'exclude: ['
one 3:1 'this is not YAML: found unexpected end of stream while scanning a quoted scalar' 'name: "a'

# -- sections ---------------------------------------------------------------------------------------------------

bad 'a list for a file' 1:1 'a sweep file must be a map, and this is a list' <<'E'
[1]
E
bad 'no version' 1:1 "the format's version is missing; begin with \`sweep: 1\`" <<'E'
name: a
E
bad 'another version' 1:8 'this format of sweep file is not in this version; write `sweep: 1`' <<'E'
sweep: 2
E
sections='sweep, name, defaults, parameters, zip, exclude, include, match, ablate, probe, tables, claims, budget'
one 2:1 "a sweep file: unknown word 'paramters'; did you mean 'parameters'?" 'paramters: {}'
one 2:1 "a sweep file: unknown word 'xyzzy'; there are: $sections" 'xyzzy: {}'
one 2:7 "the name 'a/b' names files; use up to 100 letters, digits, _, - and ., and begin with a letter or digit" 'name: a/b'

# -- keys and values --------------------------------------------------------------------------------------------

one 2:12 "unknown key 'ffn.widht'; did you mean 'ffn.width'?" 'defaults: {ffn.widht: 1}'
one 2:12 "unknown key 'width'; did you mean 'ffn.width'?" 'defaults: {width: 1}'
one 2:12 "unknown key 'colour'; \`gridshift keys\` lists all" 'defaults: {colour: 1}'
one 2:12 "the key 'ffn.keep' is not in this version; remove it" 'defaults: {ffn.keep: 0.15}'
one 2:23 "ffn.kind: 'sparse_gated' is not in this version; give one of: dense glu moe moe_glu" 'defaults: {ffn.kind:  sparse_gated}'
one 2:22 "ffn.kind: 'dual_path' is not in this version; give one of: dense glu moe moe_glu" 'defaults: {ffn.kind: dual_path}'
one 2:23 "attn.kind: 'soft_gate' is not in this version; give dense" 'defaults: {attn.kind: soft_gate}'
one 2:23 "attn.kind: 'hard_topk' is not in this version; give dense" 'defaults: {attn.kind: hard_topk}'
one 2:23 "attn.kind: 'ste' is not in this version; give dense" 'defaults: {attn.kind: ste}'
one 2:18 "task: 'text' is not in this version; give one of: addition modular histogram" 'defaults: {task: text}'
one 2:22 "ffn.kind: 'dens' is not allowed; give one of: dense glu moe moe_glu" 'defaults: {ffn.kind: dens}'
one 2:23 "ffn.width: 'wide' is not allowed; give an integer from 1 to 65536" 'defaults: {ffn.width: wide}'
one 2:23 "ffn.width: '0' is not allowed; give an integer from 1 to 65536" 'defaults: {ffn.width: 0}'
one 2:23 "ffn.width: '2.5' is not allowed; give an integer from 1 to 65536" 'defaults: {ffn.width: 2.5}'
one 2:23 "ffn.width: '0x10' is not allowed; give an integer from 1 to 65536" 'defaults: {ffn.width: 0x10}'
one 2:23 'ffn.width has no value; give an integer from 1 to 65536' 'defaults: {ffn.width: }'
one 2:22 "train.lr: '.nan' is not allowed; give a number from 0 to 1000" 'defaults: {train.lr: .nan}'
one 2:22 "train.lr: '-1' is not allowed; give a number from 0 to 1000" 'defaults: {train.lr: -1}'
one 2:24 "model.tied: 'no' is not allowed; give true or false" 'defaults: {model.tied: no}'
one 2:22 'ffn.kind has a map as its value; keys are flat, dotted names, and a value is one word or number' 'defaults: {ffn.kind: {a: b}}'
one 2:22 'ffn.kind takes one value here; lists belong under `parameters`' 'defaults: {ffn.kind: [glu]}'

# -- parameters, zip --------------------------------------------------------------------------------------------

one 2:20 'seed: write {values: [...]} or {range: [first, end]}' 'parameters: {seed: [1, 2]}'
one 2:20 'seed: give either `values` or `range`' 'parameters: {seed: {}}'
one 2:20 'seed: give either `values` or `range`' 'parameters: {seed: {values: [1], range: [0, 2]}}'
one 2:21 "seed: unknown word 'value'; did you mean 'values'?" 'parameters: {seed: {value: 1}}'
one 2:29 'seed has an empty list; give at least one value' 'parameters: {seed: {values: []}}'
one 2:28 'seed: this range is empty; its end must be more than its first value' 'parameters: {seed: {range: [3, 3]}}'
one 2:28 'seed: a range is [first, end], two integers, the end not included' 'parameters: {seed: {range: [3]}}'
one 2:28 'seed: this range has more than 1000000 values' 'parameters: {seed: {range: [0, 4294967296]}}'
one 2:39 'router.z_weight is not an integer and takes no range; give a list of values' 'parameters: {router.z_weight: {range: [0, 1]}}'
one 2:14 'the product has more than 1000000 runs; split the sweep' 'parameters: {seed: {range: [0, 1000]}, train.steps: {range: [0, 1001]}}'
one 2:14 'the product has more than 1000000 runs; split the sweep' 'parameters: {seed: {range: [0, 1000000]}, train.steps: {range: [0, 1000000]}, train.data_seed: {range: [0, 1000000]}, train.init_seed: {range: [0, 1000000]}}'
one 3:33 'zip group a: the lists of model.d_model (2) and model.heads (1) move together; give as many values in each' 'zip:\n  a: {model.d_model: [64, 128], model.heads: [4]}'
one 3:11 'seed is in `parameters` or `zip` already; give its values in one place' 'parameters: {seed: {values: [1]}}\nzip: {a: {seed: [1]}}'
one 3:46 'the `when` of router.gate depends on a parameter that has a `when` itself; put router.gate below that one' 'parameters:\n  router.gate: {values: [renorm, raw], when: {ffn.top_k: 2}}\n  ffn.top_k: {values: [1, 2], when: {ffn.kind: moe}}\n  ffn.kind: {values: [dense, moe]}'

# -- exclude, include, match ------------------------------------------------------------------------------------

one 3:11 'this exclude fits no run; correct or remove it' 'parameters: {seed: {range: [0, 3]}}\nexclude: [{seed: 3}]'
one 3:11 'exclude leaves no run; remove an entry' 'parameters: {seed: {range: [0, 3]}}\nexclude: [{seed: [0, 1, 2]}]'
one 2:11 'exclude is empty; name at least one key' 'exclude: [{}]'
one 2:10 'exclude must be a list, and this is a map' 'exclude: {seed: 1}'
one 2:11 'with this row the sweep has more than 1000000 runs; split the sweep' 'include: [{seed: {range: [0, 1000000]}, train.steps: {range: [0, 1000000]}}]'
arms='parameters: {ffn.kind: {values: [dense, glu]}}\n'
one 3:8 'match needs count, reference and solve' "${arms}match: {count: params_total}"
one 3:16 "match: count: unknown word 'params'; there are: params_total, params_active, flops_per_token" "${arms}match: {count: params, reference: {ffn.kind: dense}, solve: ffn.width}"
one 3:42 'the reference of match fits no run; correct it or add the run' "${arms}match: {count: params_total, reference:  {ffn.kind: moe}, solve: ffn.width}"

match="match: {count: params_total, reference: {ffn.kind: dense}, solve:"
one 3:67 "match: solve: unknown word 'seed'; there are: ffn.width, model.d_model, model.layers" "${arms}$match seed}"
one 3:85 'a run fits both `reference` and `for` of match; make them apart' "${arms}$match ffn.width, for:   {seed: 0}}"
one 3:85 'match has no run to change; correct `for` or remove match' "${arms}$match ffn.width, for:   {ffn.kind: moe}}"
one 3:86 "match: within: '2' is no tolerance; give 1% or 0.01" "${arms}$match ffn.width, within: 2}"
one 3:86 "match: within: 'one' is no tolerance; give 1% or 0.01" "${arms}$match ffn.width, within: one}"
one 3:86 "match: the best ffn.width is 172 with params_total 58432, -0.1094% from the reference's 58496; within is 0.1%, so widen it or free another key (run: ffn.kind glu)" "${arms}$match ffn.width, within: 0.1%}"
one 3:104 "match: the best ffn.width is 256 with params_total 74560, 27.46% from the reference's 58496; within is 1%, so widen it or free another key (run: ffn.kind glu)" "${arms}$match ffn.width, multiple_of: 256, within: 1%}"
one 3:115 'match: a rule sets the value itself; remove multiple_of' "${arms}$match ffn.width, rule: floor_two_thirds, multiple_of: 2}"
one 3:88 'match: floor_two_thirds is a rule for solve: ffn.width' "${arms}$match model.d_model, rule: floor_two_thirds}"
one 4:41 "match: no reference run has this run's values of the other varying keys; add it (run: model.d_model 128, ffn.kind glu)" 'parameters: {ffn.kind: {values: [dense, glu]}, model.d_model: {values: [64, 128]}}\nexclude: [{ffn.kind: dense, model.d_model: 128}]\nmatch: {count: params_total, reference: {ffn.kind: dense}, solve: ffn.width}'
one 4:41 'match: two reference runs with different counts fit this run; name more keys in `reference` (run: seed 0, ffn.kind glu, ffn.width 64)' 'parameters: {ffn.kind: {values: [dense, glu]}, seed: {values: [0, 1]}, ffn.width: {values: [64, 128]}}\ndefaults: {}\nmatch: {count: params_total, reference: {ffn.kind: dense}, solve: ffn.width}'

# -- probe, ablate, tables, budget -------------------------------------------------------------------------------------

one 2:17 "ablate: site: unknown word 'ffn'; there are: attn.out, attn.head, ffn.out, ffn.expert" 'ablate: [{site: ffn, mode: zero}]'
one 2:32 "ablate: mode: unknown word 'noise'; there are: zero, mean, resample" 'ablate: [{site: ffn.out, mode: noise}]'
one 2:35 'ablate: ffn.expert takes only mode zero' 'ablate: [{site: ffn.expert, mode: mean}]'
one 2:10 'ablate: each entry needs a site and a mode' 'ablate: [{site: ffn.out}]'
one 2:39 'ablate: ffn.out with zero is there twice; remove one' 'ablate: [{site: ffn.out, mode: zero}, {site: ffn.out, mode: zero}]'
one 2:9 'ablate must be a list, and this is a map' 'ablate: {site: ffn.out, mode: zero}'
one 2:12 'task.leave_out leaves out 1000 of the 1000 inputs, and both parts need one: change task.leave_from or task.leave_to' 'defaults: {task.leave_out: ones, task.leave_from: 0}'
one 2:9 "there is no probe 'routin'. Did you mean 'routing'? \`gridshift keys\` lists them" 'probe: [routin]'
one 2:8 'probe: routing is of mixtures, and no run of the sweep is one; remove it' 'probe: [routing]'
one 2:16 'probe: norms is there twice; remove one' 'probe: [norms, norms]'
one 2:8 'probe: `kinds` is missing; list the probes, e.g. probe: {kinds: [routing], every: 0}' 'probe: {every: 10}'
one 2:27 'probe: `every` without a kind measures nothing; name a kind, or remove `every`' 'probe: {kinds: [], every: 10}'
one 2:32 "probe: every: 'often' is not a number" 'probe: {kinds: [norms], every: often}'
one 2:13 'the table t needs `metrics`' 'tables: {t: {kind: regression, on: [sparsity]}}'
one 2:13 'the table t needs `on`' 'tables: {t: {kind: regression, metrics: [final.clean.accuracy]}}'
one 2:36 'on is empty; name at least one key, log2(KEY), active_share or sparsity' 'tables: {t: {kind: regression, on: [], metrics: [final.clean.accuracy]}}'
one 2:37 "unknown key 'ffn.widht'; did you mean 'ffn.width'?" 'tables: {t: {kind: regression, on: [log2(ffn.widht)], metrics: [final.clean.accuracy]}}'
one 2:37 'on: ffn.kind is not a number, so it has no log2; name it without' 'tables: {t: {kind: regression, on: [log2(ffn.kind)], metrics: [final.clean.accuracy]}}'
one 2:37 'on: the seed is no quantity; the runs of all seeds are the observations' 'tables: {t: {kind: regression, on: [seed], metrics: [final.clean.accuracy]}}'
one 2:47 'on: this term is there twice; remove one' 'tables: {t: {kind: regression, on: [sparsity, sparsity], metrics: [final.clean.accuracy]}}'
one 2:38 'a regression table takes no `rows`; remove it' 'tables: {t: {kind: regression, rows: [ffn.kind], on: [sparsity], metrics: [final.clean.accuracy]}}'
one 2:20 "kind: unknown word 'claims'; there are: comparison, scaling, regression" 'tables: {t: {kind: claims}}'
one 2:20 "kind: unknown word 'histogram'; there are: comparison, scaling, regression" 'tables: {t: {kind: histogram}}'
one 2:13 'the table t has no kind; give comparison, scaling or regression' 'tables: {t: {rows: [ffn.kind]}}'
one 2:13 'the table t needs `metrics`' 'tables: {t: {kind: comparison, rows: [ffn.kind]}}'
one 2:13 'the table t needs `rows`' 'tables: {t: {kind: comparison, metrics: [final.clean.accuracy]}}'
one 2:13 'the table t needs `x`' 'tables: {t: {kind: scaling, metrics: [final.clean.accuracy]}}'
one 2:32 'x: ffn.kind is not a number; name a key such as ffn.width' 'tables: {t: {kind: scaling, x: ffn.kind, metrics: [final.clean.accuracy]}}'
one 2:49 'a scaling table takes no `rows`; remove it' 'tables: {t: {kind: scaling, x: ffn.width, rows: [ffn.kind], metrics: [final.clean.accuracy]}}'
one 2:39 'rows: tables aggregate over seed; remove it' 'tables: {t: {kind: comparison, rows: [seed], metrics: [final.clean.accuracy]}}'
one 2:39 "unknown key 'ffn.knd'; did you mean 'ffn.kind'?" 'tables: {t: {kind: comparison, rows: [ffn.knd], metrics: [final.clean.accuracy]}}'
one 2:60 "unknown metric 'final.accuracy'; the names are CHECKPOINT.SUBJECT.METRIC[STRATUM], e.g. final.zero_ffn.accuracy[carry=2]" 'tables: {t: {kind: comparison, rows: [ffn.kind], metrics: [final.accuracy]}}'
one 2:10 "the table's name '../t' names files; use up to 100 letters, digits, _, - and ., and begin with a letter or digit" 'tables: {../t: {kind: comparison}}'
one 2:22 'budget: core_hours must be more than 0' 'budget: {core_hours: 0}'
one 2:17 'budget: bytes must be a whole number from 1 to 1125899906842624' 'budget: {bytes: 1.5}'
one 2:22 "budget: core_hours: 'ten' is not a number" 'budget: {core_hours: ten}'
one 2:10 "budget: unknown word 'hours'; there are: core_hours, bytes" 'budget: {hours: 1}'

table='kind: comparison, rows: [ffn.kind], metrics: [final.clean.accuracy]'
one 2:93 "interval: unknown word 'bootstrap'; there are: t, bca, percentile" "tables: {t: {$table, interval: bootstrap}}"
one 2:96 "statistics: unknown word 'mode'; there are: median, iqm, min, max" "tables: {t: {$table, statistics: [mode]}}"
one 2:101 'statistics: iqm is there twice; remove one' "tables: {t: {$table, statistics: [iqm, iqm]}}"
one 2:95 'published: each entry needs where, metric and mean (of steps to a level, `n` and `of` will do)' "tables: {t: {$table, published: [{mean: 1}]}}"
one 2:95 'published: sd needs n, the number of seeds' "tables: {t: {$table, published: [{where: {ffn.kind: moe}, metric: final.clean.accuracy, mean: 1, sd: 2}]}}"
one 2:128 'published: the table does not list the metric final.clean.loss' "tables: {t: {$table, published: [{where: {ffn.kind: moe}, metric: final.clean.loss, mean: 1}]}}"
one 2:156 "mean: 'x' is not a number" "tables: {t: {$table, published: [{where: {ffn.kind: moe}, metric: final.clean.accuracy, mean: x}]}}"
one 2:95 'table t: `where` of this published number fits no row. Name the keys of one.' "tables: {t: {$table, published: [{where: {ffn.kind: moe}, metric: final.clean.accuracy, mean: 1}]}}"
one 2:86 'the table t_matching is made beside t; give this one another name' "tables: {t: {$table},   t_matching: {$table}}"
one 3:10 'the table routing_agreement is made of the probe routing; give this one another name' "probe: [routing]\\ntables: {routing_agreement: {$table}}"
one 2:169 'published: `of` is for steps to a level, which n of so many seeds reached; remove it' "tables: {t: {$table, published: [{where: {ffn.kind: moe}, metric: final.clean.accuracy, mean: 1, n: 3, of: 5}]}}"
steps='kind: comparison, rows: [ffn.kind], metrics: [curve.clean.steps_to_99]'
one 2:166 'of must be a whole number from 4 to 1000000' "tables: {t: {$steps, published: [{where: {ffn.kind: moe}, metric: curve.clean.steps_to_99, n: 4, of: 3}]}}"
fits='kind: regression, metrics: [curve.clean.steps_to_99], on: [ffn.width]'
one 2:10 'table t: a fit of curve.clean.steps_to_99 would leave out the runs that never get there. Name it in a comparison, which censors them.' "tables: {t: {$fits}}"

# -- claims -----------------------------------------------------------------------------------------------------

claim='metric: final.clean.accuracy, compare: {ffn.kind: moe}, against: {ffn.kind: dense}'
two='parameters: {ffn.kind: {values: [dense, moe]}, seed: {range: [0, 2]}}\n'
one 2:9 'claims must be a list, and this is a map' 'claims: {name: a}'
one 2:13 "a claim: unknown word 'metrics'; did you mean 'metric'?" 'claims: [  {metrics: a}]'
one 2:10 'a claim needs name, metric, compare, against and expect; give `against`' 'claims: [{name: a, metric: final.clean.accuracy, compare: {ffn.kind: moe}}]'
one 2:28 "unknown metric 'final.accuracy'; the names are CHECKPOINT.SUBJECT.METRIC[STRATUM], e.g. final.zero_ffn.accuracy[carry=2]" 'claims: [{name: a, metric: final.accuracy, compare: {}, against: {}, expect: less}]'
one 2:112 "expect: unknown word 'more'; there are: greater, less, equivalent, different" "claims: [{name: a, $claim, expect: more}]"
one 2:112 'expect: equivalent needs a margin: the largest difference that does not matter, e.g. 0.1' "claims: [{name: a, $claim, expect: equivalent}]"
one 2:126 'margin belongs to expect: equivalent; remove it, or expect equivalent' "claims: [{name: a, $claim, expect: less, margin: 0.1}]"
one 2:132 'margin must be more than 0' "claims: [{name: a, $claim, expect: equivalent, margin: 0}]"
one 2:124 "test: unknown word 'pared'; did you mean 'paired'?" "claims: [{name: a, $claim, expect: less, test: pared}]"
one 2:124 'test: log_rank is for curve.clean.steps_to_50, _90 and _99; take another test' "claims: [{name: a, $claim, expect: less, test: log_rank}]"
one 2:127 'test: a seed may never reach curve.clean.steps_to_99, which welch cannot take in; give log_rank or fisher' "claims: [{name: a, metric: curve.clean.steps_to_99, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: less, test: welch}]"
one 2:87 'expect: equivalent is not for times that may be censored; expect greater, less or different' "claims: [{name: a, metric: curve.clean.steps_to_99, compare: {}, against: {}, expect: equivalent, margin: 3}]"
one 2:60 'compare is empty; name at least one key' "claims: [{name: a, metric: final.clean.accuracy, compare:  {}, against: {}, expect: less}]"
one 2:61 "unknown key 'ffn.knd'; did you mean 'ffn.kind'?" "claims: [{name: a, metric: final.clean.accuracy, compare:  {ffn.knd: moe}, against: {}, expect: less}]"
one 2:126 'pool: tables aggregate over seed; remove it' "claims: [{name: a, $claim, expect: less, pool:  [seed]}]"
one 3:17 "there is a claim 'a' already; give each its own name" "claims: [{name: a, $claim, expect: less},\n         {name: a, $claim, expect: less}]"
one 2:10 'the table claims is made of the section `claims`; give this one another name' 'tables: {claims: {kind: comparison, rows: [ffn.kind], metrics: [final.clean.accuracy]}}\nclaims: []'
one 3:59 'claim a: no run of the sweep fits `compare`. Name a configuration that the sweep has.' "${two}claims: [{name: a, metric: final.clean.accuracy, compare: {ffn.kind: glu}, against: {ffn.kind: dense}, expect: less}]"
one 3:85 'claim a: a run fits both `compare` and `against`. Name more keys, so that they are apart.' "${two}claims: [{name: a, metric: final.clean.accuracy, compare: {ffn.kind: moe}, against: {seed: 0}, expect: less}]"
one 3:62 'claim a: final.zero_ffn.accuracy is not measured. Add {site: ffn.out, mode: zero} to `ablate`.' "${two}claims: [{name: a, metric: final.zero_ffn.accuracy, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: less}]"
one 3:92 'claim a: no run of `against` gives final.clean.router_load_max. Check its checkpoint, site and stratum against the runs.' "${two}claims: [{name: a, metric: final.clean.router_load_max, compare: {ffn.kind: moe}, against: {ffn.kind: dense}, expect: less}]"
one 4:10 'claim a: `compare` has more than one run per seed; they differ in ffn.top_k. Add it to `compare`, or to `pool` to average over it on purpose.' "${two}include: [{ffn.kind: moe, ffn.top_k: 2, seed: {range: [0, 2]}}]\nclaims: [{name: a, $claim, expect: less}]"
one 4:10 'claim a: ffn.width 64, ffn.kind moe has nothing to be compared with: no run of `against` has ffn.width 64. Name ffn.width in `compare` or `against`, or add such runs.' "${two}include: [{ffn.kind: moe, ffn.width: 64, seed: {range: [0, 2]}}]\nclaims: [{name: a, $claim, expect: less}]"
one 4:10 'claim a: row ffn.kind moe has no run with seed 1, which other rows have. Give all rows the same seeds, or give --partial, which marks such rows.' "${two}exclude: [{ffn.kind: moe, seed: 1}]\nclaims: [{name: a, $claim, expect: less}]"

one 4:10 'table t: row ffn.kind glu has no run with seed 2, which other rows have. Give all rows the same seeds, or give --partial, which marks such rows.' 'parameters: {ffn.kind: {values: [dense, glu]}, seed: {values: [1, 2]}}\nexclude: [{ffn.kind: glu, seed: 2}]\ntables: {t: {kind: comparison, rows: [ffn.kind], metrics: [final.clean.accuracy]}}'
ok 'unequal seeds without a table' refused_default

# -- runs that cannot be ----------------------------------------------------------------------------------------

one 2:12 'model.d_model 64 is not a multiple of model.heads 3' 'defaults: {model.heads: 3}'
one 2:12 'model.d_model 66 is not a multiple of model.heads 4' 'defaults: {model.d_model: 66}'
one 2:48 'ffn.top_k 5 is more than ffn.experts 4 (run: ffn.kind moe, ffn.top_k 5)' 'parameters: {ffn.kind: {values: [dense, moe]}, ffn.top_k: {values: [1, 5]}}'
one 2:27 'ffn.experts 4 is more than ffn.width 2, so that an expert would have no unit' 'include: [{ffn.kind: moe, ffn.width: 2}]'
one 2:12 'task.addend 1000 has more than task.digits = 3 digits: lower the addend, or raise task.digits' 'defaults: {task.addend: 1000}'
one 2:29 'model.tied needs as many classes as tokens, and this task has 10 and 32; set model.tied to false' 'defaults: {task: histogram, model.tied: true}'
one 2:29 'task.length 33 is more than task.alphabet 32: a sequence of distinct tokens must be possible; shorten it, or enlarge the alphabet' 'defaults: {task: histogram, task.length: 33}'
one 2:12 "model.positions 7 is less than the 8 positions of the task's sequence; 0 takes its length" 'defaults: {model.positions: 7}'
one 2:12 'train.batch 0 means the whole training set, which task addition does not have: give the sequences of a step' 'defaults: {train.batch: 0}'
one 2:36 'train.warmup 10000 leaves no step of train.steps 10000 to the cosine' 'defaults: {train.schedule: cosine, train.warmup: 10000}'

# -- --set ------------------------------------------------------------------------------------------------------

# set_bad MESSAGE ARGUMENT [OPTION...]
set_bad() {
    message=$1
    shift
    printf 'sweep: 1\ndefaults: {train.steps: 10}\nparameters: {seed: {values: [1, 2]}}\n' >bad.yaml
    ok "--set $*" refused bad.yaml "$message" --set "$@"
}
set_bad '--set seed: write key=value or key=value,value' seed
set_bad "--set sead=1: unknown key 'sead'; did you mean 'seed'?" sead=1
set_bad "--set ffn.keep=0.1: the key 'ffn.keep' is not in this version; remove it" ffn.keep=0.1
set_bad '--set seed=3: the sweep file lists seed without 3; choose among its values' seed=3
set_bad "--set seed=one: seed: 'one' is not allowed; give an integer from 0 to 4294967295" seed=one
set_bad '--set seed=: seed has no value; give an integer from 0 to 4294967295' seed=
set_bad '--set train.steps=5,6: the sweep file lists no values of this key; give one value' train.steps=5,6
set_bad '--set model.heads: model.d_model 64 is not a multiple of model.heads 3 (run: seed 1)' model.heads=3
set_bad '--set seed=2: this key is set twice; give one list' seed=1 --set seed=2
set_bad "--set ffn.kind=dual_path: ffn.kind: 'dual_path' is not in this version; give one of: dense glu moe moe_glu" ffn.kind=dual_path
finish
