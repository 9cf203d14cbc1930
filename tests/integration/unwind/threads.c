/* SPDX-License-Identifier: MIT */
/* Conditions of threads: stacks that others had before, ends of threads, and forks. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "known.h"

#define THREADS 10000
#define FORKS   2000

/* ---- many, one after the other, on the same stack ---------------------------------- */

KEEP void thread_leaf(void)
{
    here("thread_leaf thread_middle");
    stay();
}

KEEP void thread_middle(int depth)
{
    if (depth > 0) {
        thread_middle(depth - 1);
    } else {
        thread_leaf();
    }
    stay();
}

KEEP void *thread_one(void *depth)
{
    thread_middle((int)(intptr_t)depth);
    here("thread_one");
    return NULL;
}

KEEP void *thread_two(void *depth)
{
    char room[100];
    __asm__ volatile("" ::"r"(room) : "memory");
    thread_middle((int)(intptr_t)depth);
    here("thread_two");
    return NULL;
}

/* libc allocates here first, with its lock of this very thread taken. */
KEEP void *thread_asks(void *unused)
{
    pthread_attr_t attr;
    need(pthread_getattr_np(pthread_self(), &attr) == 0, "pthread_getattr_np");
    here("thread_asks");
    pthread_attr_destroy(&attr);
    return unused;
}

static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
    need(pthread_create(thread, NULL, function, arg) == 0, "pthread_create");
}

void run_threads(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        start(&thread, i % 3 == 0 ? thread_one : thread_two, (void *)(intptr_t)(i % 7));
        pthread_join(thread, NULL);
    }
    pthread_t thread;
    start(&thread, thread_asks, NULL);
    pthread_join(thread, NULL);
}

/* ---- allocations while a thread ends ------------------------------------------------
 */

static pthread_key_t keys[4];

/* Runs again in later rounds of destructors: sets its own key once more. */
KEEP void on_exit_of_thread(void *value)
{
    static _Thread_local int rounds;
    grab();
    if (rounds < 8) { /* the last rounds may be untraced */
        here("on_exit_of_thread");
    }
    free(value);
    if (rounds < 12) {
        pthread_setspecific(keys[rounds % 4], malloc(8));
        rounds++;
    }
}

KEEP void on_cleanup(void *value)
{
    here("on_cleanup");
    free(value);
}

static void *end_soon(void *how)
{
    for (int i = 0; i < 4; i++) {
        pthread_setspecific(keys[i], malloc(16));
    }
    grab();
    pthread_cleanup_push(on_cleanup, malloc(9));
    if (how == NULL) {
        pthread_exit(NULL);
    }
    pthread_cleanup_pop(1);
    return NULL;
}

void run_exits(void)
{
    for (int i = 0; i < 4; i++) {
        need(pthread_key_create(&keys[i], on_exit_of_thread) == 0, "pthread_key_create");
    }
    for (int i = 0; i < 500; i++) {
        pthread_t threads[4];
        for (int t = 0; t < 4; t++) {
            start(&threads[t], end_soon, (void *)(intptr_t)(t % 2));
        }
        for (int t = 0; t < 4; t++) {
            pthread_join(threads[t], NULL);
        }
    }
}

/* ---- forks while other threads allocate ---------------------------------------------
 */

static volatile int over;

/* Stacks that nobody had before, so the tree grows all the time. */
KEEP void grow(uint64_t path, int depth);

KEEP void grow_left(uint64_t path, int depth)
{
    grow(path, depth);
    stay();
}

KEEP void grow_right(uint64_t path, int depth)
{
    grow(path, depth);
    stay();
}

void grow(uint64_t path, int depth)
{
    if (depth == 0) {
        grab();
    } else {
        (path & 1 ? grow_left : grow_right)(path >> 1, depth - 1);
    }
    stay();
}

static void *grow_for_ever(void *first)
{
    for (uint64_t path = (uintptr_t)first; !over; path += 2) {
        grow(path, 17);
    }
    return NULL;
}

static void live_as_child(int i)
{
    alarm(20); /* a lock that was lost with its thread */
    grow((uint64_t)i * 2654435761u, 18);
    pthread_t thread;
    start(&thread, thread_one, (void *)(intptr_t)(i % 7));
    pthread_join(thread, NULL);
    _exit(0);
}

void run_forks(void)
{
    pthread_t threads[2];
    start(&threads[0], grow_for_ever, (void *)0);
    start(&threads[1], grow_for_ever, (void *)1);
    const char *wish = getenv("FORKS");
    int forks = wish == NULL ? FORKS : atoi(wish);
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child == 0) {
            live_as_child(i);
        }
        int status;
        need(waitpid(child, &status, 0) == child, "waitpid");
        need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child");
    }
    over = 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}
