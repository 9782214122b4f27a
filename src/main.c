/* The table of subcommands, nothing else. */
#include "cli/cli.h"

static const gs_command commands[] = {
    {"plan", gs_cmd_plan, "what a sweep would run: count formula, every run's size, cost and state"},
    {"run", gs_cmd_run, "train and measure every run of a sweep that is still missing, then print its tables"},
    {"submit", gs_cmd_submit, "write and submit a Slurm job that fits the sweep"},
    {"status", gs_cmd_status, "done, failed and left, and the jobs in the queue; works while a run is going"},
    {"tables", gs_cmd_tables, "write every table again from the journal"},
    {"analyze", gs_cmd_analyze, "compare all runs of a task: similarity, map, what explains it; over all ranks"},
    {"show", gs_cmd_show, "one run: config, counts, metrics, curve"},
    {"eval", gs_cmd_eval, "take a checkpoint apart: metrics and ablations"},
    {"keys", gs_cmd_keys, "the manual: configuration keys and metrics"},
    {"bench", gs_cmd_bench, "how fast this machine is"},
    {"doctor", gs_cmd_doctor, "what this machine will use"},
    {0}};

int main(int argc, char **argv) { return gs_cli_main(commands, argc, argv); }
