/* SPDX-License-Identifier: MIT */
/*
 * Single cases of threads and counters: the order of operations that puts the peak off
 * the most, reading while another thread clears, threads that come and go, and clearing a
 * million times. What they use must not grow with their number. Each is a process of its
 * own, and its threads are all there are.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

/* ---- the worst order of things ----------------------------------------------------- */

static pthread_barrier_t rendezvous;
static void *given[2];

static void *rise_and_fall(void *unused)
{
    const size_t bytes = 60000; /* stays below the lease */
    (void)unused;
    free(site_malloc(bytes));
    free(given[0]);
    pthread_barrier_wait(&rendezvous); /* main allocates what nobody else has */
    pthread_barrier_wait(&rendezvous);
    return NULL; /* its counts are handed over now, with a peak that was long before */
}

/*
 * A thread keeps to itself that it rose to nearly a lease, and then fell by nearly one;
 * meanwhile the peak is reached elsewhere.
 */
static int worst_order(const char *unused)
{
    pthread_t id;
    (void)unused;
    pthread_barrier_init(&rendezvous, NULL, 2);
    tm_start(1);
    given[0] = site_malloc(60000);
    pthread_create(&id, NULL, rise_and_fall, NULL);
    pthread_barrier_wait(&rendezvous);
    int64_t before = (int64_t)tm_get_traced_memory().current;
    void *large = site_malloc(10 << 20);
    int64_t peak = before + (10 << 20);
    pthread_barrier_wait(&rendezvous);
    pthread_join(id, NULL);
    int64_t off = (int64_t)tm_get_traced_memory().peak - peak;
    free(large);
    return off >= -65536 && off <= 65536 ? 0
                                         : scenario_fail("off by %lld", (long long)off);
}

/* ---- reading while another thread clears --------------------------------------------
 */

static bool over;

static void *clear_until_over(void *unused)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        tm_clear_traces();
    }
    return unused;
}

/* One block: what is read is its size, or nothing when it was just forgotten. */
static int read_beside_clears(const char *unused)
{
    pthread_t id;
    size_t odd = 0;
    (void)unused;
    tm_start(1);
    pthread_create(&id, NULL, clear_until_over, NULL);
    tm_clear_traces(); /* of what creating a thread allocates */
    for (int i = 0; i < 3000000; i++) {
        void *p = site_malloc(1000);
        tm_traced_memory_t m = tm_get_traced_memory();
        odd +=
            (m.current != 0 && m.current != 1000) || m.peak < m.current || m.peak > 1000;
        free(p);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(id, NULL);
    return odd == 0 ? 0 : scenario_fail("%zu odd readings", odd);
}

/* ---- threads that come and go ------------------------------------------------------ */

static void *short_life(void *slot)
{
    void *p = site_malloc(100);
    pthread_barrier_wait(&rendezvous); /* both of them are there at once, each time */
    void *q = site_calloc(1, 200);
    free(p);
    *(void **)slot = site_realloc(q, 300);
    return NULL;
}

static void live_and_die(int times)
{
    for (int i = 0; i < times; i++) {
        pthread_t ids[2];
        void *left[2];
        pthread_create(&ids[0], NULL, short_life, &left[0]);
        pthread_create(&ids[1], NULL, short_life, &left[1]);
        pthread_join(ids[0], NULL);
        pthread_join(ids[1], NULL);
        free(left[0]);
        free(left[1]);
    }
}

/* Blocks that the snapshot gives to the sites of short_life. */
static size_t blocks_left(void)
{
    size_t blocks = 0;
    tm_snapshot_t *s = tm_take_snapshot();
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        uintptr_t newest =
            tm_traceback_address(t.traceback, tm_traceback_len(t.traceback) - 1);
        blocks += site_of_address(newest) == SITE_COUNT ? 0 : t.count;
    }
    tm_snapshot_free(s);
    return blocks;
}

static int come_and_go(const char *unused)
{
    (void)unused;
    pthread_barrier_init(&rendezvous, NULL, 2);
    tm_start(10);
    live_and_die(50);
    size_t overhead = tm_get_tracemalloc_memory();
    size_t current = tm_get_traced_memory().current;
    live_and_die(2500);
    if (tm_get_tracemalloc_memory() != overhead) {
        return scenario_fail("%zu bytes, then %zu", overhead,
                             tm_get_tracemalloc_memory());
    }
    if (blocks_left() != 0) {
        return scenario_fail("%zu blocks are left", blocks_left());
    }
    if (tm_get_traced_memory().current != current) {
        return scenario_fail("current was %zu, is %zu", current,
                             tm_get_traced_memory().current);
    }
    return 0;
}

/* ---- frees of a thread that is ending -----------------------------------------------
 */

static pthread_key_t late;

/* A destructor of the second round: the thread has given up its counters by then. */
static void free_late(void *pair)
{
    static _Thread_local int round;
    void **blocks = pair;
    if (round++ == 0) {
        pthread_setspecific(late, pair);
        return;
    }
    free(blocks[0]);
    free(blocks[1]);
}

static void *end_with_blocks(void *pair)
{
    free(site_malloc(10));
    pthread_setspecific(late, pair);
    pthread_barrier_wait(&rendezvous);
    return NULL;
}

static int free_at_the_end(const char *unused)
{
    pthread_t id;
    void *pair[2];
    (void)unused;
    tm_start(2);
    pthread_key_create(&late, free_late);
    pthread_barrier_init(&rendezvous, NULL, 2);
    pair[0] = site_malloc(5000); /* will be forgotten */
    tm_clear_traces();
    pair[1] = site_malloc(300);
    void *kept = site_calloc(1, 70000);
    pthread_create(&id, NULL, end_with_blocks, pair);
    size_t before = tm_get_traced_memory().current;
    pthread_barrier_wait(&rendezvous);
    pthread_join(id, NULL);
    size_t after = tm_get_traced_memory().current;
    size_t blocks = blocks_left();
    free(kept);
    return before - after == 300 && blocks == 1
               ? 0
               : scenario_fail("%zu, then %zu bytes, %zu blocks", before, after, blocks);
}

/* ---- clearing, a million times ----------------------------------------------------- */

static int clear_often(const char *argument)
{
    size_t every = strtoul(argument, NULL, 10);
    size_t overhead = 0;
    tm_start(1);
    for (size_t i = 0; i < 1000000; i++) {
        void *p = i % every == 0 ? site_malloc(48) : NULL;
        size_t current = tm_get_traced_memory().current;
        tm_clear_traces();
        tm_traced_memory_t m = tm_get_traced_memory();
        free(p);
        if (current != (p == NULL ? 0 : 48) || m.current != 0 || m.peak != 0 ||
            tm_get_traced_memory().current != 0) {
            return scenario_fail("clear %zu: wrong counters", i);
        }
        overhead = i == 1000 ? tm_get_tracemalloc_memory() : overhead;
    }
    size_t grown = tm_get_tracemalloc_memory() - overhead;
    return grown <= 2 << 20 ? 0 : scenario_fail("%zu bytes more", grown);
}

/* ---- tests ------------------------------------------------------------------------- */

const struct scenario scenarios[] = {
    {"worst", worst_order},       {"read", read_beside_clears},
    {"come and go", come_and_go}, {"clear often", clear_often},
    {"late", free_at_the_end},    {NULL, NULL},
};

Test(threads_cases, within_the_bound_in_the_worst_order)
{
    scenario_expect("worst", "", NULL);
}

Test(threads_cases, reading_while_another_thread_clears)
{
    scenario_expect("read", "", NULL);
}

Test(threads_cases, frees_of_a_thread_that_is_ending)
{
    scenario_expect("late", "", NULL);
}

Test(threads_cases, shards_of_threads_that_ended_are_used_again)
{
    scenario_expect("come and go", "", NULL);
}

Test(threads_cases, a_million_clears)
{
    scenario_expect("clear often", "16", NULL);
    scenario_expect("clear often", "1", NULL);
}
