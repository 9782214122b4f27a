/* config -> the list of tensors. Counting and allocating are the same pass over the same declarations. */
#include <stdarg.h>
#include <stdio.h>

#include "nn_internal.h"

gs_dims gs_dims_of(const gs_config *c)
{
    gs_extent x = gs_extent_of(c);
    gs_dims d = {.T = x.length, .V = x.vocabulary, .C = x.classes, .D = (int)gs_int(c, GS_MODEL_D), .N = (int)gs_int(c, GS_MODEL_HEADS),
                 .first = x.first, .H = (int)gs_int(c, GS_FFN_WIDTH), .E = 1, .k = 1, .L = (int)gs_int(c, GS_MODEL_LAYERS),
                 .positions = (int)gs_int(c, GS_MODEL_POSITIONS)};
    if (gs_is_moe(c)) d.E = (int)gs_int(c, GS_FFN_EXPERTS), d.k = (int)gs_int(c, GS_FFN_TOP_K);
    if (!d.positions) d.positions = d.T;
    d.K = d.D / d.N;
    d.width = d.H / d.E;
    return d;
}

void gs_declare(gs_layout *l, gs_role role, int rows, int cols, int fan_in, const char *name, ...)
{
    gs_tensor t = {.rows = rows, .cols = cols, .fan_in = fan_in, .role = role, .expert = l->expert, .frozen = l->frozen, .at = l->size};
    if (role == GS_ROLE_WEIGHT || role == GS_ROLE_UNEMBED) t.out = rows;
    va_list args;
    va_start(args, name);
    vsnprintf(t.name, sizeof t.name, name, args);
    va_end(args);
    if (l->at) l->at[l->count] = t;
    l->count++;
    l->size += gs_tensor_size(&t);
}

void gs_declare_joined(gs_layout *l, int count)
{
    if (!l->at) return;
    gs_tensor *t = &l->at[l->count - count];
    for (int i = 1; i < count; i++) {
        t->out += t[i].out;
        t[i].out = 0;
    }
}

void gs_declare_norm(gs_layout *l, int kind, int D, const char *name)
{
    if (kind != GS_NORM_NONE) gs_declare(l, GS_ROLE_ONE, D, 0, D, "%s.weight", name);
    if (kind == GS_NORM_LAYER) gs_declare(l, GS_ROLE_ZERO, D, 0, D, "%s.bias", name);
}

/* q, k and v lie side by side, so that one product makes all three. */
static void attention(gs_layout *l, const gs_config *c, int D, const char *at)
{
    l->frozen = gs_is(c, GS_ATTN_FROZEN, 1);
    for (const char *m = "qkv"; *m; m++) gs_declare(l, GS_ROLE_WEIGHT, D, D, D, "%s.attn.%c.weight", at, *m);
    gs_declare_joined(l, 3);
    if (gs_is(c, GS_MODEL_BIAS, 1))
        for (const char *m = "qkv"; *m; m++) gs_declare(l, GS_ROLE_BIAS, D, 0, D, "%s.attn.%c.bias", at, *m);
    gs_declare(l, GS_ROLE_WEIGHT, D, D, D, "%s.attn.o.weight", at);
    gs_declare(l, GS_ROLE_BIAS, D, 0, D, "%s.attn.o.bias", at);
    l->frozen = false;
}

void gs_layout_model(gs_layout *l, const gs_config *c, const gs_dims *d)
{
    int norm = (int)gs_int(c, GS_MODEL_NORM);
    char at[32], name[40];
    gs_declare(l, GS_ROLE_EMBED, d->V, d->D, d->D, "embed.weight");
    if (l->at && gs_is(c, GS_MODEL_TIED, 1)) l->at[0].out = d->C;
    gs_declare(l, GS_ROLE_EMBED, d->positions, d->D, d->D, "pos.weight");
    for (int i = 0; i < d->L; i++) {
        snprintf(at, sizeof at, "blocks.%d", i);
        snprintf(name, sizeof name, "%s.norm1", at);
        gs_declare_norm(l, norm, d->D, name);
        attention(l, c, d->D, at);
        snprintf(name, sizeof name, "%s.norm2", at);
        gs_declare_norm(l, norm, d->D, name);
        snprintf(name, sizeof name, "%s.ffn", at);
        l->frozen = gs_is(c, GS_FFN_FROZEN, 1);
        gs_ffn_of(c)->declare(l, c, d, name);
        l->frozen = false;
    }
    gs_declare_norm(l, norm, d->D, "norm_out");
    if (!gs_is(c, GS_MODEL_TIED, 1)) gs_declare(l, GS_ROLE_UNEMBED, d->C, d->D, d->D, "unembed.weight");
}
