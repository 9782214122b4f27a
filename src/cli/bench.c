#include "cli/bench.h"

#include <stdlib.h>
#include <string.h>

static const gs_command parts[] = {
    {"dispatch", gs_bench_dispatch, "runs that do nothing, through the real master, workers and journal"},
    {0}};

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

static void print_parts(FILE *to)
{
    fputs("usage: gridshift bench PART [options]\n\nMeasures how fast this machine is.\n\nparts:\n", to);
    for (const gs_command *p = parts; p->name; p++) fprintf(to, "  %-10s %s\n", p->name, p->doc);
    fputs("\n`gridshift bench PART --help` lists a part's options.\n", to);
}

int gs_cmd_bench(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        print_parts(stdout);
        return GS_EXIT_FINE;
    }
    for (const gs_command *p = parts; argc > 1 && p->name; p++)
        if (!strcmp(argv[1], p->name))
            return p->run(argc - 1, argv + 1);
    if (argc > 1)
        return gs_cli_error("command line: bench has no part '%s'. `gridshift bench --help` lists them.", argv[1]);
    print_parts(stderr);
    return GS_EXIT_INPUT;
}
