/* gridshift store: finished runs -> journal and run folders -> records.
 *
 * DIR/{spec.yaml, plan.csv, journal.jsonl, results.csv, timings.csv, tables/, checkpoints/ (of runs that are not done),
 * runs/ID/{config.yaml, curve.csv, model*.safetensors}}
 * One writer per journal: the master. Readers need no lock. DESIGN sections 5 and 7. */
#ifndef GRIDSHIFT_STORE_H
#define GRIDSHIFT_STORE_H
#include "gridshift/config.h"
#include "gridshift/count.h"
#include "gridshift/metric.h"

/* What one run left. */
typedef struct gs_record {
    char id[33];
    bool ok;
    char reason[512]; /* failed runs: "diverged at step 120", ... */
    gs_config config;
    gs_counts counts;
    /* what it was measured with, as in gs_wanted */
    uint32_t ablate, probes;
    int64_t probe_every;
    gs_metrics metrics;
    /* where and how long; never part of a comparison */
    char host[64];
    int rank;
    double wall_s; /* of all sessions of the run, without what was lost after a checkpoint */
    bool checkpoints; /* its folder has some that are of no use once this record is on the disk; not written */
} gs_record;
void gs_record_free(gs_record *r); /* frees the insides and zeroes */

/* One JSON object on one line, without the newline; owned by the caller. Doubles survive the round trip bit for bit. */
char *gs_record_json(const gs_record *r);
int gs_record_parse(const char *json, size_t length, gs_record *out, gs_err *e);
/* Without config and counts, and without the metrics unless asked for. */
int gs_record_parse_result(const char *json, size_t length, bool metrics, gs_record *out, gs_err *e);

/* -- journal.jsonl: a record a line, "CRC32-hex8 JSON\n" ----------------------------------------------------
 *
 * A sweep that is split over several masters has a journal and a lock for each: journal.K.jsonl and lock.K of shard K. Readers
 * merge all of them by run id. */

enum { GS_WHOLE = -1 }; /* no shard: journal.jsonl and lock */

typedef struct gs_journal gs_journal;
/* Opens the journal of the shard, or GS_WHOLE's, for appending (made when missing); a torn last line is cut off. */
int gs_journal_open(const char *dir, int shard, gs_journal **out, gs_err *e);
/* What was cut off when it was opened, as a sentence; NULL: nothing. Borrowed. */
const char *gs_journal_note(const gs_journal *j);
/* Adds a record to those that wait for the disk; at some megabytes they are synced at once. */
int gs_journal_add(gs_journal *j, const char *json, size_t length, gs_err *e);
int gs_journal_sync(gs_journal *j, gs_err *e); /* writes what waits, fsync: only then is it recorded */
void gs_journal_close(gs_journal **j);         /* without a sync: what waits is lost */

/* DIR/lock: one master per folder, or one per shard. Taken whole or not at all; names host, boot and process. A lock whose
 * process is gone from this host is taken over, as is one of another host that was not refreshed for 120 s; any, with force. The
 * whole folder is not taken while a shard of it is, nor a shard while the whole is. */
typedef struct gs_lock gs_lock;
int gs_lock_take(const char *dir, int shard, bool force, gs_lock **out, gs_err *e);
int gs_lock_check(const char *dir, int shard, gs_err *e); /* -1: it would be refused now, and why; takes nothing */
/* To be called every 10 s. -1: another process has replaced the lock, or the folder cannot be reached: stop writing there. */
int gs_lock_refresh(gs_lock *l, gs_err *e);
int gs_lock_count(const char *dir); /* locks of the whole and of shards that are there: masters at work, or lost */
void gs_lock_release(gs_lock **l); /* nulls */

/* A record as far as a sweep needs it: what many of them are kept as. Everything is borrowed from the gs_records. */
typedef struct gs_result {
    char id[33];
    bool ok;
    const char *reason; /* failed runs */
    uint32_t ablate, probes;
    int64_t probe_every;
    gs_metrics metrics; /* its names are shared */
    const char *host;
    int rank;
    double wall_s;
} gs_result;

/* All records of DIR: of each id the last one of a journal, and between journals that of the one that was written last, but never
 * a failure instead of a result. Bad lines are skipped; *damage (may be NULL) gets a line of text for each. A missing journal is
 * an empty one. */
typedef struct gs_records {
    gs_result *at; /* (count), owned, in the journal's order */
    size_t count;
    size_t *slots, slot_count; /* hash table of the ids, owned: index + 1, 0: free */
    struct gs_names *names;    /* texts that occur again and again, each once; owned */
} gs_records;
int gs_records_load(const char *dir, gs_records *out, gs_buf *damage, gs_err *e);
int gs_records_load_states(const char *dir, gs_records *out, gs_buf *damage, gs_err *e); /* the same without the metrics */
void gs_records_free(gs_records *r);
const gs_result *gs_records_find(const gs_records *r, const char *id); /* NULL: none */
/* The whole record of an id that gs_records_load found; the caller's to free. */
int gs_record_read(const char *dir, const char *id, gs_record *out, gs_err *e);

/* -- safetensors (src/store/safetensors.c): checkpoints of DESIGN section 6 ---------------------------------- */

typedef struct gs_st_tensor {
    char *name;        /* owned by the file when read; borrowed when written */
    char dtype[4];     /* "F32", "F64", "I64" */
    int rank;
    int64_t shape[8];
    const void *data;  /* borrowed: into the file's bytes when read */
    size_t bytes;
} gs_st_tensor;
typedef struct gs_st_file {
    int count;
    gs_st_tensor *tensors;
    int meta_count;
    char **meta_keys, **meta_values; /* (meta_count): __metadata__ */
    char *bytes; /* the file, owned */
} gs_st_file;
/* Reads and checks a file completely: header length, JSON, types, shapes, offsets inside the file and without overlap. */
int gs_st_read(const char *path, gs_st_file *out, gs_err *e); /* of at most 1 GiB */
int gs_st_read_most(const char *path, size_t most, gs_st_file *out, gs_err *e);
void gs_st_free(gs_st_file *f);
const gs_st_tensor *gs_st_find(const gs_st_file *f, const char *name); /* NULL: none */
const char *gs_st_meta(const gs_st_file *f, const char *key);          /* NULL: none */
/* XXH3-128 over these texts and the tensors with their names, types, shapes and values, in whatever order they come. */
void gs_st_checksum(const gs_st_tensor *tensors, int count, const char *const *texts, int text_count, char hex[33]);
int gs_st_write(const char *path, const gs_st_tensor *tensors, int count, const char *const *meta_keys,
                const char *const *meta_values, int meta_count, gs_err *e);
#endif
