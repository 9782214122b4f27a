#include "cli/slurm.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slurm_body.h" /* GS_SLURM_BODY: slurm/run.sbatch from its line "# ---- from here" on */

/* 'text' for a shell. */
static void add_quoted(gs_buf *out, const char *text)
{
    gs_buf_add(out, "'");
    for (; *text; text++)
        gs_buf_add(out, *text == '\'' ? "'\\''" : "%c", *text);
    gs_buf_add(out, "'");
}

static void add_duration(gs_buf *out, int seconds)
{
    gs_buf_add(out, "#SBATCH --time=%d-%02d:%02d:%02d\n", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

/* In a name of a log file % is sbatch's. */
static void add_log(gs_buf *out, const char *dir, const char *name)
{
    gs_buf_add(out, "#SBATCH --open-mode=append\n#SBATCH --output=\"");
    for (; *dir; dir++)
        gs_buf_add(out, *dir == '%' ? "%%%%" : "%c", *dir);
    gs_buf_add(out, "/slurm/%s\"\n", name);
}

static void add_option(gs_buf *out, const char *name, const char *value)
{
    if (value)
        gs_buf_add(out, "#SBATCH --%s=%s\n", name, value);
}

static void add_place(gs_buf *out, const gs_slurm_job *j, const char *suffix)
{
    gs_buf_add(out, "#!/bin/bash\n# Written by `gridshift submit`. %s\n#SBATCH --job-name=%s%s\n", j->about, j->name, suffix);
    add_option(out, "partition", j->partition);
    add_option(out, "account", j->account);
}

void gs_slurm_script(const gs_slurm_job *j, gs_buf *out)
{
    add_place(out, j, "");
    if (j->after)
        gs_buf_add(out, "#SBATCH --dependency=afterany:%s\n", j->after);
    if (j->nodes)
        gs_buf_add(out, "#SBATCH --nodes=%d\n", j->nodes);
    if (j->array)
        gs_buf_add(out, "#SBATCH --array=0-%d\n", j->array - 1);
    gs_buf_add(out, "#SBATCH --ntasks=%d\n#SBATCH --cpus-per-task=1\n#SBATCH --mem-per-cpu=%dM\n", j->tasks, j->mib);
    add_duration(out, j->limit_s);
    gs_buf_add(out, "#SBATCH --signal=B:USR1@%d\n#SBATCH --requeue\n", j->signal_s);
    add_log(out, j->dir, j->array ? "%A.%a.log" : "%j.log");
    gs_buf_add(out, "\nexport GRIDSHIFT=");
    add_quoted(out, j->program);
    gs_buf_add(out, " GRIDSHIFT_ENV=");
    add_quoted(out, j->env ? j->env : "");
    gs_buf_add(out, "\nset --");
    for (const char *const *word = j->words; *word; word++) {
        gs_buf_add(out, " ");
        add_quoted(out, *word);
    }
    gs_buf_add(out, "\n\n");
    gs_buf_bytes(out, GS_SLURM_BODY, sizeof GS_SLURM_BODY - 1);
}

void gs_slurm_tables_script(const gs_slurm_job *j, const char *array_id, gs_buf *out)
{
    add_place(out, j, ".tables");
    gs_buf_add(out, "#SBATCH --dependency=afterany:%s\n#SBATCH --ntasks=1\n", array_id);
    add_duration(out, j->limit_s);
    add_log(out, j->dir, "%j.log");
    gs_buf_add(out, "\n");
    if (j->env) {
        gs_buf_add(out, ". ");
        add_quoted(out, j->env);
        gs_buf_add(out, "\n");
    }
    add_quoted(out, j->program);
    gs_buf_add(out, " tables ");
    add_quoted(out, j->dir);
    gs_buf_add(out, "\n");
}

/* What a command prints, at most so much; -> its exit code, or -1. */
static int read_command(const char *command, char *out, size_t size)
{
    FILE *pipe = popen(command, "r");
    size_t length = pipe ? fread(out, 1, size - 1, pipe) : 0;
    out[length] = 0;
    int status = pipe ? pclose(pipe) : -1;
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int gs_slurm_submit(const char *path, char id[32], gs_err *e)
{
    char said[1024];
    gs_buf command = {0};
    gs_buf_add(&command, "exec sbatch --parsable ");
    add_quoted(&command, path);
    gs_buf_add(&command, " 2>&1");
    int code = read_command(command.text, said, sizeof said);
    gs_buf_free(&command);
    said[strcspn(said, "\n")] = 0;
    size_t digits = strspn(said, "0123456789");
    if (code == 127)
        return gs_error(e, "sbatch is not here. Submit on a node of the cluster that has it; --dry-run only shows the script");
    if (code || !digits || digits > 20 || (said[digits] && said[digits] != ';'))
        return gs_error(e, "sbatch did not take %s: %s", path, said);
    snprintf(id, 32, "%.*s", (int)digits, said);
    return 0;
}

static char *notes_path(const char *dir) { return gs_text("%s/slurm/jobs", dir); }

int gs_slurm_note(const char *dir, const char *id, const char *what, gs_err *e)
{
    char *path = notes_path(dir), *old = NULL;
    size_t length = 0;
    int failed = access(path, F_OK) ? 0 : gs_file_read(path, 1 << 20, &old, &length, e);
    if (!failed) {
        char *text = gs_text("%s%s %s\n", old ? old : "", id, what);
        failed = gs_file_write(path, text, strlen(text), e);
        free(text);
    }
    free(old);
    free(path);
    return failed;
}

/* "17,18" of the lines "17 job\n18 tables\n"; "" when there is none. */
static void add_ids(const char *notes, gs_buf *out)
{
    for (const char *line = notes; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t digits = strspn(line, "0123456789");
        if (digits)
            gs_buf_add(out, "%s%.*s", out->length ? "," : "", (int)digits, line);
    }
}

static void print_jobs(const char *ids)
{
    static char said[1 << 16];
    char *command = gs_text("timeout 20 squeue -h -j %s -o '%%i|%%j|%%T|%%M|%%L|%%D|%%R' 2>/dev/null", ids);
    int code = read_command(command, said, sizeof said);
    free(command);
    gs_cells t = {.columns = 7};
    static const char *const heads[] = {"job", "name", "state", "for", "left", "nodes", "where or why not"};
    for (int i = 0; i < 7; i++)
        gs_cells_add(&t, "%s", heads[i]);
    char *rest = said;
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        for (int i = 0; i < 7; i++) {
            char *field = strsep(&line, "|");
            gs_cells_add(&t, "%s", field ? field : "");
        }
    if (t.count > 7)
        gs_cells_print(&t, stdout);
    else
        printf(code == 127 ? "squeue is not here: nothing is known of its jobs (%s)\n" : "none of its jobs is in the queue (%s)\n", ids);
    gs_cells_free(&t);
}

void gs_slurm_print_queue(const char *dir)
{
    char *path = notes_path(dir), *notes = NULL;
    size_t length;
    gs_buf ids = {0};
    if (!access(path, F_OK) && !gs_file_read(path, 1 << 20, &notes, &length, NULL))
        add_ids(notes, &ids);
    if (ids.length)
        print_jobs(ids.text);
    gs_buf_free(&ids);
    free(notes);
    free(path);
}
