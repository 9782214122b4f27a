#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { OPTIONS_MOST = 16, WORD_MOST = 64 };

int gs_cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("gridshift: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return GS_EXIT_INPUT;
}

void gs_sets_add(gs_sets *s, const char *text)
{
    s->at = gs_grow(s->at, (size_t)s->count + 1, sizeof *s->at);
    s->at[s->count++] = (gs_set){.text = text};
}

void gs_sets_free(gs_sets *s)
{
    free(s->at);
    free(s->text);
    *s = (gs_sets){0};
}

static void print_help(const gs_usage *u)
{
    printf("usage: gridshift %s\n\n%s\n\noptions:\n", u->synopsis, u->about);
    for (const gs_option *o = u->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        printf("  %c%c %-22s %s\n", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', left, o->doc);
    }
    printf("  -h %-22s this text\n", "--help");
}

/* The table -> what getopt_long takes; its val is the row's number + 1, and `help` closes it. */
static void getopt_tables(const gs_option *options, struct option *longs, char *shorts)
{
    int n = 0;
    *shorts++ = ':';
    for (; options[n].name; n++) {
        longs[n] = (struct option){options[n].name, options[n].argument ? required_argument : no_argument, NULL, n + 1};
        if (options[n].letter)
            *shorts++ = options[n].letter;
        if (options[n].letter && options[n].argument)
            *shorts++ = ':';
    }
    *shorts++ = 'h';
    *shorts = 0;
    longs[n] = (struct option){"help", no_argument, NULL, 'h'};
    longs[n + 1] = (struct option){0};
}

static const gs_option *option_of(const gs_option *options, int value)
{
    if (value <= OPTIONS_MOST)
        return options + value - 1;
    while (options->letter != value)
        options++;
    return options;
}

static void store_option(const gs_option *o)
{
    if (o->kind == GS_OPTION_FLAG)
        *(bool *)o->target = true;
    else if (o->kind == GS_OPTION_TEXT)
        *(const char **)o->target = optarg;
    else
        gs_sets_add(o->target, optarg);
}

static int refuse_option(const gs_usage *u, const char *word, bool lacks_argument)
{
    const char *names[OPTIONS_MOST + 1] = {"help"};
    int count = 1;
    for (; u->options[count - 1].name; count++)
        names[count] = u->options[count - 1].name;
    int command = (int)strcspn(u->synopsis, " ");
    if (lacks_argument)
        return gs_cli_error("command line: option '%s' needs an argument. `gridshift %.*s --help` lists the options.", word, command,
                            u->synopsis);
    char bare[WORD_MOST];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="), word + strspn(word, "-"));
    const char *near = gs_word_nearest(bare, names, count);
    return gs_cli_error("command line: unknown option '%s' of `%.*s`. %s%s%s`gridshift %.*s --help` lists the options.", word, command,
                        u->synopsis, near ? "Did you mean '--" : "", near ? near : "", near ? "'? " : "", command, u->synopsis);
}

static bool take_operands(const gs_usage *u, int count, char **words, const char **operands, int *code)
{
    for (int i = 0; i < u->most; i++)
        operands[i] = i < count ? words[i] : NULL;
    if (count >= u->least && count <= u->most)
        return true;
    if (count > u->most)
        *code = gs_cli_error("command line: unexpected '%s'. usage: gridshift %s", words[u->most], u->synopsis);
    else
        *code = gs_cli_error("command line: something is missing. usage: gridshift %s", u->synopsis);
    return false;
}

bool gs_cli_parse(const gs_usage *u, int argc, char **argv, const char **operands, int *code)
{
    struct option longs[OPTIONS_MOST + 2];
    char shorts[2 * OPTIONS_MOST + 3];
    getopt_tables(u->options, longs, shorts);
    opterr = 0;
    optind = 0;
    for (int value; (value = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (value == 'h') {
            print_help(u);
            *code = GS_EXIT_FINE;
            return false;
        }
        if (value == '?' || value == ':') {
            *code = refuse_option(u, argv[optind - 1], value == ':');
            return false;
        }
        store_option(option_of(u->options, value));
    }
    return take_operands(u, argc - optind, argv + optind, operands, code);
}

bool gs_cli_int(const char *name, const char *text, int least, int *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < least || value > INT_MAX) {
        gs_cli_error("command line: --%s takes a whole number of at least %d, not '%s'.", name, least, text);
        return false;
    }
    *out = (int)value;
    return true;
}

static void print_commands(const gs_command *commands, FILE *to)
{
    fputs("usage: gridshift COMMAND [options] ...\n\ncommands:\n", to);
    for (; commands->name; commands++)
        fprintf(to, "  %-8s %s\n", commands->name, commands->doc);
    fputs("\n`gridshift COMMAND --help` lists a command's options.\n", to);
}

static int unknown_command(const gs_command *commands, const char *word)
{
    static const char *const later[] = {"report"};
    const char *names[OPTIONS_MOST] = {0};
    int count = 0;
    for (; commands[count].name; count++)
        names[count] = commands[count].name;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (!strcmp(word, later[i]))
            return gs_cli_error("command line: '%s' is not in this version.", word);
    const char *near = gs_word_nearest(word, names, count);
    return gs_cli_error("command line: unknown command '%s'. %s%s%s`gridshift --help` lists the commands.", word,
                        near ? "Did you mean '" : "", near ? near : "", near ? "'? " : "");
}

static int run_command(const gs_command *commands, int argc, char **argv)
{
    if (argc < 2) {
        print_commands(commands, stderr);
        return GS_EXIT_INPUT;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_commands(commands, stdout);
        return GS_EXIT_FINE;
    }
    if (!strcmp(argv[1], "--version")) {
        puts("gridshift " GS_VERSION);
        return GS_EXIT_FINE;
    }
    for (const gs_command *c = commands; c->name; c++)
        if (!strcmp(argv[1], c->name))
            return c->run(argc - 1, argv + 1);
    return unknown_command(commands, argv[1]);
}

int gs_cli_main(const gs_command *commands, int argc, char **argv)
{
    int code = run_command(commands, argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    gs_cli_error("the output could not be written: %s.", strerror(errno));
    return code ? code : GS_EXIT_BUG;
}
