/* SPDX-License-Identifier: MIT */
/*
 * The counters with threads that free each other's blocks.
 *
 *     in turn     one operation at a time, by a thread drawn at random: the true peak is
 *                 known, and the peak told is within (T - 1) leases of it
 *     at once     all of them together; two sums bracket the truth at every moment:
 *                 `least` (added after malloc, taken off before free) and `most`
 *     at rest     no operation is under way, and current is exact
 *
 * Each scenario is a process of its own with the lease that it is about; main is one of
 * its T threads.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define SLOTS        512
#define SIZE_MOST    60000
#define THREADS_MOST 8

struct crew {
    int threads;
    int64_t lease;
    int frames; /* 1 in every other round: then sites are found by return address */
    size_t operations; /* of each thread, in one phase */
    void (*work)(struct crew *crew, int number, uint64_t *dice);
    pthread_barrier_t gate;
    pthread_mutex_t turn;
    bool over;
    const char *trouble;

    /* in turn: under `turn` */
    int64_t current, peak;
    void *blocks[SLOTS]; /* at once: atomic. A block begins with its size. */

    /* at once: atomic */
    int64_t least, least_peak;
    int64_t most, most_peak;
};

struct member {
    struct crew *crew;
    int number;
};

static struct crew crew;

static void expect(bool right, const char *what)
{
    if (!right && crew.trouble == NULL) {
        crew.trouble = what;
    }
}

static size_t random_size(uint64_t *dice)
{
    size_t most = one_in(dice, 10) ? SIZE_MOST : 400;
    return sizeof(size_t) + random_below(dice, most);
}

static void *new_block(uint64_t *dice, size_t size)
{
    size_t *p = one_in(dice, 4) ? site_posix_memalign(64, size) : site_malloc(size);
    *p = size;
    return p;
}

/* ---- in turn ----------------------------------------------------------------------- */

static void count(int64_t bytes)
{
    crew.current += bytes;
    crew.peak = crew.current > crew.peak ? crew.current : crew.peak;
}

/* Malloc, free of anybody's block, or realloc of one, of which the model is exact. */
static void change_a_block(uint64_t *dice)
{
    size_t **slot = (size_t **)&crew.blocks[random_below(dice, SLOTS)];
    size_t size = random_size(dice);
    if (*slot == NULL) {
        *slot = new_block(dice, size);
        count((int64_t)size);
    } else if (one_in(dice, 4)) {
        size_t old = **slot;
        *slot = site_realloc(*slot, size);
        **slot = size;
        count((int64_t)size - (int64_t)old);
    } else {
        crew.current -= (int64_t) * *slot;
        free(*slot);
        *slot = NULL;
    }
}

static void look(void)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    int64_t off = (int64_t)m.peak - crew.peak;
    int64_t allowed = (crew.threads - 1) * crew.lease;
    expect((int64_t)m.current == crew.current, "in turn: current is not exact");
    expect(off <= allowed, "in turn: the peak is too high");
    expect(-off <= allowed, "in turn: the peak is too low");
    expect(m.peak >= m.current, "in turn: the peak is below current");
}

static void reset_peak(void)
{
    tm_reset_peak();
    crew.peak = crew.current;
}

static void work_in_turn(struct crew *c, int number, uint64_t *dice)
{
    (void)number;
    for (size_t i = 0; i < c->operations; i++) {
        pthread_mutex_lock(&c->turn);
        change_a_block(dice);
        if (one_in(dice, 200)) {
            look();
        }
        if (one_in(dice, 1000)) {
            reset_peak();
        }
        pthread_mutex_unlock(&c->turn);
        if (one_in(dice, 8)) {
            sched_yield();
        }
    }
}

/* ---- at once ----------------------------------------------------------------------- */

static int64_t add(int64_t *sum, int64_t bytes)
{
    return __atomic_add_fetch(sum, bytes, __ATOMIC_SEQ_CST);
}

static void raise_to(int64_t *peak, int64_t bytes)
{
    int64_t old = __atomic_load_n(peak, __ATOMIC_SEQ_CST);
    while (old < bytes &&
           !__atomic_compare_exchange_n(peak, &old, bytes, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
}

static void free_bracketed(void *p)
{
    int64_t size = p == NULL ? 0 : (int64_t) * (size_t *)p;
    add(&crew.least, -size);
    free(p);
    add(&crew.most, -size);
}

static void *new_bracketed(uint64_t *dice)
{
    size_t size = random_size(dice);
    raise_to(&crew.most_peak, add(&crew.most, (int64_t)size));
    void *p = new_block(dice, size);
    raise_to(&crew.least_peak, add(&crew.least, (int64_t)size));
    return p;
}

static void work_at_once(struct crew *c, int number, uint64_t *dice)
{
    (void)number;
    for (size_t i = 0; i < c->operations; i++) {
        void **slot = &c->blocks[random_below(dice, SLOTS)];
        void *fresh = one_in(dice, 2) ? new_bracketed(dice) : NULL;
        free_bracketed(__atomic_exchange_n(slot, fresh, __ATOMIC_ACQ_REL));
    }
}

/* Thread 0 steers the tracer meanwhile; what it reads is never more than can be there. */
static void work_steered(struct crew *c, int number, uint64_t *dice)
{
    const size_t most = (SLOTS + 2 * THREADS_MOST) * (size_t)(SIZE_MOST + 8) +
                        2 * THREADS_MOST * (size_t)c->lease;
    if (number != 0) {
        work_at_once(c, number, dice);
        return;
    }
    for (size_t i = 0; i < c->operations / 2; i++) {
        size_t what = random_below(dice, 6);
        if (what == 0) {
            tm_stop();
        } else if (what == 1) {
            tm_clear_traces();
        } else if (what == 2) {
            expect(tm_start(1 + (int)random_below(dice, 30)) == 0, "tm_start");
        } else if (what == 3) {
            tm_reset_peak();
        } else {
            tm_traced_memory_t m = tm_get_traced_memory();
            expect(m.current <= most && m.peak <= most, "steered: an impossible sum");
        }
    }
}

static void free_all(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        free_bracketed(crew.blocks[i]);
        crew.blocks[i] = NULL;
    }
}

static void look_at_rest(void)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    int64_t allowed = (crew.threads - 1) * crew.lease;
    expect(crew.least == crew.most, "the test's own sums differ");
    expect((int64_t)m.current == crew.least, "at rest: current is not exact");
    expect((int64_t)m.peak >= crew.least_peak - allowed, "at once: the peak is too low");
    expect((int64_t)m.peak <= crew.most_peak + allowed, "at once: the peak is too high");
}

/* ---- the crew ---------------------------------------------------------------------- */

static void *serve(void *arg)
{
    const struct member *m = arg;
    uint64_t dice = (uint64_t)m->number + 77;
    for (;;) {
        pthread_barrier_wait(&m->crew->gate);
        if (m->crew->over) {
            return NULL;
        }
        m->crew->work(m->crew, m->number, &dice);
        pthread_barrier_wait(&m->crew->gate);
    }
}

/* One phase: everybody works, then everybody rests. */
static void phase(void (*work)(struct crew *, int, uint64_t *), uint64_t *dice)
{
    crew.work = work;
    pthread_barrier_wait(&crew.gate);
    work(&crew, 0, dice);
    pthread_barrier_wait(&crew.gate);
}

/*
 * At rest: whatever was forgotten and when, nothing of it is left once all blocks are
 * free. The large block makes a sum below zero visible.
 */
static void look_when_all_is_free(void)
{
    const size_t large = (size_t)64 << 20;
    free_all();
    expect(tm_start(crew.frames) == 0, "tm_start");
    void *p = site_malloc(large);
    expect(tm_get_traced_memory().current == large, "all is free: current is not exact");
    free(p);
}

/* Nothing is traced: the model begins with zeroes too. At rest. */
static void begin_anew(void)
{
    free_all();
    expect(tm_start(crew.frames) == 0, "tm_start");
    tm_clear_traces();
    crew.current = crew.peak = 0;
    crew.least = crew.least_peak = crew.most = crew.most_peak = 0;
    look_at_rest();
}

static void hire(pthread_t *ids, struct member *members, int threads)
{
    crew.threads = threads;
    pthread_mutex_init(&crew.turn, NULL);
    pthread_barrier_init(&crew.gate, NULL, (unsigned)threads);
    for (int i = 1; i < threads; i++) {
        members[i] = (struct member){&crew, i};
        if (pthread_create(&ids[i], NULL, serve, &members[i]) != 0) {
            abort();
        }
    }
}

static void dismiss(const pthread_t *ids)
{
    crew.over = true;
    pthread_barrier_wait(&crew.gate);
    for (int i = 1; i < crew.threads; i++) {
        pthread_join(ids[i], NULL);
    }
}

static int64_t lease_in_force(void)
{
    const char *lease = getenv("TMALLOC_LEASE");
    return lease == NULL ? 64 << 10 : strtoll(lease, NULL, 10);
}

/* All ways of working, over and again, with as many threads as the argument says. */
static int work_with_threads(const char *argument)
{
    pthread_t ids[THREADS_MOST];
    struct member members[THREADS_MOST];
    uint64_t dice = 99;
    crew.lease = lease_in_force();
    hire(ids, members, atoi(argument));
    for (int round = 0; round < 4 && crew.trouble == NULL; round++) {
        tm_stop();
        crew.frames = 1 + round % 2;
        crew.operations = 120000 / (size_t)crew.threads;
        begin_anew();
        phase(work_in_turn, &dice);
        look();
        begin_anew();
        phase(work_at_once, &dice);
        look_at_rest();
        phase(work_at_once, &dice);
        look_at_rest();
        phase(work_steered, &dice);
        look_when_all_is_free();
        begin_anew();
        phase(work_at_once, &dice);
        look_at_rest();
    }
    free_all();
    look_at_rest();
    dismiss(ids);
    return crew.trouble == NULL ? 0 : scenario_fail("%s", crew.trouble);
}

/* ---- tests ------------------------------------------------------------------------- */

const struct scenario scenarios[] = {{"work", work_with_threads}, {NULL, NULL}};

static void expect_exact(const char *threads)
{
    scenario_expect("work", threads, (const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(threads_model, exact_without_a_lease)
{
    expect_exact("2");
    expect_exact("4");
    expect_exact("8");
}

Test(threads_model, within_the_bound_with_the_standard_lease)
{
    scenario_expect("work", "2", NULL);
    scenario_expect("work", "4", NULL);
    scenario_expect("work", "8", NULL);
}

Test(threads_model, within_the_bound_with_a_small_lease)
{
    const char *const small[] = {"TMALLOC_LEASE=1000", NULL};
    scenario_expect("work", "2", small);
    scenario_expect("work", "4", small);
    scenario_expect("work", "8", small);
}
