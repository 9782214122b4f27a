#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const gs_message_names[GS_MSG_COUNT] = {"", "job", "result", "leave", "bytes"};

enum { CHUNK = 4 << 20 }; /* an MPI count is an int, a message may be longer */
enum { NAP_FIRST_US = 50, NAP_MOST_US = 2000 };

void gs_nap_take(gs_nap *n)
{
    n->last_us = n->last_us ? 2 * n->last_us : NAP_FIRST_US;
    if (n->last_us > NAP_MOST_US) n->last_us = NAP_MOST_US;
    struct timespec t = {0, n->last_us * 1000};
    nanosleep(&t, NULL);
}

/* MPI's own waits spin: a waiting rank would take a core from a working one. */
void gs_wait_asleep(MPI_Request *request)
{
    gs_nap nap = {0};
    int done;
    for (MPI_Test(request, &done, MPI_STATUS_IGNORE); !done; MPI_Test(request, &done, MPI_STATUS_IGNORE)) gs_nap_take(&nap);
}

void gs_transfer_send(gs_transfer *t, int peer, gs_message kind, char *data, size_t length)
{
    *t = (gs_transfer){.active = true, .sending = true, .peer = peer, .kind = kind, .length = length, .data = data};
    MPI_Isend(&t->length, 1, MPI_UINT64_T, peer, kind, MPI_COMM_WORLD, &t->request);
}

void gs_transfer_receive(gs_transfer *t, int peer, int kind)
{
    *t = (gs_transfer){.active = true, .peer = peer, .kind = kind};
    MPI_Irecv(&t->length, 1, MPI_UINT64_T, peer, kind, MPI_COMM_WORLD, &t->request);
}

static void next_chunk(gs_transfer *t)
{
    uint64_t left = t->length - t->at;
    int size = left < CHUNK ? (int)left : CHUNK;
    if (t->sending)
        MPI_Isend(t->data + t->at, size, MPI_BYTE, t->peer, GS_MSG_BYTES, MPI_COMM_WORLD, &t->request);
    else
        MPI_Irecv(t->data + t->at, size, MPI_BYTE, t->peer, GS_MSG_BYTES, MPI_COMM_WORLD, &t->request);
    t->at += (uint64_t)size;
}

static void take_header(gs_transfer *t, const MPI_Status *status)
{
    t->headed = true;
    if (t->sending) return;
    t->kind = status->MPI_TAG;
    t->data = gs_alloc(t->length + 1, 1); /* a 0 after the last byte: a text may be read as one */
}

bool gs_transfer_advance(gs_transfer *t)
{
    while (t->active) {
        int done;
        MPI_Status status;
        MPI_Test(&t->request, &done, &status);
        if (!done) return false;
        if (!t->headed) take_header(t, &status);
        if (t->at == t->length)
            t->active = false;
        else
            next_chunk(t);
    }
    return true;
}

void gs_transfer_finish(gs_transfer *t)
{
    gs_nap nap = {0};
    for (uint64_t before = t->at; !gs_transfer_advance(t); before = t->at) {
        if (t->at != before) nap = (gs_nap){0};
        gs_nap_take(&nap);
    }
}

void gs_transfer_free(gs_transfer *t)
{
    free(t->data);
    *t = (gs_transfer){0};
}

void gs_batch_append(gs_batch *b, const char *items, size_t length)
{
    if (b->at == b->length) b->at = b->length = 0;
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
