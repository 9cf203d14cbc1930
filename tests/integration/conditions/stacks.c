/* SPDX-License-Identifier: MIT */
/*
 * Scenes of stacks: coroutines on small ones that migrate between threads, and one stack
 * that is a million calls deep.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "conditions.h"
#include "tmalloc.h"

/* The least that a stack can have in POSIX is 2048 bytes; libc itself asks for 16 KiB. */
#define STACK_BYTES 16384
#define COROUTINES  8

static ucontext_t scheduler;
static ucontext_t coroutines[COROUTINES];
static unsigned rounds_left;

static void be_coroutine(int number)
{
    void *kept = NULL;
    while (rounds_left > 0) {
        free(kept);
        kept = malloc((size_t)(number + 1) * 40);
        memset(kept, number, 40);
        void *other = realloc(calloc(3, 5), 700);
        EXPECT(kept != NULL && other != NULL);
        swapcontext(&coroutines[number], &scheduler);
        free(other);
    }
    free(kept);
}

static void *resume_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < COROUTINES; i++) {
        swapcontext(&scheduler, &coroutines[i]);
    }
    return NULL;
}

/* A page that must not be touched lies below each stack. */
static void make_coroutine(int number)
{
    ucontext_t *made = &coroutines[number];
    char *stack = mmap(NULL, STACK_BYTES + 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(stack != MAP_FAILED && mprotect(stack, 4096, PROT_NONE) == 0);
    EXPECT(getcontext(made) == 0);
    made->uc_stack.ss_sp = stack + 4096;
    made->uc_stack.ss_size = STACK_BYTES;
    made->uc_link = &scheduler;
    makecontext(made, (void (*)(void))be_coroutine, 1, number);
}

/* Every third round all of them go on in a thread of their own. */
void scene_coroutines(unsigned count)
{
    for (int i = 0; i < COROUTINES; i++) {
        make_coroutine(i);
    }
    rounds_left = count;
    while (rounds_left > 0) {
        rounds_left--;
        if (rounds_left % 3 == 1) {
            pthread_t thread;
            EXPECT(pthread_create(&thread, NULL, resume_all, NULL) == 0);
            pthread_join(thread, NULL);
        } else {
            resume_all(NULL);
        }
    }
    look_at_counters();
}

static void *work_little(void *seed)
{
    void *kept = NULL;
    for (uintptr_t i = 0; i < 50; i++) {
        kept = realloc(kept, 1 + 37 * i);
        EXPECT(kept != NULL);
        free(calloc(i, 8));
    }
    free(kept);
    return seed;
}

/* Threads on the least stack that libc accepts, of which its thread variables take part.
 */
void scene_small_threads(unsigned count)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    EXPECT(pthread_attr_setstacksize(&small, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
    for (unsigned i = 0; i < count; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, &small, work_little, NULL) == 0);
        pthread_join(thread, NULL);
    }
    pthread_attr_destroy(&small);
    look_at_counters();
}

static void *innermost;

__attribute__((noinline)) static unsigned descend(unsigned depth)
{
    if (depth == 0) {
        innermost = realloc(malloc(10), 77777);
        return 0;
    }
    unsigned deeper = descend(depth - 1);
    __asm__ volatile("");
    return deeper + 1;
}

static void *be_deep(void *depth)
{
    for (int i = 0; i < 3; i++) {
        unsigned calls = (unsigned)(uintptr_t)depth - (unsigned)i * 1000;
        EXPECT(descend(calls) == calls);
        if (tm_get_traceback_limit() > 1) {
            const tm_traceback_t *tb = tm_get_object_traceback(innermost);
            EXPECT(tb != NULL);
            EXPECT(tm_traceback_total_nframe(tb) == TM_MAX_NFRAME);
        }
        free(innermost);
    }
    return NULL;
}

void scene_deep(unsigned depth)
{
    pthread_attr_t large;
    pthread_t thread;
    pthread_attr_init(&large);
    EXPECT(pthread_attr_setstacksize(&large, (size_t)depth * 64 + (1 << 20)) == 0);
    EXPECT(pthread_create(&thread, &large, be_deep, (void *)(uintptr_t)depth) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&large);
    look_at_counters();
}
