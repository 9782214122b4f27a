/* `gridshift plan --analyze RANKS`: what the analyses of a sweep would take of each rank, before anything runs. */
#include <stdlib.h>

#include "cli/analyze.h"

static void print_map(const gs_map_spec *s, int ranks, const gs_map_cost *c)
{
    char bytes[32], features[32], gram[32], similarity[32], eigen[32], sent[32];
    printf("map of %d runs, %d rows of %d features, %d sites, on %d ranks (each of them):\n", s->runs, s->rows, s->width,
           2 * s->layers, ranks);
    printf("  memory    %s of analysis.rank_bytes: features %s (%d runs at a time), Gram panel of %d runs %s, similarity %s, "
           "eigenvalues %s\n",
           gs_bytes_text(c->bytes, bytes), gs_bytes_text(c->features, features), c->resident, c->panel, gs_bytes_text(c->gram, gram),
           gs_bytes_text(c->similarity, similarity), gs_bytes_text(c->eigen, eigen));
    printf("  work      %.3g FLOPs, %lld files read, %.3g messages with %s, a site\n", c->flops, (long long)c->reads, c->messages,
           gs_bytes_text((int64_t)c->sent, sent));
}

static int print_maps(const gs_session *s, int ranks, gs_err *e)
{
    gs_map_spec *specs;
    gs_map_cost cost;
    int count, failed = gs_analysis_specs(s, false, &specs, &count, e);
    for (int k = 0; k < count && !failed; k++) {
        failed = gs_map_plan(specs[k].runs, specs[k].rows, specs[k].width, ranks, specs[k].rank_bytes, &cost, e);
        if (!failed) print_map(&specs[k], ranks, &cost);
    }
    gs_analysis_free(specs, count);
    return failed;
}

static int print_spectra(const gs_session *s, int ranks, gs_err *e)
{
    char alone[32], shared[32];
    int64_t rows, units;
    int count;
    if (gs_spectra_check(s, ranks, e)) return -1;
    if (!gs_spectra_largest(s, &rows, &units, &count, e)) return 0;
    printf("spectra of %d models, at most %lld rows of %lld units: %s on one rank, %s on each of %d; %.3g FLOPs a layer by QR\n", count,
           (long long)rows, (long long)units, gs_bytes_text(gs_hidden_bytes(rows, units, 1), alone),
           gs_bytes_text(gs_hidden_bytes(rows, units, ranks), shared), ranks, 2.0 * (double)rows * (double)units * (double)units);
    return 0;
}

int gs_analysis_print(const gs_session *s, int ranks, gs_err *e)
{
    int used = GS_HAVE_SCALAPACK ? ranks : 1;
    if (used < ranks) printf("built without ScaLAPACK: one rank does the analyses alone\n");
    return print_maps(s, used, e) || print_spectra(s, used, e) ? -1 : 0;
}
