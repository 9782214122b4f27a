/* Bytes -> framed messages. Private to src/mpi. Local: nothing here waits for another rank without sleeping. */
#ifndef GRIDSHIFT_MPI_WIRE_H
#define GRIDSHIFT_MPI_WIRE_H
#include <mpi.h>
#include <pthread.h>

#include "gridshift/mpi.h"

/* What travels, and its tag. A job, a result and the orders to leave are a header (length and kind, the orders under the tag of a
 * job), then the bytes, under GS_MSG_BYTES; the others are in one piece. */
typedef enum gs_message {
    GS_MSG_JOB = 1, /* master -> worker: a batch of jobs */
    GS_MSG_RESULT,  /* worker -> master: a batch of results; an empty one: the worker leaves */
    GS_MSG_LEAVE,   /* master -> worker: stop the job that you are at, drop the others, leave */
    GS_MSG_NOW,     /* master -> worker: leave without waiting for the job */
    GS_MSG_BYTES,   /* the content of any of them */
    GS_MSG_ALIVE,   /* worker -> master: a gs_beat, in one piece */
    GS_MSG_ANSWER,  /* master -> worker: a gs_answer to it, in one piece */
    GS_MSG_SHARE,   /* gs_mpi_share */
    GS_MSG_COUNT
} gs_message;
extern const char *const gs_message_names[GS_MSG_COUNT];

/* One message under way. Its address must not change until it is done. Between two ranks only one message goes in each
 * direction at a time, so that the bytes of two never mix. */
typedef struct gs_transfer {
    bool active, sending;
    int peer;
    struct {
        uint64_t length, kind; /* kind: a gs_message */
    } header;
    bool headed;     /* the header has gone or come */
    char *data;      /* (header.length), owned */
    uint64_t at;     /* bytes gone or come, with those of the current request */
    MPI_Request request;
} gs_transfer;

void gs_transfer_send(gs_transfer *t, int peer, gs_message kind, char *data, size_t length); /* takes data over */
void gs_transfer_receive(gs_transfer *t, int peer, gs_message tag);
bool gs_transfer_advance(gs_transfer *t);                     /* true: done; t->data stays until the caller frees it */
void gs_transfer_free(gs_transfer *t);

/* Signs of life. A worker sends the next one when it has the answer to the last, so that they never pile up anywhere. Each answer
 * is a lease: for lost_s after it sent the beat the worker is not taken for lost, and only with a lease it begins a job. So a run
 * that went to another worker is never begun by the one that was stopped and wakes up. */
typedef struct gs_beat {
    uint64_t number;
    bool stuck;         /* its job gets on no more */
    gs_process process; /* who sends it */
} gs_beat;
typedef struct gs_answer {
    uint64_t number; /* of the beat */
    bool lost;       /* the sender counts as lost, and has to go */
} gs_answer;
static const double GS_BEAT_S = 1;

/* -- the world (comm.c) ------------------------------------------------------------------------------------ */

void gs_world_lost(int rank);       /* rank 0: nothing is sent to it any more, and the end is not collective */
bool gs_world_master_lives(void);   /* on another host than this one: true, nobody knows */
void gs_world_found(int rank);      /* rank 0: it lives, and without recovery waits for the end of all */
/* A worker leaves alone, or, where its end would be everyone's (no recovery), waits for the last gs_mpi_share. */
_Noreturn void gs_world_orphan(const char *why, bool master_gone);

/* Several jobs or results in one message, read in the order in which they were added. Zero-initialise. */
typedef struct gs_batch {
    char *data; /* owned */
    size_t length, capacity, at; /* at: where the next item to be read is */
} gs_batch;
typedef struct gs_item {
    uint64_t length;
    int64_t id;     /* of the job, as the master gave it; a result has its job's */
    double seconds;
} gs_item;
void gs_batch_add(gs_batch *b, const void *data, gs_item item);
void gs_batch_append(gs_batch *b, const char *items, size_t length); /* a message's */
const char *gs_batch_next(gs_batch *b, gs_item *item); /* its bytes, unaligned, valid until something is added; NULL: the end */
void gs_batch_free(gs_batch *b);

/* Sleep between two looks: short after something happened, then longer, up to 2 ms. Zero-initialise. */
typedef struct gs_nap {
    long last_us;
} gs_nap;
long gs_nap_next_us(gs_nap *n, long most_us); /* how long the next one is */
void gs_nap_take(gs_nap *n);
/* What passed since the last call, in seconds, but never more than one: who was stopped himself must not take the others' silence
 * for theirs. Starts with *last_s = gs_clock_s(). */
double gs_elapsed_s(double *last_s);
#endif
