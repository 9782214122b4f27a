#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"

/* What travels is this program's own, on both sides: structs and packed values, no text to be read. DIR follows. */
typedef struct job_head {
    int32_t run;
    gs_wanted wanted;
    int64_t budget_bytes;
    int64_t values[GS_KEY_COUNT]; /* the canonical config, packed */
} job_head;

char *gs_job_pack(gs_run run, gs_wanted wanted, int64_t budget_bytes, const char *dir, size_t *length)
{
    job_head head = {.run = run.index, .wanted = wanted, .budget_bytes = budget_bytes};
    size_t dir_length = strlen(dir);
    for (int k = 0; k < GS_KEY_COUNT; k++) head.values[k] = gs_value_pack((gs_key)k, gs_run_value(run, (gs_key)k));
    *length = sizeof head + dir_length;
    char *job = gs_alloc(*length, 1);
    memcpy(job, &head, sizeof head);
    memcpy(job + sizeof head, dir, dir_length);
    return job;
}

static void tell(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "gridshift: %s\n", line);
}

/* -> the folder of the sweep, owned by the caller. */
static char *unpack(const char *job, size_t length, job_head *head, gs_config *config)
{
    if (length < sizeof *head)
        gs_die("a job of %zu bytes is none", length);
    memcpy(head, job, sizeof *head);
    for (int k = 0; k < GS_KEY_COUNT; k++) config->v[k] = gs_value_unpack((gs_key)k, head->values[k]);
    return gs_text("%.*s", (int)(length - sizeof *head), job + sizeof *head);
}

static void give(const job_head *head, gs_record *record, gs_outcome outcome, gs_bytes *result)
{
    record->wall_s = round(record->wall_s * 1e6) / 1e6;
    record->rank = gs_mpi_launched() ? gs_mpi_rank() : 0;
    gethostname(record->host, sizeof record->host - 1);
    char *json = outcome == GS_RUN_RECORDED ? gs_record_json(record) : gs_text("%s", record->reason);
    gs_result_head top = {.run = head->run, .outcome = outcome, .ok = record->ok, .checkpoints = record->checkpoints};
    top.wall_s = record->wall_s;
    gs_buf out = {0};
    gs_buf_bytes(&out, &top, sizeof top);
    gs_buf_bytes(&out, json, strlen(json));
    *result = (gs_bytes){out.text, out.length};
    gs_record_free(record);
    free(json);
}

void gs_job_execute(void *context, const char *job, size_t length, gs_bytes *result)
{
    const gs_executor *execute = context;
    job_head head;
    gs_config config;
    gs_record record = {0};
    char *dir = unpack(job, length, &head, &config);
    gs_work work = {.dir = dir, .config = &config, .wanted = head.wanted, .budget_bytes = head.budget_bytes, .asked = gs_stop_poll,
                    .tell = tell};
    gs_outcome outcome = (*execute)(&work, &record);
    give(&head, &record, outcome, result);
    free(dir);
}

void gs_run_failed(const gs_config *c, gs_wanted w, const char *why, gs_record *out)
{
    *out = (gs_record){.config = *c, .ablate = w.ablate, .probes = w.probes, .probe_every = w.probe_every};
    gs_config_id(c, out->id);
    gs_count(c, &out->counts);
    snprintf(out->reason, sizeof out->reason, "%s", why);
}

void gs_job_fail(const char *job, size_t length, gs_outcome outcome, const char *why, gs_bytes *result)
{
    job_head head;
    gs_config config;
    gs_record record;
    free(unpack(job, length, &head, &config));
    gs_run_failed(&config, head.wanted, why, &record);
    give(&head, &record, outcome, result);
}
