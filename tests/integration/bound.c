/* SPDX-License-Identifier: MIT */
/*
 * Programs with ever new stacks, and what tracing uses for them: it stays within
 * TMALLOC_MAX_MEMORY, the program goes on, and no byte is lost from the sums; and
 * tm_get_tracemalloc_memory() is what the kernel says, to within 1 %.
 *
 *     two calls of by_path() in itself, twenty deep: a million stacks
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define FORKS  20
#define STACKS 200000u

static void *blocks[STACKS];

__attribute__((noinline)) static void *by_path(uint32_t path, int forks, size_t bytes)
{
    void *p;
    if (forks == 0) {
        p = site_malloc(bytes);
    } else if (path & 1) {
        p = by_path(path >> 1, forks - 1, bytes);
        __asm__ volatile("# one way" : "+r"(p));
    } else {
        p = by_path(path >> 1, forks - 1, bytes);
        __asm__ volatile("# the other way" : "+r"(p));
    }
    return p;
}

static size_t bytes_of(uint32_t i)
{
    return 10 + i % 90;
}

static size_t bytes_of_limit(void)
{
    const char *text = getenv("TMALLOC_MAX_MEMORY");
    return text == NULL ? SIZE_MAX : (size_t)strtoull(text, NULL, 10) << 20;
}

/* ---- snapshots ----------------------------------------------------------------------
 */

struct sums {
    uint64_t bytes, blocks;
    uint64_t cut_blocks;   /* of stacks whose newest frame is not known */
    uint64_t outer_blocks; /* of those of them whose outer part is */
    size_t traces;
    bool odd; /* a cut stack that is not as it should be */
};

static struct sums sum_up(tm_snapshot_t *s)
{
    struct sums sums = {.traces = tm_snapshot_trace_count(s)};
    for (size_t i = 0; i < sums.traces; i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        size_t len = tm_traceback_len(t.traceback);
        sums.bytes += t.size;
        sums.blocks += t.count;
        if (tm_traceback_address(t.traceback, len - 1) == 0) {
            sums.cut_blocks += t.count;
            sums.outer_blocks += len > 2 ? t.count : 0;
            sums.odd |= len > 1 && (tm_traceback_address(t.traceback, 0) == 0 ||
                                    tm_traceback_total_nframe(t.traceback) != 0);
        }
    }
    tm_snapshot_free(s);
    return sums;
}

/* ---- within the bound ---------------------------------------------------------------
 */

static size_t current;

static void allocate_all(void)
{
    for (uint32_t i = 0; i < STACKS; i++) {
        blocks[i] = by_path(i, FORKS, bytes_of(i));
        current += bytes_of(i);
    }
}

/* As another thread, so that it needs counters of its own for sites that are not its. */
static void *free_odd_ones(void *unused)
{
    for (uint32_t i = 1; i < STACKS; i += 2) {
        free(blocks[i]);
        current -= bytes_of(i);
        blocks[i] = NULL;
    }
    return unused;
}

static const char *check_sums(size_t peak)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    struct sums sums = sum_up(tm_take_snapshot());
    if (m.current != current || m.peak != peak) {
        return "current or peak is not exact";
    }
    if (sums.bytes != current) {
        return "the sites do not add up to current";
    }
    size_t used = tm_get_tracemalloc_memory();
    if (used > bytes_of_limit()) {
        scenario_fail("%zu bytes", used);
        return "beyond the bound";
    }
    return NULL;
}

static const char *go_on_past_the_bound(void)
{
    allocate_all();
    size_t peak = current;
    const char *trouble = check_sums(peak);
    struct sums sums = sum_up(tm_take_snapshot());
    bool bound = bytes_of_limit() != SIZE_MAX;
    tm_tracing_memory_t memory = tm_get_tracing_memory();
    if (trouble == NULL &&
        (memory.headers != 16 * sums.blocks || (memory.cuts != 0) != bound ||
         memory.limit != (bound ? bytes_of_limit() : (size_t)1 << 30))) {
        trouble = "tm_get_tracing_memory";
    }
    if (trouble == NULL && (sums.cut_blocks != 0) != bound) {
        trouble = "stacks are cut with a bound, and not without";
    }
    if (trouble == NULL && (sums.odd || (bound && sums.outer_blocks < STACKS / 20))) {
        trouble = "the outer part of stacks that are cut is not known";
    }
    if (trouble == NULL && sums.traces < STACKS / 50) {
        trouble = "less is known than there is room for";
    }
    pthread_t id;
    pthread_create(&id, NULL, free_odd_ones, NULL);
    pthread_join(id, NULL);
    tm_traced_memory_t m = tm_get_traced_memory(); /* and what creating it has left */
    peak = m.peak;
    current += m.current - current;
    if (trouble == NULL) {
        trouble = check_sums(peak);
    }
    return trouble;
}

/* Twice from the same place: the second time the tree is full from the beginning. */
static int many_stacks(const char *nframe)
{
    const char *trouble = NULL;
    tm_start(atoi(nframe));
    for (int round = 0; round < 2 && trouble == NULL; round++) {
        trouble = go_on_past_the_bound();
        for (uint32_t i = 0; i < STACKS; i++) {
            free(blocks[i]);
        }
        tm_clear_traces();
        current = 0;
    }
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* ---- what it uses -------------------------------------------------------------------
 */

/* Resident bytes of what is no file's. */
static size_t resident(void)
{
    char line[512];
    size_t sum = 0;
    bool counts = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long from;
        unsigned long inode;
        size_t kib;
        if (sscanf(line, "%lx-%*x %*s %*x %*s %lu", &from, &inode) == 2) {
            counts = inode == 0;
        } else if (counts && sscanf(line, "Rss: %zu kB", &kib) == 1) {
            sum += kib << 10;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return sum;
}

static int true_figure(const char *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < 3; i++) {
        resident(); /* whatever it needs is there */
    }
    tm_start(25);
    size_t before = tm_get_tracemalloc_memory();
    size_t resident_before = resident();
    for (uint32_t i = 0; i < STACKS; i++) {
        free(by_path(i, FORKS, 50));
    }
    size_t grown = tm_get_tracemalloc_memory() - before;
    size_t resident_grown = resident() - resident_before;
    size_t off = grown > resident_grown ? grown - resident_grown : resident_grown - grown;
    return off <= resident_grown / 100
               ? 0
               : scenario_fail("it says %zu bytes, and they are %zu", grown,
                               resident_grown);
}

const struct scenario scenarios[] = {
    {"many_stacks", many_stacks}, {"true_figure", true_figure}, {NULL, NULL}};

static void expect_bound(const char *nframe, const char *bound)
{
    struct outcome outcome;
    scenario_run(&outcome, "many_stacks", nframe, (const char *const[]){bound, NULL});
    cr_assert_eq(outcome.status, 0, "%s %s: %s", nframe, bound, outcome.text);
    const char *warning = strstr(outcome.text, "TMALLOC_MAX_MEMORY");
    cr_assert_not_null(warning, "no warning");
    cr_assert_null(strstr(warning + 1, "TMALLOC_MAX_MEMORY"), "more than one warning");
}

Test(bound, of_memory_holds_and_loses_nothing)
{
    expect_bound("25", "TMALLOC_MAX_MEMORY=12M");
    expect_bound("65535", "TMALLOC_MAX_MEMORY=20M");
}

Test(bound, that_is_not_met_cuts_nothing)
{
    scenario_expect("many_stacks", "25", NULL);
}

Test(bound, what_tracing_uses_is_what_the_kernel_says)
{
    scenario_expect("true_figure", "", NULL);
}
