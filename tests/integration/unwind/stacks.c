/* SPDX-License-Identifier: MIT */
/* Conditions of stacks: other ones, and ones at the same addresses as others before. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "known.h"

#define STACK_BYTES ((size_t)256 << 10)

static char *new_stack(void)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(stack != MAP_FAILED, "no stack");
    return stack;
}

/* Below the present stack, or above it: a signal's stack may be either. */
static char static_stack[STACK_BYTES];

static void set_signal_stack(char *memory)
{
    stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};
    need(sigaltstack(&stack, NULL) == 0, "sigaltstack");
}

static void set_action(int signal, void (*act)(int), int flags)
{
    struct sigaction action = {.sa_handler = act, .sa_flags = flags};
    need(sigaction(signal, &action, NULL) == 0, "sigaction");
}

/* ---- signals raised by the thread itself ------------------------------------------ */

KEEP void on_inner(int signal)
{
    (void)signal;
    here("on_inner");
    grab();
    stay();
}

KEEP void on_outer(int signal)
{
    here("on_outer");
    if (signal == SIGUSR1) {
        raise(SIGURG);
    }
    here("on_outer");
    stay();
}

KEEP void raise_deep(int depth)
{
    if (depth == 0) {
        grab();
        raise(SIGUSR1);
        grab();
        raise(SIGUSR2);
    } else {
        raise_deep(depth - 1);
    }
    stay();
}

void run_signals(void)
{
    char *high = new_stack();
    set_action(SIGUSR1, on_outer, SA_ONSTACK);
    set_action(SIGUSR2, on_outer, 0);
    set_action(SIGURG, on_inner, SA_ONSTACK);
    for (int i = 0; i < 500; i++) {
        set_signal_stack(i % 2 == 0 ? static_stack : high);
        raise_deep(i % 20);
        grab();
    }
}

/* ---- signals that come at any instruction but those of malloc ---------------------- */

static volatile sig_atomic_t alarms;

KEEP void on_alarm(int signal)
{
    (void)signal;
    here("on_alarm");
    alarms++;
}

/* Prologues and epilogues, calls through the PLT, code with and without rbp. */
KEEP unsigned long busy(unsigned long n)
{
    char text[64];
    if (n < 2) {
        return n;
    }
    memset(text, (int)n, n % 60);
    __asm__ volatile("" ::"r"(text) : "memory");
    return busy(n - 1) + busy(n - 2) + labs((long)n) + strlen("x");
}

void run_alarms(void)
{
    set_signal_stack(static_stack);
    set_action(SIGALRM, on_alarm, SA_ONSTACK | SA_RESTART);
    struct itimerval often = {{0, 500}, {0, 500}};
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    while (alarms < 1000) {
        busy(12);
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

/* ---- a call of NULL, left by siglongjmp -------------------------------------------- */

static sigjmp_buf after_fault;

KEEP void on_fault(int signal)
{
    (void)signal;
    here("on_fault");
    siglongjmp(after_fault, 1);
}

void run_null_call(void)
{
    void (*volatile nothing)(void) = NULL;
    set_signal_stack(static_stack);
    set_action(SIGSEGV, on_fault, SA_ONSTACK | SA_NODEFER);
    for (volatile int i = 0; i < 300; i++) {
        if (sigsetjmp(after_fault, 1) == 0) {
            nothing();
        }
        grab();
    }
}

/* ---- makecontext and swapcontext --------------------------------------------------- */

static ucontext_t resumer;
static ucontext_t coroutines[8];

KEEP void co_leaf(void)
{
    here("co_leaf co_middle");
    stay();
}

KEEP void co_middle(int self, int depth)
{
    if (depth > 0) {
        co_middle(self, depth - 1);
    } else {
        co_leaf();
        swapcontext(&coroutines[self], &resumer);
        co_leaf();
    }
    stay();
}

KEEP void co_other(int self, int depth)
{
    here("co_other");
    co_middle(self, depth);
    here("co_other");
    stay();
}

static void resume(int self)
{
    grab();
    need(swapcontext(&resumer, &coroutines[self]) == 0, "swapcontext");
    grab();
}

void run_contexts(void)
{
    for (int round = 0; round < 200; round++) {
        char *stacks[8];
        for (int i = 0; i < 8; i++) {
            stacks[i] = new_stack();
            need(getcontext(&coroutines[i]) == 0, "getcontext");
            coroutines[i].uc_stack.ss_sp = stacks[i];
            coroutines[i].uc_stack.ss_size = STACK_BYTES;
            coroutines[i].uc_link = &resumer;
            makecontext(&coroutines[i],
                        (void (*)(void))((i + round) % 2 ? co_middle : co_other), 2, i,
                        (i + round) % 5);
            resume(i);
        }
        for (int i = 7; i >= 0; i--) {
            resume((i + round) % 8);
        }
        for (int i = 0; i < 8; i++) {
            munmap(stacks[i], STACK_BYTES);
        }
    }
}

/* ---- stacks switched by hand: see switch.s ----------------------------------------- */

void call_on_stack(void (*function)(void), void *top);
void call_from_nowhere(void (*function)(void), void *top, void (*bottom)(void));
#pragma weak call_from_nowhere /* x86-64 only */

KEEP void on_its_stack(void)
{
    here("on_its_stack call_on_stack");
    stay();
}

KEEP void on_low_stack(void)
{
    char room[3 * 4096];
    __asm__ volatile("" ::"r"(room) : "memory");
    on_its_stack();
    stay();
}

static char *low_stack;
static char *high_stack;

KEEP void go_up(void)
{
    here("go_up call_on_stack");
    call_on_stack(on_its_stack, high_stack + STACK_BYTES);
    stay();
}

KEEP void caller_one(void)
{
    call_on_stack(on_its_stack, low_stack + STACK_BYTES);
    stay();
}

KEEP void caller_two(void)
{
    call_on_stack(on_its_stack, low_stack + STACK_BYTES);
    stay();
}

/* The words on the other stack are the same for both callers; only rbp tells. */
void run_switched(void)
{
    low_stack = new_stack();
    high_stack = new_stack();
    if (low_stack > high_stack) {
        char *swapped = low_stack;
        low_stack = high_stack;
        high_stack = swapped;
    }
    for (int i = 0; i < 1000; i++) {
        void (*volatile chosen)(void) = i % 3 == 0 ? caller_one : caller_two;
        chosen();
        chosen = i % 5 == 0 ? caller_one : caller_two;
        chosen();
    }
    for (int i = 0; i < 50; i++) { /* from a lower to a higher stack */
        call_on_stack(go_up, low_stack + STACK_BYTES);
    }
}

/* A stack whose last return address is 0 now, and a caller the next time. */
static unsigned long frames_from_nowhere;

KEEP void from_nowhere(void)
{
    grab();
    grab();
    here("from_nowhere enter_nowhere");
    frames_from_nowhere = here_alone("from_nowhere enter_nowhere");
    stay();
}

void end_of_stack(void);
#pragma weak end_of_stack

void run_bottom(void)
{
    char *stack = new_stack();
    for (int i = 0; i < 300; i++) {
        void (*bottom)(void) = i / 3 % 2 == 0 ? NULL : end_of_stack;
        for (int times = 0; times < 3; times++) {
            call_from_nowhere(from_nowhere, stack + STACK_BYTES, bottom);
            need_frames(frames_from_nowhere == (bottom == NULL ? 3 : 4),
                        "frames from nowhere");
        }
    }
}
