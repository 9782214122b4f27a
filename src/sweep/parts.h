/* The sections of a sweep file; each reads one top-level value into the spec. -> 0, or -1 with the message. */
#ifndef GS_SWEEP_PARTS_H
#define GS_SWEEP_PARTS_H
#include "sweep/read.h"

int gs_part_defaults(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_parameters(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_zip(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_exclude(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_include(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_match(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_ablate(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_probe(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_tables(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_claims(const gs_reader *r, const gs_node *n, gs_spec *s);
int gs_part_budget(const gs_reader *r, const gs_node *n, gs_spec *s);

/* The --set arguments, over the spec that was read. */
int gs_sets_apply(const gs_set *sets, int count, gs_spec *s, gs_err *e);

/* A table of this version needs this many; they are freed here because only here they are made. */
void gs_table_spec_free(gs_table_spec *t);
void gs_claim_spec_free(gs_claim_spec *c);
/* A list of keys, `seed` not among them; and a metric's full name. */
int gs_read_keys(const gs_reader *r, const gs_node *n, const char *what, gs_key **keys, int *count);
int gs_read_metric(const gs_reader *r, const gs_node *n, const char *what, const char **out);
#endif
