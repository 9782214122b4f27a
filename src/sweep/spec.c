/* The sweep file as a whole: reading it, its version, its name, and which section goes where. */
#include "sweep/spec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sweep/parts.h"

enum { FILE_MOST = 4 << 20 };
enum { VERSION, NAME, DEFAULTS, PARAMETERS, ZIP, EXCLUDE, INCLUDE, MATCH, ABLATE, PROBE, TABLES, CLAIMS, BUDGET, SECTION_COUNT };
static const char *const section_names[SECTION_COUNT] = {"sweep",   "name",  "defaults", "parameters", "zip",   "exclude",
                                                         "include", "match", "ablate",   "probe",      "tables", "claims", "budget"};

static int read_version(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    (void)s;
    if (n->kind == GS_NODE_SCALAR && !strcmp(n->text, "1")) return 0;
    return gs_fail(r, n->where, "this format of sweep file is not in this version; write `sweep: 1`");
}

static int read_name(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    const char *text;
    if (gs_read_text(r, n, "name", &text) || gs_read_file_name(r, n->where, "the name", text)) return -1;
    s->name = gs_text("%s", text);
    return 0;
}

/* The order matters: zip and --set look at what parameters and defaults gave. */
static int (*const section_readers[SECTION_COUNT])(const gs_reader *, const gs_node *, gs_spec *) = {
    read_version, read_name, gs_part_defaults, gs_part_parameters, gs_part_zip, gs_part_exclude, gs_part_include,
    gs_part_match, gs_part_ablate, gs_part_probe, gs_part_tables, gs_part_claims, gs_part_budget};

/* sweeps/headline.yaml -> headline */
static int name_from_path(const gs_reader *r, gs_spec *s)
{
    const char *slash = strrchr(s->path, '/'), *base = slash ? slash + 1 : s->path, *dot = strrchr(base, '.');
    bool yaml = dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
    s->name = gs_text("%.*s", (int)(yaml ? dot - base : (long)strlen(base)), base);
    return gs_read_file_name(r, (gs_where){1, 1}, "there is no `name:`, and the file's name", s->name);
}

static int read_sections(const gs_reader *r, const gs_node *root, gs_spec *s)
{
    const gs_node *found[SECTION_COUNT];
    if (gs_read_options(r, root, "a sweep file", section_names, SECTION_COUNT, found)) return -1;
    if (!found[VERSION]) return gs_fail(r, root->where, "the format's version is missing; begin with `sweep: 1`");
    for (int i = 0; i < SECTION_COUNT; i++)
        if (found[i] && section_readers[i](r, found[i], s)) return -1;
    return found[NAME] ? 0 : name_from_path(r, s);
}

static int check_size(const gs_spec *s, gs_err *e)
{
    struct stat st;
    if (stat(s->path, &st) || !S_ISREG(st.st_mode) || st.st_size <= FILE_MOST) return 0;
    return gs_error(e, "%s:1:1: the file has %lld bytes and may have %d; name a sweep file, and in it ranges instead of lists", s->path,
                    (long long)st.st_size, FILE_MOST);
}

/* The messages of gs_file_read begin with the path: the position goes after it, as in every message about the file. */
static int read_file(gs_spec *s, gs_err *e)
{
    gs_err why;
    if (check_size(s, e)) return -1;
    if (!gs_file_read(s->path, FILE_MOST, &s->text, &s->length, &why)) return 0;
    size_t skip = strncmp(why.text, s->path, strlen(s->path)) ? 0 : strlen(s->path);
    return gs_error(e, "%s:1:1%s%s", s->path, skip ? "" : ": ", why.text + skip);
}

static int load(gs_spec *s, const gs_set *sets, int set_count, gs_err *e)
{
    gs_reader r = {s->path, e};
    gs_yaml tree;
    if (read_file(s, e)) return -1;
    int failed = gs_yaml_parse(s->path, s->text, s->length, &tree, e);
    if (!failed) failed = read_sections(&r, tree.root, s);
    gs_yaml_free(&tree);
    return failed ? -1 : gs_sets_apply(sets, set_count, s, e);
}

int gs_spec_load(const char *path, const gs_set *sets, int set_count, gs_spec **out, gs_err *e)
{
    gs_spec *s = gs_alloc(1, sizeof *s);
    s->path = gs_text("%s", path);
    if (load(s, sets, set_count, e)) {
        gs_spec_close(&s);
        return -1;
    }
    *out = s;
    return 0;
}

static void free_axis(gs_axis *a)
{
    free(a->name);
    for (int i = 0; i < a->count; i++) free(a->terms[i].values);
    free(a->terms);
    gs_selector_free(&a->when);
}

static void free_selectors(gs_selector *list, int count)
{
    for (int i = 0; i < count; i++) gs_selector_free(&list[i]);
    free(list);
}

void gs_spec_close(gs_spec **spec)
{
    gs_spec *s = *spec;
    if (!s) return;
    for (int i = 0; i < s->axis_count; i++) free_axis(&s->axes[i]);
    free(s->axes);
    free_selectors(s->exclude, s->exclude_count);
    free_selectors(s->include, s->include_count);
    gs_selector_free(&s->match.reference);
    gs_selector_free(&s->match.subject);
    free(s->match.count);
    for (int i = 0; i < s->table_count; i++) gs_table_spec_free(&s->tables[i]);
    free(s->tables);
    for (int i = 0; i < s->claim_count; i++) gs_claim_spec_free(&s->claims[i]);
    free(s->claims);
    for (int i = 0; i < s->filter_count; i++) free(s->filters[i].values);
    free(s->filters);
    free(s->path);
    free(s->name);
    free(s->text);
    free(s);
    *spec = NULL;
}

const char *gs_spec_name(const gs_spec *s) { return s->name; }
const char *gs_spec_path(const gs_spec *s) { return s->path; }
bool gs_spec_narrowed(const gs_spec *s) { return s->filter_count > 0 || s->any_replaced; }
const char *gs_spec_text(const gs_spec *s, size_t *length)
{
    *length = s->length;
    return s->text;
}
gs_wanted gs_spec_wanted(const gs_spec *s) { return s->wanted; }
double gs_spec_core_hours(const gs_spec *s) { return s->core_hours; }
int64_t gs_spec_bytes(const gs_spec *s) { return s->bytes; }
const gs_table_spec *gs_spec_tables(const gs_spec *s, int *count)
{
    *count = s->table_count;
    return s->tables;
}
const gs_claim_spec *gs_spec_claims(const gs_spec *s, int *count)
{
    *count = s->claim_count;
    return s->claims;
}

const gs_axis *gs_axis_of(const gs_spec *s, gs_key key, const gs_term **term)
{
    for (int a = 0; a < s->axis_count; a++)
        for (int t = 0; t < s->axes[a].count; t++)
            if (s->axes[a].terms[t].key == key) {
                if (term) *term = &s->axes[a].terms[t];
                return &s->axes[a];
            }
    return NULL;
}
