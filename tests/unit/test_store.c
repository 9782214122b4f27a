/* Records, the journal and its damages, the folder's lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gridshift/store.h"

/* -- a scratch folder for each test ------------------------------------------------------------------------- */

static int folder_open(void **state)
{
    char *dir = gs_text("%s/gridshift-store-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int folder_close(void **state)
{
    static const char *const names[] = {"journal.jsonl", "lock", "journal.2.jsonl", "journal.10.jsonl", "journal.2.jsonl.tmp", "journal.02.jsonl", "journal.x.jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = gs_text("%s/%s", (char *)*state, names[i]);
        unlink(path);
        free(path);
    }
    int failed = rmdir(*state); /* fails when a temporary file was left behind */
    free(*state);
    return failed;
}

static char *slurp(const char *dir, const char *name, size_t *length)
{
    gs_err e;
    char *path = gs_text("%s/%s", dir, name), *data;
    assert_int_equal(gs_file_read(path, 1 << 24, &data, length, &e), 0);
    free(path);
    return data;
}

/* -> the offset after the n-th newline. */
static size_t after_line(const char *data, size_t length, int n)
{
    size_t at = 0;
    while (n && at < length) n -= data[at++] == '\n';
    return at;
}

static void spill(const char *dir, const char *name, const char *data, size_t length)
{
    gs_err e;
    char *path = gs_text("%s/%s", dir, name);
    assert_int_equal(gs_file_write(path, data, length, &e), 0);
    free(path);
}

/* -- records ------------------------------------------------------------------------------------------------ */

static gs_record sample(int seed, double accuracy)
{
    gs_record r = {.ok = true, .host = "node1", .rank = 3, .wall_s = 12.25};
    gs_config_defaults(GS_TASK_ADDITION, &r.config);
    r.config.v[GS_SEED] = (gs_value){.set = true, .i = seed};
    r.config.v[GS_TRAIN_LR].r = 1.0 / 3;
    gs_config_canonical(&r.config);
    gs_config_id(&r.config, r.id);
    r.counts = (gs_counts){50000, 40000, 3000, 20, 98765, 1152, INT64_MAX, 1 << 20};
    r.ablate = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO) | GS_ABLATE(GS_SITE_ATTN_HEAD, GS_MODE_RESAMPLE);
    r.probes = UINT32_C(1) << gs_probe_find("norms") | UINT32_C(1) << gs_probe_find("routing");
    r.probe_every = 250;
    gs_metrics_set(&r.metrics, accuracy, "final.clean.accuracy");
    return r;
}

static gs_record reread(const gs_record *r)
{
    gs_record back;
    gs_err e = {""};
    char *json = gs_record_json(r);
    if (gs_record_parse(json, strlen(json), &back, &e)) fail_msg("%s: %s", e.text, json);
    assert_null(strchr(json, '\n'));
    char *again = gs_record_json(&back);
    assert_string_equal(json, again);
    free(json), free(again);
    return back;
}

static void test_record_round_trip(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1.0 / 3, 1e300, 4.9e-324, -0.0, 0.0, 5, 1e17, 123456789012345678.0,
                                    9007199254740993.0, 1e20, -2.5e-8};
    gs_record r = sample(7, 0.5);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) gs_metrics_set(&r.metrics, values[i], "final.clean.loss[digit=%zu]", i);
    gs_record back = reread(&r);
    assert_string_equal(back.id, r.id);
    assert_true(back.ok);
    for (int k = 0; k < GS_KEY_COUNT; k++) assert_true(gs_value_same(k, back.config.v[k], r.config.v[k]));
    assert_memory_equal(&back.counts, &r.counts, sizeof r.counts);
    assert_int_equal(back.ablate, r.ablate);
    assert_int_equal(back.probes, r.probes);
    assert_int_equal(back.probe_every, 250);
    assert_int_equal(back.metrics.count, r.metrics.count);
    for (size_t i = 0; i < r.metrics.count; i++) {
        assert_string_equal(back.metrics.at[i].name, r.metrics.at[i].name);
        assert_memory_equal(&back.metrics.at[i].value, &r.metrics.at[i].value, sizeof(double));
    }
    assert_string_equal(back.host, "node1");
    assert_int_equal(back.rank, 3);
    assert_true(back.wall_s == 12.25);
    gs_record_free(&r), gs_record_free(&back);
    assert_null(r.metrics.at);
}

static void test_record_failed(void **state)
{
    (void)state;
    gs_record r = sample(0, 0.25);
    r.ok = false;
    strcpy(r.reason, "diverged at \"step\" 120\n\xc3\xbc");
    gs_metrics_set(&r.metrics, NAN, "final.clean.loss");
    gs_metrics_set(&r.metrics, -INFINITY, "best.clean.loss");
    gs_metrics_set(&r.metrics, 1, "best.clean.accuracy");
    gs_record back = reread(&r);
    assert_false(back.ok);
    assert_string_equal(back.reason, r.reason);
    assert_int_equal(back.metrics.count, 2); /* what is not finite is absent */
    assert_null(gs_metrics_get(&back.metrics, "final.clean.loss"));
    gs_record_free(&back);
    strcpy(r.reason, "cut \xc3");
    back = reread(&r);
    assert_string_equal(back.reason, "cut ?");
    gs_record_free(&r), gs_record_free(&back);
}

/* A good record in which one text is replaced by another: each must be refused with a sentence that has `says`. */
static void test_record_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"{\"id\"", "{\"xd\"", "\"id\""},
        {"{\"id\":\"", "{\"id\":\"0", "\"id\""},
        {"\"done\"", "\"fine\"", "not \"fine\""},
        {"\"done\"", "\"failed\"", "\"reason\""},
        {"\"config\"", "\"konfig\"", "\"config\""},
        {"\"model.heads\"", "\"model.hands\"", "model.hands"},
        {"\"train_flops\":", "\"train_flops\":1.5,\"x\":", "\"train_flops\""},
        {"ffn.out:zero", "ffn.out:nero", "SITE:MODE"},
        {"ffn.out:zero", "ffn:zero", "SITE:MODE"},
        {"\"ffn.out:zero\"", "7", "SITE:MODE"},
        {"\"final.clean.accuracy\":0.5", "\"final.clean.accuracy\":NaN", "not a JSON record"},
        {"\"final.clean.accuracy\":0.5", "\"final.clean.accuracy\":1e999", "not a JSON record"},
        {"\"final.clean.accuracy\":0.5", "\"final.clean.accuracy\":\"nan\"", "not a number"},
        {"\"final.clean.accuracy\":0.5", "\"a\":1,\"a\":2", "not a JSON record"},
        {"\"rank\":3", "\"rank\":\"3\"", "rank"},
        {"\"host\":\"node1\"", "\"host\":null", "\"host\""},
    };
    gs_record r = sample(0, 0.5), back;
    char *json = gs_record_json(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(json, cases[i].from);
        if (!at) fail_msg("case %zu: %s is not in %s", i, cases[i].from, json);
        char *bad = gs_text("%.*s%s%s", (int)(at - json), json, cases[i].to, at + strlen(cases[i].from));
        gs_err e = {""};
        int failed = gs_record_parse(bad, strlen(bad), &back, &e);
        if (failed != -1 || !strstr(e.text, cases[i].says))
            fail_msg("case %zu: \"%s\" was wanted, %d \"%s\"", i, cases[i].says, failed, e.text);
        free(bad);
    }
    for (size_t cut = 0; cut < strlen(json); cut++) assert_int_equal(gs_record_parse(json, cut, &back, NULL), -1);
    free(json);
    gs_record_free(&r);
}

/* -- the journal -------------------------------------------------------------------------------------------- */

static void append_record(const char *dir, int shard, const gs_record *r)
{
    gs_err e = {""};
    gs_journal *j;
    char *json = gs_record_json(r);
    if (gs_journal_open(dir, shard, &j, &e) || gs_journal_add(j, json, strlen(json), &e) || gs_journal_sync(j, &e)) fail_msg("%s", e.text);
    gs_journal_close(&j);
    assert_null(j);
    free(json);
}

static void append(const char *dir, int seed, double accuracy)
{
    gs_record r = sample(seed, accuracy);
    append_record(dir, GS_WHOLE, &r);
    gs_record_free(&r);
}

static double accuracy_of(const gs_records *records, int seed)
{
    gs_record r = sample(seed, 0);
    const gs_result *found = gs_records_find(records, r.id);
    gs_record_free(&r);
    return found ? *gs_metrics_get(&found->metrics, "final.clean.accuracy") : -1;
}

static void test_journal_keeps_the_last(void **state)
{
    gs_records records;
    gs_err e;
    assert_int_equal(gs_records_load(*state, &records, NULL, &e), 0); /* a missing journal is empty */
    assert_int_equal(records.count, 0);
    assert_null(gs_records_find(&records, "0"));
    for (int seed = 0; seed < 100; seed++) append(*state, seed, 0.5);
    append(*state, 3, 0.75);
    gs_buf damage = {0};
    assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
    assert_int_equal(records.count, 100);
    assert_int_equal(damage.length, 0);
    for (int seed = 0; seed < 100; seed++) assert_true(accuracy_of(&records, seed) == (seed == 3 ? 0.75 : 0.5));
    assert_true(accuracy_of(&records, 100) == -1);
    gs_records_free(&records);
    gs_buf_free(&damage);
}

/* seconds: when the journal was written last. */
static void append_to_shard(const char *dir, int shard, int seed, double accuracy, bool fails, int seconds)
{
    char *path = shard == GS_WHOLE ? gs_text("%s/journal.jsonl", dir) : gs_text("%s/journal.%d.jsonl", dir, shard);
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    gs_record r = sample(seed, accuracy);
    r.ok = !fails;
    if (fails) strcpy(r.reason, "diverged at step 1");
    append_record(dir, shard, &r);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    gs_record_free(&r);
    free(path);
}

static void test_journals_are_merged(void **state)
{
    const char *dir = *state;
    append_to_shard(dir, 10, 0, 0.125, false, 1000); /* in both: the later journal has it */
    append_to_shard(dir, GS_WHOLE, 0, 0.25, false, 900);
    append_to_shard(dir, 10, 1, 0.5, false, 1000); /* a result stays, whatever fails later */
    append_to_shard(dir, 2, 1, 0, true, 1100);
    append_to_shard(dir, GS_WHOLE, 2, 0, true, 900); /* and follows a failure */
    append_to_shard(dir, 2, 2, 0.75, false, 1100);
    spill(dir, "journal.2.jsonl.tmp", "x\n", 2); /* no journals, these three */
    spill(dir, "journal.02.jsonl", "x\n", 2);
    spill(dir, "journal.x.jsonl", "x\n", 2);
    gs_records records;
    gs_buf damage = {0};
    gs_err e;
    assert_int_equal(gs_records_load(dir, &records, &damage, &e), 0);
    assert_int_equal(damage.length, 0);
    assert_int_equal(records.count, 3);
    assert_true(accuracy_of(&records, 0) == 0.125 && accuracy_of(&records, 1) == 0.5 && accuracy_of(&records, 2) == 0.75);
    gs_records_free(&records);
    size_t length;
    char *bytes = slurp(dir, "journal.2.jsonl", &length);
    spill(dir, "journal.2.jsonl", bytes, length - 5);
    assert_int_equal(gs_records_load(dir, &records, &damage, &e), 0);
    assert_non_null(strstr(damage.text, "journal.2.jsonl:2: the last line is not finished"));
    assert_int_equal(records.count, 3); /* its last line is torn: the failure is what is left of that run */
    gs_records_free(&records);
    gs_buf_free(&damage);
    free(bytes);
}

static void test_journal_torn(void **state)
{
    gs_err e;
    for (int seed = 0; seed < 3; seed++) append(*state, seed, 0.5);
    size_t length;
    char *data = slurp(*state, "journal.jsonl", &length);
    size_t third = after_line(data, length, 2);
    for (size_t cut = third + 1; cut < length; cut += 37) {
        spill(*state, "journal.jsonl", data, cut);
        gs_records records;
        gs_buf damage = {0};
        assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
        assert_int_equal(records.count, 2);
        assert_non_null(strstr(damage.text, "journal.jsonl:3: the last line is not finished"));
        gs_records_free(&records);
        gs_buf_free(&damage);

        gs_journal *j;
        assert_int_equal(gs_journal_open(*state, GS_WHOLE, &j, &e), 0);
        char *bytes = gs_text("cut off %zu bytes", cut - third);
        assert_non_null(strstr(gs_journal_note(j), bytes));
        gs_journal_close(&j);
        free(bytes);
        size_t now;
        free(slurp(*state, "journal.jsonl", &now));
        assert_int_equal(now, third);
    }
    append(*state, 2, 0.25);
    gs_records records;
    assert_int_equal(gs_records_load(*state, &records, NULL, &e), 0);
    assert_int_equal(records.count, 3);
    assert_true(accuracy_of(&records, 2) == 0.25);
    gs_records_free(&records);
    free(data);
}

static void test_journal_bad_line(void **state)
{
    gs_err e;
    for (int seed = 0; seed < 3; seed++) append(*state, seed, 0.5);
    size_t length;
    char *data = slurp(*state, "journal.jsonl", &length);
    size_t second = after_line(data, length, 1), third = after_line(data, length, 2);
    for (size_t at = second; at < third - 1; at++) {
        char was = data[at];
        data[at] ^= 1;
        if (data[at] == '\n') { /* would make two lines of it */
            data[at] = was;
            continue;
        }
        spill(*state, "journal.jsonl", data, length);
        data[at] = was;
        gs_records records;
        gs_buf damage = {0};
        assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
        assert_int_equal(records.count, 2);
        assert_true(accuracy_of(&records, 0) == 0.5 && accuracy_of(&records, 1) == -1 && accuracy_of(&records, 2) == 0.5);
        assert_non_null(strstr(damage.text, "journal.jsonl:2: "));
        assert_ptr_equal(strchr(damage.text, '\n'), damage.text + damage.length - 1); /* one line of damage */
        gs_records_free(&records);
        gs_buf_free(&damage);
        if (at > second + 20) at += 16;
    }
    free(data);
}

/* Three records; the journal as bytes, its file open for changes. */
typedef struct damaged {
    const char *dir;
    char *data;
    size_t length, ends[3]; /* behind each line */
    int fd;
} damaged;

static damaged open_damaged(const char *dir)
{
    damaged d = {.dir = dir};
    for (int seed = 0; seed < 3; seed++) append(dir, seed, 0.5);
    d.data = slurp(dir, "journal.jsonl", &d.length);
    for (int i = 0; i < 3; i++) d.ends[i] = after_line(d.data, d.length, i + 1);
    char *path = gs_text("%s/journal.jsonl", dir);
    d.fd = open(path, O_RDWR);
    assert_true(d.fd >= 0);
    free(path);
    return d;
}

/* The records but `hit` are there, whatever is with that one; no other has come. */
static void costs_at_most(const damaged *d, int hit, size_t at, bool told)
{
    gs_records records;
    gs_buf damage = {0};
    gs_err e;
    assert_int_equal(gs_records_load(d->dir, &records, &damage, &e), 0);
    for (int i = 0; i < 3; i++) {
        double accuracy = accuracy_of(&records, i);
        if (accuracy != 0.5 && (i != hit || accuracy != -1)) fail_msg("byte %zu: record %d: %s", at, i, damage.text);
    }
    char *where = gs_text("journal.jsonl:%d: ", hit + 1);
    if (records.count > 3 || (told && (!damage.text || !strstr(damage.text, where)))) fail_msg("byte %zu: %s", at, damage.text);
    gs_records_free(&records);
    gs_buf_free(&damage);
    free(where);
}

static void test_journal_every_byte(void **state)
{
    damaged d = open_damaged(*state);
    const char others[] = {'\n', 0, ' '};
    for (size_t at = 0; at < d.length; at++) {
        int hit = at < d.ends[0] ? 0 : at < d.ends[1] ? 1 : 2;
        for (size_t k = 0; k < sizeof others; k++) {
            char now = k ? others[k] : (char)(d.data[at] ^ 1);
            if (at % 7 && k) break; /* the other changes at every seventh byte: a matter of seconds */
            if (now == d.data[at]) continue;
            assert_int_equal(pwrite(d.fd, &now, 1, (off_t)at), 1);
            costs_at_most(&d, hit, at, true);
        }
        assert_int_equal(pwrite(d.fd, d.data + at, 1, (off_t)at), 1);
    }
    for (int i = 0; i < 3; i++) { /* every newline, into anything */
        for (int now = 0; now < 256; now += 5) {
            char byte = (char)now;
            assert_int_equal(pwrite(d.fd, &byte, 1, (off_t)d.ends[i] - 1), 1);
            costs_at_most(&d, i, d.ends[i] - 1, now != '\n');
        }
        assert_int_equal(pwrite(d.fd, "\n", 1, (off_t)d.ends[i] - 1), 1);
    }
    close(d.fd);
    free(d.data);
}

static void test_journal_every_length(void **state)
{
    damaged d = open_damaged(*state);
    for (size_t length = d.length; length-- > 0;) {
        assert_int_equal(ftruncate(d.fd, (off_t)length), 0);
        gs_records records;
        gs_buf damage = {0};
        gs_err e;
        size_t whole = (length >= d.ends[0]) + (length >= d.ends[1]);
        bool torn = length && length != d.ends[0] && length != d.ends[1];
        assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
        assert_int_equal(records.count, whole);
        if (torn != (damage.length > 0)) fail_msg("length %zu: %s", length, damage.text);
        gs_records_free(&records);
        gs_buf_free(&damage);
    }
    close(d.fd);
    free(d.data);
}

/* A write that was cut and not repaired, with the next line right behind it. */
static void test_journal_torn_inside(void **state)
{
    damaged d = open_damaged(*state);
    for (size_t cut = 1; cut < d.ends[0]; cut += 41) {
        gs_buf text = {0};
        gs_buf_bytes(&text, d.data, cut);
        gs_buf_bytes(&text, d.data + d.ends[0], d.length - d.ends[0]);
        spill(*state, "journal.jsonl", text.text, text.length);
        costs_at_most(&d, 0, cut, true);
        gs_buf_free(&text);
    }
    close(d.fd);
    free(d.data);
}

static void test_journal_rubbish(void **state)
{
    gs_err e;
    static const char rubbish[] = "\n\n\0\0\0\nxyz\n00000000 \n00000000 {}\n00000000{}\n";
    spill(*state, "journal.jsonl", rubbish, sizeof rubbish - 1);
    append(*state, 0, 0.5);
    gs_records records;
    gs_buf damage = {0};
    assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
    assert_int_equal(records.count, 1);
    assert_non_null(strstr(damage.text, "journal.jsonl:7: "));
    assert_null(strstr(damage.text, "journal.jsonl:8: "));
    gs_records_free(&records);
    gs_buf_free(&damage);
}

static void test_journal_no_file(void **state)
{
    gs_err e;
    gs_journal *j;
    gs_records records;
    char *path = gs_text("%s/journal.jsonl", (char *)*state);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(gs_journal_open(*state, GS_WHOLE, &j, &e), -1);
    assert_null(j);
    assert_int_equal(gs_records_load(*state, &records, NULL, &e), -1);
    assert_non_null(strstr(e.text, "not a regular file"));
    rmdir(path);
    assert_int_equal(mkfifo(path, 0666), 0); /* must not hang */
    assert_int_equal(gs_records_load(*state, &records, NULL, &e), -1);
    assert_int_equal(gs_journal_open("/nowhere", GS_WHOLE, &j, &e), -1);
    free(path);
}

/* A full disk in the middle of a line: the part is taken back, and later lines are whole. */
static void test_journal_append_fails(void **state)
{
    append(*state, 0, 0.5);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct stat s;
        gs_err e;
        static gs_journal *j;
        static char *path, *json; /* static: what a process holds when it leaves by _exit is no leak */
        path = gs_text("%s/journal.jsonl", (char *)*state);
        if (gs_journal_open(*state, GS_WHOLE, &j, &e) || stat(path, &s)) _exit(1);
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {(rlim_t)s.st_size + 100, (rlim_t)s.st_size + 100};
        gs_record r = sample(1, 0.5);
        json = gs_record_json(&r);
        if (setrlimit(RLIMIT_FSIZE, &limit) || gs_journal_add(j, json, strlen(json), &e) || gs_journal_sync(j, &e) != -1) _exit(2);
        off_t before = s.st_size;
        _exit(stat(path, &s) || s.st_size != before ? 3 : strstr(e.text, "cannot append") ? 0 : 4);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    append(*state, 2, 0.5);
    gs_records records;
    gs_buf damage = {0};
    gs_err e;
    assert_int_equal(gs_records_load(*state, &records, &damage, &e), 0);
    assert_int_equal(records.count, 2);
    assert_int_equal(damage.length, 0);
    gs_records_free(&records);
}

/* -- the lock ----------------------------------------------------------------------------------------------- */

static void test_lock_excludes(void **state)
{
    gs_lock *first, *second;
    gs_err e = {""};
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &first, &e), 0);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &second, &e), -1);
    assert_null(second);
    char *pid = gs_text("process %ld on this host", (long)getpid());
    assert_non_null(strstr(e.text, pid));
    free(pid);
    gs_lock_release(&first);
    assert_null(first);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &first, &e), 0);
    gs_lock_release(&first);
    assert_int_equal(gs_lock_take("/nowhere", GS_WHOLE, false, &first, &e), -1);
}

/* Leaves the lock of a process that was killed; its number is that of a living one when `reused`. */
static void leave_lock(const char *dir, bool reused)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        gs_lock *l;
        gs_err e;
        _exit(gs_lock_take(dir, GS_WHOLE, false, &l, &e) ? 1 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    if (!reused) return;
    size_t length;
    char *text = slurp(dir, "lock", &length), host[72], boot[48];
    long pid;
    long long start;
    assert_int_equal(sscanf(text, "%71s %47s %ld %lld", host, boot, &pid, &start), 4);
    char *again = gs_text("%s %s %ld %lld\n", host, boot, (long)getpid(), start - 1);
    spill(dir, "lock", again, strlen(again));
    free(text), free(again);
}

static void test_lock_stale(void **state)
{
    gs_err e = {""};
    gs_lock *l;
    for (int reused = 0; reused < 2; reused++) {
        leave_lock(*state, reused);
        if (gs_lock_take(*state, GS_WHOLE, false, &l, &e)) fail_msg("%s", e.text);
        gs_lock_release(&l);
    }
}

static void test_lock_foreign(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {{"elsewhere abc 77 88\n", "process 77 on host elsewhere"},
                 {"rubbish\n", "no lock of gridshift"},
                 {"", "no lock of gridshift"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_err e = {""};
        gs_lock *l;
        spill(*state, "lock", cases[i].text, strlen(cases[i].text));
        assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &l, &e), -1);
        assert_non_null(strstr(e.text, cases[i].says));
    }
}

/* Makes the lock look as if it had been refreshed so long ago. */
static void age_lock(const char *dir, int seconds)
{
    char *path = gs_text("%s/lock", dir);
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

/* Of another host nobody knows what lives: its refreshing is the sign. */
static void test_lock_of_another_host(void **state)
{
    static const char foreign[] = "elsewhere abc 77 88 99\n";
    gs_err e = {""};
    gs_lock *l;
    spill(*state, "lock", foreign, strlen(foreign));
    age_lock(*state, 100);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &l, &e), -1);
    assert_non_null(strstr(e.text, "--force-unlock"));
    assert_int_equal(gs_lock_check(*state, GS_WHOLE, &e), -1);
    age_lock(*state, 140);
    assert_int_equal(gs_lock_check(*state, GS_WHOLE, &e), 0);
    if (gs_lock_take(*state, GS_WHOLE, false, &l, &e)) fail_msg("%s", e.text);
    gs_lock_release(&l);
    spill(*state, "lock", foreign, strlen(foreign));
    if (gs_lock_take(*state, GS_WHOLE, true, &l, &e)) fail_msg("%s", e.text);
    assert_int_equal(gs_lock_refresh(l, &e), 0);
    gs_lock_release(&l);
}

/* A refresh keeps the lock young, and finds out when it is another's. */
static void test_lock_refresh(void **state)
{
    gs_err e = {""};
    gs_lock *l, *other;
    struct stat s;
    char *path = gs_text("%s/lock", (char *)*state);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &l, &e), 0);
    age_lock(*state, 1000);
    assert_int_equal(gs_lock_refresh(l, &e), 0);
    assert_int_equal(stat(path, &s), 0);
    assert_true(time(NULL) - s.st_mtime < 500);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, true, &other, &e), 0);
    assert_int_equal(gs_lock_refresh(l, &e), -1);
    assert_non_null(strstr(e.text, "took this folder over"));
    gs_lock_release(&l); /* not the other's */
    assert_int_equal(gs_lock_refresh(other, &e), 0);
    gs_lock_release(&other);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &l, &e), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gs_lock_refresh(l, &e), -1);
    gs_lock_release(&l);
    free(path);
}

static void test_lock_shards(void **state)
{
    gs_lock *first, *second, *whole;
    gs_err e = {""};
    assert_int_equal(gs_lock_take(*state, 0, false, &first, &e), 0);
    assert_int_equal(gs_lock_take(*state, 11, false, &second, &e), 0);
    assert_int_equal(gs_lock_take(*state, 11, false, &whole, &e), -1);
    gs_lock_release(&first);
    assert_int_equal(gs_lock_take(*state, GS_WHOLE, false, &whole, &e), -1);
    assert_non_null(strstr(e.text, "/lock.11"));
    gs_lock_release(&second);
    if (gs_lock_take(*state, GS_WHOLE, false, &whole, &e)) fail_msg("%s", e.text);
    assert_int_equal(gs_lock_take(*state, 3, false, &first, &e), -1);
    assert_non_null(strstr(e.text, "/lock:"));
    gs_lock_release(&whole);
    assert_int_equal(gs_lock_take(*state, 3, false, &first, &e), 0); /* the attempt left nothing */
    gs_lock_release(&first);
}

/* Many processes at once, over a stale lock: never two inside. Each takes it twice and ends without a release. */
static void test_lock_race(void **state)
{
    enum { PROCESSES = 8 };
    leave_lock(*state, false);
    static char *inside; /* static: the processes end with it, and it is no leak of theirs */
    inside = gs_text("%s/inside", (char *)*state);
    for (int p = 0; p < PROCESSES; p++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child) continue;
        for (int got = 0;;) {
            gs_lock *l;
            gs_err e;
            if (gs_lock_take(*state, GS_WHOLE, false, &l, &e)) {
                usleep(300);
                continue;
            }
            int fd = open(inside, O_CREAT | O_EXCL | O_WRONLY, 0666);
            if (fd < 0) _exit(1);
            usleep(500);
            unlink(inside);
            close(fd);
            if (++got == 2) _exit(0); /* the next one finds it stale */
            gs_lock_release(&l);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    free(inside);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open, folder_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip), cmocka_unit_test(test_record_failed), cmocka_unit_test(test_record_refuses),
        IN_FOLDER(test_journal_keeps_the_last),   IN_FOLDER(test_journal_torn),         IN_FOLDER(test_journal_bad_line),
        IN_FOLDER(test_journal_every_byte),       IN_FOLDER(test_journal_every_length), IN_FOLDER(test_journal_torn_inside),
        IN_FOLDER(test_journal_rubbish),          IN_FOLDER(test_journal_no_file),      IN_FOLDER(test_journal_append_fails),
        IN_FOLDER(test_lock_excludes),            IN_FOLDER(test_lock_stale),           IN_FOLDER(test_lock_foreign),
        IN_FOLDER(test_lock_of_another_host),     IN_FOLDER(test_lock_refresh),
        IN_FOLDER(test_journals_are_merged),      IN_FOLDER(test_lock_shards),            IN_FOLDER(test_lock_race)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
