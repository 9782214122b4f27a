/* Parts of a sweep file: nodes of the YAML tree -> typed values, terms, selectors. Every error names file:line:column. */
#ifndef GS_SWEEP_READ_H
#define GS_SWEEP_READ_H
#include "sweep/spec.h"
#include "sweep/tree.h"

typedef struct gs_reader {
    const char *path;
    gs_err *e;
} gs_reader;

int gs_fail(const gs_reader *r, gs_where at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A map with the given option names only: found[i] is the value of names[i] or NULL. what: "a table", for the message. */
int gs_read_options(const gs_reader *r, const gs_node *n, const char *what, const char *const *names, int count, const gs_node **found);
int gs_read_map(const gs_reader *r, const gs_node *n, const char *what);
int gs_read_list(const gs_reader *r, const gs_node *n, const char *what);
/* The text of a scalar, borrowed. */
int gs_read_text(const gs_reader *r, const gs_node *n, const char *what, const char **out);
int gs_read_real(const gs_reader *r, const gs_node *n, const char *what, double *out); /* finite */
int gs_read_positive(const gs_reader *r, const gs_node *n, const char *what, double *out);
int gs_read_whole(const gs_reader *r, const gs_node *n, const char *what, int64_t low, int64_t high, int64_t *out);
/* A word of a list -> its index. */
int gs_read_choice(const gs_reader *r, const gs_node *n, const char *what, const char *const *names, int count, int *out);
/* A name that becomes a file's: letters, digits, '.', '_', '-'; not first '.'. */
int gs_read_file_name(const gs_reader *r, gs_where at, const char *what, const char *text);

int gs_read_key(const gs_reader *r, const char *name, gs_where at, gs_key *out);
int gs_read_value(const gs_reader *r, gs_key key, const gs_node *n, gs_value *out);
/* [a, b] of whole numbers: a..b-1. */
int gs_read_range(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out);
/* A scalar, a list, or {range: [a, b]}. */
int gs_read_term(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out);
/* A list of scalars. */
int gs_read_values(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out);
/* {key: term, ...}, at least one. *out is to be freed after a failure too. */
int gs_read_selector(const gs_reader *r, const gs_node *n, const char *what, gs_selector *out);
void gs_selector_free(gs_selector *s);
bool gs_term_has(const gs_term *t, gs_value v);
bool gs_configs_fit(const gs_configs *configs, int index, const gs_selector *s); /* gs_selects on one of them */
#endif
