/* SPDX-License-Identifier: MIT */
/*
 * TMALLOC_SAMPLE against the truth. Many runs allocate and free the same mixture of sizes
 * at three places; what snapshots say of each place has, over the runs, the true mean
 * (within five standard errors, which the runs themselves give), while current, peak and
 * domains are exact in each of them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define PERIOD "TMALLOC_SAMPLE=4096"
#define RUNS   2000 /* small blocks are rarely sampled: one in 170 */
#define BLOCKS 600
#define PLACES 3
#define DOMAIN 77u

static const enum site places[PLACES] = {SITE_MALLOC, SITE_CALLOC, SITE_DEEP};

static void *blocks[BLOCKS];
static size_t sizes[BLOCKS];

/* What is held at a place: in truth, and sums over runs of what snapshots say. */
static struct place {
    double bytes, blocks;
    double sum_bytes, sum_blocks;
    double squares_bytes, squares_blocks;
} held[PLACES];

/* Place 0: small blocks, all alike. 1: of any size. 2: large ones, in another domain. */
static size_t size_of(int place, uint64_t *dice)
{
    return place == 0   ? 24
           : place == 1 ? 1 + random_below(dice, (uint64_t)1 << random_below(dice, 16))
                        : 5000 + random_below(dice, 20000);
}

static void *allocate(int place, size_t size)
{
    if (place == 2) {
        tm_domain_t before = tm_domain_set(DOMAIN);
        void *p = site_deep(size, 3);
        tm_domain_set(before);
        return p;
    }
    return place == 0 ? site_malloc(size) : site_calloc(1, size);
}

/* Half of what is allocated is freed again, some of it is grown before. */
static size_t allocate_all(bool note)
{
    uint64_t dice = 4711; /* the same in each run */
    size_t current = 0;
    for (int i = 0; i < BLOCKS; i++) {
        int place = i % PLACES;
        free(allocate(place, 1 + random_below(&dice, 9000)));
        sizes[i] = size_of(place, &dice);
        blocks[i] = allocate(place, sizes[i]);
        current += sizes[i];
        if (note) {
            held[place].bytes += (double)sizes[i];
            held[place].blocks++;
        }
    }
    return current;
}

static const char *check_sums(size_t current)
{
    size_t in_domain = 0;
    for (int i = 2; i < BLOCKS; i += PLACES) {
        in_domain += sizes[i];
    }
    if (tm_get_traced_memory().current != current) {
        return "current is not exact";
    }
    return tm_get_domain_memory(DOMAIN).current == in_domain ? NULL
                                                             : "a domain is not exact";
}

static int place_of(const tm_traceback_t *tb)
{
    size_t newest = tm_traceback_len(tb) - 1;
    enum site site = site_of_address(tm_traceback_address(tb, newest));
    for (int i = 0; i < PLACES; i++) {
        if (places[i] == site) {
            return i;
        }
    }
    return -1;
}

static const char *add_snapshot(void)
{
    struct place seen[PLACES] = {{0}};
    tm_snapshot_t *s = tm_take_snapshot();
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        int place = place_of(t.traceback);
        if (place < 0 || t.domain != (place == 2 ? DOMAIN : 0)) {
            return "a trace of nobody's, or of another domain";
        }
        seen[place].bytes += (double)t.size;
        seen[place].blocks += (double)t.count;
    }
    tm_snapshot_free(s);
    for (int i = 0; i < PLACES; i++) {
        held[i].sum_bytes += seen[i].bytes;
        held[i].sum_blocks += seen[i].blocks;
        held[i].squares_bytes += seen[i].bytes * seen[i].bytes;
        held[i].squares_blocks += seen[i].blocks * seen[i].blocks;
    }
    return NULL;
}

static bool is_unbiased(double truth, double sum, double squares, const char *what)
{
    double mean = sum / RUNS;
    double variance = (squares - sum * mean) / (RUNS - 1);
    double error = sqrt(variance / RUNS);
    if (fabs(mean - truth) <= 5 * error + truth * 1e-3) {
        return true;
    }
    scenario_fail("%s: %.1f on average, not %.1f (standard error %.1f)", what, mean,
                  truth, error);
    return false;
}

/* The errors have to be small, or nothing is shown: within 5 % of the truth. */
static bool is_narrow(const struct place *place)
{
    double mean = place->sum_bytes / RUNS;
    double variance = (place->squares_bytes - place->sum_bytes * mean) / (RUNS - 1);
    return sqrt(variance / RUNS) < 0.05 * place->bytes;
}

/* All is free: each trace has gone, to the last fraction of a block. */
static const char *free_all(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    tm_snapshot_t *s = tm_take_snapshot();
    size_t left = tm_snapshot_trace_count(s);
    tm_snapshot_free(s);
    return left == 0 && tm_get_traced_memory().current == 0 ? NULL : "something is left";
}

static int run_often(const char *nframe)
{
    for (int run = 0; run < RUNS; run++) {
        tm_start(atoi(nframe));
        size_t current = allocate_all(run == 0);
        const char *wrong = check_sums(current);
        wrong = wrong != NULL ? wrong : add_snapshot();
        wrong = wrong != NULL ? wrong : free_all();
        if (wrong != NULL) {
            return scenario_fail("run %d: %s", run, wrong);
        }
        tm_stop();
    }
    bool right = true;
    for (int i = 0; i < PLACES; i++) {
        const struct place *p = &held[i];
        right = is_unbiased(p->bytes, p->sum_bytes, p->squares_bytes, "bytes") && right;
        right =
            is_unbiased(p->blocks, p->sum_blocks, p->squares_blocks, "blocks") && right;
        right = is_narrow(p) && right;
    }
    return right ? 0 : scenario_fail("biased, or too wide");
}

/* The header says which blocks are sampled; their number is what it should be. */
static int ask_blocks(const char *nframe)
{
    enum { ASKED = 20000, SIZE = 1000 };
    static void *asked[ASKED];
    size_t sampled = 0;
    tm_start(atoi(nframe));
    for (int i = 0; i < ASKED; i++) {
        asked[i] = site_malloc(SIZE);
        errno = 0;
        const tm_traceback_t *tb = tm_get_object_traceback(asked[i]);
        if (tb == NULL && errno != ENOENT) {
            return scenario_fail("errno %d", errno);
        }
        if (tb != NULL && place_of(tb) != 0) {
            return scenario_fail("another's traceback");
        }
        sampled += tb != NULL;
    }
    double p = 1 - exp(-SIZE / 4096.0);
    double off = fabs((double)sampled - p * ASKED);
    if (off > 5 * sqrt(ASKED * p * (1 - p))) {
        return scenario_fail("%zu blocks are sampled", sampled);
    }
    for (int i = 0; i < ASKED; i++) {
        asked[i] = site_realloc(asked[i], 2 * SIZE); /* drawn anew */
    }
    tm_traced_memory_t m = tm_get_traced_memory();
    if (m.current != (size_t)2 * SIZE * ASKED || m.peak != m.current) {
        return scenario_fail("%zu bytes now, %zu at most", m.current, m.peak);
    }
    for (int i = 0; i < ASKED; i++) {
        free(asked[i]);
    }
    return tm_get_traced_memory().current == 0 ? 0 : scenario_fail("not all is free");
}

/* What is tracked by hand is always recorded, and counts as it is. */
static int track(const char *nframe)
{
    tm_start(atoi(nframe));
    for (uintptr_t i = 0; i < 100; i++) {
        tm_track(5, i, 1);
    }
    void *p = site_malloc(10);
    tm_track(0, (uintptr_t)p, 3);
    size_t size = 0;
    size_t count = 0;
    tm_snapshot_t *s = tm_take_snapshot();
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        size += t.size;
        count += t.count;
    }
    tm_snapshot_free(s);
    if (size != 103 || count != 101 || tm_get_object_traceback(p) == NULL) {
        return scenario_fail("%zu bytes in %zu", size, count);
    }
    free(p);
    for (uintptr_t i = 0; i < 100; i++) {
        tm_untrack(5, i);
    }
    s = tm_take_snapshot();
    count = tm_snapshot_trace_count(s);
    tm_snapshot_free(s);
    return count == 0 && tm_get_traced_memory().current == 0 ? 0 : scenario_fail("left");
}

static int sample_everything(const char *nframe)
{
    tm_start(atoi(nframe));
    void *p = site_malloc(4711); /* a period of one byte: missed once in e^4711 */
    tm_snapshot_t *s = tm_take_snapshot();
    tm_trace_t t = {0};
    bool right = tm_snapshot_trace_count(s) == 1 && tm_snapshot_trace(s, 0, &t) == 0 &&
                 t.size == 4711 && t.count == 1;
    tm_snapshot_free(s);
    free(p);
    return right ? 0 : scenario_fail("%llu bytes", (unsigned long long)t.size);
}

const struct scenario scenarios[] = {{"often", run_often},
                                     {"ask", ask_blocks},
                                     {"track", track},
                                     {"everything", sample_everything},
                                     {NULL, NULL}};

static const char *const sampled[] = {PERIOD, NULL};

Test(sampled, statistics_are_unbiased_with_one_frame)
{
    scenario_expect("often", "1", sampled);
}

Test(sampled, statistics_are_unbiased_with_more_frames)
{
    scenario_expect("often", "25", sampled);
}

Test(sampled, headers_say_which_blocks)
{
    scenario_expect("ask", "1", sampled);
    scenario_expect("ask", "25", sampled);
}

Test(sampled, resources_are_always_recorded)
{
    scenario_expect("track", "1", sampled);
    scenario_expect("track", "25", sampled);
}

Test(sampled, a_period_of_one_byte)
{
    scenario_expect("everything", "1", (const char *const[]){"TMALLOC_SAMPLE=1", NULL});
    scenario_expect("everything", "9", (const char *const[]){"TMALLOC_SAMPLE=1", NULL});
}
