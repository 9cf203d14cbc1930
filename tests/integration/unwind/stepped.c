/* SPDX-License-Identifier: MIT */
/*
 * A signal at every instruction: the processor's trap flag makes each one send SIGTRAP,
 * and the handler asks for the stack. The code stepped through has what only signals can
 * meet: prologues and epilogues, entries of the PLT, the loader binding one of them, the
 * vDSO.
 */
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <ucontext.h>

#include "known.h"

#define TRAP_FLAG 0x100

static volatile int stop;
static int steps;
static int in_vdso;
static int jumps; /* of the PLT */

KEEP void on_step(int signal, siginfo_t *about, void *context)
{
    (void)about;
    ucontext_t *interrupted = context;
    uintptr_t pc = (uintptr_t)interrupted->uc_mcontext.gregs[REG_RIP];
    if (signal == SIGTRAP) {
        here("on_step");
        steps++;
        in_vdso += pc - (uintptr_t)getauxval(AT_SYSINFO_EHDR) < 0x4000;
        jumps += memcmp((const void *)pc, "\xff\x25", 2) == 0; /* jmp *entry(%rip) */
    }
    interrupted->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    if (stop) {
        interrupted->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    }
}

/* With a frame by rsp, one by rbp where the compiler is told so, and saved registers. */
KEEP long stepped_leaf(long a, long b, long c)
{
    struct timespec now;
    need(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
    char text[32];
    memset(text, (int)b, (size_t)(16 + c));
    __asm__ volatile("" ::"r"(text) : "memory");
    return a * now.tv_nsec + b * c + text[0];
}

KEEP long stepped_middle(long a)
{
    long sum = 0;
    for (long i = 0; i < 2; i++) {
        sum += stepped_leaf(a, i, sum & 1) + stepped_leaf(i, sum, a & 3);
    }
    return sum + a64l("zz"); /* nobody else calls it: bound now */
}

void run_stepped(void)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    stepped_middle(3);
    stop = 1;
    stay();
    need(steps > 500, "steps");
    need(in_vdso > 50, "steps in the vDSO");
    need(jumps > 4, "steps in the PLT");
}
