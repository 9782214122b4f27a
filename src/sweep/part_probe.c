/* probe: {kinds: [fourier, routing], every: 1000}; a list is short for kinds. */
#include <string.h>

#include "sweep/parts.h"

static int read_kind(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    const char *text;
    if (gs_read_text(r, n, "probe", &text)) return -1;
    int probe = gs_probe_find(text);
    if (probe < 0) {
        const char *near = gs_probe_nearest(text);
        return gs_fail(r, n->where, "there is no probe '%.60s'. %s%s%s`gridshift keys` lists them", text, near ? "Did you mean '" : "",
                       near ? near : "", near ? "'? " : "");
    }
    if (s->wanted.probes >> probe & 1) return gs_fail(r, n->where, "probe: %s is there twice; remove one", text);
    s->wanted.probes |= UINT32_C(1) << probe;
    return 0;
}

static int read_kinds(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    if (gs_read_list(r, n, "probe")) return -1;
    for (int i = 0; i < n->count; i++)
        if (read_kind(r, n->items[i], s)) return -1;
    return 0;
}

int gs_part_probe(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    static const char *const names[] = {"kinds", "every"};
    const gs_node *found[2];
    s->probe_where = n->where;
    if (n->kind == GS_NODE_LIST) return read_kinds(r, n, s);
    if (gs_read_options(r, n, "probe", names, 2, found)) return -1;
    if (!found[0]) return gs_fail(r, n->where, "probe: `kinds` is missing; list the probes, e.g. probe: {kinds: [routing], every: 0}");
    if (read_kinds(r, found[0], s)) return -1;
    if (found[1] && gs_read_whole(r, found[1], "probe: every", 0, 1000000000, &s->wanted.probe_every)) return -1;
    if (s->wanted.probe_every && !s->wanted.probes)
        return gs_fail(r, found[1]->where, "probe: `every` without a kind measures nothing; name a kind, or remove `every`");
    return 0;
}
