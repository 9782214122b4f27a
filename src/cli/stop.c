#include <signal.h>
#include <unistd.h>

#include "cli/run.h"

/* A signal handler can reach nothing else. */
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    (void)number;
    if (asked)
        _exit(GS_EXIT_STOPPED);
    asked = 1;
}

void gs_stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

bool gs_stop_asked(void)
{
    return asked != 0;
}
