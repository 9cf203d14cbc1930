/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a live process: they agree with the counters, are copies, come back from a
 * file as they were, and name the lines of this file that allocate. Each line here that
 * allocates for a test notes its own number, so nothing that is expected goes through the
 * code under test. None of what the library does for itself may be seen in the counters.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define KEPT 300

/* Blocks of 100 from one line, of 200 from another; the lines' numbers. */
static struct {
    void *hundred[KEPT], *two_hundred[KEPT];
    uint32_t line_of_hundred, line_of_two_hundred;
} held;

__attribute__((noinline)) static void *one_hundred(void)
{
    held.line_of_hundred = __LINE__ + 1;
    void *p = malloc(100);
    __asm__ volatile("" : "+r"(p));
    return p;
}

__attribute__((noinline)) static void *two_hundred(void)
{
    held.line_of_two_hundred = __LINE__ + 1;
    void *p = calloc(2, 100);
    __asm__ volatile("" : "+r"(p));
    return p;
}

__attribute__((noinline)) static void hold(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        held.hundred[i] = one_hundred();
        held.two_hundred[i] = two_hundred();
    }
}

static void let_go(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(held.hundred[i]);
        free(held.two_hundred[i]);
    }
}

struct sums {
    uint64_t size, count;
};

static struct sums sum_of(const tm_snapshot_t *s)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        if (tm_snapshot_trace(s, i, &t) == 0) {
            sums.size += t.size;
            sums.count += t.count;
        }
    }
    return sums;
}

static void temporary_path(char path[PATH_MAX], const char *name)
{
    snprintf(path, PATH_MAX, "/tmp/tmalloc-snapshots-%d-%s", (int)getpid(), name);
}

/* ---- taking ------------------------------------------------------------------------ */

Test(snapshots, need_tracing)
{
    errno = 0;
    cr_assert_null(tm_take_snapshot());
    cr_assert_eq(errno, ENODATA);
    tm_start(1);
    tm_stop();
    errno = 0;
    cr_assert_null(tm_take_snapshot());
    cr_assert_eq(errno, ENODATA);
    tm_snapshot_free(NULL);
}

Test(snapshots, agree_with_the_counters)
{
    tm_start(17);
    hold(KEPT);
    tm_traced_memory_t m = tm_get_traced_memory();
    tm_snapshot_t *s = tm_take_snapshot();
    cr_assert_not_null(s);
    struct sums sums = sum_of(s);
    cr_assert_eq(m.current, 300 * KEPT);
    cr_assert_eq(sums.size, 300 * KEPT);
    cr_assert_eq(sums.count, 2 * KEPT);
    cr_assert_eq(tm_snapshot_trace_count(s), 2);
    cr_assert_eq(tm_snapshot_traceback_limit(s), 17);
    tm_trace_t t;
    cr_assert_eq(tm_snapshot_trace(s, 2, &t), -ERANGE);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(tm_snapshot_trace(s, i, &t), 0);
        cr_assert_eq(t.domain, 0);
        cr_assert_eq(t.count, KEPT);
        cr_assert(t.size == 100 * KEPT || t.size == 200 * KEPT);
        cr_assert_leq(tm_traceback_len(t.traceback), 17);
        cr_assert_geq(tm_traceback_total_nframe(t.traceback),
                      tm_traceback_len(t.traceback));
    }
    tm_snapshot_free(s);
    let_go(KEPT);
}

Test(snapshots, are_copies)
{
    tm_start(5);
    hold(10);
    tm_snapshot_t *before = tm_take_snapshot();
    let_go(10);
    tm_snapshot_t *empty = tm_take_snapshot();
    hold(3);
    tm_clear_traces();
    tm_snapshot_t *cleared = tm_take_snapshot();
    tm_stop();
    struct sums sums = sum_of(before);
    cr_assert_eq(sums.size, 3000);
    cr_assert_eq(sums.count, 20);
    cr_assert_eq(tm_snapshot_traceback_limit(before), 5);
    cr_assert_eq(tm_snapshot_trace_count(empty), 0);
    cr_assert_eq(tm_snapshot_trace_count(cleared), 0);
    tm_snapshot_free(before);
    tm_snapshot_free(empty);
    tm_snapshot_free(cleared);
    let_go(3);
}

/* ---- statistics -------------------------------------------------------------------- */

static bool is_this_file(const char *filename)
{
    const char *end = "tests/integration/snapshots.c";
    size_t len = strlen(filename);
    return len >= strlen(end) && strcmp(filename + len - strlen(end), end) == 0;
}

/* The only frame of statistic i. */
static tm_frame_t frame_of(const tm_statistics_t *stats, size_t i, tm_statistic_t *stat)
{
    tm_frame_t f = {0};
    cr_assert_eq(tm_statistics_get(stats, i, stat), 0);
    cr_assert_eq(tm_traceback_len(stat->traceback), 1);
    cr_assert_eq(tm_traceback_frame(stat->traceback, 0, &f), 0);
    return f;
}

static void expect_line(const tm_statistics_t *stats, size_t i, uint32_t line,
                        const char *function, uint64_t size)
{
    tm_statistic_t stat;
    tm_frame_t f = frame_of(stats, i, &stat);
    cr_assert(is_this_file(f.filename), "%s", f.filename);
    cr_assert_eq(f.lineno, line, "%s: line %u, not %u", function, f.lineno, line);
    cr_assert_str_eq(f.function, function);
    cr_assert_eq(stat.size, size);
    cr_assert_eq(stat.count, KEPT);
}

static void lines_are_named(int limit)
{
    tm_start(limit);
    hold(KEPT);
    tm_snapshot_t *s = tm_take_snapshot();
    tm_stop();
    tm_statistics_t *stats = tm_snapshot_statistics(s, TM_KEY_LINENO, false);
    cr_assert_eq(tm_statistics_count(stats), 2);
    expect_line(stats, 0, held.line_of_two_hundred, "two_hundred", 200 * KEPT);
    expect_line(stats, 1, held.line_of_hundred, "one_hundred", 100 * KEPT);
    tm_statistics_free(stats);
    tm_snapshot_free(s);
    let_go(KEPT);
}

Test(snapshots, statistics_name_the_lines)
{
    lines_are_named(1);
    lines_are_named(25);
}

Test(snapshots, statistics_by_file)
{
    tm_statistic_t stat;
    tm_start(25);
    hold(KEPT);
    tm_snapshot_t *s = tm_take_snapshot();
    tm_stop();
    tm_statistics_t *stats = tm_snapshot_statistics(s, TM_KEY_FILENAME, false);
    cr_assert_eq(tm_statistics_count(stats), 1);
    tm_frame_t f = frame_of(stats, 0, &stat);
    cr_assert(is_this_file(f.filename), "%s", f.filename);
    cr_assert_eq(stat.size, 300 * KEPT);
    cr_assert_eq(stat.count, 2 * KEPT);
    tm_statistics_free(stats);
    tm_snapshot_free(s);
    let_go(KEPT);
}

/* hold() is below both; as the newest frame but one it is in every traceback. */
Test(snapshots, statistics_by_traceback)
{
    tm_start(25);
    hold(KEPT);
    tm_snapshot_t *s = tm_take_snapshot();
    tm_stop();
    tm_statistics_t *stats = tm_snapshot_statistics(s, TM_KEY_TRACEBACK, false);
    cr_assert_eq(tm_statistics_count(stats), 2);
    for (size_t i = 0; i < 2; i++) {
        tm_statistic_t stat;
        tm_frame_t f;
        cr_assert_eq(tm_statistics_get(stats, i, &stat), 0);
        size_t len = tm_traceback_len(stat.traceback);
        cr_assert_eq(tm_traceback_frame(stat.traceback, len - 2, &f), 0);
        cr_assert_str_eq(f.function, "hold");
        cr_assert_eq(tm_traceback_frame(stat.traceback, len - 1, &f), 0);
        cr_assert_str_eq(f.function, i == 0 ? "two_hundred" : "one_hundred");
    }
    tm_statistics_free(stats);
    tm_snapshot_free(s);
    let_go(KEPT);
}

/* ---- files ------------------------------------------------------------------------- */

static bool same_frames(const tm_traceback_t *a, const tm_traceback_t *b)
{
    bool same = tm_traceback_len(a) == tm_traceback_len(b) &&
                tm_traceback_total_nframe(a) == tm_traceback_total_nframe(b);
    for (size_t i = 0; same && i < tm_traceback_len(a); i++) {
        tm_frame_t f;
        tm_frame_t g;
        same = tm_traceback_address(a, i) == tm_traceback_address(b, i) &&
               tm_traceback_frame(a, i, &f) == 0 && tm_traceback_frame(b, i, &g) == 0 &&
               strcmp(f.filename, g.filename) == 0 && f.lineno == g.lineno &&
               strcmp(f.function, g.function) == 0 && strcmp(f.module, g.module) == 0 &&
               f.address == g.address;
    }
    return same;
}

/* How many of a's traces b has as well, to the last detail. */
static size_t in_both(const tm_snapshot_t *a, const tm_snapshot_t *b)
{
    size_t found = 0;
    for (size_t i = 0; i < tm_snapshot_trace_count(a); i++) {
        tm_trace_t t = {0};
        bool has = false;
        tm_snapshot_trace(a, i, &t);
        for (size_t k = 0; !has && k < tm_snapshot_trace_count(b); k++) {
            tm_trace_t u = {0};
            tm_snapshot_trace(b, k, &u);
            has = t.size == u.size && t.count == u.count && t.domain == u.domain &&
                  same_frames(t.traceback, u.traceback);
        }
        found += has;
    }
    return found;
}

static void *deep_blocks[KEPT];

static void come_back_from_a_file(int limit)
{
    char path[PATH_MAX];
    struct stat st;
    temporary_path(path, "round.pb.gz");
    tm_start(limit);
    hold(20);
    for (int i = 0; i < 40; i++) {
        deep_blocks[i] = site_deep((size_t)i * 10, i % 13);
    }
    tm_snapshot_t *s = tm_take_snapshot();
    cr_assert_eq(tm_snapshot_dump(s, path), 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    tm_snapshot_t *loaded = tm_snapshot_load(path);
    unlink(path);
    cr_assert_not_null(loaded, "%s", strerror(errno));
    size_t traces = tm_snapshot_trace_count(s);
    cr_assert_eq(traces, limit == 1 ? 3 : 15); /* two lines, and 13 depths */
    cr_assert_eq(tm_snapshot_trace_count(loaded), traces);
    cr_assert_eq(in_both(s, loaded), traces);
    cr_assert_eq(in_both(loaded, s), traces);
    cr_assert_eq(tm_snapshot_traceback_limit(loaded), limit);
    tm_snapshot_free(s);
    tm_snapshot_free(loaded);
    tm_stop();
    let_go(20);
}

Test(snapshots, come_back_from_a_file_as_they_were)
{
    come_back_from_a_file(1);
    come_back_from_a_file(3);
    come_back_from_a_file(TM_MAX_NFRAME);
}

Test(snapshots, say_why_there_is_no_file)
{
    char path[PATH_MAX];
    tm_start(1);
    tm_snapshot_t *s = tm_take_snapshot();
    cr_assert_eq(tm_snapshot_dump(s, "/no/such/folder/file.pb.gz"), -ENOENT);
    cr_assert_eq(tm_snapshot_dump(s, "/"), -EISDIR);
    tm_snapshot_free(s);
    errno = 0;
    cr_assert_null(tm_snapshot_load("/no/such/folder/file.pb.gz"));
    cr_assert_eq(errno, ENOENT);
    temporary_path(path, "garbage");
    FILE *f = fopen(path, "w");
    fputs("this is no profile", f);
    fclose(f);
    errno = 0;
    cr_assert_null(tm_snapshot_load(path));
    int said = errno;
    unlink(path);
    cr_assert_eq(said, EBADMSG);
}

/* ---- its own work is not traced ---------------------------------------------------- */

struct reading {
    size_t current, peak;
};

static struct reading look(void)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    return (struct reading){m.current, m.peak};
}

/* Everything that the library has to offer, with a look after each. */
static size_t do_everything(const char *path, struct reading *seen)
{
    char text[4096];
    size_t n = 0;
    tm_trace_t t;
    tm_frame_t f;
    seen[n++] = look();
    tm_snapshot_t *s = tm_take_snapshot();
    seen[n++] = look();
    (void)tm_get_object_traceback(held.hundred[0]);
    seen[n++] = look();
    int dumped = tm_snapshot_dump(s, path);
    seen[n++] = look();
    tm_snapshot_t *loaded = tm_snapshot_load(path);
    seen[n++] = look();
    tm_snapshot_trace(s, 0, &t);
    int resolved = tm_traceback_frame(t.traceback, 0, &f);
    seen[n++] = look();
    tm_traceback_format(t.traceback, INT_MAX, false, text, sizeof text);
    seen[n++] = look();
    tm_statistics_t *stats = tm_snapshot_statistics(loaded, TM_KEY_TRACEBACK, false);
    seen[n++] = look();
    tm_statistics_free(stats);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
    seen[n++] = look();
    return dumped == 0 && resolved == 0 && loaded != NULL && stats != NULL ? n : 0;
}

Test(snapshots, what_the_library_does_for_itself_is_not_traced)
{
    char path[PATH_MAX];
    struct reading seen[32];
    temporary_path(path, "own.pb.gz");
    tm_start(25);
    hold(5);
    size_t n = do_everything(path, seen);
    tm_stop();
    let_go(5);
    unlink(path);
    cr_assert_eq(n, 9);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(seen[i].current, 1500, "look %zu: current %zu", i, seen[i].current);
        cr_assert_eq(seen[i].peak, 1500, "look %zu: peak %zu", i, seen[i].peak);
    }
}

/* ---- beside running threads -------------------------------------------------------- */

#define RUNNERS      4
#define RUNNER_SLOTS 64
#define RUNNER_MOST  1000

static bool stop_running;

static void *run(void *number)
{
    void *blocks[RUNNER_SLOTS] = {NULL};
    uint64_t dice = (uintptr_t)number + 5;
    while (!__atomic_load_n(&stop_running, __ATOMIC_RELAXED)) {
        void **slot = &blocks[random_below(&dice, RUNNER_SLOTS)];
        free(*slot);
        *slot = site_deep(random_below(&dice, RUNNER_MOST), (int)random_below(&dice, 20));
    }
    for (size_t i = 0; i < RUNNER_SLOTS; i++) {
        free(blocks[i]);
    }
    return NULL;
}

/* Bytes and blocks of site_deep. */
static struct sums sum_of_runners(const tm_snapshot_t *s)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        size_t len = tm_traceback_len(t.traceback);
        if (site_of_address(tm_traceback_address(t.traceback, len - 1)) == SITE_DEEP) {
            sums.size += t.size;
            sums.count += t.count;
        }
    }
    return sums;
}

Test(snapshots, beside_threads_that_allocate)
{
    pthread_t ids[RUNNERS];
    size_t odd = 0;
    tm_start(25);
    for (uintptr_t i = 0; i < RUNNERS; i++) {
        cr_assert_eq(pthread_create(&ids[i], NULL, run, (void *)i), 0);
    }
    for (int i = 0; i < 300; i++) {
        tm_snapshot_t *s = tm_take_snapshot();
        struct sums sums = sum_of_runners(s);
        /* A block may be seen freed and allocated anew at once, a few times over. */
        odd += sums.count > 2 * RUNNERS * RUNNER_SLOTS ||
               sums.size > 2 * RUNNERS * RUNNER_SLOTS * RUNNER_MOST;
        tm_snapshot_free(s);
    }
    __atomic_store_n(&stop_running, true, __ATOMIC_RELAXED);
    for (int i = 0; i < RUNNERS; i++) {
        pthread_join(ids[i], NULL);
    }
    tm_snapshot_t *rest = tm_take_snapshot();
    struct sums left = sum_of_runners(rest);
    cr_assert_eq(odd, 0, "%zu snapshots held more than there was", odd);
    cr_assert(left.size == 0 && left.count == 0);
    tm_snapshot_free(rest);
}
