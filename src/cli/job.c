#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"

char *gs_job_text(const gs_config *c, uint32_t ablate, const char *dir)
{
    char *config = gs_config_json(c, false);
    /* The config travels as text, so that no number of it is printed and read once more. */
    json_t *job = json_pack("{s:I, s:s, s:s}", "ablate", (json_int_t)ablate, "config", config, "dir", dir);
    char *text = job ? json_dumps(job, JSON_COMPACT) : NULL;
    json_decref(job);
    free(config);
    return text;
}

void gs_job_execute(void *context, const char *job, size_t length, gs_bytes *result)
{
    (void)context;
    json_int_t ablate;
    const char *text, *dir;
    gs_config config;
    gs_record record = {0};
    gs_err e;
    json_t *root = json_loadb(job, length, 0, NULL);
    if (!root || json_unpack(root, "{s:I, s:s, s:s}", "ablate", &ablate, "config", &text, "dir", &dir))
        gs_die("a job that is none: %.*s", (int)length, job);
    if (gs_config_from_json(text, &config, &e))
        gs_die("a job's config does not read back: %s", e.text);
    double start = gs_clock_s();
    gs_execute(dir, &config, (uint32_t)ablate, &record);
    record.wall_s = gs_clock_s() - start;
    record.rank = gs_mpi_launched() ? gs_mpi_rank() : 0;
    gethostname(record.host, sizeof record.host - 1);
    result->data = gs_record_json(&record);
    result->length = strlen(result->data);
    gs_record_free(&record);
    json_decref(root);
}
