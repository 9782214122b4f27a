/* The config as a flat JSON object: out (canonical text, id) and in (checkpoints, records). */
#include <jansson.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/config.h"
#include "sweep/words.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(gs_keys[*(const int *)a].name, gs_keys[*(const int *)b].name);
}

/* Writes configs one after another, as JSON: the text of a value that the last one had too stays. */
typedef struct piece {
    int key;
    gs_value value;
    size_t length;
    char text[112]; /* ,"name":value */
} piece;
typedef struct writer {
    int count;
    piece pieces[GS_KEY_COUNT]; /* in the order of the names */
    gs_buf out;
} writer;

static void open_writer(writer *w, bool identity_only)
{
    int order[GS_KEY_COUNT];
    w->count = 0;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (gs_keys[k].identity || !identity_only) order[w->count++] = k;
    qsort(order, (size_t)w->count, sizeof *order, by_name);
    for (int i = 0; i < w->count; i++) w->pieces[i] = (piece){.key = order[i]};
    w->out = (gs_buf){0};
}

static void set_piece(piece *p, gs_value v)
{
    char text[64], *at = p->text;
    const char *quote = gs_keys[p->key].type == GS_TYPE_ENUM ? "\"" : "";
    p->value = v;
    p->length = 0;
    if (!v.set) return;
    at = stpcpy(stpcpy(at, ",\""), gs_keys[p->key].name);
    at = stpcpy(stpcpy(at, "\":"), quote);
    at = stpcpy(stpcpy(at, gs_value_text((gs_key)p->key, v, text)), quote);
    p->length = (size_t)(at - p->text);
}

static void write_config(writer *w, const gs_config *c)
{
    bool first = true;
    w->out.length = 0;
    gs_buf_bytes(&w->out, "{", 1);
    for (int i = 0; i < w->count; i++) {
        piece *p = &w->pieces[i];
        if (!gs_value_same((gs_key)p->key, p->value, c->v[p->key])) set_piece(p, c->v[p->key]);
        if (!p->length) continue;
        gs_buf_bytes(&w->out, p->text + first, p->length - first);
        first = false;
    }
    gs_buf_bytes(&w->out, "}", 1);
}

char *gs_config_json(const gs_config *c, bool identity_only)
{
    writer w;
    open_writer(&w, identity_only);
    write_config(&w, c);
    return w.out.text;
}

struct gs_identity {
    writer writer;
};

gs_identity *gs_identity_open(void)
{
    gs_identity *w = gs_alloc(1, sizeof *w);
    open_writer(&w->writer, true);
    return w;
}

gs_hash gs_identity_of(gs_identity *w, const gs_config *c)
{
    write_config(&w->writer, c);
    gs_buf_add(&w->writer.out, "\nresult %d\n", GS_RESULT_VERSION);
    return gs_hash_bytes(w->writer.out.text, w->writer.out.length);
}

void gs_identity_close(gs_identity **w)
{
    if (*w) gs_buf_free(&(*w)->writer.out);
    free(*w);
    *w = NULL;
}

void gs_config_id(const gs_config *c, char id[33])
{
    gs_identity *w = gs_identity_open();
    gs_hash_text(gs_identity_of(w, c), id);
    gs_identity_close(&w);
}

static int value_of(gs_key key, const json_t *j, gs_value *out, gs_err *e)
{
    char text[64];
    if (json_is_string(j)) return gs_value_parse(key, json_string_value(j), out, e);
    if (json_is_boolean(j)) return gs_value_parse(key, json_is_true(j) ? "true" : "false", out, e);
    if (json_is_real(j)) return gs_value_parse(key, gs_real(json_real_value(j), text), out, e);
    if (!json_is_integer(j)) return gs_error(e, "%s: a config is flat; give one number, word, true or false", gs_keys[key].name);
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
    return gs_value_parse(key, text, out, e);
}

static int read_object(json_t *object, gs_config *out, gs_err *e)
{
    gs_config given = {0};
    const char *name;
    json_t *j;
    json_object_foreach(object, name, j) {
        char shown[72];
        int key = gs_key_find(name);
        if (key < 0) return gs_error(e, "the config has a key that this version does not know: '%s'", gs_shown(name, shown));
        if (value_of((gs_key)key, j, &given.v[key], e)) return -1;
    }
    gs_config_defaults(given.v[GS_TASK].set ? (int)given.v[GS_TASK].i : GS_TASK_ADDITION, out);
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (given.v[k].set) out->v[k] = given.v[k];
    gs_config_canonical(out);
    return gs_config_check(out, NULL, e);
}

int gs_config_from_json(const char *json, gs_config *out, gs_err *e)
{
    json_error_t why;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (!object) return gs_error(e, "the config is not JSON (line %d, column %d: %s)", why.line, why.column, why.text);
    int failed = json_is_object(object) ? read_object(object, out, e) : gs_error(e, "the config is not a JSON object");
    json_decref(object);
    return failed;
}
