/* The strata of addition: why an answer digit is easy or hard.
 *
 * One operand: [digit=i] (0: least significant); [carry=L], how often the addition carries into the next digit (for a
 * one-digit addend the length of the carry chain); [op=...], what happens at the digit: `addend` where the addend has a
 * digit that is not 0, else `carry` where a carry comes in, else `copy`.
 *
 * Two operands (Quirke and Barez, arXiv 2310.13121): with s = x_i + y_i, before the carry, [digit=i,sub=...]:
 *   ba   no carry comes in: base addition alone gives the digit     mc1  s >= 10: the digit makes a carry
 *   uc1  a carry comes in and s is not 9                            ms9  s = 9: the digit would hand a carry on
 *   us9  a carry comes in and s is 9: the carry is handed on
 * ba, uc1 and us9 divide the digits between them; mc1 and ms9 say what the digit sends to the next one. [cascade=L] is the
 * longest chain of one carry: 1 for making it, and 1 more for every 9 that hands it on; 0 without a carry. */
#include "rows.h"

enum { OP_ADDEND, OP_CARRY, OP_COPY, OP_COUNT };
enum { SUB_BA, SUB_MC1, SUB_MS9, SUB_UC1, SUB_US9 };

static int digits_of(const gs_task *t) { return (int)gs_int(t->config, GS_TASK_DIGITS); }

/* -- one operand: digits + 1 strata of the digit, digits + 1 of the carry, 3 of the operation ------------------- */

static void name_one(gs_task *t, int digits)
{
    static const char *const names[OP_COUNT] = {"addend", "carry", "copy"};
    for (int i = 0; i <= digits; i++) gs_stratum_add(t, false, "digit=%d", i);
    for (int i = 0; i <= digits; i++) gs_stratum_add(t, true, "carry=%d", i);
    for (int i = 0; i < OP_COUNT; i++) gs_stratum_add(t, false, "op=%s", names[i]);
}

int gs_addition_carries(int digits, int64_t n, int64_t addend)
{
    int carry = 0, carries = 0;
    for (int i = 0; i <= digits; i++, n /= 10, addend /= 10) {
        carry = n % 10 + addend % 10 + carry > 9;
        carries += carry;
    }
    return carries;
}

static void label_one(int digits, int64_t n, int64_t addend, uint64_t *labels)
{
    int carry = 0, carries = gs_addition_carries(digits, n, addend);
    for (int i = 0; i <= digits; i++, n /= 10, addend /= 10) {
        int op = addend % 10 ? OP_ADDEND : carry ? OP_CARRY : OP_COPY;
        labels[i] = UINT64_C(1) << i | UINT64_C(1) << (2 * (digits + 1) + op);
        carry = n % 10 + addend % 10 + carry > 9;
    }
    for (int i = 0; i <= digits; i++) labels[i] |= UINT64_C(1) << (digits + 1 + carries);
}

/* -- two operands: digits + 1 strata of the digit, digits + 1 of the cascade, the sub-tasks --------------------- */

/* No carry comes into digit 0; the last digit of the answer has no operands, so that s is 0. */
static bool sub_possible(int sub, int digit, int digits)
{
    if (digit == 0 && (sub == SUB_UC1 || sub == SUB_US9)) return false;
    return digit < digits || sub == SUB_BA || sub == SUB_UC1;
}

static void name_two(gs_task *t, int digits)
{
    static const char *const names[GS_ADDITION_SUBS] = {"ba", "mc1", "ms9", "uc1", "us9"};
    for (int i = 0; i <= digits; i++) gs_stratum_add(t, false, "digit=%d", i);
    for (int i = 0; i <= digits; i++) gs_stratum_add(t, true, "cascade=%d", i);
    for (int sub = 0; sub < GS_ADDITION_SUBS; sub++)
        for (int i = 0; i <= digits; i++)
            t->addition.sub[sub][i] = sub_possible(sub, i, digits) ? gs_stratum_add(t, false, "digit=%d,sub=%s", i, names[sub]) : -1;
}

static uint64_t sub_labels(const gs_task *t, int digit, int s, bool carry)
{
    int use = !carry ? SUB_BA : s == 9 ? SUB_US9 : SUB_UC1;
    uint64_t labels = UINT64_C(1) << digit | UINT64_C(1) << t->addition.sub[use][digit];
    if (s > 9) labels |= UINT64_C(1) << t->addition.sub[SUB_MC1][digit];
    if (s == 9) labels |= UINT64_C(1) << t->addition.sub[SUB_MS9][digit];
    return labels;
}

static void label_two(const gs_task *t, int digits, int64_t a, int64_t b, uint64_t *labels)
{
    int chain = 0, longest = 0; /* digits that the carry which comes in has come through */
    for (int i = 0; i <= digits; i++, a /= 10, b /= 10) {
        int s = (int)(a % 10 + b % 10);
        labels[i] = sub_labels(t, i, s, chain > 0);
        chain = s > 9 ? 1 : s == 9 && chain ? chain + 1 : 0;
        if (chain > longest) longest = chain;
    }
    for (int i = 0; i <= digits; i++) labels[i] |= UINT64_C(1) << (digits + 1 + longest);
}

void gs_addition_strata(gs_task *t)
{
    if (gs_int(t->config, GS_TASK_OPERANDS) == 2) name_two(t, digits_of(t));
    else name_one(t, digits_of(t));
}

void gs_addition_label(const gs_task *t, int64_t a, int64_t b, uint64_t *labels)
{
    if (gs_int(t->config, GS_TASK_OPERANDS) == 2) label_two(t, digits_of(t), a, b, labels);
    else label_one(digits_of(t), a, b, labels);
}
