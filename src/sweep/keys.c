/* The key table as an array, with the predicates that say when a key applies. */
#include <string.h>

#include "gridshift/config.h"
#include "sweep/words.h"

#define WORDS_always "always"
#define WORDS_addition "task is addition"
#define WORDS_one_operand "task is addition and task.operands is 1"
#define WORDS_leaves "task.leave_out is not none"
#define WORDS_modular "task is modular"
#define WORDS_histogram "task is histogram"
#define WORDS_moe "ffn.kind is moe or moe_glu"
#define WORDS_router "ffn.kind is moe or moe_glu and router.mode is learned or frozen"
#define WORDS_stops "train.stop_at is first99"

static bool when_always(const gs_config *c) { return (void)c, true; }
static bool when_addition(const gs_config *c) { return gs_is(c, GS_TASK, GS_TASK_ADDITION); }
static bool when_one_operand(const gs_config *c) { return when_addition(c) && gs_is(c, GS_TASK_OPERANDS, 1); }
static bool when_leaves(const gs_config *c) { return when_one_operand(c) && gs_leaves_out(c); }
static bool when_modular(const gs_config *c) { return gs_is(c, GS_TASK, GS_TASK_MODULAR); }
static bool when_histogram(const gs_config *c) { return gs_is(c, GS_TASK, GS_TASK_HISTOGRAM); }
static bool when_moe(const gs_config *c) { return gs_is_moe(c); }
static bool when_stops(const gs_config *c) { return gs_is(c, GS_TRAIN_STOP, GS_STOP_FIRST99); }
static bool when_router(const gs_config *c)
{
    return gs_is_moe(c) && (gs_is(c, GS_ROUTER_MODE, GS_ROUTER_LEARNED) || gs_is(c, GS_ROUTER_MODE, GS_ROUTER_FROZEN));
}

const gs_key_row gs_keys[GS_KEY_COUNT] = {
#define KEY(symbol, name, type, choices, low, high, unit, addition, modular, histogram, when, identity, doc) \
    {name, GS_TYPE_##type, choices, low, high, unit, {addition, modular, histogram}, WORDS_##when, when_##when, identity, doc},
#include "gridshift/keys.def"
};

int gs_key_find(const char *name)
{
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (!strcmp(gs_keys[k].name, name)) return k;
    return -1;
}

/* "width" for ffn.width: the last part of one key's name alone. */
static const char *by_last_part(const char *name)
{
    const char *found = NULL;
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        const char *dot = strrchr(gs_keys[k].name, '.');
        if (!dot || strcmp(dot + 1, name)) continue;
        if (found) return NULL;
        found = gs_keys[k].name;
    }
    return found;
}

const char *gs_key_nearest(const char *name)
{
    const char *names[GS_KEY_COUNT];
    for (int k = 0; k < GS_KEY_COUNT; k++) names[k] = gs_keys[k].name;
    const char *found = gs_word_nearest(name, names, GS_KEY_COUNT);
    return found ? found : by_last_part(name);
}

bool gs_is_later(const char *word)
{
    static const char *const words[] = {
        "text", "sparse_gated", "dual_path", "soft_gate", "hard_topk", "ste", "stochastic", "distilled",
        "report", "submit", "ffn.keep", "ffn.kv_split", "ffn.residual_gate", "ffn.shared_projections",
        "ffn.threshold_temperature", "attn.keep", "attn.gate_dim", "attn.gate_form", "attn.gate_mode", "attn.gate_temperature",
        "attn.sparsity_target", "attn.sparsity_weight"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], word)) return true;
    return false;
}
