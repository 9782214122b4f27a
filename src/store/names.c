/* Texts that occur again and again, each kept once: the names of 10^5 runs' metrics are a few dozen. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

struct gs_names {
    char **slots; /* (slot_count) hash table, owned; NULL: free */
    size_t slot_count, count;
};

static size_t slot_of(const gs_names *n, const char *text)
{
    size_t at = gs_hash64(text) & (n->slot_count - 1);
    while (n->slots[at] && strcmp(n->slots[at], text)) at = (at + 1) & (n->slot_count - 1);
    return at;
}

static void make_room(gs_names *n)
{
    if (n->slot_count >= 2 * (n->count + 1)) return;
    gs_names larger = {.slot_count = n->slot_count ? 2 * n->slot_count : 64, .count = n->count};
    larger.slots = gs_alloc(larger.slot_count, sizeof *larger.slots);
    for (size_t i = 0; i < n->slot_count; i++)
        if (n->slots[i]) larger.slots[slot_of(&larger, n->slots[i])] = n->slots[i];
    free(n->slots);
    *n = larger;
}

const char *gs_names_of(gs_names **names, const char *text)
{
    if (!*names) *names = gs_alloc(1, sizeof **names);
    make_room(*names);
    size_t slot = slot_of(*names, text);
    if (!(*names)->slots[slot]) (*names)->slots[slot] = gs_text("%s", text), (*names)->count++;
    return (*names)->slots[slot];
}

void gs_names_free(gs_names **names)
{
    if (!*names) return;
    for (size_t i = 0; i < (*names)->slot_count; i++) free((*names)->slots[i]);
    free((*names)->slots);
    free(*names);
    *names = NULL;
}
