/* SPDX-License-Identifier: MIT */
/*
 * The signals of a program that waits for another one, so that the two look like one.
 */
#ifndef TMI_SIGNALS_H
#define TMI_SIGNALS_H

#include <signal.h>
#include <sys/types.h>

enum { TMI_SIGNALS_WATCHED = 5 };

/* How signals were treated before; the other program shall find them so. */
struct tmi_signals {
    struct sigaction before[TMI_SIGNALS_WATCHED];
    sigset_t mask;
};

/* Before the fork: from here on nothing that is sent to us is lost or kills us. */
void tmi_signals_take(struct tmi_signals *signals);

/* In the child, and in the parent when all is over: everything as it was. */
void tmi_signals_release(const struct tmi_signals *signals);

/*
 * Wait for `child`, passing on what it should know: 0 with its wait status in *status, or
 * a negative errno.
 */
int tmi_signals_wait(const struct tmi_signals *signals, pid_t child, int *status);

/*
 * Die of a signal as another program died of it, for our own parent to see; without a
 * core of our own. Where that cannot be, the exit status that shells give for it.
 */
int tmi_signals_die(int signal_number);

#endif
