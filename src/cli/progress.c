#include "cli/run.h"

void gs_progress_start(gs_progress *p, const gs_plan *plan, int workers, bool quiet)
{
    *p = (gs_progress){.quiet = quiet, .terminal = gs_launch_terminal(), .total = plan->todo, .todo_s = plan->todo_s,
                       .workers = workers > 0 ? workers : 1, .start_s = gs_clock_s()};
    p->shown_s = p->start_s;
    int total = gs_plan_total(plan);
    if (!quiet && total > plan->todo)
        fprintf(stderr, "%d of %d runs are there already\n", total - plan->todo, total);
}

void gs_progress_run(gs_progress *p, double predicted_s, bool ok, double wall_s)
{
    p->done++;
    p->failed += !ok;
    p->predicted_s += predicted_s;
    p->actual_s += wall_s;
}

double gs_progress_left_s(const gs_progress *p, double now_s)
{
    double ratio = p->predicted_s > 0 ? p->actual_s / p->predicted_s : 1;
    int busy = p->total - p->done < p->workers ? p->total - p->done : p->workers;
    double left = busy > 0 ? (p->todo_s - p->predicted_s) * ratio / busy : 0;
    double whole = p->todo_s * ratio / p->workers - (now_s - p->start_s); /* counts what the running ones have done */
    return whole > 0 && whole < left ? whole : left;
}

static void print(gs_progress *p, double now, const char *head, const char *tail)
{
    char elapsed[32], left[32];
    fprintf(stderr, "%s%d of %d runs", head, p->done, p->total);
    if (p->failed)
        fprintf(stderr, ", %d failed", p->failed);
    fprintf(stderr, ", %s", gs_seconds_text(now - p->start_s, elapsed));
    if (p->done < p->total)
        fprintf(stderr, ", about %s left", gs_seconds_text(gs_progress_left_s(p, now), left));
    fputs(tail, stderr);
    fflush(stderr);
}

void gs_progress_show(gs_progress *p, bool now)
{
    double t = gs_clock_s();
    if (p->quiet || (!now && t - p->shown_s < (p->terminal ? 0.5 : 10)))
        return;
    p->shown_s = t;
    print(p, t, p->terminal ? "\r" : "", p->terminal ? "\033[K" : "\n");
}

void gs_progress_end(gs_progress *p)
{
    if (!p->quiet && p->total)
        print(p, gs_clock_s(), p->terminal ? "\r" : "", p->terminal ? "\033[K\n" : "\n");
}
