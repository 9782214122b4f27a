/* The journals, the reading side. A damaged line costs itself only; reading needs no lock, so that the last line may be
 * one that is still being written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "shards.h"

enum { PREFIX = 9 }; /* eight hex digits and a blank */

/* -> the slot of the id, or the free slot where it belongs. slot_count is a power of two and never full. */
static size_t slot_of(const gs_records *r, const char *id)
{
    size_t at = gs_hash64(id) & (r->slot_count - 1);
    while (r->slots[at] && strcmp(r->at[r->slots[at] - 1].id, id)) at = (at + 1) & (r->slot_count - 1);
    return at;
}

static void make_room(gs_records *r)
{
    if (r->slot_count >= 2 * (r->count + 1)) return;
    free(r->slots);
    r->slot_count = r->slot_count ? 2 * r->slot_count : 64;
    r->slots = gs_alloc(r->slot_count, sizeof *r->slots);
    r->at = gs_grow(r->at, r->slot_count / 2, sizeof *r->at);
    for (size_t i = 0; i < r->count; i++) r->slots[slot_of(r, r->at[i].id)] = i + 1;
}

static gs_result result_of(gs_records *r, const gs_record *from)
{
    gs_result out = {.ok = from->ok, .ablate = from->ablate, .probes = from->probes, .probe_every = from->probe_every, .rank = from->rank,
                     .wall_s = from->wall_s};
    strcpy(out.id, from->id);
    out.reason = gs_names_of(&r->names, from->reason);
    out.host = gs_names_of(&r->names, from->host);
    out.metrics.count = out.metrics.capacity = from->metrics.count;
    if (from->metrics.count) out.metrics.at = gs_alloc(from->metrics.count, sizeof *out.metrics.at);
    for (size_t i = 0; i < from->metrics.count; i++)
        out.metrics.at[i] = (gs_metric){(char *)gs_names_of(&r->names, from->metrics.at[i].name), from->metrics.at[i].value};
    return out;
}

/* A later record of an id replaces the earlier one in its place. A failure does not replace a result of an earlier journal, whose
 * records are the first `before`. */
static void add(gs_records *r, const gs_record *record, size_t before)
{
    make_room(r);
    size_t slot = slot_of(r, record->id), index = r->slots[slot];
    if (index && index <= before && r->at[index - 1].ok && !record->ok) return;
    if (index) free(r->at[index - 1].metrics.at);
    else r->slots[slot] = ++r->count;
    r->at[r->slots[slot] - 1] = result_of(r, record);
}

/* What a pass over the journals does with each record. */
typedef struct reader {
    bool metrics;
    gs_records *out;
    gs_buf *damage;   /* may be NULL */
    const char *wanted; /* instead: keep the JSON of the last record of this id ... */
    gs_buf found;       /* ... here */
} reader;

/* "CRC32-hex8 JSON" without the newline -> record. */
static int read_line(const char *line, size_t length, bool metrics, gs_record *out, gs_err *e)
{
    char claimed[PREFIX];
    if (length <= PREFIX || line[PREFIX - 1] != ' ') return gs_error(e, "no checksum and record");
    snprintf(claimed, sizeof claimed, "%08x", (unsigned)gs_crc32(line + PREFIX, length - PREFIX));
    if (memcmp(claimed, line, PREFIX - 1)) return gs_error(e, "the checksum does not fit");
    return gs_record_parse_result(line + PREFIX, length - PREFIX, metrics, out, e);
}

static void report(gs_buf *damage, const char *path, size_t line, const char *what)
{
    if (damage) gs_buf_add(damage, "%s:%zu: %s; the line is skipped, and its run will be run again\n", path, line, what);
}

static void take(reader *r, const gs_record *record, const char *line, size_t length, size_t before)
{
    add(r->out, record, before);
    const gs_result *kept = r->wanted && !strcmp(record->id, r->wanted) ? gs_records_find(r->out, r->wanted) : NULL;
    if (!kept || kept->ok != record->ok) return;
    r->found.length = 0;
    gs_buf_bytes(&r->found, line + PREFIX, length - PREFIX);
}

/* -> where the next "CRC32-hex8 {" begins, or length. */
static size_t next_head(const char *line, size_t from, size_t length)
{
    for (size_t at = from; at + PREFIX < length; at++)
        if (line[at + PREFIX - 1] == ' ' && line[at + PREFIX] == '{' && strspn(line + at, "0123456789abcdef") == PREFIX - 1) return at;
    return length;
}

/* A line that is not whole may be several whose newlines are damaged: each costs itself only. */
static void read_pieces(const char *line, size_t length, const char *path, size_t number, reader *r, size_t before)
{
    for (size_t at = 0, next; at < length; at = next) {
        gs_record record;
        gs_err why;
        next = next_head(line, at + 1, length);
        bool whole = !read_line(line + at, next - at, r->metrics, &record, &why);
        if (!whole && next < length && !read_line(line + at, next - at - 1, r->metrics, &record, NULL)) {
            whole = true;
            if (r->damage) gs_buf_add(r->damage, "%s:%zu: the end of the line is damaged; its record is whole\n", path, number);
        }
        if (whole) take(r, &record, line + at, next - at, before), gs_record_free(&record);
        else report(r->damage, path, number, why.text);
    }
}

static int read_lines(FILE *file, const char *path, reader *r, gs_err *e)
{
    char *line = NULL;
    size_t capacity = 0, number = 0, before = r->out->count;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) {
        gs_record record;
        number++;
        if (line[length - 1] != '\n')
            report(r->damage, path, number, "the last line is not finished");
        else if (read_line(line, (size_t)length - 1, r->metrics, &record, NULL))
            read_pieces(line, (size_t)length - 1, path, number, r, before);
        else
            take(r, &record, line, (size_t)length - 1, before), gs_record_free(&record);
    }
    int failed = ferror(file) || !feof(file) ? gs_error(e, "%s: cannot read it: %s", path, strerror(errno)) : 0;
    free(line);
    return failed;
}

/* *out is NULL when there is no journal. Non-blocking: a named pipe must not hang us. */
static int open_journal(const char *path, FILE **out, gs_err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *out = NULL;
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0) return gs_error(e, "%s: cannot read it: %s", path, strerror(errno));
    struct stat s;
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        close(fd);
        return gs_error(e, "%s: this is not a regular file", path);
    }
    *out = fdopen(fd, "r");
    if (!*out) gs_die("fdopen: %s", strerror(errno));
    return 0;
}

static int read_journal(const char *path, reader *r, gs_err *e)
{
    FILE *file;
    int failed = open_journal(path, &file, e);
    if (!failed && file) {
        failed = read_lines(file, path, r, e);
        fclose(file);
    }
    return failed;
}

typedef struct source {
    char *path; /* owned */
    struct timespec written;
    int number; /* ties in time keep this order */
} source;

static int by_time(const void *a, const void *b)
{
    const source *x = a, *y = b;
    if (x->written.tv_sec != y->written.tv_sec) return x->written.tv_sec < y->written.tv_sec ? -1 : 1;
    if (x->written.tv_nsec != y->written.tv_nsec) return x->written.tv_nsec < y->written.tv_nsec ? -1 : 1;
    return x->number - y->number;
}

/* All journals of a folder, the one that was written last at the end. */
static source *journals_of(const char *dir, int *count)
{
    int *shards = gs_shards_of(dir, "journal.", ".jsonl", count);
    source *all = gs_alloc((size_t)++*count, sizeof *all);
    for (int i = 0; i < *count; i++) {
        struct stat s;
        all[i].path = i ? gs_text("%s/journal.%d.jsonl", dir, shards[i - 1]) : gs_text("%s/journal.jsonl", dir);
        all[i].number = i;
        if (!stat(all[i].path, &s)) all[i].written = s.st_mtim;
    }
    free(shards);
    qsort(all, (size_t)*count, sizeof *all, by_time);
    return all;
}

static int read_all(const char *dir, reader *r, gs_err *e)
{
    int count, failed = 0;
    source *all = journals_of(dir, &count);
    *r->out = (gs_records){0};
    for (int i = 0; i < count; i++) {
        failed = failed || read_journal(all[i].path, r, e);
        free(all[i].path);
    }
    free(all);
    if (failed) gs_records_free(r->out);
    return failed ? -1 : 0;
}

int gs_records_load(const char *dir, gs_records *out, gs_buf *damage, gs_err *e)
{
    return read_all(dir, &(reader){.metrics = true, .out = out, .damage = damage}, e);
}

int gs_records_load_states(const char *dir, gs_records *out, gs_buf *damage, gs_err *e)
{
    return read_all(dir, &(reader){.out = out, .damage = damage}, e);
}

int gs_record_read(const char *dir, const char *id, gs_record *out, gs_err *e)
{
    gs_records all;
    reader r = {.out = &all, .wanted = id};
    *out = (gs_record){0};
    if (read_all(dir, &r, e)) return -1;
    int failed = r.found.length ? gs_record_parse(r.found.text, r.found.length, out, e) : gs_error(e, "%s: no record of run %s", dir, id);
    gs_buf_free(&r.found);
    gs_records_free(&all);
    return failed;
}

void gs_records_free(gs_records *r)
{
    for (size_t i = 0; i < r->count; i++) free(r->at[i].metrics.at);
    free(r->at);
    free(r->slots);
    gs_names_free(&r->names);
    *r = (gs_records){0};
}

const gs_result *gs_records_find(const gs_records *r, const char *id)
{
    if (!r->count) return NULL;
    size_t index = r->slots[slot_of(r, id)];
    return index ? &r->at[index - 1] : NULL;
}
