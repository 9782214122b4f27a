/* gridshift bench: the speed of a training step beside the machine's peak; `bench dispatch` is a file of its own. */
#include "cli/bench.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_step.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

gs_spread gs_spread_of(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return (gs_spread){n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2, x[0], x[n - 1]};
}

typedef struct choice {
    const char *only, *gemm, *isa, *reductions, *runs_text;
    bool json;
    int runs;
} choice;

static void print_text(const gs_bench_result *r, const char *reductions)
{
    printf("%-16s %-6s %-3s %9.2f %9.0f %9.1f %9.1f %7.1f %7.1f %7.1f", r->name, r->isa, reductions, r->steps.median, r->tokens_per_s,
           r->gflops_performed, r->gflops_plain, r->peak_gflops, 100 * r->gflops_performed / r->peak_gflops,
           100 * r->gflops_plain / r->peak_gflops);
    for (int e = 0; e < r->experts && e < 8; e++) printf("%s%.2f", e ? " " : "  ", r->load[e]);
    putchar('\n');
    fflush(stdout);
}

static void print_json(const gs_bench_result *r, const choice *c)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i}", "case", r->name, "isa",
                          r->isa, "gemm", c->gemm, "reductions", c->reductions, "steps_per_s", r->steps.median, "steps_per_s_low",
                          r->steps.low, "steps_per_s_high",
                          r->steps.high, "tokens_per_s", r->tokens_per_s, "gflops_performed", r->gflops_performed, "gflops_plain",
                          r->gflops_plain, "share_performed", r->gflops_performed / r->peak_gflops, "share_plain",
                          r->gflops_plain / r->peak_gflops, "peak_gflops", r->peak_gflops, "runs", r->runs);
    json_t *load = json_array();
    for (int e = 0; e < r->experts && e < 8; e++) json_array_append_new(load, json_real(r->load[e]));
    json_object_set_new(o, "expert_load", load);
    json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(o);
}

static int one_of(const char *option, const char *value, const char *a, const char *b)
{
    if (!strcmp(value, a) || !strcmp(value, b)) return 0;
    return gs_cli_error("--%s takes %s or %s, not '%s'", option, a, b, value);
}

static int check(choice *c)
{
    if (one_of("gemm", c->gemm, "own", "blas") || one_of("reductions", c->reductions, "on", "off")) return GS_EXIT_INPUT;
    if (!gs_cli_int("runs", c->runs_text, 1, &c->runs)) return GS_EXIT_INPUT;
    if (c->isa) setenv("GRIDSHIFT_ISA", c->isa, 1);
    for (const gs_bench_case *k = gs_bench_cases; c->only && k->name; k++)
        if (!strcmp(k->name, c->only)) return 0;
    if (!c->only) return 0;
    gs_buf names = {0};
    for (const gs_bench_case *k = gs_bench_cases; k->name; k++) gs_buf_add(&names, " %s", k->name);
    int code = gs_cli_error("bench has no case '%s'; the cases are%s", c->only, names.text);
    gs_buf_free(&names);
    return code;
}

static int run_cases(const choice *c)
{
    gs_err e;
    gs_bench_result r;
    if (!c->json)
        printf("%-16s %-6s %-3s %9s %9s %9s %9s %7s %7s %7s  %s\n", "case", "isa", "red", "steps/s", "tokens/s", "performed", "plain",
               "peak", "perf %", "plain %", "load per expert");
    for (const gs_bench_case *k = gs_bench_cases; k->name; k++) {
        if (c->only && strcmp(k->name, c->only)) continue;
        if (gs_bench_step(k, !strcmp(c->reductions, "on"), !strcmp(c->gemm, "blas"), c->runs, &r, &e)) return gs_cli_error("%s", e.text);
        if (c->json) print_json(&r, c);
        else print_text(&r, c->reductions);
    }
    if (!c->json)
        printf("GFLOP/s as performed and as the plain algorithm would need; peak of an interleaved loop of multiply-adds, GFLOP/s;\n"
               "%s products; medians of %d runs, CPU time\n", c->gemm, c->runs);
    return GS_EXIT_FINE;
}

int gs_cmd_bench(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "analysis")) return gs_bench_analysis(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "dispatch")) return gs_bench_dispatch(argc - 1, argv + 1);
    choice c = {.gemm = "own", .reductions = "on", .runs_text = "5"};
    const gs_option options[] = {{"case", 0, GS_OPTION_TEXT, &c.only, "NAME", "only this case"},
                                 {"gemm", 0, GS_OPTION_TEXT, &c.gemm, "own|blas", "our kernels, or the installed BLAS"},
                                 {"isa", 0, GS_OPTION_TEXT, &c.isa, "scalar|avx2|avx512", "instead of the best that the processor has"},
                                 {"reductions", 0, GS_OPTION_TEXT, &c.reductions, "on|off", "off: the plain algorithm"},
                                 {"runs", 0, GS_OPTION_TEXT, &c.runs_text, "N", "runs of a case, each beside one of the peak (5)"},
                                 {"json", 0, GS_OPTION_FLAG, &c.json, NULL, "one object per case and line"},
                                 {0}};
    const gs_usage usage = {"bench [options]",
                            "Trains steps of named cases on one core, interleaved with a loop of multiply-adds, and prints both. "
                            "`gridshift bench dispatch` measures the master, the workers and the journal instead,\n"
                            "`gridshift bench analysis` ScaLAPACK against LAPACK.",
                            options, 0, 0};
    const char *operands[1];
    int code;
    if (!gs_cli_parse(&usage, argc, argv, operands, &code)) return code;
    code = check(&c);
    return code ? code : run_cases(&c);
}
