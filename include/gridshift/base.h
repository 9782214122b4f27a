/* gridshift base: errors, memory, text, files, hashes, random numbers. A library that any stage may include.
 *
 * Everything here is local (no MPI) and free of global state, except the hook of gs_die.
 * Errors: a function that can fail on bad input returns 0, or -1 with a sentence in *e. */
#ifndef GRIDSHIFT_BASE_H
#define GRIDSHIFT_BASE_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- errors ------------------------------------------------------------------------------------------------ */

typedef struct gs_err {
    char text[2048]; /* one or more sentences without a final newline: what is wrong, where, what to do */
    int system;      /* the errno, where a file or folder could not be written; else 0 */
} gs_err;

/* Writes the message into *e (e may be NULL) and always returns -1, so that `return gs_error(e, ...)` is one line. */
int gs_error(gs_err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A bug or a broken system, never bad input: prints file:line and the text on stderr, calls the hook (the MPI stage
 * installs MPI_Abort there) and aborts. */
#define gs_die(...) gs_die_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void gs_die_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void gs_die_hook(void (*hook)(void));

/* -- memory ------------------------------------------------------------------------------------------------ */

/* Zeroed memory, owned by the caller (free). Dies when there is none: for small things whose size no user chooses. */
void *gs_alloc(size_t count, size_t size);
void *gs_grow(void *old, size_t count, size_t size); /* realloc with the same promise; new bytes are not zeroed */
char *gs_text(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a new string, owned by the caller */
char *gs_text_of(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* One arena per family of tensors. A layout function runs twice over the same arena: with base NULL it only measures
 * (take returns NULL and `used` grows), then gs_arena_open allocates that much, and the second pass carves. */
typedef struct gs_arena {
    char *base;  /* owned; 64-byte aligned; NULL while measuring */
    size_t used; /* bytes taken so far */
    size_t size; /* bytes allocated */
} gs_arena;
void *gs_arena_take(gs_arena *a, size_t count, size_t size); /* 64-byte aligned, zeroed at open; borrowed */
int gs_arena_open(gs_arena *a, gs_err *e);                   /* allocates a->used bytes and a readable line, zeroed; rewinds */
void gs_arena_close(gs_arena *a);                            /* frees and zeroes *a */

/* A growing text. Zero-initialise; `text` is always terminated once something was added. */
typedef struct gs_buf {
    char *text; /* owned */
    size_t length, capacity;
} gs_buf;
void gs_buf_add(gs_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gs_buf_bytes(gs_buf *b, const void *bytes, size_t count);
void gs_buf_free(gs_buf *b);

const char *gs_whole(int64_t value, char out[32]); /* in decimal; returns out. Printing takes most of a short run's record */
/* The shortest decimal that reads back as the same double ("0.1", "1e-08", "nan"), always with '.', in any locale. */
const char *gs_real(double value, char out[32]); /* returns out */

/* -- files ------------------------------------------------------------------------------------------------- */

/* Whole file into memory, with a terminating 0 after *length bytes; *data is owned by the caller. Refuses anything that
 * is not a regular file, and more than `most` bytes. */
int gs_file_read(const char *path, size_t most, char **data, size_t *length, gs_err *e);
/* Whole or not at all: temporary name in the same folder, fsync, rename, fsync of the folder. */
int gs_file_write(const char *path, const void *data, size_t length, gs_err *e);
typedef struct gs_part {
    const void *data; /* borrowed */
    size_t length;
} gs_part;
int gs_file_write_parts(const char *path, const gs_part *parts, int count, gs_err *e); /* the same, one part after the other */
/* write(2) until everything is written, whatever interrupts or shortens it -> 0, or -1 with errno. */
int gs_write_all(int fd, const void *data, size_t length);
int gs_sync(int fd); /* fsync(2), whatever interrupts it */
void gs_folder_tidy(const char *path); /* removes the temporary files of writers that were killed; none may be writing there now */
const char *gs_disk_advice(int error); /* ". What to do about this errno when files are written", or "" */
int gs_folder_make(const char *path, gs_err *e); /* mkdir -p */
int gs_folder_make_in(const char *root, const char *path, gs_err *e); /* the same, but never root itself, which may be unmounted */
int gs_folder_sync(const char *path, gs_err *e); /* fsync of a folder, so that a rename in it survives a crash */

/* -- hashes ------------------------------------------------------------------------------------------------ */

typedef struct gs_hash {
    uint64_t high, low;
} gs_hash;
gs_hash gs_hash_bytes(const void *bytes, size_t count);        /* XXH3, 128 bits */
void gs_hash_text(gs_hash h, char hex[33]);                    /* 32 lower-case hex digits */
void gs_hash128(const void *bytes, size_t count, char hex[33]); /* both */
uint64_t gs_hash64(const char *text);                           /* XXH3 of a string */
uint32_t gs_crc32(const void *bytes, size_t count);             /* zlib's */
typedef struct gs_hasher gs_hasher; /* gs_hash_bytes of what is added piece by piece */
gs_hasher *gs_hasher_open(void);
void gs_hasher_add(gs_hasher *h, const void *bytes, size_t count);
gs_hash gs_hasher_close(gs_hasher **h); /* nulls; -> the hash */

/* -- time --------------------------------------------------------------------------------------------------- */

double gs_clock_s(void); /* monotonic; no result depends on it */

/* -- processes ---------------------------------------------------------------------------------------------- */

/* Which process of which machine; plain data, so that it can travel. */
typedef struct gs_process {
    char host[72], boot[48]; /* boot: the kernel's boot id */
    int64_t pid, start;      /* start: in clock ticks after boot, which tells it from a later process with its number; 0: unknown */
    uint64_t space;          /* of process numbers (containers); 0: unknown */
} gs_process;
gs_process gs_process_self(void);
/* Can this process see whether *p lives? */
bool gs_process_near(const gs_process *p);
/* Of a near one: false when it is gone, or a zombie that writes nothing any more. */
bool gs_process_lives(const gs_process *p);

/* -- random numbers ---------------------------------------------------------------------------------------- */

/* Philox4x32-10 (Random123; Salmon et al. 2011): value(seed, purpose, a, b, i) is a pure function, so that no number
 * depends on what was drawn before it. DESIGN section 5 lists what a and b are for each purpose. */
typedef enum gs_purpose {
    GS_RNG_INIT = 1, /* (hash of the tensor's name, 0, element) */
    GS_RNG_SPLIT,    /* (0, 0, element) */
    GS_RNG_BATCH,    /* (step, sample, draw) */
    GS_RNG_EVAL,     /* (step or epoch, sample, draw) */
    GS_RNG_DROPOUT,  /* (step, site and layer, element) */
    GS_RNG_ROUTE,    /* (step or token id, layer, ...) */
    GS_RNG_RESAMPLE, /* (draw, 0, element): one permutation per draw, the same for all sites and layers */
    GS_RNG_BOOTSTRAP,
    GS_RNG_PROBE     /* (draw, what for, element) */
} gs_purpose;
typedef struct gs_rng {
    uint32_t seed, purpose;
} gs_rng;
gs_rng gs_rng_of(uint32_t seed, gs_purpose purpose);
uint32_t gs_rng_u32(gs_rng r, uint64_t a, uint32_t b, uint32_t i);                   /* 32 random bits */
uint32_t gs_rng_below(gs_rng r, uint64_t a, uint32_t b, uint32_t i, uint32_t bound); /* uniform in 0..bound-1 */
double gs_rng_uniform(gs_rng r, uint64_t a, uint32_t b, uint32_t i);                 /* in (0, 1), 32 bits */
void gs_rng_uniforms(gs_rng r, uint64_t a, uint32_t b, uint32_t first, size_t count, double *out); /* of first, first + 1, ... mod 2^32 */
double gs_rng_normal(gs_rng r, uint64_t a, uint32_t b, uint32_t i);                  /* N(0, 1), Box-Muller */
void gs_rng_permutation(gs_rng r, uint64_t a, uint32_t b, int count, int32_t *out);  /* Fisher-Yates of 0..count-1 */

/* -- portable mathematics ---------------------------------------------------------------------------------- */

/* In double, from +, -, * and / only: the same bits on every machine, which the C library does not promise.
 * Relative error below 1e-15 for log and log1p, absolute below 1e-15 for cospi2. */
double gs_log(double x);    /* natural logarithm, x > 0 and normal */
double gs_log1p(double x);  /* log(1 + x), x >= 0 */
double gs_cospi2(double u); /* cos(2 pi u), 0 <= u <= 1 */
double gs_exp(double x);    /* relative error below 1e-15; 0 below -708, inf above 709 */
#endif
