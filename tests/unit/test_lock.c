/* SPDX-License-Identifier: MIT */
/*
 * The locks: what they protect is not torn, a waiter sleeps and is woken, and a child of
 * fork finds them free.
 */
#include "base/lock.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

#define THREADS 4
#define ROUNDS  50000

/* Plain on purpose: two additions at once would lose one. */
static struct {
    volatile long count;
    volatile long inside;
    volatile long crowded;
} counters[TMI_LOCK_COUNT];

static void *count(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        enum tmi_lock which = (enum tmi_lock)(round % TMI_LOCK_COUNT);
        tmi_lock(which);
        counters[which].crowded += counters[which].inside != 0;
        counters[which].inside = 1;
        counters[which].count++;
        counters[which].inside = 0;
        tmi_unlock(which);
    }
    return NULL;
}

Test(lock, one_at_a_time)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, count, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    long sum = 0;
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        cr_assert_eq(counters[i].crowded, 0);
        sum += counters[i].count;
    }
    cr_assert_eq(sum, (long)THREADS * ROUNDS);
}

static uint32_t passed;

static void *pass(void *which)
{
    tmi_lock(*(enum tmi_lock *)which);
    __atomic_store_n(&passed, 1, __ATOMIC_SEQ_CST);
    tmi_unlock(*(enum tmi_lock *)which);
    return NULL;
}

static void sleep_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* Every lock by itself, and all of them through tmi_lock_all. */
Test(lock, a_waiter_waits_and_is_woken, .timeout = 20)
{
    for (int i = 0; i < TMI_LOCK_COUNT * 2; i++) {
        enum tmi_lock which = (enum tmi_lock)(i % TMI_LOCK_COUNT);
        bool all = i >= TMI_LOCK_COUNT;
        passed = 0;
        if (all) {
            tmi_lock_all();
        } else {
            tmi_lock(which);
        }
        pthread_t thread;
        pthread_create(&thread, NULL, pass, &which);
        sleep_ms(20);
        cr_assert_eq(__atomic_load_n(&passed, __ATOMIC_SEQ_CST), 0, "lock %d", which);
        if (all) {
            tmi_unlock_all();
        } else {
            tmi_unlock(which);
        }
        pthread_join(thread, NULL);
        cr_assert_eq(passed, 1);
    }
}

static uint32_t holds;

static void *hold_for_ever(void *which)
{
    tmi_lock(*(enum tmi_lock *)which);
    tmi_store_release(&holds, 1);
    for (;;) {
        pause();
    }
    return NULL;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *pass_one_by_one(void *which)
{
    tmi_lock(*(enum tmi_lock *)which);
    passed++;
    tmi_unlock(*(enum tmi_lock *)which);
    return NULL;
}

/* All that wait are woken, one by the other, and they sleep meanwhile. */
Test(lock, many_waiters_sleep, .timeout = 20)
{
    enum tmi_lock which = TMI_LOCK_SITES;
    pthread_t threads[THREADS];
    tmi_lock(which);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, pass_one_by_one, &which);
    }
    sleep_ms(50);
    double before = cpu_seconds();
    sleep_ms(300);
    cr_assert_lt(cpu_seconds() - before, 0.1, "waiting costs no processor time");
    tmi_unlock(which);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(passed, THREADS);
}

/* As in a signal handler that forks: what it interrupted holds one, another thread
 * another. */
Test(lock, a_holder_takes_the_others, .timeout = 20)
{
    enum tmi_lock others = TMI_LOCK_THREADS;
    pthread_t thread;
    tmi_lock(TMI_LOCK_TREE);
    tmi_lock_all();
    tmi_unlock_all();
    cr_assert_not(tmi_try_lock(TMI_LOCK_TREE), "it is held still");
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        cr_assert(i == TMI_LOCK_TREE || tmi_try_lock((enum tmi_lock)i), "lock %d", i);
    }
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        tmi_unlock((enum tmi_lock)i);
    }
    pthread_create(&thread, NULL, hold_for_ever, &others);
    while (!tmi_load_acquire(&holds)) {
        sleep_ms(1);
    }
    tmi_lock(TMI_LOCK_TREE);
    tmi_lock_all();
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        tmi_lock_forked();
        tmi_unlock_all();
        tmi_unlock(TMI_LOCK_TREE);
        for (int i = 0; i < TMI_LOCK_COUNT; i++) {
            tmi_lock((enum tmi_lock)i);
        }
        _exit(0);
    }
    tmi_unlock_all();
    tmi_unlock(TMI_LOCK_TREE);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_not(tmi_try_lock(others), "the other thread's still");
}

static uint32_t stop;

static void *disturb(void *which)
{
    while (!tmi_load_relaxed(&stop)) {
        tmi_lock(*(enum tmi_lock *)which);
        tmi_unlock(*(enum tmi_lock *)which);
    }
    return NULL;
}

/* The other thread is often inside; the child has no such thread. */
Test(lock, a_child_finds_them_free, .timeout = 20)
{
    enum tmi_lock which = TMI_LOCK_TREE;
    pthread_t thread;
    pthread_create(&thread, NULL, disturb, &which);
    for (int i = 0; i < 50; i++) {
        tmi_lock_all();
        pid_t child = fork();
        tmi_unlock_all();
        if (child == 0) {
            alarm(5);
            for (int l = 0; l < TMI_LOCK_COUNT; l++) {
                tmi_lock((enum tmi_lock)l);
                tmi_unlock((enum tmi_lock)l);
            }
            _exit(0);
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "fork %d", i);
    }
    tmi_store_relaxed(&stop, 1);
    pthread_join(thread, NULL);
}
