#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/slurm.h"

static void print_left(const gs_session *s, const char *dir)
{
    char text[32];
    if (!s->plan->todo)
        return;
    gs_pace p = gs_session_pace(s);
    int masters = gs_lock_count(dir); /* shards are alike in host and rank when they share a node */
    int workers = p.ranks > masters ? p.ranks : masters > 0 ? masters : 1;
    double left_s = s->plan->todo_s * gs_effort_ratio(p.done) / workers;
    printf("about %s left with %d worker%s", gs_seconds_text(left_s, text), workers, workers > 1 ? "s" : "");
    printf(p.done.predicted_s > 0 ? " (by what the done runs took)\n" : " (predicted; nothing is done yet)\n");
}

int gs_cmd_status(int argc, char **argv)
{
    const char *dir;
    const gs_option options[] = {{0}};
    const gs_usage usage = {"status DIR",
                            "How far the sweep in DIR is, what failed, how long the rest takes, and where its jobs are in Slurm's queue.\n"
                            "Works while a run is going.",
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
        print_left(&s, dir);
        gs_slurm_print_queue(dir);
        if (s.plan->failed)
            printf("failed (`gridshift run --retry failed` runs them again):\n");
        gs_session_failures(&s, stdout);
        if (s.damage.length)
            printf("damage in the journal:\n%s", s.damage.text);
    }
    gs_session_close(&s);
    return code;
}
