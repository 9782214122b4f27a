/* Addition of n + addend, or of a + b: digits least significant first.
 *
 * One operand:  d0 .. d(n-1) EOS o0 .. on [EOS]                 the last token is only a target
 * Two operands: a0 .. a(n-1) SEPARATOR b0 .. b(n-1) EOS o0 .. on [EOS]
 * task.leave_out divides the inputs n in two: training draws from the one, the other is only measured ([split=left_out]).
 * Loss from the first EOS on (it predicts o0), on the answer and its EOS; accuracy counts the answer's digits alone. */
#include "rows.h"

enum { SEPARATOR = 10, END = 11, VOCABULARY = 12, ALL_MOST = 10000 };

typedef struct sum {
    int64_t a, b;
} sum;

static int64_t power10(int exponent)
{
    int64_t power = 1;
    for (int i = 0; i < exponent; i++) power *= 10;
    return power;
}

static int digits_of(const gs_config *c) { return (int)gs_int(c, GS_TASK_DIGITS); }

static bool has_two(const gs_config *c) { return gs_int(c, GS_TASK_OPERANDS) == 2; }

static int prompt_length(const gs_config *c) { return (digits_of(c) + 1) * (has_two(c) ? 2 : 1); }

static gs_extent extent(const gs_config *c)
{
    return (gs_extent){VOCABULARY, VOCABULARY, prompt_length(c) + digits_of(c) + 1, prompt_length(c) - 1};
}

static int64_t inputs_of(const gs_config *c) { return power10(digits_of(c) * (has_two(c) ? 2 : 1)); }

/* -- what training leaves out ------------------------------------------------------------------------------------ */

static bool leaves_out(const gs_config *c, int64_t n)
{
    int64_t value = n % 10; /* ones */
    if (gs_is(c, GS_TASK_LEAVE, GS_LEAVE_CARRY)) value = gs_addition_carries(digits_of(c), n, gs_int(c, GS_TASK_ADDEND));
    if (gs_is(c, GS_TASK_LEAVE, GS_LEAVE_DIGITS))
        for (value = 1; n > 9; n /= 10) value++;
    return value >= gs_int(c, GS_TASK_LEAVE_FROM) && value <= gs_int(c, GS_TASK_LEAVE_TO);
}

static int count_left(const gs_config *c)
{
    int count = 0;
    for (int64_t n = 0; gs_leaves_out(c) && n < inputs_of(c); n++) count += leaves_out(c, n);
    return count;
}

static int check(const gs_config *c, gs_key *key, gs_err *e)
{
    if (!has_two(c) && gs_int(c, GS_TASK_ADDEND) >= power10(digits_of(c))) {
        *key = GS_TASK_ADDEND;
        return gs_error(e, "task.addend %lld has more than task.digits = %d digits: lower the addend, or raise task.digits",
                        (long long)gs_int(c, GS_TASK_ADDEND), digits_of(c));
    }
    int left = count_left(c);
    if (!gs_leaves_out(c) || (left > 0 && left < inputs_of(c))) return 0;
    *key = GS_TASK_LEAVE;
    return gs_error(e, "task.leave_out leaves out %d of the %lld inputs, and both parts need one: change task.leave_from or task.leave_to",
                    left, (long long)inputs_of(c));
}

static int train_size(const gs_config *c)
{
    (void)c;
    return 0;
}

/* -- the data -------------------------------------------------------------------------------------------------- */

static int at_most(int64_t inputs) { return inputs > ALL_MOST ? ALL_MOST : (int)inputs; }

static void layout(gs_task *t)
{
    int64_t inputs = inputs_of(t->config);
    int left = count_left(t->config);
    if (left) {
        t->addition.left_count = left, t->addition.kept_count = (int)inputs - left;
        t->addition.left = gs_arena_take(&t->arena, (size_t)left, sizeof(int32_t));
        t->addition.kept = gs_arena_take(&t->arena, (size_t)(inputs - left), sizeof(int32_t));
        gs_data_take(t, &t->left, at_most(left), true);
        gs_data_take(t, &t->train, at_most(inputs - left), true);
    }
    gs_data_take(t, &t->batch, gs_batch_size(t->config), false);
    gs_data_take(t, &t->test, at_most(inputs), true);
    gs_data_take(t, &t->curve, (int)gs_int(t->config, GS_EVAL_SAMPLES), true);
}

static int32_t *write_digits(int32_t *out, int64_t number, int count)
{
    for (int i = 0; i < count; i++, number /= 10) *out++ = (int32_t)(number % 10);
    return out;
}

static void write_sequence(const gs_task *t, const gs_data *d, int i, sum s)
{
    int digits = digits_of(t->config), prompt = prompt_length(t->config);
    size_t row = (size_t)i * (size_t)d->length, answer = row + (size_t)prompt - 1;
    int32_t *at = write_digits(d->tokens + row, s.a, digits);
    if (has_two(t->config)) {
        *at++ = SEPARATOR;
        at = write_digits(at, s.b, digits);
    }
    *at++ = END;
    write_digits(at, s.a + s.b, digits + 1);
    for (int p = 0; p < prompt - 1; p++) d->targets[row + (size_t)p] = -1;
    *write_digits(d->targets + answer, s.a + s.b, digits + 1) = END;
    if (!d->scored) return;
    for (int p = 0; p <= digits; p++) d->scored[answer + (size_t)p] = 1;
    gs_addition_label(t, s.a, s.b, d->strata + answer);
}

/* Input `number` of all of them, in order: n, or a 10^digits + b. */
static sum input(const gs_config *c, int64_t number)
{
    if (!has_two(c)) return (sum){number, gs_int(c, GS_TASK_ADDEND)};
    return (sum){number / power10(digits_of(c)), number % power10(digits_of(c))};
}

static void draw(const gs_task *t, gs_data *d, gs_purpose purpose, uint64_t a)
{
    const gs_config *c = t->config;
    gs_rng r = gs_rng_of(gs_data_seed(c), purpose);
    uint32_t bound = t->addition.kept ? (uint32_t)t->addition.kept_count : (uint32_t)power10(digits_of(c));
    for (int i = 0; i < d->n; i++) {
        sum s = {gs_rng_below(r, a, (uint32_t)i, 0, bound), gs_int(c, GS_TASK_ADDEND)};
        if (t->addition.kept) s.a = t->addition.kept[s.a];
        if (has_two(c)) s.b = gs_rng_below(r, a, (uint32_t)i, 1, bound);
        write_sequence(t, d, i, s);
    }
}

/* A part of the inputs as an evaluation set: all of it, or ALL_MOST drawn once. which tells the parts' draws apart. */
static void fill_part(const gs_task *t, const gs_data *d, const int32_t *inputs, int count, uint32_t which)
{
    gs_rng r = gs_rng_of(gs_data_seed(t->config), GS_RNG_EVAL);
    for (int i = 0; i < d->n; i++) {
        int at = count > d->n ? (int)gs_rng_below(r, GS_EVAL_FINAL, (uint32_t)i, which, (uint32_t)count) : i;
        write_sequence(t, d, i, input(t->config, inputs[at]));
    }
}

static void open_parts(gs_task *t)
{
    int left = 0, kept = 0;
    for (int n = 0; n < inputs_of(t->config); n++)
        if (leaves_out(t->config, n)) t->addition.left[left++] = n;
        else t->addition.kept[kept++] = n;
    fill_part(t, &t->left, t->addition.left, left, 2);
    fill_part(t, &t->train, t->addition.kept, kept, 3);
}

/* The whole set beyond ALL_MOST: drawn over all inputs, whatever training leaves out. */
static void draw_whole(gs_task *t)
{
    int32_t *kept = t->addition.kept;
    t->addition.kept = NULL;
    draw(t, &t->test, GS_RNG_EVAL, GS_EVAL_FINAL);
    t->addition.kept = kept;
}

static void open_addition(gs_task *t)
{
    gs_addition_strata(t);
    if (t->addition.kept) open_parts(t);
    if (inputs_of(t->config) > ALL_MOST) {
        draw_whole(t);
        return;
    }
    for (int i = 0; i < t->test.n; i++) write_sequence(t, &t->test, i, input(t->config, i));
}

static const gs_data *batch(gs_task *t, int64_t step)
{
    draw(t, &t->batch, GS_RNG_BATCH, (uint64_t)step);
    return &t->batch;
}

static const gs_data *set(gs_task *t, gs_set_kind kind, int64_t step)
{
    bool parts = t->left.n > 0;
    if (kind == GS_SET_TEST || (kind == GS_SET_CURVE && !t->curve.n && !parts)) return &t->test;
    if (parts && (kind == GS_SET_TRAIN || (kind == GS_SET_CURVE && !t->curve.n))) return &t->train;
    if (parts && kind == GS_SET_LEFT) return &t->left;
    if (kind != GS_SET_CURVE) return NULL;
    draw(t, &t->curve, GS_RNG_EVAL, (uint64_t)step);
    return &t->curve;
}

const gs_task_row gs_task_addition = {"addition", extent, check, train_size, layout, open_addition, batch, set};
