#include <math.h>
#include <stdlib.h>

#include "cli/run.h"

/* Below it a run should have ended by now. */
static const double NOTHING_S = 0.05;

void gs_progress_start(gs_progress *p, const gs_plan *plan, int workers, bool quiet)
{
    *p = (gs_progress){.quiet = quiet, .terminal = gs_launch_terminal(), .total = plan->todo, .todo_s = plan->todo_s,
                       .workers = workers > 0 ? workers : 1, .start_s = gs_clock_s()};
    p->shown_s = p->start_s;
    int total = gs_plan_total(plan);
    if (!quiet && total > plan->todo)
        fprintf(stderr, "%d of %d runs are there already\n", total - plan->todo, total);
}

static gs_under_way *at_rank(gs_progress *p, int rank)
{
    if (rank >= p->ranks) {
        p->at = gs_grow(p->at, (size_t)rank + 1, sizeof *p->at);
        for (; p->ranks <= rank; p->ranks++) p->at[p->ranks] = (gs_under_way){0};
    }
    return &p->at[rank];
}

void gs_progress_begin(gs_progress *p, int rank, double predicted_s)
{
    gs_under_way *u = at_rank(p, rank);
    if (!u->runs++) *u = (gs_under_way){1, 0, gs_clock_s()};
    u->predicted_s += predicted_s;
}

void gs_progress_lost(gs_progress *p, int rank) { *at_rank(p, rank) = (gs_under_way){0}; }

void gs_progress_run(gs_progress *p, int rank, double predicted_s, bool ok, double wall_s)
{
    gs_under_way *u = at_rank(p, rank);
    if (u->runs > 1) *u = (gs_under_way){u->runs - 1, u->predicted_s - predicted_s, gs_clock_s()};
    else *u = (gs_under_way){0};
    p->done++;
    p->failed += !ok;
    if (!ok) p->todo_s -= predicted_s; /* how soon it failed says nothing of the others */
    else p->finished = (gs_effort){p->finished.predicted_s + predicted_s, p->finished.actual_s + wall_s};
}

/* Actual seconds of a predicted one. A run that takes longer than it would by the finished ones says so before it ends. */
static double pace(const gs_progress *p, double now_s)
{
    gs_effort all = p->finished;
    double ratio = gs_effort_ratio(all);
    for (int rank = 0; rank < p->ranks; rank++) {
        const gs_under_way *u = &p->at[rank];
        if (!u->runs || now_s - u->began_s <= ratio * u->predicted_s) continue;
        all.predicted_s += u->predicted_s;
        all.actual_s += now_s - u->began_s;
    }
    return gs_effort_ratio(all);
}

double gs_progress_left_s(const gs_progress *p, double now_s)
{
    double ratio = pace(p, now_s), work_s = ratio * (p->todo_s - p->finished.predicted_s), longest_s = 0;
    for (int rank = 0; rank < p->ranks; rank++) {
        const gs_under_way *u = &p->at[rank];
        double whole_s = ratio * u->predicted_s, spent_s = u->runs ? fmin(now_s - u->began_s, whole_s) : 0;
        work_s -= spent_s;
        longest_s = fmax(longest_s, whole_s - spent_s);
    }
    return fmax(work_s / p->workers, longest_s);
}

void gs_progress_free(gs_progress *p)
{
    free(p->at);
    *p = (gs_progress){0};
}

static void print(gs_progress *p, double now, const char *head, const char *tail)
{
    char elapsed[32], left[32];
    fprintf(stderr, "%s%d of %d runs", head, p->done, p->total);
    if (p->failed)
        fprintf(stderr, ", %d failed", p->failed);
    fprintf(stderr, ", %s", gs_seconds_text(now - p->start_s, elapsed));
    double left_s = p->done < p->total ? gs_progress_left_s(p, now) : 0;
    if (left_s > NOTHING_S) fprintf(stderr, ", about %s left", gs_seconds_text(left_s, left));
    else if (p->done < p->total) fputs(", longer than predicted", stderr);
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
