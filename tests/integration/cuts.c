/* SPDX-License-Identifier: MIT */
/*
 * Snapshots beside threads that do not stop: each is one state that all of them were in.
 *
 *     in order    a thread allocates at one place, then at another, and so on: the second
 *                 has as many blocks as the first, or one less
 *     by word     the same, but the second block is allocated by another thread, which
 *                 was told of the first: never more of the second
 *     exchange    a thread has N blocks, or for a moment N + 1
 *     hand over   blocks are allocated by one thread and freed by another: never more of
 *                 them than are on the way
 *
 * In order and by word there are a thousand stacks to each place, so that it takes a
 * while to read them. Two threads look at a time, one of them perhaps at the peak; each
 * block has 100 bytes, and where blocks are only added no later snapshot has fewer.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define ADDED_MOST 500000u
#define FORKS      10
#define HELD       50u
#define ON_WAY     64u
#define SNAPSHOTS  25

struct place {
    uint64_t bytes, blocks;
};

static uint32_t told;   /* atomic: blocks that the second thread may know of */
static uint32_t looked; /* atomic: threads that are done with looking */
static const char *trouble;

static void expect(bool right, const char *what)
{
    if (!right) {
        __atomic_store_n(&trouble, what, __ATOMIC_RELAXED);
    }
}

static bool is_over(void)
{
    return __atomic_load_n(&looked, __ATOMIC_RELAXED) == 2;
}

/* ---- many stacks --------------------------------------------------------------------
 */

static void *malloc_100(void)
{
    return site_malloc(100);
}

static void *calloc_100(void)
{
    return site_calloc(1, 100);
}

/* Two calls of itself, and which one it is by the lowest bit: 2^forks stacks. */
__attribute__((noinline)) static void *by_path(void *(*leaf)(void), uint32_t path,
                                               int forks)
{
    void *p;
    if (forks == 0) {
        p = leaf();
    } else if (path & 1) {
        p = by_path(leaf, path >> 1, forks - 1);
        __asm__ volatile("# one way" : "+r"(p));
    } else {
        p = by_path(leaf, path >> 1, forks - 1);
        __asm__ volatile("# the other way" : "+r"(p));
    }
    return p;
}

/* ---- those who allocate -------------------------------------------------------------
 */

static void *in_order(void *unused)
{
    for (uint32_t i = 0; i < ADDED_MOST && !is_over(); i++) {
        by_path(malloc_100, i, FORKS);
        by_path(calloc_100, i, FORKS);
    }
    return unused;
}

static void *first_by_word(void *unused)
{
    for (uint32_t i = 1; i <= ADDED_MOST && !is_over(); i++) {
        by_path(malloc_100, i, FORKS);
        __atomic_store_n(&told, i, __ATOMIC_RELEASE);
    }
    return unused;
}

static void *second_by_word(void *unused)
{
    for (uint32_t i = 0; i < ADDED_MOST && !is_over();) {
        if (i < __atomic_load_n(&told, __ATOMIC_ACQUIRE)) {
            by_path(calloc_100, i, FORKS);
            i++;
        }
    }
    return unused;
}

static void *exchange(void *unused)
{
    void *held[HELD];
    for (uint32_t i = 0; i < HELD; i++) {
        held[i] = site_new(100);
    }
    for (uint32_t i = 0; !is_over(); i = (i + 1) % HELD) {
        void *fresh = site_new(100);
        free(held[i]);
        held[i] = fresh;
    }
    return unused;
}

static void *on_way[ON_WAY]; /* atomic */

static void *send(void *unused)
{
    for (uint32_t i = 0; !is_over(); i = (i + 1) % ON_WAY) {
        if (__atomic_load_n(&on_way[i], __ATOMIC_RELAXED) == NULL) {
            __atomic_store_n(&on_way[i], site_memalign(64, 100), __ATOMIC_RELEASE);
        }
    }
    return unused;
}

static void *receive(void *unused)
{
    for (uint32_t i = 0; !is_over(); i = (i + 1) % ON_WAY) {
        void *p = __atomic_load_n(&on_way[i], __ATOMIC_ACQUIRE);
        if (p != NULL) {
            free(p);
            __atomic_store_n(&on_way[i], NULL, __ATOMIC_RELEASE);
        }
    }
    return unused;
}

/* ---- those who look -----------------------------------------------------------------
 */

static void sum_up(tm_snapshot_t *s, struct place places[SITE_COUNT + 1])
{
    memset(places, 0, (SITE_COUNT + 1) * sizeof *places);
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        size_t len = tm_traceback_len(t.traceback);
        enum site site = site_of_address(tm_traceback_address(t.traceback, len - 1));
        places[site].bytes += t.size;
        places[site].blocks += t.count;
    }
    tm_snapshot_free(s);
}

static void look_at_in_order(const struct place *now)
{
    uint64_t first = now[SITE_MALLOC].blocks;
    uint64_t second = now[SITE_CALLOC].blocks;
    expect(second == first || second + 1 == first, "not what one thread was at");
}

static void look_at_by_word(const struct place *now)
{
    expect(now[SITE_CALLOC].blocks <= now[SITE_MALLOC].blocks,
           "an effect seen before its cause");
}

static void look_at_moving(const struct place *now)
{
    expect(now[SITE_MEMALIGN].blocks <= ON_WAY, "more blocks on the way than fit");
    expect(now[SITE_NEW].blocks <= HELD + 1, "more blocks than there are");
}

/* ---- scenarios ----------------------------------------------------------------------
 */

static const struct cast {
    const char *name;
    void *(*work[3])(void *);
    void (*look_at)(const struct place *now);
} casts[] = {
    {"in order", {in_order}, look_at_in_order},
    {"by word", {first_by_word, second_by_word}, look_at_by_word},
    {"moving", {send, receive, exchange}, look_at_moving},
};

static const struct cast *cast;

static void *take_snapshots(void *of_peak)
{
    struct place before[SITE_COUNT + 1] = {{0, 0}};
    for (int i = 0; i < SNAPSHOTS; i++) {
        struct place now[SITE_COUNT + 1];
        sum_up(of_peak != NULL ? tm_take_peak_snapshot() : tm_take_snapshot(), now);
        for (int site = 0; site < SITE_COUNT; site++) {
            expect(now[site].bytes == 100 * now[site].blocks, "a block seen in part");
        }
        expect(now[SITE_MALLOC].blocks >= before[SITE_MALLOC].blocks &&
                   now[SITE_CALLOC].blocks >= before[SITE_CALLOC].blocks,
               "a later snapshot of an earlier moment");
        cast->look_at(now);
        memcpy(before, now, sizeof before);
    }
    __atomic_fetch_add(&looked, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* The argument: who plays, and after a slash whether somebody looks at the peak. */
static int play(const char *argument)
{
    pthread_t workers[3];
    pthread_t lookers[2];
    int n = 0;
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++) {
        if (strncmp(argument, casts[i].name, strlen(casts[i].name)) == 0) {
            cast = &casts[i];
        }
    }
    tm_start(FORKS + 20);
    for (; n < 3 && cast->work[n] != NULL; n++) {
        pthread_create(&workers[n], NULL, cast->work[n], NULL);
    }
    pthread_create(&lookers[0], NULL, take_snapshots, NULL);
    pthread_create(&lookers[1], NULL, take_snapshots, strstr(argument, "/peak"));
    pthread_join(lookers[0], NULL);
    pthread_join(lookers[1], NULL);
    for (int i = 0; i < n; i++) {
        pthread_join(workers[i], NULL);
    }
    return trouble == NULL ? 0 : scenario_fail("%s: %s", argument, trouble);
}

const struct scenario scenarios[] = {{"play", play}, {NULL, NULL}};

static void expect_whole(const char *const *variables)
{
    scenario_expect("play", "in order", variables);
    scenario_expect("play", "in order/peak", variables);
    scenario_expect("play", "by word", variables);
    scenario_expect("play", "by word/peak", variables);
    scenario_expect("play", "moving", variables);
    scenario_expect("play", "moving/peak", variables);
}

Test(cuts, are_states_that_all_threads_were_in)
{
    expect_whole(NULL);
}

Test(cuts, without_a_lease)
{
    expect_whole((const char *const[]){"TMALLOC_LEASE=0", NULL});
}
