/* Which run comes next. In the plan's order, the longest first, and to a slow worker the longest that it can end in time; but a run
 * whose worker was lost comes alone to the next free worker, so that it is known who ends the next one; the second time it comes when
 * nothing else is left or under way, and the third time never. How often is kept in DIR/losses.txt, for a run that ends all workers of
 * a job would else begin anew in the next. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"

enum { LOSSES_MOST = 3, FILE_MOST = 1 << 24 };

typedef struct suspect {
    int run, losses;
} suspect;

typedef struct list {
    int *at; /* (count), owned */
    int count;
} list;

struct gs_queue {
    const gs_plan *plan; /* borrowed */
    const gs_grid *grid;
    char *path;        /* of losses.txt, owned */
    int *skip;         /* (todo + 1), owned: skip[i] == i, order[i] is there; else it is gone, and the next one is at or after skip[i] */
    int end;           /* all at and after it are gone */
    list back, last;   /* came back; come at the end, one at a time */
    suspect *suspects; /* (suspect_count), owned */
    int suspect_count;
    bool changed;      /* since the file was written */
    double changed_s;
};

static void push(list *l, int run)
{
    l->at = gs_grow(l->at, (size_t)l->count + 1, sizeof *l->at);
    l->at[l->count++] = run;
}

static suspect *find(const gs_queue *q, int run)
{
    for (int i = 0; i < q->suspect_count; i++)
        if (q->suspects[i].run == run) return &q->suspects[i];
    return NULL;
}

static suspect *suspect_of(gs_queue *q, int run)
{
    suspect *s = find(q, run);
    if (s) return s;
    q->suspects = gs_grow(q->suspects, (size_t)q->suspect_count + 1, sizeof *q->suspects);
    s = &q->suspects[q->suspect_count++];
    *s = (suspect){run, 0};
    return s;
}

/* -- losses.txt: "ID COUNT" a line ------------------------------------------------------------------------------- */

static int run_of(const gs_queue *q, const char *id)
{
    char text[33];
    for (int i = 0; i < q->grid->count; i++)
        if (!strcmp(gs_run_id((gs_run){q->grid, i}, text), id)) return i;
    return -1;
}

/* Of runs that are still to do. A file that cannot be read costs nothing but a few more lost workers. */
static void load(gs_queue *q)
{
    char *text = NULL, id[33];
    size_t length;
    int losses;
    if (access(q->path, F_OK) || gs_file_read(q->path, FILE_MOST, &text, &length, NULL)) return;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (sscanf(line, "%32[0-9a-f] %9d", id, &losses) != 2 || losses < 1) continue;
        int run = run_of(q, id);
        if (run >= 0 && q->plan->state[run] == GS_TODO) suspect_of(q, run)->losses = losses;
    }
    free(text);
}

int gs_queue_save(gs_queue *q, gs_err *e)
{
    gs_buf b = {0};
    char id[33];
    if (!q->changed) return 0;
    q->changed = false;
    for (int i = 0; i < q->suspect_count; i++)
        if (q->suspects[i].losses) gs_buf_add(&b, "%s %d\n", gs_run_id((gs_run){q->grid, q->suspects[i].run}, id), q->suspects[i].losses);
    int failed = 0;
    if (b.length) failed = gs_file_write(q->path, b.text, b.length, e);
    else unlink(q->path);
    gs_buf_free(&b);
    return failed;
}

double gs_queue_changed_s(const gs_queue *q) { return q->changed ? q->changed_s : gs_clock_s(); }

gs_queue *gs_queue_open(const gs_plan *plan, const gs_grid *grid, const char *dir, int shard)
{
    gs_queue *q = gs_alloc(1, sizeof *q);
    q->plan = plan;
    q->grid = grid;
    q->end = plan->todo;
    q->skip = gs_alloc((size_t)plan->todo + 1, sizeof *q->skip);
    for (int i = 0; i <= plan->todo; i++) q->skip[i] = i;
    q->path = shard == GS_WHOLE ? gs_text("%s/losses.txt", dir) : gs_text("%s/losses.%d.txt", dir, shard);
    load(q);
    return q;
}

void gs_queue_close(gs_queue **q)
{
    if (!*q) return;
    free((*q)->skip);
    free((*q)->back.at);
    free((*q)->last.at);
    free((*q)->suspects);
    free((*q)->path);
    free(*q);
    *q = NULL;
}

/* -- what comes next ------------------------------------------------------------------------------------------- */

static bool fits(const gs_queue *q, const gs_time_left *t, int run)
{
    double needs_s = gs_plan_cost(q->plan, run)->predicted_s * t->ratio;
    return needs_s <= t->left_s || needs_s > t->whole_s;
}

/* What does not fit stays for another session. */
static bool take(gs_queue *q, list *l, const gs_time_left *t, int *run)
{
    for (int i = 0; i < l->count; i++) {
        if (!fits(q, t, l->at[i])) continue;
        *run = l->at[i];
        memmove(l->at + i, l->at + i + 1, (size_t)(--l->count - i) * sizeof *l->at);
        return true;
    }
    return false;
}

void gs_queue_return(gs_queue *q, int run)
{
    const suspect *s = find(q, run);
    push(s && s->losses > 1 ? &q->last : &q->back, run);
}

/* The first at or after i that is there; todo: none. Paths are halved, so that this costs next to nothing. */
static int there(gs_queue *q, int i)
{
    while (q->skip[i] != i) i = q->skip[i] = q->skip[q->skip[i]];
    return i;
}

/* Where the runs begin that take no longer; the order is one of falling times. */
static int first_within(const gs_queue *q, double seconds)
{
    int low = 0, high = q->plan->todo;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (gs_plan_cost(q->plan, q->plan->order[middle])->predicted_s > seconds) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Where to begin for a worker that should not get a long one: at the longest that it may have, else at the shortest of all. */
static int begin_for(gs_queue *q, double longest_s)
{
    int i = longest_s > 0 ? there(q, first_within(q, longest_s)) : 0;
    if (i < q->plan->todo) return i;
    while (q->end > 0 && q->skip[q->end - 1] != q->end - 1) q->end--;
    return q->end ? q->end - 1 : 0;
}

/* What does not fit now will not later. */
static bool take_from(gs_queue *q, int from, const gs_time_left *t, int *run)
{
    for (int i = there(q, from); i < q->plan->todo; i = there(q, i)) {
        *run = q->plan->order[i];
        q->skip[i] = i + 1;
        if (q->suspect_count && find(q, *run)) gs_queue_return(q, *run);
        else if (fits(q, t, *run)) return true;
    }
    return false;
}

static bool take_planned(gs_queue *q, const gs_time_left *t, int *run)
{
    return take_from(q, begin_for(q, t->longest_s), t, run) || take_from(q, 0, t, run);
}

bool gs_queue_next(gs_queue *q, int behind, int in_flight, const gs_time_left *t, int *run, bool *solo)
{
    *solo = true;
    if (!behind && take(q, &q->back, t, run)) return true;
    *solo = false;
    if (take_planned(q, t, run)) return true;
    *solo = true;
    if (!behind && take(q, &q->back, t, run)) return true;
    return !in_flight && take(q, &q->last, t, run);
}

bool gs_queue_blame(gs_queue *q, int run)
{
    suspect *s = suspect_of(q, run);
    bool quarantine = ++s->losses >= LOSSES_MOST;
    q->changed = true;
    q->changed_s = gs_clock_s();
    if (quarantine) s->losses = 0;
    else gs_queue_return(q, run);
    return quarantine;
}

void gs_queue_done(gs_queue *q, int run)
{
    suspect *s = q->suspect_count ? find(q, run) : NULL;
    if (!s || !s->losses) return;
    s->losses = 0;
    q->changed = true;
    q->changed_s = gs_clock_s();
}
