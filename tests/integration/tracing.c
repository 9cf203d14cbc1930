/* SPDX-License-Identifier: MIT */
/*
 * The rules of tracing, one by one: what start, stop, clear and the counters promise, and
 * what each event in the life of a block does to them. Criterion allocates through us as
 * well: what is compared is read first, and asserted afterwards.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/sites.h"
#include "tmalloc.h"

#define MIB ((size_t)1 << 20)

void *_Znwm(size_t bytes); /* operator new */
void *_Znam(size_t bytes); /* operator new[] */
void *_ZnwmSt11align_val_t(size_t bytes, size_t align);
void *_ZnamSt11align_val_t(size_t bytes, size_t align);
void *_ZnwmRKSt9nothrow_t(size_t bytes, const void *nothrow);
void *_ZnamRKSt9nothrow_t(size_t bytes, const void *nothrow);
void _ZdlPv(void *p); /* operator delete */

/* Bytes now, at most, and live blocks by the snapshot. */
struct reading {
    size_t current, peak, blocks;
};

static struct reading look(void)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    struct reading r = {m.current, m.peak, 0};
    tm_snapshot_t *s = tm_take_snapshot();
    for (size_t i = 0; s != NULL && i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        if (tm_snapshot_trace(s, i, &t) == 0) {
            r.blocks += t.count;
        }
    }
    tm_snapshot_free(s);
    return r;
}

static void expect_reading(struct reading r, size_t current, size_t peak, size_t blocks)
{
    cr_assert_eq(r.current, current, "current %zu, not %zu", r.current, current);
    cr_assert_eq(r.peak, peak, "peak %zu, not %zu", r.peak, peak);
    cr_assert_eq(r.blocks, blocks, "%zu blocks, not %zu", r.blocks, blocks);
}

static enum site site_of(const void *block)
{
    const tm_traceback_t *tb = tm_get_object_traceback(block);
    return tb == NULL
               ? SITE_COUNT
               : site_of_address(tm_traceback_address(tb, tm_traceback_len(tb) - 1));
}

/* ---- start, stop, clear ------------------------------------------------------------ */

static const int WRONG_LIMITS[] = {0, -1, INT_MIN, TM_MAX_NFRAME + 1, INT_MAX};
#define WRONG_COUNT (sizeof WRONG_LIMITS / sizeof WRONG_LIMITS[0])

Test(tracing, a_wrong_limit_is_refused_and_changes_nothing)
{
    for (size_t i = 0; i < WRONG_COUNT; i++) {
        cr_assert_eq(tm_start(WRONG_LIMITS[i]), -EINVAL);
        cr_assert_not(tm_is_tracing());
        cr_assert_eq(tm_get_traceback_limit(), -ENODATA);
    }
}

Test(tracing, the_limit_is_checked_before_whether_tracing_is_on)
{
    cr_assert_eq(tm_start(5), 0);
    for (size_t i = 0; i < WRONG_COUNT; i++) {
        cr_assert_eq(tm_start(WRONG_LIMITS[i]), -EINVAL);
        cr_assert(tm_is_tracing());
        cr_assert_eq(tm_get_traceback_limit(), 5);
    }
}

Test(tracing, the_least_and_the_greatest_limit)
{
    cr_assert_eq(tm_start(1), 0);
    cr_assert_eq(tm_get_traceback_limit(), 1);
    tm_stop();
    cr_assert_eq(tm_start(TM_MAX_NFRAME), 0);
    cr_assert_eq(tm_get_traceback_limit(), TM_MAX_NFRAME);
}

Test(tracing, a_second_start_keeps_the_limit_and_the_traces)
{
    tm_start(5);
    void *p = site_malloc(1000);
    int again = tm_start(10);
    struct reading r = look();
    enum site site = site_of(p);
    free(p);
    cr_assert_eq(again, 0);
    cr_assert_eq(tm_get_traceback_limit(), 5);
    expect_reading(r, 1000, 1000, 1);
    cr_assert_eq(site, SITE_MALLOC);
}

Test(tracing, off_until_it_is_started)
{
    void *p = site_malloc(1000);
    struct reading r = look();
    cr_assert_not(tm_is_tracing());
    cr_assert_eq(tm_get_traceback_limit(), -ENODATA);
    expect_reading(r, 0, 0, 0);
    errno = 0;
    cr_assert_null(tm_get_object_traceback(p));
    cr_assert_eq(errno, ENOENT);
    tm_clear_traces();
    tm_reset_peak();
    tm_stop();
    cr_assert_not(tm_is_tracing());
    free(p);
}

Test(tracing, blocks_from_before_the_start_are_not_known)
{
    void *p = site_malloc(1000);
    void *q = site_malloc(2000);
    tm_start(3);
    struct reading started = look();
    free(p);
    struct reading freed = look();
    enum site site = site_of(q);
    free(q);
    expect_reading(started, 0, 0, 0);
    expect_reading(freed, 0, 0, 0);
    cr_assert_eq(site, SITE_COUNT);
}

Test(tracing, stop_forgets_everything_and_may_be_called_again)
{
    tm_start(3);
    void *p = site_malloc(1000);
    tm_stop();
    struct reading stopped = look();
    tm_stop();
    bool tracing = tm_is_tracing();
    int limit = tm_get_traceback_limit();
    tm_start(4);
    struct reading restarted = look();
    enum site site = site_of(p);
    free(p);
    struct reading freed = look();
    cr_assert_not(tracing);
    cr_assert_eq(limit, -ENODATA);
    expect_reading(stopped, 0, 0, 0);
    expect_reading(restarted, 0, 0, 0);
    expect_reading(freed, 0, 0, 0);
    cr_assert_eq(site, SITE_COUNT);
}

Test(tracing, clear_forgets_blocks_and_goes_on)
{
    tm_start(3);
    void *p = site_malloc(1000);
    void *q = site_malloc(500);
    tm_clear_traces();
    tm_clear_traces();
    struct reading cleared = look();
    int limit = tm_get_traceback_limit();
    free(p);
    struct reading freed = look();
    void *r = site_calloc(3, 10);
    struct reading went_on = look();
    q = site_realloc(q, 700);
    struct reading known_again = look();
    free(q);
    free(r);
    struct reading empty = look();
    cr_assert_eq(limit, 3);
    expect_reading(cleared, 0, 0, 0);
    expect_reading(freed, 0, 0, 0);
    expect_reading(went_on, 30, 30, 1);
    expect_reading(known_again, 730, 730, 2);
    expect_reading(empty, 0, 730, 0);
}

Test(tracing, reset_peak_makes_it_what_there_is_now)
{
    tm_start(1);
    void *p = site_malloc(2000);
    void *q = site_malloc(300);
    free(p);
    struct reading before = look();
    tm_reset_peak();
    struct reading after = look();
    p = site_malloc(50);
    struct reading later = look();
    free(p);
    free(q);
    expect_reading(before, 300, 2300, 1);
    expect_reading(after, 300, 300, 1);
    expect_reading(later, 350, 350, 2);
}

Test(tracing, the_overhead_is_told_and_does_not_grow_by_clearing)
{
    tm_start(25);
    void *p = site_malloc(1);
    size_t traced = tm_get_tracemalloc_memory();
    tm_clear_traces();
    size_t cleared = tm_get_tracemalloc_memory();
    free(p);
    cr_assert_gt(traced, 0);
    cr_assert_leq(cleared, traced);
}

/* ---- what each event does ---------------------------------------------------------- */

enum { PAGE = 4096 };

/* The members of the family, each with a size of its own. pvalloc asks for whole pages.
 */
static const struct {
    const char *name;
    size_t size;
} FAMILY[] = {
    {"malloc", 100},      {"calloc", 21},         {"realloc", 7},
    {"reallocarray", 15}, {"posix_memalign", 99}, {"aligned_alloc", 512},
    {"memalign", 33},     {"valloc", 77},         {"pvalloc", PAGE},
    {"strdup", 6},        {"strndup", 4},         {"new", 50},
    {"new[]", 51},        {"new aligned", 52},    {"new[] aligned", 53},
    {"new nothrow", 54},  {"new[] nothrow", 55},  {"malloc(0)", 0},
    {"calloc(0, 5)", 0},  {"new 0", 0},           {"posix_memalign 0", 0},
};
#define FAMILY_COUNT (sizeof FAMILY / sizeof FAMILY[0])

static void *aligned(size_t align, size_t size)
{
    void *p = NULL;
    return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void *allocate_as(size_t member)
{
    void *(*const volatile opaque_malloc)(size_t) = malloc;
    void *(*const volatile opaque_calloc)(size_t, size_t) = calloc;
    switch (member) {
    case 0:
        return opaque_malloc(100);
    case 1:
        return opaque_calloc(3, 7);
    case 2:
        return realloc(NULL, 7);
    case 3:
        return reallocarray(NULL, 3, 5);
    case 4:
        return aligned(256, 99);
    case 5:
        return aligned_alloc(64, 512);
    case 6:
        return memalign(1024, 33);
    case 7:
        return valloc(77);
    case 8:
        return pvalloc(100);
    case 9:
        return strdup("hello");
    case 10:
        return strndup("hello", 3);
    case 11:
        return _Znwm(50);
    case 12:
        return _Znam(51);
    case 13:
        return _ZnwmSt11align_val_t(52, 128);
    case 14:
        return _ZnamSt11align_val_t(53, 128);
    case 15:
        return _ZnwmRKSt9nothrow_t(54, "");
    case 16:
        return _ZnamRKSt9nothrow_t(55, "");
    case 17:
        return opaque_malloc(0);
    case 18:
        return opaque_calloc(0, 5);
    case 19:
        return _Znwm(0);
    default:
        return aligned(64, 0);
    }
}

Test(tracing, every_function_counts_the_size_asked_for)
{
    static struct reading seen[FAMILY_COUNT], freed[FAMILY_COUNT];
    tm_start(2);
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        tm_clear_traces();
        void *p = allocate_as(i);
        seen[i] = look();
        free(p);
        freed[i] = look();
    }
    cr_assert_eq(sysconf(_SC_PAGESIZE), PAGE);
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        size_t size = FAMILY[i].size;
        cr_assert(seen[i].current == size && seen[i].peak == size && seen[i].blocks == 1,
                  "%s: %zu bytes in %zu blocks, peak %zu", FAMILY[i].name,
                  seen[i].current, seen[i].blocks, seen[i].peak);
        cr_assert(freed[i].current == 0 && freed[i].peak == size && freed[i].blocks == 0,
                  "%s, freed: %zu bytes in %zu blocks, peak %zu", FAMILY[i].name,
                  freed[i].current, freed[i].blocks, freed[i].peak);
    }
}

Test(tracing, realloc_moves_the_trace_to_its_caller)
{
    tm_start(4);
    void *p = site_malloc(1000);
    enum site first = site_of(p);
    p = site_realloc(p, 1000);
    enum site same_size = site_of(p);
    p = site_reallocarray(p, 1, 10);
    enum site shrunk = site_of(p);
    p = site_realloc(p, 100000);
    enum site grown = site_of(p);
    struct reading r = look();
    free(p);
    cr_assert_eq(first, SITE_MALLOC);
    cr_assert_eq(same_size, SITE_REALLOC);
    cr_assert_eq(shrunk, SITE_REALLOCARRAY);
    cr_assert_eq(grown, SITE_REALLOC);
    expect_reading(r, 100000, 100000, 1);
}

Test(tracing, realloc_never_counts_both_sizes)
{
    tm_start(1);
    void *p = site_malloc(MIB);
    p = site_realloc(p, 3 * MIB);
    struct reading grown = look();
    p = site_realloc(p, MIB / 2);
    struct reading shrunk = look();
    free(p);
    void *a = site_memalign(4096, MIB);
    tm_reset_peak();
    a = site_realloc(a, 3 * MIB);
    struct reading from_aligned = look();
    free(a);
    expect_reading(grown, 3 * MIB, 3 * MIB, 1);
    expect_reading(shrunk, MIB / 2, 3 * MIB, 1);
    expect_reading(from_aligned, 3 * MIB, 3 * MIB, 1);
}

/* A size that may be asked for, and that the kernel refuses. */
static void *realloc_beyond_the_limit(void *p)
{
    const size_t most = (size_t)64 << 30;
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    setrlimit(RLIMIT_AS, &(struct rlimit){most, before.rlim_max});
    void *moved = site_realloc(p, 2 * most);
    setrlimit(RLIMIT_AS, &before);
    return moved;
}

Test(tracing, a_failed_realloc_leaves_the_trace)
{
    volatile size_t too_much = PTRDIFF_MAX;
    tm_start(4);
    void *plain = site_malloc(1000);
    void *over_aligned = site_posix_memalign(512, 100);
    void *none = site_realloc(plain, too_much);
    void *neither = site_realloc(over_aligned, too_much);
    void *overflow = site_reallocarray(plain, too_much, 4);
    void *not_there = realloc_beyond_the_limit(plain);
    enum site site = site_of(plain);
    enum site aligned_site = site_of(over_aligned);
    struct reading r = look();
    free(plain);
    free(over_aligned);
    struct reading freed = look();
    cr_assert(none == NULL && neither == NULL && overflow == NULL && not_there == NULL);
    cr_assert_eq(site, SITE_MALLOC);
    cr_assert_eq(aligned_site, SITE_POSIX_MEMALIGN);
    expect_reading(r, 1100, 1100, 2);
    expect_reading(freed, 0, 1100, 0);
}

Test(tracing, what_fails_is_not_recorded)
{
    volatile size_t too_much = PTRDIFF_MAX;
    tm_start(4);
    void *a = site_malloc(too_much);
    void *b = site_calloc(too_much, 4);
    void *c = site_posix_memalign(48, 100);
    void *d = site_memalign(4096, too_much);
    struct reading r = look();
    cr_assert(a == NULL && b == NULL && c == NULL && d == NULL);
    expect_reading(r, 0, 0, 0);
}

Test(tracing, realloc_of_an_unknown_block_makes_it_known)
{
    void *plain = site_malloc(1000);
    void *over_aligned = site_posix_memalign(512, 100);
    tm_start(4);
    plain = site_realloc(plain, 1500);
    over_aligned = site_realloc(over_aligned, 50);
    enum site site = site_of(plain);
    struct reading r = look();
    free(plain);
    free(over_aligned);
    struct reading freed = look();
    cr_assert_eq(site, SITE_REALLOC);
    expect_reading(r, 1550, 1550, 2);
    expect_reading(freed, 0, 1550, 0);
}

Test(tracing, realloc_to_nothing_frees)
{
    tm_start(4);
    void *p = site_malloc(1000);
    void *gone = site_realloc(p, 0);
    struct reading r = look();
    cr_assert_null(gone);
    expect_reading(r, 0, 1000, 0);
}

Test(tracing, free_of_null_is_nothing)
{
    tm_start(4);
    void *p = site_malloc(10);
    free(NULL);
    _ZdlPv(NULL);
    struct reading r = look();
    free(p);
    expect_reading(r, 10, 10, 1);
}

/* ---- fork -------------------------------------------------------------------------- */

/* In the child: exit status 0 when it has its parent's traces and goes on with them. */
static int go_on(void *inherited)
{
    struct reading before = look();
    void *p = site_malloc(70);
    free(inherited);
    struct reading after = look();
    bool right = before.current == 1000 && before.blocks == 1 && after.current == 70 &&
                 after.peak == 1070 && after.blocks == 1 && site_of(p) == SITE_MALLOC &&
                 tm_get_traceback_limit() == 7;
    return right ? 0 : 1;
}

Test(tracing, a_forked_child_goes_on_with_a_copy)
{
    int status = -1;
    tm_start(7);
    void *p = site_malloc(1000);
    pid_t child = fork();
    if (child == 0) {
        _exit(go_on(p));
    }
    waitpid(child, &status, 0);
    struct reading r = look();
    free(p);
    cr_assert_eq(status, 0);
    expect_reading(r, 1000, 1000, 1);
}
