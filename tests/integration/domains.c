/* SPDX-License-Identifier: MIT */
/*
 * Domains, rule by rule: which one a block is of, what each holds now and at most, what
 * snapshots say of them. Sizes are written down, so nothing is taken from what is tested.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define NUMPY 389047u /* a number of the program's own */

static void expect_memory(tm_domain_t domain, size_t current, size_t peak, int line)
{
    tm_traced_memory_t m = tm_get_domain_memory(domain);
    cr_assert_eq(m.current, current, "line %d: domain %u holds %zu, not %zu", line,
                 domain, m.current, current);
    cr_assert_eq(m.peak, peak, "line %d: domain %u held at most %zu, not %zu", line,
                 domain, m.peak, peak);
}

#define EXPECT(domain, current, peak) expect_memory(domain, current, peak, __LINE__)

static void *malloc_in(tm_domain_t domain, size_t size)
{
    tm_domain_t before = tm_domain_set(domain);
    void *p = site_malloc(size);
    cr_assert_eq(tm_domain_set(before), domain);
    return p;
}

/* ---- names and numbers ------------------------------------------------------------- */

Test(domains, a_name_is_one_domain)
{
    tm_domain_t a = tm_domain_register("a");
    char copied[] = "bb";
    tm_domain_t b = tm_domain_register(copied);
    copied[0] = 'x';
    cr_assert_neq(a, 0);
    cr_assert_neq(b, 0);
    cr_assert_neq(a, b);
    cr_assert_eq(tm_domain_register("a"), a);
    cr_assert_eq(tm_domain_register("bb"), b);
    cr_assert_neq(tm_domain_register("A"), a);
    cr_assert_str_eq(tm_domain_name(a), "a");
    cr_assert_str_eq(tm_domain_name(b), "bb");
}

Test(domains, what_is_no_name)
{
    char text[300];
    memset(text, 'n', sizeof text);
    text[256] = '\0';
    errno = 0;
    cr_assert(tm_domain_register(NULL) == 0 && errno == EINVAL);
    errno = 0;
    cr_assert(tm_domain_register("") == 0 && errno == EINVAL);
    errno = 0;
    cr_assert(tm_domain_register(text) == 0 && errno == ENAMETOOLONG);
    text[255] = '\0';
    tm_domain_t longest = tm_domain_register(text);
    cr_assert_neq(longest, 0);
    cr_assert_str_eq(tm_domain_name(longest), text);
}

Test(domains, names_of_what_has_none)
{
    errno = 0;
    cr_assert(tm_domain_name(0) == NULL && errno == ENOENT);
    errno = 0;
    cr_assert(tm_domain_name(NUMPY) == NULL && errno == ENOENT);
    tm_domain_set(NUMPY);
    errno = 0;
    cr_assert(tm_domain_name(NUMPY) == NULL && errno == ENOENT);
}

/* Registered numbers pass over those in use. */
Test(domains, numbers_of_the_programs_own)
{
    cr_assert_eq(tm_domain_set(2), 0);
    cr_assert_eq(tm_domain_set(UINT32_MAX), 2);
    cr_assert_eq(tm_domain_set(0), UINT32_MAX);
    tm_domain_t first = tm_domain_register("first");
    tm_domain_t second = tm_domain_register("second");
    cr_assert(first != 2 && second != 2 && first != second);
    cr_assert_neq(first, UINT32_MAX);
}

static int fill_up(const char *argument)
{
    (void)argument;
    char name[32];
    tm_domain_t largest = 0;
    for (int i = 0; i < 65535; i++) {
        snprintf(name, sizeof name, "name %d", i);
        tm_domain_t domain = tm_domain_register(name);
        if (domain == 0) {
            return scenario_fail("domain %d: %s", i, strerror(errno));
        }
        largest = domain > largest ? domain : largest;
    }
    errno = 0;
    if (tm_domain_register("one more") != 0 || errno != ENOSPC) {
        return scenario_fail("more than 65535");
    }
    if (tm_domain_set(largest) != 0 || tm_domain_set(largest + 1) != largest ||
        tm_domain_set(0) != 0) {
        return scenario_fail("a number without a place is not domain 0");
    }
    tm_start(3);
    void *p = malloc_in(largest, 77);
    void *q = malloc_in(tm_domain_register("name 20000"), 5);
    if (tm_get_domain_memory(largest).current != 77 ||
        tm_get_domain_memory(tm_domain_register("name 20000")).peak != 5) {
        return scenario_fail("the last domain does not count");
    }
    free(p);
    free(q);
    return tm_get_domain_memory(largest).current == 0 ? 0 : scenario_fail("not freed");
}

Test(domains, as_many_as_there_can_be)
{
    scenario_expect("fill_up", "", NULL);
}

/* ---- which domain ------------------------------------------------------------------ */

Test(domains, hold_what_was_allocated_in_them)
{
    tm_domain_t a = tm_domain_register("a");
    EXPECT(a, 0, 0);
    tm_start(1);
    void *zero = site_malloc(1000);
    void *one = malloc_in(a, 200);
    void *own = malloc_in(NUMPY, 30);
    EXPECT(0, 1000, 1000);
    EXPECT(a, 200, 200);
    EXPECT(NUMPY, 30, 30);
    EXPECT(12345, 0, 0);
    cr_assert_eq(tm_get_traced_memory().current, 1230);
    free(one); /* while 0 is in force */
    EXPECT(a, 0, 200);
    tm_domain_set(a);
    free(zero); /* while another one is */
    free(own);
    EXPECT(0, 0, 1000);
    EXPECT(a, 0, 200);
    EXPECT(NUMPY, 0, 30);
    cr_assert_eq(tm_get_traced_memory().current, 0);
    cr_assert_eq(tm_get_traced_memory().peak, 1230);
}

static void all_ways(int nframe)
{
    tm_domain_t a = tm_domain_register("a");
    tm_start(nframe);
    tm_domain_set(a);
    void *blocks[] = {site_malloc(1),
                      site_deep(10, 7),
                      site_calloc(10, 10),
                      site_realloc(NULL, 1000),
                      site_reallocarray(NULL, 100, 100),
                      site_posix_memalign(4096, 100000),
                      site_memalign(64, 1000000),
                      site_new(10000000)};
    tm_domain_set(0);
    EXPECT(a, 11111111, 11111111);
    EXPECT(0, 0, 0);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        free(blocks[i]);
    }
    EXPECT(a, 0, 11111111);
    EXPECT(0, 0, 0);
    tm_stop();
}

Test(domains, every_way_to_allocate)
{
    all_ways(1);
    all_ways(25);
}

/* A realloc gives the domain in force then, as it gives the traceback. */
Test(domains, realloc_changes_the_domain)
{
    tm_domain_t a = tm_domain_register("a");
    tm_domain_t b = tm_domain_register("b");
    tm_start(5);
    void *p = malloc_in(a, 1000);
    tm_domain_set(b);
    p = site_realloc(p, 3000);
    EXPECT(a, 0, 1000);
    EXPECT(b, 3000, 3000);
    cr_assert_eq(tm_get_traced_memory().peak, 3000, "old and new are never one sum");
    p = site_realloc(p, 2500);
    EXPECT(b, 2500, 3000);
    tm_domain_set(0);
    p = site_realloc(p, 10);
    EXPECT(b, 0, 3000);
    EXPECT(0, 10, 10);
    void *q = site_memalign(256, 100);
    tm_domain_set(a);
    q = site_realloc(q, 50);
    EXPECT(0, 10, 110);
    EXPECT(a, 50, 1000);
    cr_assert_null(realloc(q, 0));
    free(p);
    EXPECT(a, 0, 1000);
    cr_assert_eq(tm_get_traced_memory().current, 0);
}

Test(domains, blocks_of_other_times_do_not_count)
{
    tm_domain_t a = tm_domain_register("a");
    void *early = malloc_in(a, 10);
    tm_start(1);
    free(early);
    EXPECT(a, 0, 0);
    void *cleared = malloc_in(a, 20);
    void *resized = malloc_in(a, 30);
    tm_clear_traces();
    EXPECT(a, 0, 0);
    free(cleared);
    EXPECT(a, 0, 0);
    resized = site_realloc(resized, 40);
    EXPECT(a, 0, 0);
    EXPECT(0, 40, 40);
    void *stopped = malloc_in(a, 50);
    tm_stop();
    EXPECT(a, 0, 0);
    EXPECT(0, 0, 0);
    tm_start(1);
    free(stopped);
    free(resized);
    EXPECT(a, 0, 0);
    EXPECT(0, 0, 0);
}

/* The sum's peak and each domain's are at different times. */
Test(domains, peaks_are_each_ones_own)
{
    tm_domain_t a = tm_domain_register("a");
    tm_domain_t b = tm_domain_register("b");
    tm_start(1);
    void *p = malloc_in(a, 1000);
    void *z = site_malloc(5);
    free(p);
    p = malloc_in(b, 700);
    void *q = site_malloc(600);
    free(p);
    void *r = malloc_in(a, 100);
    EXPECT(a, 100, 1000);
    EXPECT(b, 0, 700);
    EXPECT(0, 605, 605);
    cr_assert_eq(tm_get_traced_memory().current, 705);
    cr_assert_eq(tm_get_traced_memory().peak, 1305);
    free(q);
    tm_reset_peak();
    EXPECT(a, 100, 100);
    EXPECT(b, 0, 0);
    EXPECT(0, 5, 5);
    cr_assert_eq(tm_get_traced_memory().peak, 105);
    free(z);
    free(r);
}

/* What goes up and down between two looks, in one domain after the other, is seen. */
Test(domains, peaks_between_two_looks)
{
    tm_domain_t a = tm_domain_register("a");
    tm_start(1);
    void *z = site_malloc(100);
    void *p = malloc_in(a, 4000);
    void *y = site_malloc(900);
    free(z);
    free(p);
    z = site_malloc(50);
    p = malloc_in(a, 10);
    free(y);
    cr_assert_eq(tm_get_traced_memory().peak, 5000);
    EXPECT(0, 50, 1000);
    EXPECT(a, 10, 4000);
    free(z);
    free(p);
}

/* ---- threads and processes --------------------------------------------------------- */

static void *look_at_domain(void *arg)
{
    tm_domain_t *seen = arg;
    *seen = tm_domain_set(7);
    return site_malloc(64);
}

Test(domains, are_set_for_one_thread)
{
    tm_domain_t a = tm_domain_register("a");
    tm_start(1);
    tm_domain_set(a);
    pthread_t thread;
    tm_domain_t seen = 99;
    void *p;
    EXPECT(7, 0, 0);
    cr_assert_eq(pthread_create(&thread, NULL, look_at_domain, &seen), 0);
    cr_assert_eq(pthread_join(thread, &p), 0);
    cr_assert_eq(seen, 0, "a thread begins with domain 0");
    cr_assert_eq(tm_domain_set(0), a, "another thread's domain is not ours");
    EXPECT(7, 64, 64);
    free(p);
    EXPECT(7, 0, 64);
}

/* The shard of the thread above is taken over, its domain is not. */
Test(domains, end_with_their_thread)
{
    tm_start(1);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        tm_domain_t seen = 99;
        void *p;
        cr_assert_eq(pthread_create(&thread, NULL, look_at_domain, &seen), 0);
        cr_assert_eq(pthread_join(thread, &p), 0);
        cr_assert_eq(seen, 0);
        free(p);
        EXPECT(7, 0, 64); /* hands over what this thread freed */
    }
    void *p = site_malloc(10);
    EXPECT(7, 0, 64);
    free(p);
}

static int in_a_child(const char *argument)
{
    (void)argument;
    tm_domain_t a = tm_domain_register("a");
    tm_start(3);
    tm_domain_set(a);
    void *p = site_malloc(500);
    pid_t child = fork();
    if (child == 0) {
        void *q = site_malloc(11);
        tm_traced_memory_t m = tm_get_domain_memory(a);
        free(p);
        bool right = m.current == 511 && tm_get_domain_memory(a).current == 11 &&
                     tm_domain_set(0) == a && tm_domain_register("a") == a &&
                     tm_domain_register("new") != 0;
        free(q);
        _exit(right && tm_get_domain_memory(a).current == 0 ? 0 : 1);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) {
        return scenario_fail("the child's domains: status %d", status);
    }
    free(p);
    return tm_get_domain_memory(a).peak == 500 ? 0 : scenario_fail("the parent's");
}

Test(domains, live_on_in_a_forked_child)
{
    scenario_expect("in_a_child", "", NULL);
}

static tm_domain_t of_handler;
static volatile sig_atomic_t handled;

static void allocate_in_handler(int number)
{
    (void)number;
    tm_domain_t before = tm_domain_set(of_handler);
    free(malloc(100));
    tm_domain_set(before);
    handled++;
}

/* Signals at any time: the domain in force where they struck is in force afterwards. */
Test(domains, set_in_a_signal_handler)
{
    of_handler = tm_domain_register("handler");
    tm_domain_t a = tm_domain_register("a");
    tm_start(1);
    struct sigaction action = {.sa_handler = allocate_in_handler};
    sigaction(SIGALRM, &action, NULL);
    ualarm(200, 200);
    bool right = true;
    for (int i = 0; right && handled < 200; i++) {
        tm_domain_t domain = i % 2 == 0 ? 0 : a;
        size_t held = tm_get_domain_memory(domain).current;
        tm_domain_set(domain);
        void *p = malloc(1 + (size_t)i % 100);
        right = tm_get_domain_memory(domain).current == held + 1 + (size_t)i % 100;
        free(p);
        right = right && tm_get_domain_memory(domain).current == held;
        right = right && tm_domain_set(0) == domain;
    }
    ualarm(0, 0);
    cr_assert(right);
    EXPECT(of_handler, 0, tm_get_domain_memory(of_handler).peak);
}

/* ---- snapshots --------------------------------------------------------------------- */

static void expect_statistic(const tm_statistics_t *st, size_t i, tm_domain_t domain,
                             size_t size, size_t count, const char *name)
{
    tm_statistic_t s;
    tm_frame_t frame;
    cr_assert_eq(tm_statistics_get(st, i, &s), 0);
    cr_assert_eq(s.domain, domain);
    cr_assert_eq(s.size, size);
    cr_assert_eq(s.count, count);
    cr_assert_eq(tm_traceback_frame(s.traceback, 0, &frame), 0);
    cr_assert_str_eq(frame.filename, name);
}

Test(domains, are_told_apart_in_snapshots)
{
    tm_domain_t a = tm_domain_register("pictures");
    tm_domain_register("nobody's");
    tm_start(1);
    void *kept[6];
    for (int i = 0; i < 6; i++) {
        /* one stack, three domains */
        static const size_t sizes[] = {1000, 1000, 1000, 200, 200, 30};
        tm_domain_t domains[] = {a, a, a, NUMPY, NUMPY, 0};
        tm_domain_set(domains[i]);
        kept[i] = site_malloc(sizes[i]);
    }
    tm_domain_set(0);
    tm_snapshot_t *s = tm_take_snapshot();
    cr_assert_not_null(s);
    size_t of_site = 0;
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        cr_assert_eq(tm_snapshot_trace(s, i, &t), 0);
        uintptr_t newest = tm_traceback_address(t.traceback, 0);
        of_site += site_of_address(newest) == SITE_MALLOC;
    }
    cr_assert_eq(of_site, 3, "a stack in three domains is three traces");
    tm_filter_t only = {.inclusive = true, .has_domain = true, .domain = NUMPY};
    tm_snapshot_t *own = tm_snapshot_filter_traces(s, &only, 1);
    cr_assert_eq(tm_snapshot_trace_count(own), 1);
    tm_statistics_t *st = tm_snapshot_statistics(s, TM_KEY_DOMAIN, false);
    expect_statistic(st, 0, a, 3000, 3, "pictures");
    expect_statistic(st, 1, NUMPY, 400, 2, "domain 389047");
    tm_statistics_free(st);
    tm_snapshot_free(own);
    tm_snapshot_free(s);
    for (int i = 0; i < 6; i++) {
        free(kept[i]);
    }
}

Test(domains, are_in_files)
{
    char path[] = "/tmp/domains.XXXXXX";
    tm_domain_t a = tm_domain_register("pictures");
    tm_start(3);
    void *p = malloc_in(a, 4711);
    tm_snapshot_t *s = tm_take_snapshot();
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(tm_snapshot_dump(s, path), 0);
    tm_snapshot_t *loaded = tm_snapshot_load(path);
    unlink(path);
    cr_assert_not_null(loaded);
    tm_statistics_t *st = tm_snapshot_statistics(loaded, TM_KEY_DOMAIN, false);
    expect_statistic(st, 0, a, 4711, 1, "pictures");
    tm_statistics_free(st);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
    free(p);
}

Test(domains, tracebacks_of_their_blocks)
{
    tm_domain_t a = tm_domain_register("a");
    tm_start(2);
    void *p = malloc_in(a, 10);
    const tm_traceback_t *tb = tm_get_object_traceback(p);
    cr_assert_not_null(tb);
    cr_assert_eq(site_of_address(tm_traceback_address(tb, 1)), SITE_MALLOC);
    free(p);
}

const struct scenario scenarios[] = {
    {"fill_up", fill_up}, {"in_a_child", in_a_child}, {NULL, NULL}};
