#include "cli/cli.h"

int gs_cmd_tables(int argc, char **argv)
{
    bool partial = false, quiet = false;
    const char *dir;
    const gs_option options[] = {{"partial", 0, GS_OPTION_FLAG, &partial, NULL, "accept unequal sets of seeds, and mark them"},
                                 {"quiet", 'q', GS_OPTION_FLAG, &quiet, NULL, "write the files only"},
                                 {0}};
    const gs_usage usage = {"tables [options] DIR",
                            "Writes DIR/tables/, results.csv and timings.csv again from the journal, and prints the tables.",
                            options, 1, 1};
    int code;
    gs_err e;
    gs_session s = {.metrics = true};
    gs_buf screen = {0};
    if (!gs_cli_parse(&usage, argc, argv, &dir, &code))
        return code;
    code = GS_EXIT_FINE;
    if (gs_session_read_folder(&s, dir, &e) || gs_session_plan(&s, dir, false, &e) || gs_session_tables(&s, dir, partial, &screen, &e))
        code = gs_cli_error("%s", e.text);
    if (s.damage.length)
        fprintf(stderr, "%s", s.damage.text);
    if (!code && !quiet)
        printf("%s\n%s/tables/ and %s/results.csv have everything.\n", screen.text ? screen.text : "", dir, dir);
    gs_buf_free(&screen);
    gs_session_close(&s);
    return code;
}
