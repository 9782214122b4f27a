/* A worker: one job after the other, asleep while it waits. Every wait is gs_transfer_finish, so that what a worker should do
 * when its master is gone has one place. */
#include <stdlib.h>

#include "wire.h"

void gs_worker(void (*execute)(void *context, const char *job, size_t length, gs_bytes *result), void *context)
{
    gs_transfer in, out;
    for (;;) {
        gs_transfer_receive(&in, 0, MPI_ANY_TAG);
        gs_transfer_finish(&in);
        if (in.kind != GS_MSG_JOB) break;
        gs_bytes result = {0};
        execute(context, in.data, in.length, &result);
        gs_transfer_free(&in);
        gs_transfer_send(&out, 0, GS_MSG_RESULT, result.data, result.length);
        gs_transfer_finish(&out);
        gs_transfer_free(&out);
    }
    if (in.kind != GS_MSG_LEAVE) gs_die("the master sent message %d where a %s was due", in.kind, gs_message_names[GS_MSG_JOB]);
    gs_transfer_free(&in);
}
