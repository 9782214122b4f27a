/* results.csv: one row per run, in plan order: what it was, what it cost, and every number that it left. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

/* Numbers inside a name count as numbers: step200 before step1000. */
static int compare_names(const char *a, const char *b)
{
    while (*a && *b) {
        size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
        if (n && m) {
            if (n != m) return n < m ? -1 : 1; /* no leading zeros in a name */
            int order = memcmp(a, b, n);
            if (order) return order;
            a += n, b += m;
            continue;
        }
        if (*a != *b) return (unsigned char)*a - (unsigned char)*b;
        a++, b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int by_name(const void *a, const void *b)
{
    const gs_metric *p = *(const gs_metric *const *)a, *q = *(const gs_metric *const *)b;
    return compare_names(p->name, q->name);
}

typedef struct metric_list {
    const gs_metric **at; /* sorted by name, owned; the metrics are borrowed */
    size_t count;
} metric_list;

static metric_list sorted_metrics(const gs_metrics *m)
{
    metric_list list = {gs_alloc(m->count + 1, sizeof *list.at), m->count};
    for (size_t k = 0; k < m->count; k++) list.at[k] = &m->at[k];
    if (m->count) qsort(list.at, m->count, sizeof *list.at, by_name);
    return list;
}

/* The union of two sorted lists; frees a. */
static metric_list merged(metric_list a, metric_list b)
{
    metric_list out = {gs_alloc(a.count + b.count + 1, sizeof *out.at), 0};
    for (size_t i = 0, j = 0; i < a.count || j < b.count;) {
        int order = i == a.count ? 1 : j == b.count ? -1 : compare_names(a.at[i]->name, b.at[j]->name);
        out.at[out.count++] = order <= 0 ? a.at[i] : b.at[j];
        i += order <= 0;
        j += order >= 0;
    }
    free(a.at);
    return out;
}

static const char *const count_names[] = {"params_total",    "params_active",   "params_embedding", "params_frozen",
                                          "flops_per_token", "tokens_per_step", "train_flops",      "bytes"};

static void add_counts(const gs_counts *n, gs_buf *out)
{
    const int64_t counts[] = {n->params_total,    n->params_active,   n->params_embedding, n->params_frozen,
                              n->flops_per_token, n->tokens_per_step, n->train_flops,      n->bytes};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) gs_buf_add(out, ",%lld", (long long)counts[k]);
}

/* Keys that change no metric are no part of a result. */
static gs_keyset set_keys(const gs_entry *entries, int count)
{
    gs_keyset out = {0};
    for (int key = 0; key < GS_KEY_COUNT; key++)
        for (int i = 0; i < count; i++)
            if (gs_keys[key].identity && gs_run_value(entries[i].run, key).set) {
                gs_keys_add(&out, key);
                break;
            }
    return out;
}

static void add_head(const gs_keyset *keys, const metric_list *names, gs_buf *out)
{
    gs_buf_add(out, "id,status,reason");
    for (int k = 0; k < keys->count; k++) gs_buf_add(out, ",%s", gs_keys[keys->at[k]].name);
    for (size_t k = 0; k < sizeof count_names / sizeof *count_names; k++) gs_buf_add(out, ",%s", count_names[k]);
    for (size_t k = 0; k < names->count; k++) gs_buf_add(out, ","), gs_csv_field(names->at[k]->name, out);
    gs_buf_add(out, "\n");
}

static void add_run(const gs_entry *entry, const gs_keyset *keys, const metric_list *names, gs_buf *out)
{
    gs_run run = entry->run;
    const gs_result *record = entry->record;
    char text[64], real[32];
    gs_buf_add(out, "%s,%s,", gs_run_id(run, text), !record ? "todo" : record->ok ? "done" : "failed");
    if (record && !record->ok) gs_csv_field(record->reason, out);
    for (int k = 0; k < keys->count; k++) gs_buf_add(out, ",%s", gs_value_text(keys->at[k], gs_run_value(run, keys->at[k]), text));
    add_counts(entry->counts, out);
    metric_list own = sorted_metrics(record ? &record->metrics : &(gs_metrics){0});
    for (size_t k = 0, at = 0; k < names->count; k++) {
        gs_buf_add(out, ",");
        bool has = at < own.count && !strcmp(own.at[at]->name, names->at[k]->name);
        if (has) gs_buf_add(out, "%s", gs_real(own.at[at++]->value, real));
    }
    gs_buf_add(out, "\n");
    free(own.at);
}

void gs_results_csv(const gs_entry *entries, int count, gs_buf *out)
{
    gs_keyset keys = set_keys(entries, count);
    metric_list names = {gs_alloc(1, sizeof *names.at), 0};
    for (int i = 0; i < count; i++) {
        if (!entries[i].record) continue;
        metric_list own = sorted_metrics(&entries[i].record->metrics);
        names = merged(names, own);
        free(own.at);
    }
    add_head(&keys, &names, out);
    for (int i = 0; i < count; i++) add_run(&entries[i], &keys, &names, out);
    free(names.at);
}
