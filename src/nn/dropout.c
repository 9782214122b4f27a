/* Dropout factors, keyed by the step, the site and the element, so that no chunk or rank changes them. */
#include "nn_internal.h"

enum { DRAWS = 256 }; /* at a time; divides 2^32 */

void gs_drop(const gs_model *m, gs_drop_site site, int layer, const gs_view *view, size_t first, size_t count, float *mask)
{
    static const gs_key keys[] = {GS_EMBED_DROPOUT, GS_ATTN_DROPOUT, GS_RESID_DROPOUT, GS_FFN_DROPOUT, GS_RESID_DROPOUT};
    double rate = gs_num(&m->config, keys[site]);
    gs_rng r = gs_rng_of((uint32_t)gs_int(&m->config, GS_SEED), GS_RNG_DROPOUT);
    float kept = (float)(1 / (1 - rate));
    double draw[DRAWS];
    for (size_t i = 0, n; i < count; i += n) {
        size_t element = first + i;
        uint64_t a = (uint64_t)view->step | (uint64_t)(element >> 32) << 32;
        n = DRAWS - element % DRAWS; /* so that none crosses 2^32 */
        if (n > count - i) n = count - i;
        gs_rng_uniforms(r, a, (uint32_t)site + 8 * (uint32_t)layer, (uint32_t)element, n, draw);
        for (size_t j = 0; j < n; j++) mask[i + j] = draw[j] < rate ? 0 : kept;
    }
}

void gs_drop_rows(const gs_pass *p, gs_drop_site site, int layer, const gs_view *view, int width, float *mask)
{
    size_t T = (size_t)p->m->d.T, first = (size_t)p->layer[layer].first, count = (T - first) * (size_t)width;
    for (int i = 0; i < p->n; i++)
        gs_drop(p->m, site, layer, view, ((size_t)(view->first + i) * T + first) * (size_t)width, count, mask + (size_t)i * count);
}
