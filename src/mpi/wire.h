/* Bytes -> framed messages. Private to src/mpi. Local: nothing here waits for another rank without sleeping. */
#ifndef GRIDSHIFT_MPI_WIRE_H
#define GRIDSHIFT_MPI_WIRE_H
#include <mpi.h>

#include "gridshift/mpi.h"

/* What travels, and its tag. A message is a header (its length, under its own tag), then its bytes, under GS_MSG_BYTES. */
typedef enum gs_message {
    GS_MSG_JOB = 1, /* master -> worker: a batch of jobs */
    GS_MSG_RESULT,  /* worker -> master: a batch of results; an empty one: the worker leaves */
    GS_MSG_LEAVE,   /* master -> worker: finish the job that you are at, drop the others, leave */
    GS_MSG_BYTES,   /* the content of any of them */
    GS_MSG_COUNT
} gs_message;
extern const char *const gs_message_names[GS_MSG_COUNT];

/* One message under way. Its address must not change until it is done. Between two ranks only one message goes in each
 * direction at a time, so that the bytes of two never mix. */
typedef struct gs_transfer {
    bool active, sending;
    int peer, kind;
    uint64_t length; /* the header */
    bool headed;     /* the header has gone or come */
    char *data;      /* (length), owned */
    uint64_t at;     /* bytes gone or come, with those of the current request */
    MPI_Request request;
} gs_transfer;

void gs_transfer_send(gs_transfer *t, int peer, gs_message kind, char *data, size_t length); /* takes data over */
void gs_transfer_receive(gs_transfer *t, int peer, int kind); /* kind may be MPI_ANY_TAG; then it is set by what comes */
bool gs_transfer_advance(gs_transfer *t);                     /* true: done; t->data stays until the caller frees it */
void gs_transfer_finish(gs_transfer *t);                      /* waits asleep until it is done */
void gs_transfer_free(gs_transfer *t);

/* Several jobs or results in one message, read in the order in which they were added. Zero-initialise. */
typedef struct gs_batch {
    char *data; /* owned */
    size_t length, capacity, at; /* at: where the next item to be read is */
} gs_batch;
typedef struct gs_item {
    uint64_t length;
    double seconds; /* of the job, as the master gave them; a result has its job's */
} gs_item;
void gs_batch_add(gs_batch *b, const void *data, gs_item item);
void gs_batch_append(gs_batch *b, const char *items, size_t length); /* a message's */
const char *gs_batch_next(gs_batch *b, gs_item *item); /* its bytes, unaligned, valid until something is added; NULL: the end */
void gs_batch_free(gs_batch *b);

/* Sleep between two looks: short after something happened, then longer, up to 2 ms. Zero-initialise. */
typedef struct gs_nap {
    long last_us;
} gs_nap;
void gs_nap_take(gs_nap *n);
void gs_wait_asleep(MPI_Request *request);
#endif
