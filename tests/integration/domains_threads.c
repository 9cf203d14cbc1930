/* SPDX-License-Identifier: MIT */
/*
 * Domains with threads that free each other's blocks.
 *
 *     in turn     one operation at a time, by a thread drawn at random: each domain's
 * true peak is known, and the one told is within (T - 1) leases of it at once     all of
 * them together, in scopes that come and go; when they rest, each domain's current is
 * exact, and no peak was more than could be register    many threads ask for the same
 * names: each name is one domain
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define SLOTS        256
#define DOMAINS      5
#define SIZE_MOST    60000
#define THREADS_MOST 8

struct held {
    int64_t current, peak;
};

static struct crew {
    int threads;
    int64_t lease;
    size_t operations; /* of each thread */
    void (*work)(uint64_t *dice);
    tm_domain_t domains[DOMAINS];
    pthread_barrier_t gate;
    pthread_mutex_t turn;
    const char *trouble;
    void *blocks[SLOTS];          /* in turn: under `turn`; at once: atomic */
    struct held all, of[DOMAINS]; /* in turn: under `turn` */
} crew;

/* Each block begins with what it is. */
struct block {
    size_t size;
    size_t domain; /* its place in crew.domains */
};

static void expect(bool right, const char *what)
{
    if (!right && crew.trouble == NULL) {
        crew.trouble = what;
    }
}

static struct block *new_block(uint64_t *dice, size_t domain)
{
    size_t most = one_in(dice, 10) ? SIZE_MOST : 400;
    size_t size = sizeof(struct block) + random_below(dice, most);
    struct block *b = one_in(dice, 4) ? site_memalign(64, size) : site_malloc(size);
    *b = (struct block){size, domain};
    return b;
}

/* ---- in turn ----------------------------------------------------------------------- */

static void count(struct held *held, int64_t bytes)
{
    held->current += bytes;
    held->peak = held->current > held->peak ? held->current : held->peak;
}

static void change_a_block(uint64_t *dice, size_t domain)
{
    struct block **slot = (struct block **)&crew.blocks[random_below(dice, SLOTS)];
    if (*slot == NULL) {
        *slot = new_block(dice, domain);
        count(&crew.all, (int64_t)(*slot)->size);
        count(&crew.of[domain], (int64_t)(*slot)->size);
        return;
    }
    struct block old = **slot;
    struct block now = {0, 0};
    if (one_in(dice, 4)) {
        now = (struct block){sizeof now + random_below(dice, SIZE_MOST), domain};
        *slot = site_realloc(*slot, now.size);
        **slot = now;
    } else {
        free(*slot);
        *slot = NULL;
    }
    count(&crew.all, (int64_t)now.size - (int64_t)old.size);
    if (*slot != NULL && now.domain == old.domain) {
        count(&crew.of[domain], (int64_t)now.size - (int64_t)old.size);
    } else {
        count(&crew.of[old.domain], -(int64_t)old.size);
        count(&crew.of[domain], (int64_t)now.size);
    }
}

static void compare(tm_traced_memory_t told, const struct held *held)
{
    int64_t off = (int64_t)told.peak - held->peak;
    int64_t allowed = (crew.threads - 1) * crew.lease;
    expect((int64_t)told.current == held->current, "in turn: current is not exact");
    expect(off <= allowed, "in turn: a peak is too high");
    expect(-off <= allowed, "in turn: a peak is too low");
    expect(told.peak >= told.current, "in turn: a peak is below current");
}

static void look(void)
{
    compare(tm_get_traced_memory(), &crew.all);
    for (int i = 0; i < DOMAINS; i++) {
        compare(tm_get_domain_memory(crew.domains[i]), &crew.of[i]);
    }
}

static void reset_peaks(void)
{
    tm_reset_peak();
    crew.all.peak = crew.all.current;
    for (int i = 0; i < DOMAINS; i++) {
        crew.of[i].peak = crew.of[i].current;
    }
}

static void work_in_turn(uint64_t *dice)
{
    size_t domain = 0;
    for (size_t i = 0; i < crew.operations; i++) {
        pthread_mutex_lock(&crew.turn);
        if (one_in(dice, 5)) {
            domain = random_below(dice, DOMAINS);
            tm_domain_set(crew.domains[domain]);
        }
        change_a_block(dice, domain);
        if (one_in(dice, 200)) {
            look();
        }
        if (one_in(dice, 1000)) {
            reset_peaks();
        }
        pthread_mutex_unlock(&crew.turn);
        if (one_in(dice, 8)) {
            sched_yield();
        }
    }
}

/* ---- at once ----------------------------------------------------------------------- */

static void work_at_once(uint64_t *dice)
{
    for (size_t i = 0; i < crew.operations; i++) {
        size_t domain = random_below(dice, DOMAINS);
        void **slot = &crew.blocks[random_below(dice, SLOTS)];
        tm_domain_t before = tm_domain_set(crew.domains[domain]);
        void *fresh = one_in(dice, 2) ? new_block(dice, domain) : NULL;
        tm_domain_set(before);
        free(__atomic_exchange_n(slot, fresh, __ATOMIC_ACQ_REL));
        if (one_in(dice, 300)) {
            /* no more than every slot and every hand full */
            const size_t most = (SLOTS + 2 * THREADS_MOST) * (size_t)(SIZE_MOST + 16) +
                                2 * THREADS_MOST * (size_t)crew.lease;
            tm_traced_memory_t m = tm_get_domain_memory(crew.domains[domain]);
            expect(m.current <= most && m.peak <= most, "at once: an impossible sum");
        }
    }
}

static void look_at_rest(void)
{
    int64_t sums[DOMAINS] = {0};
    for (int i = 0; i < SLOTS; i++) {
        struct block *b = crew.blocks[i];
        if (b != NULL) {
            sums[b->domain] += (int64_t)b->size;
        }
    }
    for (int i = 0; i < DOMAINS; i++) {
        tm_traced_memory_t m = tm_get_domain_memory(crew.domains[i]);
        expect((int64_t)m.current == sums[i], "at rest: a domain is not exact");
    }
}

/* ---- the crew ---------------------------------------------------------------------- */

static void *serve(void *number)
{
    uint64_t dice = (uint64_t)(uintptr_t)number;
    pthread_barrier_wait(&crew.gate);
    crew.work(&dice);
    pthread_barrier_wait(&crew.gate);
    pthread_barrier_wait(&crew.gate);
    return NULL;
}

/* What making threads allocates is forgotten before they begin. */
static void let_work(void (*work)(uint64_t *), void (*look_after)(void))
{
    pthread_t ids[THREADS_MOST];
    crew.work = work;
    for (int i = 0; i < crew.threads; i++) {
        void *number = (void *)(uintptr_t)(i + 1);
        if (pthread_create(&ids[i], NULL, serve, number) != 0) {
            abort();
        }
    }
    tm_clear_traces();
    pthread_barrier_wait(&crew.gate);
    pthread_barrier_wait(&crew.gate);
    look_after();
    pthread_barrier_wait(&crew.gate);
    for (int i = 0; i < crew.threads; i++) {
        pthread_join(ids[i], NULL);
    }
}

static void free_all(void)
{
    for (int i = 0; i < SLOTS; i++) {
        free(crew.blocks[i]);
        crew.blocks[i] = NULL;
    }
}

static int work_with_threads(const char *argument)
{
    const char *lease = getenv("TMALLOC_LEASE");
    crew.threads = atoi(argument);
    crew.lease = lease == NULL ? 64 << 10 : strtoll(lease, NULL, 10);
    crew.operations = 160000 / (size_t)crew.threads;
    pthread_mutex_init(&crew.turn, NULL);
    pthread_barrier_init(&crew.gate, NULL, (unsigned)crew.threads + 1);
    for (int i = 1; i < DOMAINS; i++) {
        crew.domains[i] = i == 1 ? 389047 : tm_domain_register((char[]){'a' + i, 0});
    }
    for (int round = 0; round < 3 && crew.trouble == NULL; round++) {
        expect(tm_start(round == 1 ? 1 : 9) == 0, "tm_start");
        crew.all = (struct held){0, 0};
        memset(crew.of, 0, sizeof crew.of);
        let_work(work_in_turn, look);
        free_all();
        let_work(work_at_once, look_at_rest);
        free_all();
        tm_stop();
    }
    return crew.trouble == NULL ? 0 : scenario_fail("%s", crew.trouble);
}

/* ---- names ------------------------------------------------------------------------- */

#define NAMES 2000

static tm_domain_t given[THREADS_MOST][NAMES];

static void register_all(uint64_t *dice)
{
    tm_domain_t *mine = given[*dice - 1];
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        int which = *dice % 2 == 0 ? i : NAMES - 1 - i;
        snprintf(name, sizeof name, "name %d", which);
        mine[which] = tm_domain_register(name);
        expect(tm_domain_set(mine[which]) == 0, "the thread's domain");
        tm_domain_set(0);
    }
}

static void compare_names(void)
{
    for (int i = 0; i < NAMES; i++) {
        for (int t = 0; t < crew.threads; t++) {
            expect(given[t][i] != 0 && given[t][i] == given[0][i], "a name's domain");
        }
        expect(i == 0 || given[0][i] != given[0][i - 1], "two names, one domain");
    }
}

static int register_with_threads(const char *argument)
{
    crew.threads = atoi(argument);
    pthread_barrier_init(&crew.gate, NULL, (unsigned)crew.threads + 1);
    let_work(register_all, compare_names);
    return crew.trouble == NULL ? 0 : scenario_fail("%s", crew.trouble);
}

/* ---- tests ------------------------------------------------------------------------- */

const struct scenario scenarios[] = {
    {"work", work_with_threads}, {"register", register_with_threads}, {NULL, NULL}};

static void expect_right(const char *const *variables)
{
    scenario_expect("work", "2", variables);
    scenario_expect("work", "4", variables);
    scenario_expect("work", "8", variables);
}

Test(domains_threads, exact_without_a_lease)
{
    expect_right((const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(domains_threads, within_the_bound_with_the_standard_lease)
{
    expect_right(NULL);
}

Test(domains_threads, within_the_bound_with_a_small_lease)
{
    expect_right((const char *const[]){"TMALLOC_LEASE=1000", NULL});
}

Test(domains_threads, within_the_bound_with_sampling)
{
    expect_right((const char *const[]){"TMALLOC_SAMPLE=2000", NULL});
    expect_right((const char *const[]){"TMALLOC_SAMPLE=2000", "TMALLOC_LEASE=0", NULL});
}

Test(domains_threads, register_the_same_names)
{
    scenario_expect("register", "8", NULL);
}
