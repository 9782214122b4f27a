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

char *gs_config_json(const gs_config *c, bool identity_only)
{
    int order[GS_KEY_COUNT], count = 0;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (c->v[k].set && (gs_keys[k].identity || !identity_only)) order[count++] = k;
    qsort(order, (size_t)count, sizeof *order, by_name);
    gs_buf b = {0};
    gs_buf_bytes(&b, "{", 1);
    for (int i = 0; i < count; i++) {
        char text[64];
        const char *quote = gs_keys[order[i]].type == GS_TYPE_ENUM ? "\"" : "";
        gs_value_text((gs_key)order[i], c->v[order[i]], text);
        gs_buf_add(&b, "%s\"%s\":%s%s%s", i ? "," : "", gs_keys[order[i]].name, quote, text, quote);
    }
    gs_buf_bytes(&b, "}", 1);
    return b.text;
}

void gs_config_id(const gs_config *c, char id[33])
{
    char *json = gs_config_json(c, true), *text = gs_text("%s\nresult %d\n", json, GS_RESULT_VERSION);
    gs_hash128(text, strlen(text), id);
    free(text);
    free(json);
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
