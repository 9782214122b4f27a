#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "cli/run.h"

/* A signal handler can reach nothing else. */
static atomic_int asked;
static atomic_bool held;
static atomic_uint_fast64_t polls;
static void (*each)(void *context); /* at every poll */
static void *each_context;

/* The third one ends whatever hangs. */
static void on_signal(int number)
{
    (void)number;
    int before = atomic_fetch_add(&asked, 1);
    if (before > 1 || (before == 1 && !atomic_load(&held)))
        _exit(GS_EXIT_STOPPED);
}

void gs_stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write(), as a full disk is */
}

void gs_stop_ask(void)
{
    int nobody = 0;
    atomic_compare_exchange_strong(&asked, &nobody, 1);
}

bool gs_stop_asked(void)
{
    return atomic_load(&asked) > 0;
}

bool gs_stop_now(void)
{
    return atomic_load(&asked) > 1;
}

void gs_stop_hold(bool hold)
{
    atomic_store(&held, hold);
    if (!hold && gs_stop_now())
        _exit(GS_EXIT_STOPPED);
}

void gs_stop_each(void (*call)(void *context), void *context)
{
    each = call;
    each_context = context;
}

bool gs_stop_poll(void *ignored)
{
    (void)ignored;
    atomic_fetch_add_explicit(&polls, 1, memory_order_relaxed);
    if (each)
        each(each_context);
    return gs_stop_asked();
}

uint64_t gs_stop_polls(void)
{
    return atomic_load_explicit(&polls, memory_order_relaxed);
}
