/* libyaml's events -> the tree. The parser's own loader would accept duplicate keys, merge keys and cycles. */
#include "sweep/tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "sweep/utf8.h"
#include "sweep/words.h"

typedef struct anchor {
    char *name; /* owned */
    gs_node *node;
} anchor;
typedef struct loader {
    const char *path, *text;
    size_t length;
    gs_yaml *tree;
    gs_err *e;
    yaml_parser_t parser;
    gs_node *open[GS_YAML_DEPTH]; /* the maps and lists around the next event */
    int depth, anchor_count;
    anchor anchors[GS_YAML_ANCHORS];
    int64_t total; /* nodes so far, with aliases written out */
} loader;

static gs_where where_of(yaml_mark_t m) { return (gs_where){(int)m.line + 1, (int)m.column + 1}; }

static int fail(loader *l, gs_where at, const char *text)
{
    return gs_error(l->e, "%s:%d:%d: %s", l->path, at.line, at.column, text);
}

static int fail_name(loader *l, gs_where at, const char *name, const char *text)
{
    char shown[72];
    return gs_error(l->e, "%s:%d:%d: '%s': %s", l->path, at.line, at.column, gs_shown(name, shown), text);
}

static int fail_syntax(loader *l)
{
    yaml_parser_t *p = &l->parser;
    gs_where at = where_of(p->problem_mark);
    if (p->error == YAML_MEMORY_ERROR) gs_die("out of memory in the YAML parser");
    if (gs_utf8_at(l->text, l->length, at) == '\t') return fail(l, at, "a tab cannot stand here; indent with spaces");
    return gs_error(l->e, "%s:%d:%d: this is not YAML: %s%s%s", l->path, at.line, at.column, p->problem, p->context ? " " : "",
                    p->context ? p->context : "");
}

/* -- nodes ------------------------------------------------------------------------------------------------- */

static int count_nodes(loader *l, gs_where at, int64_t more)
{
    l->total += more;
    return l->total <= GS_YAML_NODES ? 0 : fail(l, at, "more than 1000000 values, with aliases written out; write ranges instead of lists");
}

static gs_node *new_node(loader *l, gs_node_kind kind, gs_where at)
{
    gs_yaml *t = l->tree;
    if (t->count == t->capacity) {
        t->capacity = t->capacity * 2 + 64;
        t->nodes = gs_grow(t->nodes, (size_t)t->capacity, sizeof *t->nodes);
    }
    gs_node *n = gs_alloc(1, sizeof *n);
    n->kind = kind;
    n->where = at;
    return t->nodes[t->count++] = n;
}

static void reserve(gs_node *n)
{
    if (n->count < n->capacity) return;
    n->capacity = n->capacity * 2 + 4;
    n->items = gs_grow(n->items, (size_t)n->capacity, sizeof *n->items);
    if (n->kind == GS_NODE_MAP) n->keys = gs_grow(n->keys, (size_t)n->capacity, sizeof *n->keys);
    for (int i = n->count; i < n->capacity; i++) {
        n->items[i] = NULL;
        if (n->kind == GS_NODE_MAP) n->keys[i] = (gs_name){0};
    }
}

static gs_node *top(loader *l) { return l->depth ? l->open[l->depth - 1] : NULL; }

/* A map waits for a key when its next pair has none yet. */
static bool wants_key(loader *l)
{
    gs_node *n = top(l);
    if (!n || n->kind != GS_NODE_MAP) return false;
    reserve(n);
    return !n->keys[n->count].text;
}

static void attach(loader *l, gs_node *child)
{
    gs_node *n = top(l);
    if (!n) {
        l->tree->root = child;
        return;
    }
    reserve(n);
    n->items[n->count++] = child;
}

/* -- anchors ----------------------------------------------------------------------------------------------- */

static anchor *find_anchor(loader *l, const char *name)
{
    for (int i = 0; i < l->anchor_count; i++)
        if (!strcmp(l->anchors[i].name, name)) return &l->anchors[i];
    return NULL;
}

static int set_anchor(loader *l, const yaml_char_t *name, gs_node *node)
{
    if (!name) return 0;
    anchor *a = find_anchor(l, (const char *)name);
    if (!a) {
        if (l->anchor_count == GS_YAML_ANCHORS) return fail(l, node->where, "more than 1000 anchors; write the values out");
        a = &l->anchors[l->anchor_count++];
        a->name = gs_text("%s", (const char *)name);
    }
    a->node = node;
    return 0;
}

static int on_alias(loader *l, const yaml_event_t *v)
{
    const char *name = (const char *)v->data.alias.anchor;
    gs_where at = where_of(v->start_mark);
    anchor *a = find_anchor(l, name);
    if (wants_key(l)) return fail_name(l, at, name, "an alias cannot be a key; write the key's name");
    if (!a) return fail_name(l, at, name, "this alias has no anchor before it; write the values out");
    if (!a->node->weight) return fail_name(l, at, name, "this alias stands inside what it stands for; write the values out");
    if (count_nodes(l, at, a->node->weight)) return -1;
    attach(l, a->node);
    return 0;
}

/* -- events ------------------------------------------------------------------------------------------------ */

static int add_key(loader *l, const yaml_event_t *v)
{
    const char *text = (const char *)v->data.scalar.value;
    gs_node *n = top(l);
    gs_where at = where_of(v->start_mark);
    if (v->data.scalar.anchor || v->data.scalar.tag)
        return fail_name(l, at, text, "a key takes no anchor and no tag; write its name alone");
    if (!strcmp(text, "<<")) return fail(l, at, "merge keys (<<) are not supported; write the keys out");
    if (strlen(text) != v->data.scalar.length) return fail(l, at, "a key has a zero byte; remove it");
    n->keys[n->count] = (gs_name){gs_text("%s", text), at};
    return 0;
}

static int on_scalar(loader *l, const yaml_event_t *v)
{
    gs_where at = where_of(v->start_mark);
    const char *text = (const char *)v->data.scalar.value;
    if (wants_key(l)) return add_key(l, v);
    if (v->data.scalar.tag) return fail(l, at, "tags (!) are not supported; the key gives a value its type");
    if (strlen(text) != v->data.scalar.length) return fail(l, at, "a value has a zero byte; remove it");
    gs_node *n = new_node(l, GS_NODE_SCALAR, at);
    n->text = gs_text("%s", text);
    n->weight = 1;
    attach(l, n);
    return count_nodes(l, at, 1) ? -1 : set_anchor(l, v->data.scalar.anchor, n);
}

static int on_open(loader *l, const yaml_event_t *v, gs_node_kind kind, const yaml_char_t *name, const yaml_char_t *tag)
{
    gs_where at = where_of(v->start_mark);
    if (wants_key(l)) return fail(l, at, "a key must be a name, not a list or a map");
    if (tag) return fail(l, at, "tags (!) are not supported; the key gives a value its type");
    if (l->depth == GS_YAML_DEPTH) return fail(l, at, "more than 64 levels of nesting; a sweep file needs five");
    gs_node *n = new_node(l, kind, at);
    attach(l, n);
    l->open[l->depth++] = n;
    return count_nodes(l, at, 1) ? -1 : set_anchor(l, name, n);
}

typedef struct place {
    const char *text;
    int index;
} place;

static int by_text(const void *a, const void *b)
{
    const place *p = a, *q = b;
    int order = strcmp(p->text, q->text);
    return order ? order : p->index - q->index;
}

/* The first key of the map that stands there for the second time, or -1. */
static int duplicate(const gs_node *n)
{
    place *sorted = gs_alloc((size_t)n->count + 1, sizeof *sorted);
    int found = -1;
    for (int i = 0; i < n->count; i++) sorted[i] = (place){n->keys[i].text, i};
    qsort(sorted, (size_t)n->count, sizeof *sorted, by_text);
    for (int i = 1; i < n->count; i++)
        if (!strcmp(sorted[i].text, sorted[i - 1].text) && (found < 0 || sorted[i].index < found)) found = sorted[i].index;
    free(sorted);
    return found;
}

static int on_close(loader *l)
{
    gs_node *n = l->open[--l->depth];
    n->weight = 1;
    for (int i = 0; i < n->count; i++) n->weight += n->items[i]->weight;
    int twice = n->kind == GS_NODE_MAP ? duplicate(n) : -1;
    if (twice < 0) return 0;
    return fail_name(l, n->keys[twice].where, n->keys[twice].text, "this key is there twice; keep one of the two");
}

static int on_event(loader *l, const yaml_event_t *v)
{
    switch (v->type) {
    case YAML_DOCUMENT_START_EVENT:
        return l->tree->root ? fail(l, where_of(v->start_mark), "a second document begins here; a sweep file has one") : 0;
    case YAML_SCALAR_EVENT: return on_scalar(l, v);
    case YAML_ALIAS_EVENT: return on_alias(l, v);
    case YAML_SEQUENCE_START_EVENT: return on_open(l, v, GS_NODE_LIST, v->data.sequence_start.anchor, v->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT: return on_open(l, v, GS_NODE_MAP, v->data.mapping_start.anchor, v->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return on_close(l);
    default: return 0;
    }
}

static int read_events(loader *l)
{
    for (bool more = true; more;) {
        yaml_event_t v;
        if (!yaml_parser_parse(&l->parser, &v)) return fail_syntax(l);
        more = v.type != YAML_STREAM_END_EVENT;
        int failed = on_event(l, &v);
        yaml_event_delete(&v);
        if (failed) return -1;
    }
    return l->tree->root ? 0 : fail(l, (gs_where){1, 1}, "the file is empty; a sweep file begins with `sweep: 1`");
}

int gs_yaml_parse(const char *path, const char *text, size_t length, gs_yaml *out, gs_err *e)
{
    *out = (gs_yaml){0};
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, length -= 3; /* a byte order mark */
    if (gs_utf8_check(path, text, length, e)) return -1;
    loader *l = gs_alloc(1, sizeof *l);
    *l = (loader){.path = path, .text = text, .length = length, .tree = out, .e = e};
    if (!yaml_parser_initialize(&l->parser)) gs_die("out of memory in the YAML parser");
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)text, length);
    int failed = read_events(l);
    yaml_parser_delete(&l->parser);
    for (int i = 0; i < l->anchor_count; i++) free(l->anchors[i].name);
    free(l);
    return failed;
}

static void free_node(gs_node *n)
{
    for (int i = 0; n->keys && i < n->capacity; i++) free(n->keys[i].text);
    free(n->keys);
    free(n->items);
    free(n->text);
    free(n);
}

void gs_yaml_free(gs_yaml *y)
{
    for (int i = 0; i < y->count; i++) free_node(y->nodes[i]);
    free(y->nodes);
    *y = (gs_yaml){0};
}
