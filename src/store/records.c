/* The journals, the reading side. A damaged line costs itself only; reading needs no lock, so that the last line may be
 * one that is still being written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Takes the record over; a later record of an id replaces the earlier one in its place. A failure does not replace a result of an
 * earlier journal, whose records are the first `before`. */
static void add(gs_records *r, gs_record *record, size_t before)
{
    make_room(r);
    size_t slot = slot_of(r, record->id), index = r->slots[slot];
    if (index && index <= before && r->at[index - 1].ok && !record->ok) {
        gs_record_free(record);
        return;
    }
    if (!index) {
        r->slots[slot] = ++r->count;
    } else {
        gs_record_free(&r->at[index - 1]);
    }
    r->at[r->slots[slot] - 1] = *record;
}

/* "CRC32-hex8 JSON" without the newline -> record. */
static int read_line(const char *line, size_t length, gs_record *out, gs_err *e)
{
    char claimed[PREFIX];
    if (length <= PREFIX || line[PREFIX - 1] != ' ') return gs_error(e, "no checksum and record");
    snprintf(claimed, sizeof claimed, "%08x", (unsigned)gs_crc32(line + PREFIX, length - PREFIX));
    if (memcmp(claimed, line, PREFIX - 1)) return gs_error(e, "the checksum does not fit");
    return gs_record_parse(line + PREFIX, length - PREFIX, out, e);
}

static void report(gs_buf *damage, const char *path, size_t line, const char *what)
{
    if (damage) gs_buf_add(damage, "%s:%zu: %s; the line is skipped, and its run will be run again\n", path, line, what);
}

static int read_lines(FILE *file, const char *path, gs_records *out, gs_buf *damage, gs_err *e)
{
    char *line = NULL;
    size_t capacity = 0, number = 0, before = out->count;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) {
        gs_record record;
        gs_err why;
        number++;
        if (line[length - 1] != '\n')
            report(damage, path, number, "the last line is not finished");
        else if (read_line(line, (size_t)length - 1, &record, &why))
            report(damage, path, number, why.text);
        else
            add(out, &record, before);
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

static int read_journal(const char *path, gs_records *out, gs_buf *damage, gs_err *e)
{
    FILE *file;
    int failed = open_journal(path, &file, e);
    if (!failed && file) {
        failed = read_lines(file, path, out, damage, e);
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

int gs_records_load(const char *dir, gs_records *out, gs_buf *damage, gs_err *e)
{
    int count, failed = 0;
    source *all = journals_of(dir, &count);
    *out = (gs_records){0};
    for (int i = 0; i < count; i++) {
        failed = failed || read_journal(all[i].path, out, damage, e);
        free(all[i].path);
    }
    free(all);
    if (failed) gs_records_free(out);
    return failed ? -1 : 0;
}

void gs_records_free(gs_records *r)
{
    for (size_t i = 0; i < r->count; i++) gs_record_free(&r->at[i]);
    free(r->at);
    free(r->slots);
    *r = (gs_records){0};
}

const gs_record *gs_records_find(const gs_records *r, const char *id)
{
    if (!r->count) return NULL;
    size_t index = r->slots[slot_of(r, id)];
    return index ? &r->at[index - 1] : NULL;
}
