/* A run that is interrupted again and again leaves the same bytes as one that is not: record, curve and models; and whatever happens to
 * its checkpoints, it ends with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/snapshot.h"
#include "gridshift/linalg.h"
#include "folder.h"
#include "short.h"

static int folders;

static char *new_folder(void)
{
    char *dir = gs_text("%s/%d", root, folders++);
    assert_int_equal(mkdir(dir, 0777), 0);
    return dir;
}

static gs_config config_of(const char *json)
{
    gs_config c;
    gs_err e;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s", e.text);
    return c;
}

/* -- sessions of a run -------------------------------------------------------------------------------------- */

typedef struct session {
    int steps_left; /* until the stop is asked; negative: never */
    gs_buf told;
} session;

static bool asked(void *context)
{
    session *s = context;
    return s->steps_left-- == 0;
}

static void tell(void *context, const char *line) { gs_buf_add(&((session *)context)->told, "%s\n", line); }

static gs_outcome run(const char *dir, const gs_config *c, const gs_wanted *wanted, session *s, gs_record *out)
{
    const gs_work w = {.dir = dir, .config = c, .wanted = *wanted, .asked = asked, .tell = tell, .context = s};
    return gs_execute(&w, out);
}

static const gs_wanted nothing, clean_and_ffn = {.ablate = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO)};

/* Runs to the end in sessions of so many steps; -> the record as JSON. */
static char *run_in_parts(const char *dir, const gs_config *c, const gs_wanted *wanted, int steps, int *sessions)
{
    gs_record r;
    gs_outcome outcome;
    *sessions = 0;
    do {
        session s = {.steps_left = steps};
        outcome = run(dir, c, wanted, &s, &r);
        if (s.told.length) fail_msg("told: %s", s.told.text);
        if (outcome != GS_RUN_RECORDED) gs_record_free(&r);
        assert_true(++*sessions < 1000);
    } while (outcome == GS_RUN_INTERRUPTED);
    assert_int_equal(outcome, GS_RUN_RECORDED);
    if (!r.ok && !strstr(r.reason, "diverged")) fail_msg("%s", r.reason);
    assert_true(r.wall_s > 0);
    r.wall_s = 0; /* in no comparison */
    char *json = gs_record_json(&r);
    gs_record_free(&r);
    return json;
}

static void same_file(const char *a, const char *b, const char *id, const char *name)
{
    char *text[2], *path[2] = {gs_text("%s/runs/%s/%s", a, id, name), gs_text("%s/runs/%s/%s", b, id, name)};
    size_t length[2];
    if (access(path[0], F_OK)) {
        assert_int_not_equal(access(path[1], F_OK), 0);
    } else {
        for (int i = 0; i < 2; i++) assert_int_equal(gs_file_read(path[i], 1 << 28, &text[i], &length[i], NULL), 0);
        if (length[0] != length[1] || memcmp(text[0], text[1], length[0])) fail_msg("%s and %s differ", path[0], path[1]);
        free(text[0]), free(text[1]);
    }
    free(path[0]), free(path[1]);
}

static void parts_equal_whole(const char *json, const gs_wanted *wanted, int steps)
{
    gs_config c = config_of(json);
    char id[33], *whole = new_folder(), *parts = new_folder();
    int one, many;
    gs_config_id(&c, id);
    char *a = run_in_parts(whole, &c, wanted, -1, &one), *b = run_in_parts(parts, &c, wanted, steps, &many);
    assert_int_equal(one, 1);
    if (many < 2) fail_msg("%s was over in a session", json);
    if (strcmp(a, b)) fail_msg("%s\n%s\n%s", json, a, b);
    static const char *const names[] = {"config.yaml", "curve.csv", "model.safetensors", "model.best.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) same_file(whole, parts, id, names[i]);
    free(a), free(b), free(whole), free(parts);
}

#define SMALL "\"model.d_model\":16,\"model.heads\":2,\"ffn.width\":16,\"train.save\":true,\"eval.every\":3,"
/* Steps and stepN measurements come last, so that a case can have others. */
#define USUAL ",\"eval.record_every\":4,\"train.steps\":17}"
#define ADDITION "{\"task\":\"addition\",\"task.digits\":2,\"train.batch\":16," SMALL
#define MODULAR "{\"task\":\"modular\",\"task.modulus\":11," SMALL
#define HISTOGRAM "{\"task\":\"histogram\",\"task.alphabet\":8,\"task.length\":5,\"task.samples\":60,\"task.test_samples\":40,\"task.refresh\":2," SMALL

static void every_task_and_kind(void **state)
{
    (void)state;
    static const char *const tasks[] = {ADDITION, MODULAR, HISTOGRAM};
    static const char *const kinds[] = {"dense\"", "glu\"", "moe\",\"ffn.top_k\":2,\"router.gate\":\"raw\"", "moe_glu\""};
    for (size_t t = 0; t < sizeof tasks / sizeof *tasks; t++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            char *json = gs_text("%s\"ffn.kind\":\"%s" USUAL, tasks[t], kinds[k]);
            parts_equal_whole(json, &clean_and_ffn, 3 + (int)k);
            free(json);
        }
}

static void every_option_with_a_state(void **state)
{
    (void)state;
    static const char *const all[] = {
        ADDITION "\"ffn.dropout\":0.1,\"attn.dropout\":0.2,\"embed.dropout\":0.1,\"resid.dropout\":0.1" USUAL,
        ADDITION "\"ffn.kind\":\"moe\",\"router.mode\":\"uniform\"" USUAL,
        ADDITION "\"ffn.kind\":\"moe\",\"router.mode\":\"hash\",\"model.layers\":2,\"model.norm\":\"layernorm\"" USUAL,
        ADDITION "\"ffn.kind\":\"moe\",\"router.mode\":\"frozen\",\"router.z_weight\":0.01" USUAL,
        ADDITION "\"train.warmup\":9,\"train.schedule\":\"cosine\",\"eval.samples\":20" USUAL,
        ADDITION "\"task.operands\":2,\"attn.frozen\":true" USUAL,
        MODULAR "\"train.patience\":2,\"train.steps\":60,\"eval.record_every\":4,\"train.lr\":0}",
        MODULAR "\"train.batch\":10,\"ffn.frozen\":true" USUAL,
        HISTOGRAM "\"train.batch\":20,\"eval.samples\":15" USUAL,
        "{\"task\":\"addition\",\"task.digits\":1,\"train.steps\":3000,\"eval.every\":20,\"train.stop_at\":\"first99\",\"train.extra_steps\":7,"
        "\"model.positions\":0,\"train.save\":true}",
        ADDITION "\"train.lr\":30,\"train.clip\":0,\"train.steps\":60,\"eval.record_every\":4}",
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) parts_equal_whole(all[i], &clean_and_ffn, strstr(all[i], "first99") ? 15 : 2);
}

static void probes_on_the_way(void **state)
{
    (void)state;
    const gs_wanted w = {.ablate = clean_and_ffn.ablate, .probes = UINT32_MAX, .probe_every = 5};
    parts_equal_whole(MODULAR "\"ffn.kind\":\"moe\"" USUAL, &w, 2);
    parts_equal_whole(ADDITION "\"ffn.kind\":\"glu\"" USUAL, &w, 2);
}

static bool asked_after_a_wait(void *context)
{
    usleep(20000);
    return asked(context);
}

/* The last of the sessions has one step, and its record the time of all. */
static void the_time_of_all_sessions_counts(void **state)
{
    (void)state;
    enum { STEPS = 8 };
    gs_config c = config_of(ADDITION "\"train.steps\":8}");
    char *dir = new_folder();
    for (int i = 0; i < STEPS; i++) {
        gs_record r;
        session s = {.steps_left = 1};
        const gs_work w = {.dir = dir, .config = &c, .asked = asked_after_a_wait, .tell = tell, .context = &s};
        gs_outcome outcome = gs_execute(&w, &r);
        assert_int_equal(outcome, i < STEPS - 1 ? GS_RUN_INTERRUPTED : GS_RUN_RECORDED);
        if (r.wall_s < 0.02 * (i + 1)) fail_msg("session %d: %g s", i, r.wall_s);
        gs_record_free(&r);
    }
    free(dir);
}

/* -- what can happen to a checkpoint --------------------------------------------------------------------------- */

static char *generation(const char *dir, const gs_config *c, char name)
{
    char id[33];
    gs_config_id(c, id);
    return gs_text("%s/checkpoints/%s.%c.safetensors", dir, id, name);
}

/* Two sessions of `steps` leave both generations, at these steps and twice these. */
static void leave_two(const char *dir, const gs_config *c, int steps)
{
    for (int i = 0; i < 2; i++) {
        gs_record r;
        session s = {.steps_left = steps};
        assert_int_equal(run(dir, c, &nothing, &s, &r), GS_RUN_INTERRUPTED);
        gs_record_free(&r);
    }
}

/* Resumes at `step` and is told `what` (NULL: nothing). */
static void resumes(const char *dir, const gs_config *c, const gs_wanted *wanted, int64_t step, const char *what)
{
    char id[33];
    gs_training *t;
    gs_config_id(c, id);
    gs_snapshots s = {.dir = dir, .id = id};
    gs_record r = {.ablate = wanted->ablate, .probes = wanted->probes, .probe_every = wanted->probe_every};
    gs_buf notes = {0};
    gs_err e;
    assert_int_equal(gs_training_open(c, &t, &e), 0);
    gs_snapshots_resume(&s, t, &r, &notes);
    if (s.step != step || t->step != step) fail_msg("step %lld, %lld, not %lld: %s", (long long)s.step, (long long)t->step, (long long)step, notes.text);
    if (what ? !notes.text || !strstr(notes.text, what) : notes.length != 0) fail_msg("not '%s': %s", what, notes.text ? notes.text : "");
    gs_training_close(&t);
    gs_record_free(&r);
    gs_buf_free(&notes);
}

static void a_damaged_one_falls_back_to_the_older(void **state)
{
    (void)state;
    gs_config c = config_of(ADDITION "\"ffn.kind\":\"glu\"" USUAL);
    char *dir = new_folder();
    leave_two(dir, &c, 4);
    char *older = generation(dir, &c, 'a'), *newer = generation(dir, &c, 'b'), *text;
    size_t length;
    gs_err e;
    resumes(dir, &c, &nothing, 8, NULL);
    assert_int_equal(gs_file_read(newer, 1 << 28, &text, &length, &e), 0);
    assert_int_equal(truncate(newer, (off_t)length - 1), 0);
    resumes(dir, &c, &nothing, 4, ".b.safetensors");
    text[length - 5] ^= 1;
    assert_int_equal(gs_file_write(newer, text, length, &e), 0);
    resumes(dir, &c, &nothing, 4, "the checksum does not fit");
    assert_int_equal(truncate(older, 100), 0);
    resumes(dir, &c, &nothing, 0, ".a.safetensors");
    int sessions;
    char *other = new_folder(), *a = run_in_parts(other, &c, &clean_and_ffn, -1, &sessions);
    gs_record r;
    session s = {.steps_left = -1};
    assert_int_equal(run(dir, &c, &clean_and_ffn, &s, &r), GS_RUN_RECORDED);
    r.wall_s = 0;
    char *b = gs_record_json(&r);
    assert_string_equal(a, b);
    assert_non_null(strstr(s.told.text, "this checkpoint is not used"));
    gs_buf_free(&s.told);
    gs_record_free(&r);
    free(a), free(b), free(dir), free(other), free(older), free(newer), free(text);
}

/* Whatever single byte is changed: the older one, or the very same state (a blank of the header). */
static void every_byte_changed(void **state)
{
    (void)state;
    gs_config c = config_of("{\"task\":\"modular\",\"task.modulus\":3,\"model.d_model\":2,\"model.heads\":1,\"ffn.width\":1,\"train.steps\":9,"
                            "\"eval.every\":2,\"eval.record_every\":3}");
    char *dir = new_folder(), *text;
    leave_two(dir, &c, 4);
    char *newer = generation(dir, &c, 'b');
    size_t length;
    gs_err e;
    assert_int_equal(gs_file_read(newer, 1 << 20, &text, &length, &e), 0);
    char id[33];
    gs_config_id(&c, id);
    size_t looked = 0, fell_back = 0;
    for (size_t i = 0; i < length; i += is_short() ? 41 : 1, looked++) {
        gs_training *t;
        gs_snapshots s = {.dir = dir, .id = id};
        gs_record r = {0};
        gs_buf notes = {0};
        FILE *f = fopen(newer, "r+");
        assert_true(f && !fseek(f, (long)i, SEEK_SET) && fputc(text[i] ^ 1, f) != EOF && !fclose(f));
        assert_int_equal(gs_training_open(&c, &t, &e), 0);
        gs_snapshots_resume(&s, t, &r, &notes);
        if (s.step != 4 || !notes.length) fail_msg("byte %zu of %zu: step %lld", i, length, (long long)s.step);
        fell_back += s.step == 4;
        f = fopen(newer, "r+");
        assert_true(f && !fseek(f, (long)i, SEEK_SET) && fputc(text[i], f) != EOF && !fclose(f));
        gs_training_close(&t);
        gs_record_free(&r);
        gs_buf_free(&notes);
    }
    assert_int_equal(fell_back, looked);
    resumes(dir, &c, &nothing, 8, NULL);
    free(dir), free(newer), free(text);
}

static void one_of_another_run_is_not_used(void **state)
{
    (void)state;
    gs_config a = config_of(ADDITION "\"seed\":1" USUAL), b = config_of(ADDITION "\"seed\":2" USUAL);
    char *dir = new_folder();
    leave_two(dir, &a, 4);
    leave_two(dir, &b, 4);
    for (char name = 'a'; name <= 'b'; name++) {
        char *from = generation(dir, &a, name), *to = generation(dir, &b, name);
        assert_int_equal(rename(from, to), 0);
        free(from), free(to);
    }
    resumes(dir, &b, &nothing, 0, "another run or version");
    free(dir);
}

static void other_measurements_on_the_way_are_not_mixed(void **state)
{
    (void)state;
    gs_config c = config_of(ADDITION "\"seed\":3" USUAL), none = config_of(ADDITION "\"eval.record_every\":0,\"train.steps\":17}");
    char *dir = new_folder();
    leave_two(dir, &c, 4);
    resumes(dir, &c, &nothing, 8, NULL);
    resumes(dir, &c, &clean_and_ffn, 0, "had other ablations");
    leave_two(dir, &none, 4);
    resumes(dir, &none, &(gs_wanted){.probes = 1, .probe_every = 3}, 0, "or probes");
    resumes(dir, &none, &clean_and_ffn, 8, NULL);
    free(dir);
}

static bool is_this(void *context, const char *id)
{
    char own[33];
    gs_config_id(context, own);
    return !strcmp(own, id);
}

static void the_timer_writes_too(void **state)
{
    (void)state;
    gs_config c = config_of(ADDITION "\"train.checkpoint_minutes\":1e-9,\"train.keep_checkpoints\":true" USUAL);
    gs_config never = config_of(ADDITION "\"train.checkpoint_minutes\":0" USUAL);
    char *dir = new_folder(), *a = generation(dir, &c, 'a'), *b = generation(dir, &c, 'b');
    gs_record r;
    session s = {.steps_left = -1};
    assert_int_equal(run(dir, &c, &nothing, &s, &r), GS_RUN_RECORDED);
    assert_true(r.ok && !r.checkpoints); /* kept */
    assert_int_equal(access(a, F_OK) || access(b, F_OK), 0);
    resumes(dir, &c, &nothing, 16, NULL);
    gs_record_free(&r);
    assert_int_equal(truncate(a, 0) || truncate(b, 0), 0);
    assert_int_equal(run(dir, &never, &nothing, &s, &r), GS_RUN_RECORDED); /* the same run */
    assert_true(r.ok && !r.checkpoints);
    gs_record_free(&r);
    gs_buf_free(&s.told);
    gs_snapshots_clean(dir, is_this, &c);
    assert_true(access(a, F_OK) && access(b, F_OK));
    free(dir), free(a), free(b);
}

static void a_folder_that_cannot_be_written(void **state)
{
    (void)state;
    gs_config c = config_of(ADDITION "\"seed\":4" USUAL);
    char *dir = new_folder(), *runs = gs_text("%s/runs", dir), *checkpoints = gs_text("%s/checkpoints", dir);
    gs_err e;
    gs_record r;
    session s = {.steps_left = 3};
    assert_int_equal(gs_file_write(runs, "", 0, &e) || gs_file_write(checkpoints, "", 0, &e), 0); /* files where folders should be */
    assert_int_equal(run(dir, &c, &nothing, &s, &r), GS_RUN_INTERRUPTED);
    assert_non_null(strstr(s.told.text, "cannot make the folder"));
    gs_record_free(&r);
    assert_int_equal(run(dir, &c, &nothing, &s, &r), GS_RUN_STORAGE);
    assert_non_null(strstr(r.reason, "cannot make the folder"));
    gs_record_free(&r);
    gs_buf_free(&s.told);
    free(dir), free(runs), free(checkpoints);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_and_kind), cmocka_unit_test(every_option_with_a_state), cmocka_unit_test(probes_on_the_way),
        cmocka_unit_test(the_time_of_all_sessions_counts),
        cmocka_unit_test(a_damaged_one_falls_back_to_the_older), cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(one_of_another_run_is_not_used), cmocka_unit_test(other_measurements_on_the_way_are_not_mixed),
        cmocka_unit_test(the_timer_writes_too), cmocka_unit_test(a_folder_that_cannot_be_written)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
