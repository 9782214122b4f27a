#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const gs_message_names[GS_MSG_COUNT] = {"",      "job",          "result", "leave", "leave at once",
                                                   "bytes", "sign of life", "answer", "share"};

enum { CHUNK = 4 << 20 }; /* an MPI count is an int, a message may be longer */
enum { NAP_FIRST_US = 50, NAP_MOST_US = 2000 };

long gs_nap_next_us(gs_nap *n, long most_us)
{
    n->last_us = n->last_us ? 2 * n->last_us : NAP_FIRST_US;
    if (n->last_us > most_us) n->last_us = most_us;
    return n->last_us;
}

/* MPI's own waits spin: a waiting rank would take a core from a working one. */
void gs_nap_take(gs_nap *n)
{
    struct timespec t = {0, gs_nap_next_us(n, NAP_MOST_US) * 1000};
    nanosleep(&t, NULL);
}

double gs_elapsed_s(double *last_s)
{
    double now = gs_clock_s(), passed = now - *last_s;
    *last_s = now;
    return passed < 1 ? passed : 1;
}

void gs_transfer_send(gs_transfer *t, int peer, gs_message kind, char *data, size_t length)
{
    *t = (gs_transfer){.active = true, .sending = true, .peer = peer, .header = {length, kind}, .data = data};
    int tag = kind == GS_MSG_RESULT ? GS_MSG_RESULT : GS_MSG_JOB;
    MPI_Isend(&t->header, 2, MPI_UINT64_T, peer, tag, MPI_COMM_WORLD, &t->request);
}

void gs_transfer_receive(gs_transfer *t, int peer, gs_message tag)
{
    *t = (gs_transfer){.active = true, .peer = peer};
    MPI_Irecv(&t->header, 2, MPI_UINT64_T, peer, tag, MPI_COMM_WORLD, &t->request);
}

static void next_chunk(gs_transfer *t)
{
    uint64_t left = t->header.length - t->at;
    int size = left < CHUNK ? (int)left : CHUNK;
    if (t->sending)
        MPI_Isend(t->data + t->at, size, MPI_BYTE, t->peer, GS_MSG_BYTES, MPI_COMM_WORLD, &t->request);
    else
        MPI_Irecv(t->data + t->at, size, MPI_BYTE, t->peer, GS_MSG_BYTES, MPI_COMM_WORLD, &t->request);
    t->at += (uint64_t)size;
}

static void take_header(gs_transfer *t)
{
    t->headed = true;
    if (!t->sending) t->data = gs_alloc(t->header.length + 1, 1); /* a 0 after the last byte: a text may be read as one */
}

bool gs_transfer_advance(gs_transfer *t)
{
    while (t->active) {
        int done;
        MPI_Test(&t->request, &done, MPI_STATUS_IGNORE);
        if (!done) return false;
        if (!t->headed) take_header(t);
        if (t->at == t->header.length)
            t->active = false;
        else
            next_chunk(t);
    }
    return true;
}

void gs_transfer_free(gs_transfer *t)
{
    free(t->data);
    *t = (gs_transfer){0};
}

void gs_batch_append(gs_batch *b, const char *items, size_t length)
{
    if (b->at > b->length / 2) { /* what was read makes room: a queue that is never empty must not grow for ever */
        memmove(b->data, b->data + b->at, b->length - b->at);
        b->length -= b->at;
        b->at = 0;
    }
    if (b->length + length > b->capacity) {
        b->capacity = 2 * (b->length + length);
        b->data = gs_grow(b->data, b->capacity, 1);
    }
    if (length) memcpy(b->data + b->length, items, length);
    b->length += length;
}

void gs_batch_add(gs_batch *b, const void *data, gs_item item)
{
    gs_batch_append(b, (const char *)&item, sizeof item);
    gs_batch_append(b, data, item.length);
}

const char *gs_batch_next(gs_batch *b, gs_item *item)
{
    if (b->at == b->length) return NULL;
    memcpy(item, b->data + b->at, sizeof *item);
    const char *data = b->data + b->at + sizeof *item;
    b->at += sizeof *item + item->length;
    return data;
}

void gs_batch_free(gs_batch *b)
{
    free(b->data);
    *b = (gs_batch){0};
}
