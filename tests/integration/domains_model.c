/* SPDX-License-Identifier: MIT */
/*
 * Domains against a model of them: for each domain two sums, and an array of blocks. A
 * random operation is done to both (a block of any kind is born, resized or freed;
 * another domain comes into force; tracing starts, stops, is cleared; the peaks are
 * reset), and then what is told of every domain, and of all together, is the model's to
 * the byte. Now and then a snapshot gives each (place that allocates, domain) what the
 * model gives it.
 *
 * The same seed does the same operations; one seed a run is new, and printed.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define BLOCKS      512
#define DOMAINS     6
#define ADDRESSES   100
#define TRACKED     SITE_COUNT /* the place of what was tracked: none that allocates */
#define NOT_TRACING (-2)

struct block {
    void *p; /* NULL: this slot is free */
    size_t size;
    uint32_t epoch;
    int domain;
    enum site site;
};

struct held {
    size_t current, peak;
};

static struct {
    bool tracing;
    uint32_t epoch;
    int in_force;
    struct held all;
    struct held domains[DOMAINS];
    struct {
        size_t bytes, blocks;
    } sites[SITE_COUNT + 1][DOMAINS];
    struct block blocks[BLOCKS];
    struct block resources[ADDRESSES][DOMAINS];
} model;

static tm_domain_t numbers[DOMAINS];
static uint64_t dice;
static size_t operations;
static const char *trouble; /* the first thing that was wrong */

static void expect(bool right, const char *what)
{
    if (!right && trouble == NULL) {
        trouble = what;
    }
}

/* ---- the model --------------------------------------------------------------------- */

static void raise_peak(struct held *held)
{
    held->peak = held->current > held->peak ? held->current : held->peak;
}

static bool is_traced(const struct block *b)
{
    return b->p != NULL && model.tracing && b->epoch == model.epoch;
}

/* The old block goes, if there is one, and the new one comes, as one step. */
static void replace(struct block *b, struct block by)
{
    if (is_traced(b)) {
        model.all.current -= b->size;
        model.domains[b->domain].current -= b->size;
        model.sites[b->site][b->domain].bytes -= b->size;
        model.sites[b->site][b->domain].blocks--;
    }
    *b = by;
    if (is_traced(b)) {
        model.all.current += b->size;
        model.domains[b->domain].current += b->size;
        model.sites[b->site][b->domain].bytes += b->size;
        model.sites[b->site][b->domain].blocks++;
        raise_peak(&model.all);
        raise_peak(&model.domains[b->domain]);
    }
}

static struct block new_block(void *p, size_t size, enum site site)
{
    expect(p != NULL, "no memory");
    uint32_t epoch = model.tracing ? model.epoch : 0;
    return (struct block){p, size, epoch, model.in_force, site};
}

static void forget_all(void)
{
    model.epoch++;
    model.all = (struct held){0, 0};
    memset(model.domains, 0, sizeof model.domains);
    memset(model.sites, 0, sizeof model.sites);
}

/* ---- operations -------------------------------------------------------------------- */

static size_t random_size(void)
{
    return random_below(&dice, one_in(&dice, 20) ? 200000 : 500);
}

static void be_born(struct block *b)
{
    size_t size = random_size();
    switch (random_below(&dice, 5)) {
    case 0:
        *b = (struct block){0};
        replace(b, new_block(site_malloc(size), size, SITE_MALLOC));
        break;
    case 1:
        replace(b,
                new_block(site_deep(size, (int)random_below(&dice, 9)), size, SITE_DEEP));
        break;
    case 2:
        replace(b, new_block(site_calloc(size, 1), size, SITE_CALLOC));
        break;
    case 3:
        replace(b, new_block(site_memalign(128, size), size, SITE_MEMALIGN));
        break;
    default:
        replace(b, new_block(site_new(size), size, SITE_NEW));
    }
}

static void change_a_block(void)
{
    struct block *b = &model.blocks[random_below(&dice, BLOCKS)];
    if (b->p == NULL) {
        be_born(b);
    } else if (one_in(&dice, 3)) {
        size_t size = 1 + random_size();
        replace(b, new_block(site_realloc(b->p, size), size, SITE_REALLOC));
    } else {
        free(b->p);
        replace(b, (struct block){0});
    }
}

/* Addresses that are no block's: 0, the highest, and some on no page that there is. */
static uintptr_t address_of(size_t i)
{
    return i == 0 ? 0 : i % 2 == 0 ? UINTPTR_MAX - i / 2 : i * 8 + 1;
}

static struct block tracked_resource(size_t size, int domain)
{
    void *any = &model; /* not NULL: there is something */
    return (struct block){any, size, model.epoch, domain, TRACKED};
}

static void change_a_resource(void)
{
    size_t i = random_below(&dice, ADDRESSES);
    int domain = (int)random_below(&dice, DOMAINS);
    struct block *resource = &model.resources[i][domain];
    int expected = model.tracing ? 0 : NOT_TRACING;
    if (one_in(&dice, 2)) {
        size_t size = random_size();
        expect(tm_track(numbers[domain], address_of(i), size) == expected, "tm_track");
        if (model.tracing) {
            replace(resource, tracked_resource(size, domain));
        }
    } else {
        expect(tm_untrack(numbers[domain], address_of(i)) == expected, "tm_untrack");
        if (model.tracing) {
            replace(resource, (struct block){0});
        }
    }
}

/* A block is tracked in its own domain; in domain 0 if it is not traced. */
static void track_a_block(void)
{
    struct block *b = &model.blocks[random_below(&dice, BLOCKS)];
    int domain = is_traced(b) ? b->domain : 0;
    int expected = model.tracing ? 0 : NOT_TRACING;
    if (b->p == NULL) {
        return;
    }
    struct block after = *b;
    if (one_in(&dice, 2)) {
        size_t size = random_size();
        expect(tm_track(numbers[domain], (uintptr_t)b->p, size) == expected,
               "tm_track of a block");
        after = tracked_resource(size, domain);
        after.p = b->p;
    } else {
        expect(tm_untrack(numbers[domain], (uintptr_t)b->p) == expected,
               "tm_untrack of a block");
        after.epoch = 0;
    }
    if (model.tracing) {
        replace(b, after);
    }
}

static void change_domain(void)
{
    int next = (int)random_below(&dice, DOMAINS);
    tm_domain_t before = tm_domain_set(numbers[next]);
    expect(before == numbers[model.in_force], "the domain that was in force");
    model.in_force = next;
}

static void start(void)
{
    static const int limits[] = {1, 1, 2, 25};
    expect(tm_start(limits[random_below(&dice, 4)]) == 0, "tm_start failed");
    if (!model.tracing) {
        forget_all();
        model.tracing = true;
    }
}

static void steer(void)
{
    size_t what = random_below(&dice, 8);
    if (what < 3) {
        start();
    } else if (what == 3) {
        tm_stop();
        forget_all();
        model.tracing = false;
    } else if (what == 4) {
        tm_clear_traces();
        forget_all();
    } else {
        tm_reset_peak();
        model.all.peak = model.all.current;
        for (int i = 0; i < DOMAINS; i++) {
            model.domains[i].peak = model.domains[i].current;
        }
    }
}

/* ---- looking ----------------------------------------------------------------------- */

static bool is(tm_traced_memory_t told, struct held held)
{
    return told.current == held.current && told.peak == held.peak;
}

static void compare_counters(void)
{
    for (int i = 0; i < DOMAINS; i++) {
        expect(is(tm_get_domain_memory(numbers[i]), model.domains[i]),
               i == 0 ? "domain 0 is not the model's" : "a domain is not the model's");
    }
    expect(is(tm_get_traced_memory(), model.all), "the sum is not the model's");
}

/* One domain alone: looking flushes, and others shall be left unflushed. */
static void compare_one(void)
{
    int i = (int)random_below(&dice, DOMAINS);
    expect(is(tm_get_domain_memory(numbers[i]), model.domains[i]),
           "a domain alone is not the model's");
}

static void compare_snapshot(void)
{
    struct {
        size_t bytes, blocks;
    } seen[SITE_COUNT + 1][DOMAINS] = {{{0}}};
    tm_snapshot_t *s = tm_take_snapshot();
    expect((s != NULL) == model.tracing, "a snapshot");
    for (size_t i = 0; s != NULL && i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        int domain = 0;
        expect(tm_snapshot_trace(s, i, &t) == 0, "tm_snapshot_trace failed");
        while (domain < DOMAINS - 1 && numbers[domain] != t.domain) {
            domain++;
        }
        expect(numbers[domain] == t.domain, "a domain that nobody knows");
        size_t newest = tm_traceback_len(t.traceback) - 1;
        enum site site = site_of_address(tm_traceback_address(t.traceback, newest));
        seen[site][domain].bytes += t.size;
        seen[site][domain].blocks += t.count;
    }
    expect(memcmp(seen, model.sites, sizeof seen) == 0, "the snapshot is not the model");
    tm_snapshot_free(s);
}

/* ---- runs -------------------------------------------------------------------------- */

static void step(size_t look_every)
{
    if (one_in(&dice, 500)) {
        steer();
    } else if (one_in(&dice, 6)) {
        change_domain();
    } else if (one_in(&dice, 6)) {
        change_a_resource();
    } else if (one_in(&dice, 50)) {
        track_a_block();
    } else {
        change_a_block();
    }
    operations++;
    if (one_in(&dice, look_every)) {
        compare_counters();
    } else if (one_in(&dice, look_every)) {
        compare_one();
    }
    if (one_in(&dice, 1000) && getenv("TMALLOC_SAMPLE") == NULL) {
        compare_snapshot();
    }
}

/* Returns what went wrong, or NULL. */
static const char *run(uint64_t seed, size_t wanted, size_t look_every)
{
    static const char *const names[] = {"alpha", "beta", "gamma"};
    dice = seed;
    operations = 0;
    trouble = NULL;
    for (int i = 0; i < 3; i++) {
        numbers[1 + i] = tm_domain_register(names[i]);
    }
    numbers[4] = 389047;
    numbers[5] = UINT32_MAX;
    start();
    while (operations < wanted && trouble == NULL) {
        step(look_every);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        free(model.blocks[i].p);
        replace(&model.blocks[i], (struct block){0});
    }
    for (size_t i = 0; i < ADDRESSES; i++) {
        for (int domain = 0; domain < DOMAINS; domain++) {
            tm_untrack(numbers[domain], address_of(i));
            replace(&model.resources[i][domain], (struct block){0});
        }
    }
    compare_counters();
    expect(model.all.current == 0, "the model does not end with nothing");
    return trouble;
}

static void expect_right(uint64_t seed, size_t wanted, size_t look_every)
{
    const char *wrong = run(seed, wanted, look_every);
    cr_assert_null(wrong, "seed %llu, operation %zu: %s", (unsigned long long)seed,
                   operations, wrong);
}

Test(domains_model, looked_at_always)
{
    expect_right(1, 200000, 1);
}

Test(domains_model, looked_at_often)
{
    expect_right(2, 200000, 10);
}

Test(domains_model, looked_at_seldom)
{
    expect_right(3, 400000, 2000);
}

Test(domains_model, a_new_seed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    dprintf(STDERR_FILENO, "seed %llu\n", (unsigned long long)seed);
    expect_right(seed, 100000, 40);
}

static int run_alone(const char *argument)
{
    const char *wrong = run(strtoull(argument, NULL, 10), 200000, 50);
    return wrong == NULL
               ? 0
               : scenario_fail("seed %s, operation %zu: %s", argument, operations, wrong);
}

const struct scenario scenarios[] = {{"alone", run_alone}, {NULL, NULL}};

Test(domains_model, without_a_lease)
{
    scenario_expect("alone", "4", (const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(domains_model, with_a_lease_of_a_few_bytes)
{
    scenario_expect("alone", "5", (const char *const[]){"TMALLOC_LEASE=100", NULL});
}

/* Sums are exact all the same; snapshots are not, and left out. */
Test(domains_model, with_sampling)
{
    scenario_expect("alone", "7", (const char *const[]){"TMALLOC_SAMPLE=1000", NULL});
    scenario_expect("alone", "8", (const char *const[]){"TMALLOC_SAMPLE=1", NULL});
    scenario_expect("alone", "9",
                    (const char *const[]){"TMALLOC_SAMPLE=300", "TMALLOC_LEASE=0", NULL});
}

Test(domains_model, with_the_largest_lease)
{
    scenario_expect("alone", "6",
                    (const char *const[]){"TMALLOC_LEASE=1073741824", NULL});
}
