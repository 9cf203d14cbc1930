/* SPDX-License-Identifier: MIT */
/*
 * From the terminal SIGINT and SIGQUIT come to both processes and are the other program's
 * business: we ignore them while we wait, as system(3) does. SIGTERM and SIGHUP come to
 * us alone and are passed on. A signal that was ignored already stays so (nohup), but for
 * SIGCHLD, which would keep the exit status from us.
 *
 *     take: hold TERM and HUP back -> fork -> child: release, exec
 *                                          \-> parent: wait (they pass) -> release
 */
#include "cli/signals.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SIGNAL = 128 };

static const int watched[TMI_SIGNALS_WATCHED] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP,
                                                 SIGCHLD};

/* The process that signals are passed on to, 0 for none; owner: the one thread there is.
 */
static volatile sig_atomic_t forward_to;

static void forward(int signal_number)
{
    int saved = errno;
    if (forward_to > 0) {
        kill((pid_t)forward_to, signal_number);
    }
    errno = saved;
}

void tmi_signals_take(struct tmi_signals *signals)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_BLOCK, &held, &signals->mask);
    for (size_t i = 0; i < TMI_SIGNALS_WATCHED; i++) {
        struct sigaction action = {.sa_handler = SIG_IGN, .sa_flags = SA_RESTART};
        sigaction(watched[i], NULL, &signals->before[i]);
        bool is_child = watched[i] == SIGCHLD;
        if (is_child) {
            action.sa_handler = SIG_DFL;
        } else if (watched[i] == SIGTERM || watched[i] == SIGHUP) {
            action.sa_handler = forward;
        }
        if (is_child || signals->before[i].sa_handler != SIG_IGN) {
            sigaction(watched[i], &action, NULL);
        }
    }
}

void tmi_signals_release(const struct tmi_signals *signals)
{
    for (size_t i = 0; i < TMI_SIGNALS_WATCHED; i++) {
        sigaction(watched[i], &signals->before[i], NULL);
    }
    sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

int tmi_signals_wait(const struct tmi_signals *signals, pid_t child, int *status)
{
    forward_to = child;
    sigprocmask(SIG_SETMASK, &signals->mask, NULL);
    /* The pid stays the child's until it is reaped: first wait, stop passing on, then
     * reap. */
    siginfo_t ended;
    int waited;
    do {
        waited = waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT);
    } while (waited < 0 && errno == EINTR);
    int reason = waited < 0 ? errno : 0;
    forward_to = 0;
    if (reason == 0 && waitpid(child, status, 0) < 0) {
        reason = errno;
    }
    return -reason;
}

int tmi_signals_die(int signal_number)
{
    struct rlimit none = {0, 0};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &none);
    signal(signal_number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    kill(getpid(), signal_number);
    return EXIT_SIGNAL + signal_number;
}
