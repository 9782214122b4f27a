/* How long this process may go on: what the user says, and what Slurm says is left of its job. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/run.h"

/* "90", "1.5h" -> seconds. */
static bool parse_unit(const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit)) continue;
        *seconds = value * units[i].seconds;
        return end != text && isdigit((unsigned char)text[0]) && isfinite(*seconds);
    }
    return false;
}

/* "[D-][H:]MM:SS" */
static bool parse_clock(const char *text, double *seconds)
{
    int days = 0, length = 0;
    if (sscanf(text, "%5d-%n", &days, &length) == 1 && length) text += length;
    else days = 0;
    int part[3], count = 0, used = 0;
    if (text[strspn(text, "0123456789:")]) return false;
    while (count < 3 && sscanf(text, "%9d%n", &part[count], &used) == 1) {
        count++;
        text += used;
        if (*text != ':') break;
        text++;
    }
    if (*text || count < 2) return false;
    *seconds = 86400.0 * days;
    double unit = count == 3 ? 3600 : 60;
    for (int i = 0; i < count; i++, unit /= 60) *seconds += unit * part[i];
    return true;
}

bool gs_limit_parse(const char *text, double *seconds)
{
    return strchr(text, ':') ? parse_clock(text, seconds) : parse_unit(text, seconds);
}

/* The first line of a command's output, at most; "" when there is none. */
static void first_line(const char *command, char *out, int size)
{
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(out, size, pipe)) out[0] = 0;
    if (pipe) pclose(pipe);
    out[strcspn(out, "\n")] = 0;
}

/* "... EndTime=2026-01-31T12:00:00 ..." */
static bool parse_end(const char *line, double *seconds)
{
    struct tm end = {.tm_isdst = -1};
    const char *at = strstr(line, " EndTime=");
    if (!at || !strptime(at + strlen(" EndTime="), "%Y-%m-%dT%H:%M:%S", &end)) return false;
    *seconds = difftime(mktime(&end), time(NULL));
    return true;
}

static bool ask_slurm(const char *id, double *seconds)
{
    char line[4096], *command = gs_text("timeout 10 squeue -h -j %s -o %%L 2>/dev/null", id);
    first_line(command, line, sizeof line);
    free(command);
    char *text = line + strspn(line, " ");
    text[strcspn(text, " ")] = 0;
    if (gs_limit_parse(text, seconds)) return true;
    command = gs_text("timeout 10 scontrol -o show job %s 2>/dev/null", id);
    first_line(command, line, sizeof line);
    free(command);
    return parse_end(line, seconds);
}

double gs_limit_slurm_s(void)
{
    const char *end = getenv("SLURM_JOB_END_TIME"), *id = getenv("SLURM_JOB_ID");
    double seconds = INFINITY;
    char *rest;
    if (end && *end) {
        double at = strtod(end, &rest);
        if (!*rest && at > 0) return at - (double)time(NULL);
    }
    if (id && *id && !id[strspn(id, "0123456789")] && ask_slurm(id, &seconds)) return seconds;
    return INFINITY;
}
