#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct pace {
    double actual_s, predicted_s; /* of the done runs */
    int ranks;                    /* different workers that they ran on */
} pace;

static bool same_worker(const gs_record *a, const gs_record *b)
{
    return a->rank == b->rank && !strcmp(a->host, b->host);
}

static pace pace_of(const gs_session *s)
{
    pace p = {0};
    const gs_record *seen[1024];
    for (int i = 0; i < s->plan->count; i++) {
        char id[33];
        const gs_record *r = s->plan->state[i] == GS_DONE ? gs_records_find(&s->records, gs_run_id((gs_run){s->grid, i}, id)) : NULL;
        if (!r)
            continue;
        p.actual_s += r->wall_s;
        p.predicted_s += gs_plan_cost(s->plan, i)->predicted_s;
        int known = 0;
        while (known < p.ranks && !same_worker(seen[known], r))
            known++;
        if (known == p.ranks && p.ranks < 1024)
            seen[p.ranks++] = r;
    }
    return p;
}

static void print_left(const gs_session *s)
{
    char text[32];
    pace p = pace_of(s);
    if (!s->plan->todo)
        return;
    double ratio = p.predicted_s > 0 ? p.actual_s / p.predicted_s : 1;
    int workers = p.ranks > 0 ? p.ranks : 1;
    printf("about %s left with %d worker%s", gs_seconds_text(s->plan->todo_s * ratio / workers, text), workers, workers > 1 ? "s" : "");
    printf(p.predicted_s > 0 ? " (by what the done runs took)\n" : " (predicted; nothing is done yet)\n");
}

int gs_cmd_status(int argc, char **argv)
{
    const char *dir;
    const gs_option options[] = {{0}};
    const gs_usage usage = {"status DIR",
                            "How far the sweep in DIR is, what failed, and how long the rest takes. Works while a run is going.",
                            options, 1, 1};
    int code;
    gs_err e;
    gs_session s = {0};
    if (!gs_cli_parse(&usage, argc, argv, &dir, &code))
        return code;
    code = GS_EXIT_FINE;
    if (gs_session_read_folder(&s, dir, &e) || gs_session_plan(&s, dir, false, &e)) {
        code = gs_cli_error("%s", e.text);
    } else {
        printf("%s: %d runs: %d done, %d failed, %d left\n", dir, s.plan->count, s.plan->done,
               s.plan->failed, s.plan->todo);
        print_left(&s);
        if (s.plan->failed)
            printf("failed (`gridshift run --retry failed` runs them again):\n");
        gs_session_failures(&s, stdout);
        if (s.damage.length)
            printf("damage in the journal:\n%s", s.damage.text);
    }
    gs_session_close(&s);
    return code;
}
