/* SPDX-License-Identifier: MIT */
/*
 * tm_track and tm_untrack, rule by rule as tracemalloc has them: what comes again
 * replaces what was there, what is not there does no harm, and nothing happens when not
 * tracing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define DOMAIN      4321u
#define OTHER       389047u
#define NOT_TRACING (-2)

static void expect_memory(tm_domain_t domain, size_t current, size_t peak, int line)
{
    tm_traced_memory_t m = tm_get_domain_memory(domain);
    cr_assert_eq(m.current, current, "line %d: domain %u holds %zu, not %zu", line,
                 domain, m.current, current);
    cr_assert_eq(m.peak, peak, "line %d: domain %u held at most %zu, not %zu", line,
                 domain, m.peak, peak);
}

#define EXPECT(domain, current, peak) expect_memory(domain, current, peak, __LINE__)

static void expect_all(size_t current, size_t peak)
{
    tm_traced_memory_t m = tm_get_traced_memory();
    cr_assert_eq(m.current, current, "%zu, not %zu", m.current, current);
    cr_assert_eq(m.peak, peak, "at most %zu, not %zu", m.peak, peak);
}

/* Two callers that can be told apart by address. */
#define PLACE(name) __attribute__((noinline, section(name)))
extern const char __start_code_of_first[], __stop_code_of_first[];
extern const char __start_code_of_second[], __stop_code_of_second[];

PLACE("code_of_first") static int track_first(tm_domain_t domain, uintptr_t p, size_t n)
{
    int result = tm_track(domain, p, n);
    __asm__ volatile("" : "+r"(result));
    return result;
}

PLACE("code_of_second") static int track_second(tm_domain_t domain, uintptr_t p, size_t n)
{
    int result = tm_track(domain, p, n);
    __asm__ volatile("" : "+r"(result));
    return result;
}

enum place { FIRST, SECOND, ELSEWHERE };

static enum place place_of(const tm_traceback_t *tb)
{
    uintptr_t pc = tm_traceback_address(tb, tm_traceback_len(tb) - 1);
    if (pc > (uintptr_t)__start_code_of_first && pc <= (uintptr_t)__stop_code_of_first) {
        return FIRST;
    }
    return pc > (uintptr_t)__start_code_of_second &&
                   pc <= (uintptr_t)__stop_code_of_second
               ? SECOND
               : ELSEWHERE;
}

static struct sum {
    size_t size, count;
} sum_in_snapshot(tm_domain_t domain, enum place place)
{
    struct sum sum = {0, 0};
    tm_snapshot_t *s = tm_take_snapshot();
    cr_assert_not_null(s);
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        cr_assert_eq(tm_snapshot_trace(s, i, &t), 0);
        if (t.domain == domain && place_of(t.traceback) == place) {
            sum.size += t.size;
            sum.count += t.count;
        }
    }
    tm_snapshot_free(s);
    return sum;
}

static void expect_sum(tm_domain_t domain, enum place place, size_t size, size_t count)
{
    struct sum sum = sum_in_snapshot(domain, place);
    cr_assert_eq(sum.size, size, "%zu bytes, not %zu", sum.size, size);
    cr_assert_eq(sum.count, count, "%zu, not %zu", sum.count, count);
}

/* ---- the rules --------------------------------------------------------------------- */

Test(tracked, not_tracing)
{
    cr_assert_eq(tm_track(DOMAIN, 100, 10), NOT_TRACING);
    cr_assert_eq(tm_untrack(DOMAIN, 100), NOT_TRACING);
    cr_assert_eq(tm_track(0, 100, 10), NOT_TRACING);
    cr_assert_eq(tm_untrack(0, 100), NOT_TRACING);
    tm_start(1);
    EXPECT(DOMAIN, 0, 0);
    cr_assert_eq(tm_track(DOMAIN, 100, 10), 0);
    tm_stop();
    cr_assert_eq(tm_untrack(DOMAIN, 100), NOT_TRACING);
    tm_start(1);
    EXPECT(DOMAIN, 0, 0);
    cr_assert_eq(tm_untrack(DOMAIN, 100), 0);
    EXPECT(DOMAIN, 0, 0);
}

static void count_with(int nframe)
{
    tm_start(nframe);
    cr_assert_eq(track_first(DOMAIN, 100, 1000), 0);
    cr_assert_eq(track_first(DOMAIN, 101, 200), 0);
    EXPECT(DOMAIN, 1200, 1200);
    expect_all(1200, 1200);
    expect_sum(DOMAIN, FIRST, 1200, 2);
    cr_assert_eq(tm_untrack(DOMAIN, 100), 0);
    EXPECT(DOMAIN, 200, 1200);
    expect_sum(DOMAIN, FIRST, 200, 1);
    expect_sum(0, FIRST, 0, 0);
    cr_assert_eq(tm_untrack(DOMAIN, 101), 0);
    EXPECT(DOMAIN, 0, 1200);
    expect_sum(DOMAIN, FIRST, 0, 0);
    tm_stop();
}

Test(tracked, counts_until_untracked)
{
    count_with(1);
    count_with(2);
    count_with(25);
}

Test(tracked, a_second_time_replaces)
{
    tm_start(25);
    cr_assert_eq(track_first(DOMAIN, 7, 100), 0);
    cr_assert_eq(track_second(DOMAIN, 7, 250), 0);
    EXPECT(DOMAIN, 250, 250);
    expect_sum(DOMAIN, FIRST, 0, 0);
    expect_sum(DOMAIN, SECOND, 250, 1);
    cr_assert_eq(track_first(DOMAIN, 7, 30), 0);
    EXPECT(DOMAIN, 30, 250);
    expect_sum(DOMAIN, FIRST, 30, 1);
    cr_assert_eq(tm_untrack(DOMAIN, 7), 0);
    EXPECT(DOMAIN, 0, 250);
}

/* The peak never sees a resource together with what replaces it. */
Test(tracked, replacing_is_one_step)
{
    tm_start(1);
    cr_assert_eq(tm_track(DOMAIN, 7, 1), 0);
    cr_assert_eq(tm_track(OTHER, 7, 2), 0);
    cr_assert_eq(tm_track(DOMAIN, 7, 5), 0);
    expect_all(7, 7);
    cr_assert_eq(tm_track(DOMAIN, 7, 1), 0);
    expect_all(3, 7);
    EXPECT(DOMAIN, 1, 5);
    EXPECT(OTHER, 2, 2);
}

Test(tracked, domains_are_independent)
{
    tm_start(1);
    cr_assert_eq(track_first(DOMAIN, 64, 10), 0);
    cr_assert_eq(track_second(OTHER, 64, 200), 0);
    cr_assert_eq(track_first(0, 64, 3000), 0);
    EXPECT(DOMAIN, 10, 10);
    EXPECT(OTHER, 200, 200);
    EXPECT(0, 3000, 3000);
    cr_assert_eq(tm_untrack(OTHER, 64), 0);
    EXPECT(DOMAIN, 10, 10);
    EXPECT(OTHER, 0, 200);
    EXPECT(0, 3000, 3000);
    expect_sum(DOMAIN, FIRST, 10, 1);
    expect_sum(OTHER, SECOND, 0, 0);
    expect_sum(0, FIRST, 3000, 1);
}

Test(tracked, unknown_is_no_error)
{
    tm_start(1);
    cr_assert_eq(tm_untrack(DOMAIN, 1), 0);
    cr_assert_eq(tm_untrack(0, 1), 0);
    cr_assert_eq(tm_untrack(0, 0), 0);
    cr_assert_eq(tm_track(DOMAIN, 2, 10), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(tm_untrack(DOMAIN, 1), 0);
        cr_assert_eq(tm_untrack(DOMAIN, 2), 0);
        EXPECT(DOMAIN, 0, 10);
    }
    expect_all(0, 10);
}

Test(tracked, any_number_and_any_size)
{
    static const uintptr_t addresses[] = {
        0, 1, UINTPTR_MAX, UINTPTR_MAX - 15, 4096, (uintptr_t)1 << 63};
    tm_start(3);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(track_first(UINT32_MAX, addresses[i], i), 0);
        cr_assert_eq(track_first(0, addresses[i], 0), 0);
    }
    EXPECT(UINT32_MAX, 15, 15);
    expect_sum(UINT32_MAX, FIRST, 15, 6);
    expect_sum(0, FIRST, 0, 6);
    cr_assert_eq(tm_track(DOMAIN, 5, SIZE_MAX), -EINVAL);
    cr_assert_eq(tm_track(DOMAIN, 5, ((size_t)1 << 47) + 1), -EINVAL);
    EXPECT(DOMAIN, 0, 0);
    cr_assert_eq(tm_track(DOMAIN, 5, (size_t)1 << 46), 0);
    EXPECT(DOMAIN, (size_t)1 << 46, (size_t)1 << 46);
    cr_assert_eq(tm_untrack(DOMAIN, 5), 0);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(tm_untrack(UINT32_MAX, addresses[i]), 0);
        cr_assert_eq(tm_untrack(0, addresses[i]), 0);
    }
    expect_all(0, ((size_t)1 << 46) + 15);
    expect_sum(0, FIRST, 0, 0);
}

Test(tracked, forgotten_by_clear_and_stop)
{
    tm_start(1);
    cr_assert_eq(track_first(DOMAIN, 7, 100), 0);
    size_t used = tm_get_tracemalloc_memory();
    tm_clear_traces();
    cr_assert_leq(tm_get_tracemalloc_memory(), used);
    EXPECT(DOMAIN, 0, 0);
    expect_sum(DOMAIN, FIRST, 0, 0);
    cr_assert_eq(tm_untrack(DOMAIN, 7), 0);
    EXPECT(DOMAIN, 0, 0);
    expect_all(0, 0);
    cr_assert_eq(track_second(DOMAIN, 7, 60), 0);
    EXPECT(DOMAIN, 60, 60);
    tm_stop();
    EXPECT(DOMAIN, 0, 0);
    tm_start(1);
    cr_assert_eq(track_second(DOMAIN, 7, 50), 0);
    EXPECT(DOMAIN, 50, 50);
    expect_sum(DOMAIN, SECOND, 50, 1);
}

/* The domain in force is for blocks; a resource names its own. */
Test(tracked, whatever_domain_is_in_force)
{
    tm_start(1);
    tm_domain_set(OTHER);
    cr_assert_eq(track_first(DOMAIN, 7, 100), 0);
    cr_assert_eq(track_first(0, 7, 20), 0);
    cr_assert_eq(tm_untrack(DOMAIN, 7), 0);
    EXPECT(OTHER, 0, 0);
    EXPECT(DOMAIN, 0, 100);
    EXPECT(0, 20, 20);
    cr_assert_eq(tm_domain_set(0), OTHER);
}

/* ---- blocks ------------------------------------------------------------------------ */

Test(tracked, a_block_that_is_tracked)
{
    tm_start(1);
    void *p = site_malloc(1000);
    cr_assert_eq(track_first(0, (uintptr_t)p, 300), 0);
    EXPECT(0, 300, 1000);
    expect_sum(0, FIRST, 300, 1);
    cr_assert_eq(place_of(tm_get_object_traceback(p)), FIRST);
    memset(p, 1, 1000); /* it is as large as it was */
    p = realloc(p, 2000);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(((char *)p)[i], 1);
    }
    EXPECT(0, 2000, 2000);
    cr_assert_eq(track_second(0, (uintptr_t)p, 4000), 0);
    EXPECT(0, 4000, 4000);
    free(p);
    EXPECT(0, 0, 4000);
    cr_assert_eq(tm_untrack(0, 12345 * 16), 0);
}

Test(tracked, a_block_that_is_not_traced)
{
    void *p = site_malloc(1000);
    void *q = site_memalign(4096, 500);
    tm_start(1);
    cr_assert_eq(track_first(0, (uintptr_t)p, 1000), 0);
    cr_assert_eq(track_first(0, (uintptr_t)q, 500), 0);
    EXPECT(0, 1500, 1500);
    cr_assert_eq(place_of(tm_get_object_traceback(q)), FIRST);
    free(p);
    EXPECT(0, 500, 1500);
    cr_assert_eq(tm_untrack(0, (uintptr_t)q), 0);
    EXPECT(0, 0, 1500);
    cr_assert_null(tm_get_object_traceback(q));
    free(q);
    EXPECT(0, 0, 1500);
}

Test(tracked, a_block_in_another_domain)
{
    tm_start(1);
    void *p = site_malloc(1000);
    cr_assert_eq(track_first(DOMAIN, (uintptr_t)p, 5), 0);
    EXPECT(0, 1000, 1000);
    EXPECT(DOMAIN, 5, 5);
    free(p);
    EXPECT(0, 0, 1000);
    EXPECT(DOMAIN, 5, 5);
    cr_assert_eq(tm_untrack(DOMAIN, (uintptr_t)p), 0);
    EXPECT(DOMAIN, 0, 5);
    tm_domain_set(DOMAIN);
    p = site_malloc(100);
    tm_domain_set(0);
    cr_assert_eq(track_first(DOMAIN, (uintptr_t)p, 60), 0);
    EXPECT(DOMAIN, 60, 100);
    free(p);
    EXPECT(DOMAIN, 0, 100);
    EXPECT(0, 0, 1000);
}

/* A resource that was given up without a word: malloc hands out its address. */
Test(tracked, a_block_where_a_resource_was)
{
    void *p = site_malloc(200);
    free(p);
    tm_start(25);
    cr_assert_eq(track_first(0, (uintptr_t)p, 5000), 0);
    for (int i = 0; i < 5000 && site_malloc(200) != p; i++) {
    }
    cr_assert_eq(place_of(tm_get_object_traceback(p)), ELSEWHERE);
    cr_assert_eq(tm_untrack(0, (uintptr_t)p), 0);
    expect_sum(0, FIRST, 0, 0);
}

/* Mappings: addresses that can be read, that cannot, and that no longer are. */
Test(tracked, mappings)
{
    const size_t bytes = (size_t)1 << 20;
    tm_start(25);
    char *readable =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *closed = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(readable != MAP_FAILED && closed != MAP_FAILED);
    for (size_t at = 0; at < 8192; at += 16) {
        cr_assert_eq(track_first(0, (uintptr_t)readable + at, at), 0);
        cr_assert_eq(track_first(0, (uintptr_t)closed + at, 1), 0);
        cr_assert_eq(track_first(DOMAIN, (uintptr_t)closed + at, 1), 0);
    }
    EXPECT(0, 512 * 511 * 16 / 2 + 512, 512 * 511 * 16 / 2 + 512);
    EXPECT(DOMAIN, 512, 512);
    cr_assert_eq(place_of(tm_get_object_traceback(closed + 48)), FIRST);
    munmap(closed, bytes);
    cr_assert_eq(place_of(tm_get_object_traceback(closed + 48)), FIRST);
    for (size_t at = 0; at < 8192; at += 16) {
        cr_assert_eq(tm_untrack(0, (uintptr_t)readable + at), 0);
        cr_assert_eq(tm_untrack(0, (uintptr_t)closed + at), 0);
    }
    EXPECT(0, 0, 512 * 511 * 16 / 2 + 512);
    munmap(readable, bytes);
}

Test(tracked, tracebacks)
{
    tm_start(25);
    cr_assert_eq(track_first(0, 4711, 10), 0);
    cr_assert_eq(track_first(DOMAIN, 4713, 10), 0);
    const tm_traceback_t *tb = tm_get_object_traceback((void *)4711);
    cr_assert_not_null(tb);
    cr_assert_eq(place_of(tb), FIRST);
    cr_assert_gt(tm_traceback_len(tb), 2);
    cr_assert_eq(track_second(0, 4711, 10), 0);
    cr_assert_eq(place_of(tm_get_object_traceback((void *)4711)), SECOND);
    cr_assert_eq(place_of(tb), FIRST, "what was told stays");
}

/* ---- threads and processes --------------------------------------------------------- */

#define THREADS   6
#define ADDRESSES 64
#define ROUNDS    40000

static pthread_barrier_t gate;
static bool steered; /* thread 0 clears, stops and starts meanwhile */

static void *track_at_random(void *number)
{
    uint64_t dice = (uintptr_t)number;
    pthread_barrier_wait(&gate);
    for (int i = 0; i < ROUNDS; i++) {
        uintptr_t address = 1 + random_below(&dice, ADDRESSES);
        tm_domain_t domain = one_in(&dice, 2) ? DOMAIN : OTHER;
        int result = one_in(&dice, 2) ? tm_track(domain, address, 1000 + address)
                                      : tm_untrack(domain, address);
        if (result != 0 && !(steered && result == NOT_TRACING)) {
            return "an error";
        }
        if (steered && number == (void *)1 && i % 500 == 0) {
            tm_clear_traces();
        } else if (steered && number == (void *)1 && i % 500 == 250) {
            tm_stop();
            tm_start(1 + i % 3);
        }
    }
    return NULL;
}

static int count_beside_each_other(const char *argument)
{
    pthread_t threads[THREADS];
    steered = *argument == 's';
    pthread_barrier_init(&gate, NULL, THREADS);
    tm_start(1);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, track_at_random, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        if (wrong != NULL) {
            return scenario_fail("%s", (const char *)wrong);
        }
    }
    /* Whatever is there now, once each is replaced every address holds what we say. */
    size_t sum = 0;
    for (uintptr_t address = 1; address <= ADDRESSES; address++) {
        tm_track(DOMAIN, address, address);
        tm_untrack(OTHER, address);
        sum += address;
    }
    if (tm_get_domain_memory(DOMAIN).current != sum ||
        tm_get_domain_memory(OTHER).current != 0) {
        return scenario_fail("domains hold %zu and %zu, not %zu and 0",
                             tm_get_domain_memory(DOMAIN).current,
                             tm_get_domain_memory(OTHER).current, sum);
    }
    const size_t most = 2 * ADDRESSES * (1000 + ADDRESSES) + 2 * THREADS * (64 << 10);
    return tm_get_domain_memory(DOMAIN).peak <= most ? 0 : scenario_fail("the peak");
}

Test(tracked, by_many_threads)
{
    scenario_expect("threads", "", NULL);
    scenario_expect("threads", "", (const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(tracked, by_many_threads_while_one_clears_and_stops)
{
    scenario_expect("threads", "steered", NULL);
}

static int fork_beside_trackers(const char *argument)
{
    (void)argument;
    pthread_t thread;
    steered = false;
    pthread_barrier_init(&gate, NULL, 2);
    tm_start(1);
    pthread_create(&thread, NULL, track_at_random, (void *)9);
    pthread_barrier_wait(&gate);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            size_t before = tm_get_domain_memory(77).current;
            bool right = before == 0 && tm_track(77, 5, 123) == 0 &&
                         tm_get_domain_memory(77).current == 123 &&
                         tm_untrack(77, 5) == 0 && tm_untrack(DOMAIN, 5) == 0;
            tm_clear_traces();
            right = right && tm_track(DOMAIN, 5, 1) == 0 &&
                    tm_get_domain_memory(DOMAIN).current == 1;
            _exit(right ? 0 : 1);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) {
            return scenario_fail("child %d: status %d", i, status);
        }
    }
    pthread_join(thread, NULL);
    return 0;
}

Test(tracked, in_forked_children)
{
    scenario_expect("fork", "", NULL);
}

const struct scenario scenarios[] = {
    {"threads", count_beside_each_other}, {"fork", fork_beside_trackers}, {NULL, NULL}};
