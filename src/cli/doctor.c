#include <cblas.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <xxhash.h>
#include <yaml.h>
#include <zlib.h>

#include "cli/run.h"
#include "gridshift/linalg.h"

static void line(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%-12s ", name);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* The first line of a /proc file that begins with a name, behind its colon; owned by the caller. */
static char *proc_field(const char *path, const char *name)
{
    char *found = NULL, *text = NULL;
    size_t size = 0;
    FILE *f = fopen(path, "r");
    while (f && !found && getline(&text, &size, f) > 0)
        if (!strncmp(text, name, strlen(name)) && strchr(text, ':'))
            found = gs_text("%.*s", (int)strcspn(strchr(text, ':') + 1, "\n"), strchr(text, ':') + 1);
    if (f)
        fclose(f);
    free(text);
    return found ? found : gs_text(" unknown");
}

static void print_cpu(void)
{
    static const char *const wanted[] = {"sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve", NULL};
    char *model = proc_field("/proc/cpuinfo", "model name"), *flags = proc_field("/proc/cpuinfo", "flags"),
         *features = proc_field("/proc/cpuinfo", "Features"); /* what ARM calls its flags */
    line("cores", "%d for this process", gs_launch_cores());
    line("CPU", "%s", model + 1);
    gs_buf isa = {0};
    char *all = gs_text("%s%s ", flags, features);
    for (int i = 0; wanted[i]; i++) {
        char *word = gs_text(" %s ", wanted[i]);
        if (strstr(all, word))
            gs_buf_add(&isa, "%s%s", isa.length ? " " : "", wanted[i]);
        free(word);
    }
    line("ISA", "%s", isa.length ? isa.text : "nothing that matters");
    gs_buf_free(&isa);
    free(all);
    free(model);
    free(flags);
    free(features);
}

static void print_kernels(void)
{
    gs_err e;
    const gs_kernels *k = gs_kernels_choose(NULL, &e);
    line("kernels", "%s", k ? k->isa : e.text);
}

static void print_blas(void)
{
    const char *threads = getenv("OPENBLAS_NUM_THREADS"), *core = getenv("OPENBLAS_CORETYPE");
    line("OpenBLAS", "%s; core %s", openblas_get_config(), openblas_get_corename());
    line("", "BLAS threads of a rank: %s (OPENBLAS_NUM_THREADS%s)", threads ? threads : "1", threads ? "" : " is not set");
    if (core)
        line("warning", "OPENBLAS_CORETYPE=%s is preset: BLAS does not choose its kernels for this CPU. Unset it, unless that is meant.",
             core);
}

static void print_mpi(void)
{
    char text[256] = "";
    FILE *f = popen("mpirun --version 2>/dev/null", "r");
    if (f && fgets(text, sizeof text, f))
        text[strcspn(text, "\n")] = 0;
    if (f)
        pclose(f);
    line("MPI", "built with version %s; %s", GS_MPI_VERSION,
         *text ? text : "no mpirun on the path: only --np 0 works (.ci/deps installs it)");
    line("ScaLAPACK", "%s", GS_HAVE_SCALAPACK ? "yes" : "no (built without it)");
}

static void print_space(void)
{
    struct statvfs disk;
    char all[32], available[32];
    char *total_kib = proc_field("/proc/meminfo", "MemTotal"), *available_kib = proc_field("/proc/meminfo", "MemAvailable");
    line("memory", "%s, %s of it available", gs_bytes_text(1024 * atoll(total_kib), all),
         gs_bytes_text(1024 * atoll(available_kib), available));
    free(total_kib);
    free(available_kib);
    if (!statvfs(".", &disk))
        line("disk", "%s free here", gs_bytes_text((int64_t)(disk.f_bavail * disk.f_frsize), available));
    if (!statvfs("/dev/shm", &disk))
        line("shared", "%s free in /dev/shm (messages between the ranks)",
             gs_bytes_text((int64_t)(disk.f_bavail * disk.f_frsize), available));
}

int gs_cmd_doctor(int argc, char **argv)
{
    const gs_option options[] = {{0}};
    const gs_usage usage = {"doctor", "What this machine offers and what gridshift will use of it.", options, 0, 0};
    int code;
    if (!gs_cli_parse(&usage, argc, argv, NULL, &code))
        return code;
    line("gridshift", "%s, results version %d", GS_VERSION, GS_RESULT_VERSION);
    print_cpu();
    print_kernels();
    print_blas();
    print_mpi();
    print_space();
    line("libraries", "libyaml %s, jansson %s, xxHash %u, zlib %s", yaml_get_version_string(), JANSSON_VERSION, XXH_versionNumber(),
         zlibVersion());
    line("default", "gridshift run starts %d workers and a sleeping master", gs_launch_cores());
    return GS_EXIT_FINE;
}
