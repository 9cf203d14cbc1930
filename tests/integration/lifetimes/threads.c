/* SPDX-License-Identifier: MIT */
/*
 * Scenes of threads: blocks that one makes and another one drops, allocation after a
 * thread has given back what tmalloc and mimalloc keep for it, and signal handlers.
 *
 * mimalloc is not reentrant, so a handler may not allocate when it has interrupted
 * malloc; what is tried here is a handler that allocates at other times, also on a small
 * stack of its own, and one that asks tmalloc what it may ask at any time.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "lifetimes.h"

#define CROWD 64
#define SLOTS 256
#define SWAPS 3000

static void *mailbox[SLOTS]; /* atomic */

/* Put a block where another one may lie, and drop that one, whoever made it. */
static void *swap_blocks(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    for (int i = 0; i < SWAPS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t size = (random >> 33) % (i % 100 == 0 ? 30000 : 400);
        void *block = make_block(size);
        void **slot = &mailbox[(random >> 50) % SLOTS];
        drop_block(__atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

void scene_threads(void)
{
    for (int round = 0; round < 2; round++) {
        pthread_t crowd[CROWD];
        for (uintptr_t i = 0; i < CROWD; i++) {
            expect(pthread_create(&crowd[i], NULL, swap_blocks, (void *)i) == 0,
                   "thread");
        }
        for (int i = 0; i < CROWD; i++) {
            pthread_join(crowd[i], NULL);
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        drop_block(mailbox[i]);
    }
}

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object,
                                    void *library);
extern void *__dso_handle;

static pthread_key_t keys[3];
static unsigned rounds; /* atomic */

static void destroy(void *block)
{
    drop_block(block);
    work(20);
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
}

/* Sets its key again, so that libc comes round as often as it ever does. */
static void destroy_again(void *block)
{
    drop_block(block);
    work(20);
    pthread_setspecific(keys[1], make_block(77));
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
}

static void only_free(void *block)
{
    drop_block(block);
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
}

static void *live_shortly(void *arg)
{
    work(100);
    __cxa_thread_atexit_impl(destroy, make_block(55), &__dso_handle);
    pthread_setspecific(keys[0], make_block(66));
    pthread_setspecific(keys[1], make_block(77));
    pthread_setspecific(keys[2], make_block(88));
    return arg;
}

/* What tracing keeps for a thread is taken over by a later one: it does not add up. */
void scene_keys(void)
{
    pthread_key_create(&keys[0], destroy);
    pthread_key_create(&keys[1], destroy_again);
    pthread_key_create(&keys[2], only_free);
    size_t after_some = 0;
    for (int i = 0; i < 400; i++) {
        pthread_t thread;
        expect(pthread_create(&thread, NULL, live_shortly, NULL) == 0, "thread");
        pthread_join(thread, NULL);
        if (i == 50) {
            after_some = tm.get_tracemalloc_memory();
        }
    }
    expect(rounds >= 400 * 6, "not all destructors ran");
    expect(tm.get_tracemalloc_memory() <= after_some + 65536,
           "threads that are gone cost memory");
}

static void every_millisecond(void (*on_tick)(int), int flags)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART | flags};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static volatile sig_atomic_t ticks;

static void ask(int signal_number)
{
    (void)signal_number;
    bool tracing = tm.is_tracing();
    if (tracing != (tm.get_traceback_limit() > 0)) {
        fail("two answers to one question");
    }
    ticks++;
}

/* A handler that interrupts malloc itself, again and again. */
void scene_signals(void)
{
    every_millisecond(ask, 0);
    while (ticks < 300) {
        work(100);
    }
    signal(SIGALRM, SIG_IGN);
}

static void *swapped; /* by the handler and by the program, which blocks the handler */

static void allocate(int signal_number)
{
    (void)signal_number;
    void *block = make_block((size_t)ticks % 2000);
    drop_block(swapped);
    swapped = block;
    void *other = realloc(calloc(3, 7), 100);
    free(other);
    ticks++;
}

static void block_ticks(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(how, &set, NULL);
}

__attribute__((noinline)) static unsigned descend(unsigned depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    for (volatile int i = 0; depth == 0 && i < 20000; i++) {
    }
    return depth == 0 ? 0 : descend(depth - 1) + 1 + (frame[0] != (char)depth);
}

/* Ticks come when the program computes, deep in its stack, and never within malloc. */
void scene_altstack(void)
{
    static char small_stack[32768];
    stack_t stack = {.ss_sp = small_stack, .ss_size = sizeof small_stack};
    expect(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    block_ticks(SIG_BLOCK);
    every_millisecond(allocate, SA_ONSTACK);
    while (ticks < 300) {
        work(50);
        drop_block(swapped);
        swapped = make_block(123);
        block_ticks(SIG_UNBLOCK);
        expect(descend(200) == 200, "the stack");
        block_ticks(SIG_BLOCK);
    }
    signal(SIGALRM, SIG_IGN);
    drop_block(swapped);
}
