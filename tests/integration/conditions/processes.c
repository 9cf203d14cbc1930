/* SPDX-License-Identifier: MIT */
/*
 * Scenes of threads and processes: forks beside many threads that allocate, children that
 * share the parent's memory, threads cancelled and processes ended in the middle of work.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/random.h"
#include "conditions.h"
#include "tmalloc.h"

#define WORKERS 8

static uint32_t is_over; /* atomic */

static void *work_on(void *seed)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        work((uintptr_t)seed, 200);
    }
    return NULL;
}

static void start(pthread_t *threads, unsigned n, void *(*body)(void *))
{
    for (uintptr_t i = 0; i < n; i++) {
        EXPECT(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    }
}

static void *work_once(void *seed)
{
    work((uintptr_t)seed, 100);
    return NULL;
}

static void write_snapshot(unsigned number)
{
    char name[64];
    snprintf(name, sizeof name, "fork.%u.pb.gz", number);
    tm_snapshot_t *s = tm_take_snapshot();
    EXPECT(s != NULL);
    EXPECT(tm_snapshot_dump(s, name) == 0);
    EXPECT(unlink(name) == 0);
    tm_snapshot_free(s);
}

/* All that a child may do; `of_parent` was made before the fork. */
_Noreturn static void be_child(unsigned number, void *of_parent)
{
    alarm(60);
    free(of_parent);
    work(number, 60);
    if (number % 3 == 0) {
        pthread_t threads[3];
        start(threads, 3, work_once);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    if (number % 7 == 0 && tm_is_tracing()) {
        tm_clear_traces(); /* a thread that is gone may have been about to count */
        work(number, 60);
        look_at_counters();
    }
    if (number % 11 == 0) {
        tm_stop();
        EXPECT(tm_start(25) == 0);
        work(number, 60);
        look_at_counters();
    }
    if (number % 50 == 0 && tm_is_tracing()) {
        write_snapshot(number);
    }
    if (number % 13 == 0) {
        exit(0);
    }
    _exit(0);
}

static void expect_end(pid_t child)
{
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM); /* it did not hang */
    EXPECT(status == 0);
}

void scene_forks(unsigned count)
{
    pthread_t threads[WORKERS];
    start(threads, WORKERS, work_on);
    for (unsigned number = 0; number < count; number++) {
        void *p = malloc(number);
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
            be_child(number, p);
        }
        expect_end(child);
        free(p);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    look_at_counters();
}

/* Handlers of fork that free what the last ones allocated. They are registered before any
 * library can be ready, so that they run while tmalloc holds its locks. */
static bool handlers_work;
static void *kept[4];

static void replace(int i, size_t size)
{
    if (handlers_work) {
        free(kept[i]);
        kept[i] = malloc(size);
        EXPECT(kept[i] != NULL);
    }
}

static void before_fork(void)
{
    replace(0, 100);
    replace(3, 12345);
}

static void after_fork_in_parent(void)
{
    replace(1, 200);
    replace(0, 50);
}

static void after_fork_in_child(void)
{
    replace(2, 300);
    replace(3, 1);
}

static void register_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(void) = register_handlers;

static void drop_kept(void)
{
    for (int i = 0; i < 4; i++) {
        free(kept[i]);
        kept[i] = NULL;
    }
}

void scene_fork_handlers(unsigned count)
{
    size_t before = tm_get_traced_memory().current;
    handlers_work = true;
    for (unsigned number = 0; number < count; number++) {
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
            alarm(60);
            work(number, 60);
            drop_kept();
            EXPECT(tm_get_traced_memory().current == before);
            look_at_counters();
            _exit(0);
        }
        expect_end(child);
    }
    drop_kept();
    EXPECT(tm_get_traced_memory().current == before);
    look_at_counters();
}

/* Forks by a signal handler, whatever it interrupts: fork was signal safe in POSIX up to
 * 2024, and with libc's malloc a program with one thread can rely on it. At last it does
 * nothing: where forks take longer than the timer, nobody else gets a turn before. */
static uint32_t forks_left; /* atomic */

static void fork_in_handler(int signal)
{
    int err = errno;
    (void)signal;
    if (__atomic_load_n(&forks_left, __ATOMIC_RELAXED) == 0) {
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    expect_end(child);
    __atomic_sub_fetch(&forks_left, 1, __ATOMIC_RELAXED);
    errno = err;
}

/* Ever new stacks, so that locks are held much of the time. */
__attribute__((noinline)) static void meander(uint64_t path, unsigned depth)
{
    if (depth == 0) {
        free(malloc(30));
    } else if (path % 2 == 0) {
        meander(path / 2, depth - 1);
        __asm__ volatile("");
    } else {
        meander(path / 2, depth - 1);
        __asm__ volatile("nop");
    }
}

static void *meander_on(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        meander(next_random(&random), 30);
    }
    return NULL;
}

static void fork_in_handlers(unsigned count, unsigned beside)
{
    const struct itimerval often = {{0, 300}, {0, 300}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    pthread_t threads[2];
    uint64_t random = 1;
    sigset_t timer;
    sigemptyset(&timer);
    sigaddset(&timer, SIGPROF);
    EXPECT(sigaction(SIGPROF, &action, NULL) == 0);
    is_over = 0;
    forks_left = count;
    pthread_sigmask(SIG_BLOCK, &timer, NULL); /* for the others */
    start(threads, beside, meander_on);
    pthread_sigmask(SIG_UNBLOCK, &timer, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    while (__atomic_load_n(&forks_left, __ATOMIC_RELAXED) > 0) {
        meander(next_random(&random), 30);
    }
    setitimer(ITIMER_PROF, &never, NULL);
    pthread_sigmask(SIG_BLOCK, &timer, NULL);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < beside; i++) {
        pthread_join(threads[i], NULL);
    }
    look_at_counters();
}

void scene_fork_by_signal(unsigned count)
{
    alarm(200); /* it hangs */
    fork_in_handlers(count, 0);
    fork_in_handlers(count, 2);
}

static void *work_until_cancelled(void *seed)
{
    for (;;) {
        work((uintptr_t)seed, 20);
        pthread_testcancel();
    }
    return NULL;
}

/* Cancelled where POSIX has it: were malloc a place for that, blocks would be lost. */
void scene_cancel(unsigned count)
{
    for (unsigned round = 0; round < count; round++) {
        pthread_t threads[4];
        start(threads, 4, work_until_cancelled);
        for (int i = 0; i < 4; i++) {
            EXPECT(pthread_cancel(threads[i]) == 0);
        }
        for (int i = 0; i < 4; i++) {
            void *result;
            EXPECT(pthread_join(threads[i], &result) == 0);
            EXPECT(result == PTHREAD_CANCELED);
        }
    }
    look_at_counters();
}

static int be_guest(void *block)
{
    free(block);
    work(3, 200);
    _exit(0);
}

/* What posix_spawn does: a child with our memory and our thread variables, while we wait.
 */
void scene_vfork_memory(unsigned count)
{
    enum { STACK = 1 << 18 };
    char *stack = malloc(STACK);
    for (unsigned i = 0; i < count; i++) {
        void *block = malloc(i);
        int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
        int child = clone(be_guest, stack + STACK, flags, block);
        EXPECT(child > 0);
        expect_end(child);
        work(i, 50);
    }
    free(stack);
    look_at_counters();
}

/* Processes that end while four threads allocate: by return, by exit in a thread. */
static void *exit_from_thread(void *unused)
{
    (void)unused;
    work(9, 300);
    exit(0);
}

void scene_exit_beside(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
            alarm(60);
            pthread_t threads[5];
            start(threads, 4, work_on);
            if (i % 2 == 0) {
                start(&threads[4], 1, exit_from_thread);
                pthread_join(threads[4], NULL);
            }
            work(i, 100);
            exit(0);
        }
        expect_end(child);
    }
}
