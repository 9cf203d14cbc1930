/* SPDX-License-Identifier: MIT */
/*
 * The tracer against a model of it that is too simple to be wrong: an array of blocks and
 * two sums. A random operation of the whole family, or of the tracer's own functions, is
 * done to both; then current and peak are equal to the byte, and now and then a snapshot
 * gives each place that allocates the bytes and blocks that the model gives it.
 *
 *     block.epoch == model.epoch  and  model.tracing      <=>      the block is traced
 *
 * Blocks are filled with a pattern that is looked at when they are resized or freed. The
 * same seed does the same operations; one seed a run is new, and printed.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define BLOCKS 2048

struct block {
    unsigned char *p; /* NULL: this slot is free */
    size_t size;
    uint32_t epoch;
    enum site site;
    unsigned char fill;
};

static struct block blocks[BLOCKS];

static struct {
    bool tracing;
    int limit;
    uint32_t epoch;
    size_t current, peak;
    struct {
        size_t bytes, blocks;
    } sites[SITE_COUNT + 1];
} model;

static uint64_t dice;
static int fixed_limit; /* 0: a new one with each start */
static size_t operations;
static const char *trouble; /* the first thing that was wrong */

static void expect(bool right, const char *what)
{
    if (!right && trouble == NULL) {
        trouble = what;
    }
}

/* ---- the model --------------------------------------------------------------------- */

static bool is_traced(const struct block *b)
{
    return model.tracing && b->epoch == model.epoch;
}

static void untrace(const struct block *b)
{
    if (is_traced(b)) {
        model.current -= b->size;
        model.sites[b->site].bytes -= b->size;
        model.sites[b->site].blocks--;
    }
}

static void trace(struct block *b, size_t size, enum site site)
{
    b->size = size;
    b->site = site;
    b->epoch = model.tracing ? model.epoch : 0;
    if (model.tracing) {
        model.current += size;
        model.sites[site].bytes += size;
        model.sites[site].blocks++;
        model.peak = model.current > model.peak ? model.current : model.peak;
    }
}

static void forget_all(void)
{
    model.epoch++;
    model.current = 0;
    model.peak = 0;
    memset(model.sites, 0, sizeof model.sites);
}

/* ---- operations on blocks ---------------------------------------------------------- */

static size_t random_size(void)
{
    switch (random_below(&dice, 16)) {
    case 0:
        return 0;
    case 1:
        return random_below(&dice, 17);
    case 2:
    case 3:
        return random_below(&dice, 5000);
    case 4:
        return one_in(&dice, 16) ? random_below(&dice, 1 << 20)
                                 : random_below(&dice, 40000);
    default:
        return random_below(&dice, 300);
    }
}

static bool has_pattern(const struct block *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (b->p[i] != b->fill) {
            return false;
        }
    }
    return true;
}

static void fill(struct block *b)
{
    b->fill = (unsigned char)(1 + random_below(&dice, 255));
    memset(b->p, b->fill, b->size);
}

static void check_zeroed(const struct block *b)
{
    struct block zero = {.p = b->p};
    expect(has_pattern(&zero, b->size), "calloc gave bytes that are not zero");
}

static void *allocate(enum site site, size_t size)
{
    size_t align = (size_t)8 << random_below(&dice, 10);
    switch (site) {
    case SITE_MALLOC:
        return site_malloc(size);
    case SITE_DEEP:
        return site_deep(size, (int)random_below(&dice, 12));
    case SITE_CALLOC:
        return site_calloc(1, size);
    case SITE_REALLOC:
        return site_realloc(NULL, size);
    case SITE_REALLOCARRAY:
        return site_reallocarray(NULL, size, 1);
    case SITE_POSIX_MEMALIGN:
        return site_posix_memalign(align, size);
    case SITE_MEMALIGN:
        return site_memalign(align, size);
    default:
        return site_new(size);
    }
}

static void be_born(struct block *b)
{
    enum site site = (enum site)random_below(&dice, SITE_COUNT);
    size_t size = random_size();
    b->p = allocate(site, size);
    expect(b->p != NULL, "no memory");
    if (b->p != NULL) {
        trace(b, size, site);
        if (site == SITE_CALLOC) {
            check_zeroed(b);
        }
        fill(b);
    }
}

static void die(struct block *b)
{
    expect(has_pattern(b, b->size), "the content of a block changed");
    free(b->p);
    untrace(b);
    b->p = NULL;
}

/* Grown, shrunk or left at its size, plain or over-aligned, traced or not. */
static void resize(struct block *b)
{
    bool array = one_in(&dice, 3);
    size_t size = one_in(&dice, 4) ? b->size : random_size();
    size = size == 0 ? 1 : size;
    void *moved = array ? site_reallocarray(b->p, 1, size) : site_realloc(b->p, size);
    expect(moved != NULL, "no memory");
    if (moved == NULL) {
        return;
    }
    size_t kept = b->size < size ? b->size : size;
    b->p = moved;
    expect(has_pattern(b, kept), "realloc lost content");
    untrace(b); /* one step with the next line: the peak never sees both sizes */
    trace(b, size, array ? SITE_REALLOCARRAY : SITE_REALLOC);
    fill(b);
}

/* realloc(p, 0) frees. */
static void resize_to_nothing(struct block *b)
{
    expect(site_realloc(b->p, 0) == NULL, "realloc(p, 0) gave a block");
    untrace(b);
    b->p = NULL;
}

/* What fails leaves everything as it was. */
static void fail(struct block *b)
{
    static const size_t sizes[] = {PTRDIFF_MAX, SIZE_MAX, SIZE_MAX - 15,
                                   (size_t)PTRDIFF_MAX + 1, (size_t)1 << 62};
    size_t size = sizes[random_below(&dice, 5)];
    void *p = NULL;
    switch (random_below(&dice, 6)) {
    case 0:
        p = site_malloc(size);
        break;
    case 1:
        p = site_calloc(size, 3);
        break;
    case 2:
        p = site_posix_memalign(64, size);
        break;
    case 3:
        p = site_posix_memalign(24, 100); /* no power of two */
        break;
    case 4:
        p = b->p == NULL ? NULL : site_realloc(b->p, size);
        break;
    default:
        p = b->p == NULL ? NULL : site_reallocarray(b->p, size, 5);
    }
    expect(p == NULL, "what cannot succeed did");
    expect(b->p == NULL || has_pattern(b, b->size), "a failed realloc changed content");
}

static void change_a_block(void)
{
    struct block *b = &blocks[random_below(&dice, BLOCKS)];
    if (one_in(&dice, 16)) {
        fail(b);
    } else if (b->p == NULL) {
        be_born(b);
    } else if (one_in(&dice, 3)) {
        resize(b);
    } else if (one_in(&dice, 12)) {
        resize_to_nothing(b);
    } else {
        die(b);
    }
}

/* ---- operations on the tracer ------------------------------------------------------ */

static void start(void)
{
    static const int limits[] = {1, 2, 3, 10, 25, 100, TM_MAX_NFRAME};
    int limit = fixed_limit != 0 ? fixed_limit : limits[random_below(&dice, 7)];
    expect(tm_start(limit) == 0, "tm_start failed");
    if (!model.tracing) {
        forget_all();
        model.tracing = true;
        model.limit = limit;
    }
}

static void steer(void)
{
    size_t what = random_below(&dice, 8);
    if (what < 4) {
        start();
    } else if (what == 4) {
        tm_stop();
        forget_all();
        model.tracing = false;
    } else if (what == 5) {
        tm_clear_traces();
        forget_all();
    } else if (what == 6) {
        tm_reset_peak();
        model.peak = model.current;
    } else {
        expect(tm_start(0) == -EINVAL, "tm_start(0) is an error");
    }
}

/* ---- looking ----------------------------------------------------------------------- */

static void compare_counters(void)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    expect(m.current == model.current, "current is not the model's");
    expect(m.peak == model.peak, "peak is not the model's");
    expect(tm_is_tracing() == model.tracing, "tm_is_tracing");
    expect(tm_get_traceback_limit() == (model.tracing ? model.limit : -ENODATA),
           "tm_get_traceback_limit");
}

static uintptr_t newest_address(const tm_traceback_t *tb)
{
    return tm_traceback_address(tb, tm_traceback_len(tb) - 1);
}

static void ask_for_a_traceback(void)
{
    const struct block *b = &blocks[random_below(&dice, BLOCKS)];
    if (b->p == NULL) {
        return;
    }
    errno = 0;
    const tm_traceback_t *tb = tm_get_object_traceback(b->p);
    if (!is_traced(b)) {
        expect(tb == NULL && errno == ENOENT, "a traceback of an untraced block");
        return;
    }
    expect(tb != NULL, "no traceback of a traced block");
    if (tb != NULL) {
        expect(site_of_address(newest_address(tb)) == b->site, "another's traceback");
        expect(tm_traceback_len(tb) <= (size_t)model.limit, "longer than the limit");
    }
}

static void compare_snapshot(const tm_snapshot_t *s)
{
    struct {
        size_t bytes, blocks;
    } seen[SITE_COUNT + 1] = {{0}};
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        expect(tm_snapshot_trace(s, i, &t) == 0, "tm_snapshot_trace failed");
        enum site site = site_of_address(newest_address(t.traceback));
        seen[site].bytes += t.size;
        seen[site].blocks += t.count;
    }
    for (int i = 0; i <= SITE_COUNT; i++) {
        expect(seen[i].bytes == model.sites[i].bytes, "a site's bytes in the snapshot");
        expect(seen[i].blocks == model.sites[i].blocks, "a site's blocks");
    }
    expect(tm_snapshot_traceback_limit(s) == model.limit, "the snapshot's limit");
}

static void take_a_snapshot(void)
{
    errno = 0;
    tm_snapshot_t *s = tm_take_snapshot();
    if (!model.tracing) {
        expect(s == NULL && errno == ENODATA, "a snapshot while not tracing");
    } else if (s == NULL) {
        expect(false, "no snapshot");
    } else {
        compare_snapshot(s);
    }
    tm_snapshot_free(s);
}

/* ---- runs -------------------------------------------------------------------------- */

static void step(size_t look_every)
{
    if (one_in(&dice, 400)) {
        steer();
    } else {
        change_a_block();
    }
    operations++;
    if (one_in(&dice, look_every)) {
        compare_counters();
    }
    if (one_in(&dice, 50)) {
        ask_for_a_traceback();
    }
    if (one_in(&dice, 2000)) {
        take_a_snapshot();
    }
}

/* Returns what went wrong, or NULL. */
static const char *run(uint64_t seed, int limit, size_t wanted, size_t look_every)
{
    dice = seed;
    fixed_limit = limit;
    operations = 0;
    trouble = NULL;
    tm_stop();
    forget_all();
    model.tracing = false;
    if (limit != 0) {
        start();
    }
    while (operations < wanted && trouble == NULL) {
        step(look_every);
    }
    compare_counters();
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].p != NULL) {
            die(&blocks[i]);
        }
    }
    compare_counters();
    return trouble;
}

static void expect_right(uint64_t seed, int limit, size_t wanted, size_t look_every)
{
    const char *wrong = run(seed, limit, wanted, look_every);
    cr_assert_null(wrong, "seed %llu, limit %d, operation %zu: %s",
                   (unsigned long long)seed, limit, operations, wrong);
}

Test(model, any_limit)
{
    expect_right(1, 0, 300000, 1);
}

Test(model, limit_1)
{
    expect_right(2, 1, 300000, 1);
}

Test(model, limit_25)
{
    expect_right(3, 25, 300000, 1);
}

/* Looking flushes: so look seldom, and what lies between has to be in the peak as well.
 */
Test(model, looked_at_seldom)
{
    expect_right(4, 1, 300000, 100);
    expect_right(5, 0, 300000, 100);
}

Test(model, a_new_seed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    dprintf(STDERR_FILENO, "seed %llu\n", (unsigned long long)seed);
    expect_right(seed, 0, 100000, 3);
}

static int run_alone(const char *argument)
{
    const char *wrong = run(strtoull(argument, NULL, 10), 0, 150000, 2);
    return wrong == NULL
               ? 0
               : scenario_fail("seed %s, operation %zu: %s", argument, operations, wrong);
}

const struct scenario scenarios[] = {{"alone", run_alone}, {NULL, NULL}};

/* Every stack that the fast unwinder gives is compared with libgcc's. */
Test(model, with_each_stack_checked)
{
    struct outcome outcome;
    scenario_run(&outcome, "alone", "9",
                 (const char *const[]){"TMALLOC_UNWIND=check", NULL});
    cr_assert_eq(outcome.status, 0, "%s", outcome.text);
    const char *verdict = strstr(outcome.text, " stacks walked both ways, 0 differ;");
    cr_assert_not_null(verdict, "%s", outcome.text);
}

Test(model, with_libgcc_as_unwinder)
{
    scenario_expect("alone", "10", (const char *const[]){"TMALLOC_UNWIND=libgcc", NULL});
}

Test(model, without_a_lease)
{
    scenario_expect("alone", "6", (const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(model, with_a_lease_of_a_few_bytes)
{
    scenario_expect("alone", "7", (const char *const[]){"TMALLOC_LEASE=100", NULL});
}

Test(model, with_the_largest_lease)
{
    scenario_expect("alone", "8",
                    (const char *const[]){"TMALLOC_LEASE=1073741824", NULL});
}
