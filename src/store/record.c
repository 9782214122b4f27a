/* gs_record <-> one line of JSON. Numbers are the shortest decimals that read back as the same double. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/store.h"

static const struct count_field {
    const char *name;
    size_t offset;
} count_fields[] = {
    {"params_total", offsetof(gs_counts, params_total)},       {"params_active", offsetof(gs_counts, params_active)},
    {"params_embedding", offsetof(gs_counts, params_embedding)}, {"params_frozen", offsetof(gs_counts, params_frozen)},
    {"flops_per_token", offsetof(gs_counts, flops_per_token)}, {"tokens_per_step", offsetof(gs_counts, tokens_per_step)},
    {"train_flops", offsetof(gs_counts, train_flops)},         {"bytes", offsetof(gs_counts, bytes)},
};
enum { COUNT_FIELDS = sizeof count_fields / sizeof *count_fields };

void gs_record_free(gs_record *r)
{
    gs_metrics_free(&r->metrics);
    *r = (gs_record){0};
}

/* -- writing ----------------------------------------------------------------------------------------------- */

/* A quoted JSON string. Text that is not UTF-8 (an error message that was cut within a letter) keeps its ASCII. */
static void put_text(gs_buf *b, const char *text)
{
    json_t *string = json_string(text);
    if (!string) {
        char *ascii = gs_text("%s", text);
        for (char *c = ascii; *c; c++)
            if (*c & 0x80) *c = '?';
        string = json_string(ascii);
        free(ascii);
    }
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    gs_buf_add(b, "%s", quoted);
    free(quoted);
    json_decref(string);
}

static void put_real(gs_buf *b, double value)
{
    char text[32];
    gs_buf_add(b, "%s", value == 0 && signbit(value) ? "-0.0" : gs_real(value, text)); /* JSON's -0 would be an integer */
}

static void put_counts(gs_buf *b, const gs_counts *counts)
{
    for (int i = 0; i < COUNT_FIELDS; i++) {
        int64_t value;
        memcpy(&value, (const char *)counts + count_fields[i].offset, sizeof value);
        char text[32];
        gs_buf_add(b, "%s\"%s\":%s", i ? "," : "", count_fields[i].name, gs_whole(value, text));
    }
}

static void put_ablate(gs_buf *b, uint32_t mask)
{
    const char *comma = "";
    for (int site = 0; site < GS_SITE_COUNT; site++)
        for (int mode = 0; mode < GS_MODE_COUNT; mode++) {
            if (!(mask & GS_ABLATE(site, mode))) continue;
            gs_buf_add(b, "%s\"%s:%s\"", comma, gs_site_names[site], gs_mode_names[mode]);
            comma = ",";
        }
}

static void put_probes(gs_buf *b, const gs_record *r)
{
    const char *comma = "";
    char text[32];
    gs_buf_add(b, ",\"probe\":{\"kinds\":[");
    for (int i = 0; gs_probes[i]; i++) {
        if (!(r->probes >> i & 1)) continue;
        gs_buf_add(b, "%s\"%s\"", comma, gs_probes[i]->name);
        comma = ",";
    }
    gs_buf_add(b, "],\"every\":%s}", gs_whole(r->probe_every, text));
}

/* A metric that is not finite says nothing and is left out: absent means that there is no such number. */
static void put_metrics(gs_buf *b, const gs_metrics *m)
{
    const char *comma = "";
    for (size_t i = 0; i < m->count; i++) {
        if (!isfinite(m->at[i].value)) continue;
        gs_buf_add(b, "%s", comma);
        put_text(b, m->at[i].name);
        gs_buf_add(b, ":");
        put_real(b, m->at[i].value);
        comma = ",";
    }
}

char *gs_record_json(const gs_record *r)
{
    gs_buf b = {0};
    char *config = gs_config_json(&r->config, false);
    gs_buf_add(&b, "{\"id\":\"%s\",\"status\":\"%s\",", r->id, r->ok ? "done" : "failed");
    if (!r->ok) gs_buf_add(&b, "\"reason\":"), put_text(&b, r->reason), gs_buf_add(&b, ",");
    gs_buf_add(&b, "\"config\":%s,\"counts\":{", config);
    put_counts(&b, &r->counts);
    gs_buf_add(&b, "},\"ablate\":[");
    put_ablate(&b, r->ablate);
    gs_buf_add(&b, "]");
    if (r->probes) put_probes(&b, r);
    gs_buf_add(&b, ",\"metrics\":{");
    put_metrics(&b, &r->metrics);
    gs_buf_add(&b, "},\"where\":{\"host\":");
    put_text(&b, r->host);
    gs_buf_add(&b, ",\"rank\":%d,\"wall_s\":", r->rank);
    put_real(&b, isfinite(r->wall_s) ? r->wall_s : 0);
    gs_buf_add(&b, "}}");
    free(config);
    return b.text;
}

/* -- reading ----------------------------------------------------------------------------------------------- */

static int take_text(const json_t *from, const char *key, char *out, size_t size, gs_err *e)
{
    const char *text = json_string_value(json_object_get(from, key));
    if (!text || strlen(text) >= size) return gs_error(e, "a record needs \"%s\" as a text of at most %zu bytes", key, size - 1);
    strcpy(out, text);
    return 0;
}

static int take_status(const json_t *from, gs_record *out, gs_err *e)
{
    char status[8];
    if (take_text(from, "id", out->id, sizeof out->id, e) || take_text(from, "status", status, sizeof status, e)) return -1;
    if (strlen(out->id) != 32 || strspn(out->id, "0123456789abcdef") != 32) return gs_error(e, "\"%s\" is no run id", out->id);
    out->ok = !strcmp(status, "done");
    if (!out->ok && strcmp(status, "failed")) return gs_error(e, "a record's status is done or failed, not \"%s\"", status);
    return out->ok ? 0 : take_text(from, "reason", out->reason, sizeof out->reason, e);
}

static int take_config(const json_t *from, gs_config *out, gs_err *e)
{
    char *text = json_dumps(json_object_get(from, "config"), JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text) return gs_error(e, "a record needs \"config\" as an object");
    int failed = gs_config_from_json(text, out, e);
    free(text);
    return failed;
}

static int take_counts(const json_t *from, gs_counts *out, gs_err *e)
{
    for (int i = 0; i < COUNT_FIELDS; i++) {
        const json_t *number = json_object_get(from, count_fields[i].name);
        if (!json_is_integer(number)) return gs_error(e, "a record's counts need the integer \"%s\"", count_fields[i].name);
        int64_t value = json_integer_value(number);
        memcpy((char *)out + count_fields[i].offset, &value, sizeof value);
    }
    return 0;
}

/* "ffn.out:zero" -> its bit, or 0. */
static uint32_t ablation(const char *text)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon) return 0;
    for (int site = 0; site < GS_SITE_COUNT; site++) {
        size_t length = strlen(gs_site_names[site]);
        if (length != (size_t)(colon - text) || strncmp(text, gs_site_names[site], length)) continue;
        for (int mode = 0; mode < GS_MODE_COUNT; mode++)
            if (!strcmp(colon + 1, gs_mode_names[mode])) return GS_ABLATE(site, mode);
    }
    return 0;
}

static int take_ablate(const json_t *list, uint32_t *out, gs_err *e)
{
    if (!json_is_array(list)) return gs_error(e, "a record needs \"ablate\" as a list");
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        uint32_t bit = ablation(json_string_value(item));
        if (!bit) return gs_error(e, "item %zu of a record's \"ablate\" is no known SITE:MODE", i + 1);
        *out |= bit;
    }
    return 0;
}

/* Absent in a record without probes. A kind that this version does not know was measured by another one: it counts for nothing. */
static int take_probes(const json_t *object, gs_record *out, gs_err *e)
{
    const json_t *kinds = json_object_get(object, "kinds"), *every = json_object_get(object, "every");
    size_t i;
    json_t *item;
    if (!object) return 0;
    if (!json_is_array(kinds) || !json_is_integer(every))
        return gs_error(e, "a record's \"probe\" needs kinds as a list and every as an integer");
    json_array_foreach(kinds, i, item) {
        int probe = json_is_string(item) ? gs_probe_find(json_string_value(item)) : -1;
        if (probe >= 0) out->probes |= UINT32_C(1) << probe;
    }
    out->probe_every = json_integer_value(every);
    return 0;
}

static int take_metrics(const json_t *object, gs_metrics *out, gs_err *e)
{
    if (!json_is_object(object)) return gs_error(e, "a record needs \"metrics\" as an object");
    out->capacity = json_object_size(object);
    out->at = gs_alloc(out->capacity, sizeof *out->at);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) { /* no name is there twice, so that no search is needed */
        if (!json_is_number(value)) return gs_error(e, "the metric \"%s\" is not a number", name);
        out->at[out->count++] = (gs_metric){gs_text("%s", name), json_number_value(value)};
    }
    return 0;
}

static int take_where(const json_t *from, gs_record *out, gs_err *e)
{
    const json_t *rank = json_object_get(from, "rank"), *wall = json_object_get(from, "wall_s");
    if (!json_is_integer(rank) || !json_is_number(wall)) return gs_error(e, "a record's \"where\" needs rank and wall_s as numbers");
    out->rank = (int)json_integer_value(rank);
    out->wall_s = json_number_value(wall);
    return take_text(from, "host", out->host, sizeof out->host, e);
}

typedef enum parts { STATE = 0, METRICS = 1, COSTS = 2 } parts;

static int take_record(const json_t *root, parts which, gs_record *out, gs_err *e)
{
    if (take_status(root, out, e)) return -1;
    if (which & COSTS && (take_config(root, &out->config, e) || take_counts(json_object_get(root, "counts"), &out->counts, e))) return -1;
    if (take_ablate(json_object_get(root, "ablate"), &out->ablate, e)) return -1;
    if (take_probes(json_object_get(root, "probe"), out, e)) return -1;
    if (which & METRICS && take_metrics(json_object_get(root, "metrics"), &out->metrics, e)) return -1;
    return take_where(json_object_get(root, "where"), out, e);
}

static int parse(const char *json, size_t length, parts which, gs_record *out, gs_err *e)
{
    *out = (gs_record){0};
    json_error_t why;
    json_t *root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &why);
    if (!root) return gs_error(e, "not a JSON record: %s", why.text);
    int failed = take_record(root, which, out, e);
    json_decref(root);
    if (failed) gs_record_free(out);
    return failed;
}

int gs_record_parse(const char *json, size_t length, gs_record *out, gs_err *e) { return parse(json, length, METRICS | COSTS, out, e); }

/* Cuts a text from one mark up to another behind it. */
static bool cut(gs_buf *b, const char *from, const char *to)
{
    char *begin = memmem(b->text, b->length, from, strlen(from));
    char *end = begin ? memmem(begin, b->length - (size_t)(begin - b->text), to, strlen(to)) : NULL;
    if (!end) return false;
    memmove(begin, end, b->length - (size_t)(end - b->text));
    b->length -= (size_t)(end - begin);
    return true;
}

/* Most of a record is numbers that nobody asks for here: gs_record_json has its parts in a fixed order, and no text can hold their
 * names unescaped, so that they are cut out before the JSON is read, in a tenth of the time. Whatever is not as expected is read whole. */
int gs_record_parse_result(const char *json, size_t length, bool metrics, gs_record *out, gs_err *e)
{
    gs_buf b = {0};
    gs_buf_bytes(&b, json, length);
    parts which = metrics ? METRICS : STATE;
    bool fits = cut(&b, ",\"config\":{", ",\"ablate\":[") && (metrics || cut(&b, ",\"metrics\":{", ",\"where\":{"));
    int failed = !fits || parse(b.text, b.length, which, out, e) ? parse(json, length, which, out, e) : 0;
    gs_buf_free(&b);
    return failed;
}
