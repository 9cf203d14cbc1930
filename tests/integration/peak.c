/* SPDX-License-Identifier: MIT */
/*
 * Who held what at the peak, against a log of every operation. What a peak snapshot gives
 * to each place that allocates must be, to the byte, what the log says of one moment
 * since the last reset, and the bytes of that moment as near to the peak as is promised:
 *
 *     one thread    at least 99.5 % of the peak
 *     T threads     at least 99.5 % of the peak less (T - 1) leases
 *
 * Threads work in turn, one operation at a time, so that the log is the truth. Each
 * scenario is a process of its own, with the lease that it is about.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"

#define SLOTS        4096
#define LOG_MOST     400000
#define THREADS_MOST 4

/* The places, and one for all others. */
#define PLACES (SITE_COUNT + 1)

struct place {
    uint64_t bytes, blocks;
};

struct state {
    struct place places[PLACES];
    uint64_t current;
};

/* One operation: a block goes and another comes; size 0 and SITE_COUNT: none does. */
struct step {
    enum site gone, come;
    uint64_t gone_bytes, come_bytes;
};

static struct {
    struct state first; /* as it was when the log began */
    struct state now;
    struct step steps[LOG_MOST];
    size_t count;
    uint64_t peak;
} history;

static struct {
    void *p;
    size_t size;
    enum site site;
} blocks[SLOTS];

static const char *trouble;
static int threads = 1;
static int64_t lease = 64 << 10;

static void expect(bool right, const char *what)
{
    if (!right && trouble == NULL) {
        trouble = what;
    }
}

/* ---- the log ------------------------------------------------------------------------
 */

static void apply(struct state *state, const struct step *step)
{
    if (step->gone != SITE_COUNT) {
        state->places[step->gone].bytes -= step->gone_bytes;
        state->places[step->gone].blocks--;
    }
    if (step->come != SITE_COUNT) {
        state->places[step->come].bytes += step->come_bytes;
        state->places[step->come].blocks++;
    }
    state->current += step->come_bytes - step->gone_bytes;
}

static void note(enum site gone, uint64_t gone_bytes, enum site come, uint64_t come_bytes)
{
    struct step step = {gone, come, gone_bytes, come_bytes};
    if (history.count == LOG_MOST) {
        trouble = "the log is full";
        return;
    }
    history.steps[history.count++] = step;
    apply(&history.now, &step);
    history.peak =
        history.now.current > history.peak ? history.now.current : history.peak;
}

/* The peak is now. */
static void begin_log(void)
{
    history.first = history.now;
    history.count = 0;
    history.peak = history.now.current;
}

static bool same(const struct state *a, const struct state *b)
{
    return a->current == b->current &&
           memcmp(a->places, b->places, sizeof a->places) == 0;
}

static bool was_once(const struct state *wanted)
{
    struct state state = history.first;
    bool found = same(&state, wanted);
    for (size_t i = 0; i < history.count && !found; i++) {
        apply(&state, &history.steps[i]);
        found = same(&state, wanted);
    }
    return found;
}

/* ---- operations ---------------------------------------------------------------------
 */

static void *allocate(enum site site, size_t size, uint64_t *dice)
{
    switch (site) {
    case SITE_MALLOC:
        return site_malloc(size);
    case SITE_DEEP:
        return site_deep(size, (int)random_below(dice, 40));
    case SITE_CALLOC:
        return site_calloc(1, size);
    case SITE_MEMALIGN:
        return site_memalign(64, size);
    default:
        return site_new(size);
    }
}

static void be_born(size_t i, size_t size, uint64_t *dice)
{
    static const enum site some[] = {SITE_MALLOC, SITE_DEEP, SITE_CALLOC, SITE_MEMALIGN,
                                     SITE_NEW};
    blocks[i].site = some[random_below(dice, 5)];
    blocks[i].size = size;
    blocks[i].p = allocate(blocks[i].site, size, dice);
    note(SITE_COUNT, 0, blocks[i].site, size);
}

static void die(size_t i)
{
    free(blocks[i].p);
    note(blocks[i].site, blocks[i].size, SITE_COUNT, 0);
    blocks[i].p = NULL;
}

static void resize(size_t i, size_t size)
{
    blocks[i].p = site_realloc(blocks[i].p, size);
    note(blocks[i].site, blocks[i].size, SITE_REALLOC, size);
    blocks[i].site = SITE_REALLOC;
    blocks[i].size = size;
}

/* `tide`: how many operations out of 16 make a block where there is none. */
static void change_a_block(size_t tide, uint64_t *dice)
{
    size_t i = random_below(dice, SLOTS);
    size_t size = 1 + random_below(dice, one_in(dice, 40) ? 100000 : 300);
    bool rises = random_below(dice, 16) < tide;
    if (blocks[i].p == NULL) {
        if (rises) {
            be_born(i, size, dice);
        }
    } else if (one_in(dice, 4)) {
        resize(i, size);
    } else if (!rises) {
        die(i);
    }
}

/* ---- looking ------------------------------------------------------------------------
 */

static struct state state_of(tm_snapshot_t *s)
{
    struct state state = {0};
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_snapshot_trace(s, i, &t);
        size_t len = tm_traceback_len(t.traceback);
        enum site site = site_of_address(tm_traceback_address(t.traceback, len - 1));
        state.places[site].bytes += t.size;
        state.places[site].blocks += t.count;
        state.current += t.size;
    }
    tm_snapshot_free(s);
    return state;
}

static void look(void)
{
    struct state peak = state_of(tm_take_peak_snapshot());
    struct state now = state_of(tm_take_snapshot());
    uint64_t allowed = history.peak / 200 + (uint64_t)((threads - 1) * lease);
    expect(same(&now, &history.now), "a snapshot is not what the log says of now");
    expect(was_once(&peak), "a peak snapshot is of no moment since the reset");
    expect(peak.current <= history.peak, "a peak snapshot holds more than the peak");
    expect(peak.current + allowed >= history.peak, "a peak snapshot holds too little");
    tm_traced_memory_t m = tm_get_traced_memory();
    expect(m.current == history.now.current, "current is not the log's");
    expect(threads > 1 || m.peak == history.peak, "the peak is not the log's");
}

static void forget_all(void)
{
    memset(&history.now, 0, sizeof history.now);
    begin_log();
    for (size_t i = 0; i < SLOTS; i++) {
        free(blocks[i].p);
        blocks[i].p = NULL;
    }
}

static void steer(uint64_t *dice)
{
    size_t what = random_below(dice, 8);
    if (what < 6) {
        tm_reset_peak();
        begin_log();
    } else if (what == 6) {
        tm_clear_traces();
        forget_all();
    } else {
        tm_stop();
        tm_start(1 + (int)random_below(dice, 50));
        forget_all();
    }
}

/* Tides of different heights, so that there are peaks to find, far apart and near. */
static void work(size_t operations, uint64_t *dice)
{
    size_t tide = 12;
    for (size_t i = 0; i < operations && trouble == NULL; i++) {
        if (one_in(dice, 1500)) {
            tide = random_below(dice, 17);
        }
        change_a_block(tide, dice);
        if (one_in(dice, 1000)) {
            look();
        }
        if (one_in(dice, 9000)) {
            steer(dice);
        }
    }
    look();
}

/* ---- in turn ------------------------------------------------------------------------
 */

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void *work_in_turn(void *number)
{
    uint64_t dice = (uintptr_t)number + 40;
    for (size_t i = 0; i < 600; i++) {
        pthread_mutex_lock(&turn);
        work(1 + random_below(&dice, 80), &dice);
        pthread_mutex_unlock(&turn);
        if (one_in(&dice, 3)) {
            sched_yield();
        }
    }
    return NULL;
}

static int log_of_threads(const char *argument)
{
    pthread_t ids[THREADS_MOST];
    const char *set = getenv("TMALLOC_LEASE");
    lease = set == NULL ? lease : strtoll(set, NULL, 10);
    threads = atoi(argument) + 1; /* main is one of them */
    tm_start(25);
    pthread_mutex_lock(&turn);
    for (uintptr_t i = 1; i < (uintptr_t)threads; i++) {
        pthread_create(&ids[i], NULL, work_in_turn, (void *)i);
    }
    tm_clear_traces(); /* of what creating threads allocates */
    forget_all();
    pthread_mutex_unlock(&turn);
    for (int i = 1; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

static int log_of_one(const char *seed)
{
    uint64_t dice = strtoull(seed, NULL, 10);
    tm_start(25);
    work(150000, &dice);
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* ---- single cases -------------------------------------------------------------------
 */

/* Up to a peak and down by ever so little: the block that made it is in the snapshot. */
static int first_fall(const char *unused)
{
    (void)unused;
    tm_start(5);
    void *base = site_malloc(1000000);
    for (int i = 0; i < 3; i++) {
        free(site_calloc(1, 10000 + 5000 * (size_t)i));
    }
    struct state peak = state_of(tm_take_peak_snapshot());
    expect(peak.places[SITE_CALLOC].bytes == 20000, "not the last of the three");
    expect(peak.places[SITE_CALLOC].blocks == 1, "one block at a time");
    expect(peak.places[SITE_MALLOC].bytes == 1000000, "what was there all the time");
    free(base);
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* While the bytes still rise the peak is now. */
static int still_rising(const char *unused)
{
    (void)unused;
    tm_start(5);
    free(site_malloc(1000));
    void *p = site_calloc(1, 5000);
    struct state peak = state_of(tm_take_peak_snapshot());
    expect(peak.current == 5000 && peak.places[SITE_CALLOC].blocks == 1, "not now");
    free(p);
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* A sawtooth whose points rise by less than half a percent a time. */
static int creeping_up(const char *unused)
{
    (void)unused;
    tm_start(1);
    size_t held = 0;
    for (int i = 0; i < 4000; i++) {
        site_malloc(1000);
        held += 1000;
        void *tip = site_calloc(1, 1000);
        free(tip);
    }
    struct state peak = state_of(tm_take_peak_snapshot());
    expect(peak.current >= (held + 1000) / 1000 * 995, "less than 99.5 %");
    expect(peak.current <= held + 1000, "more than there was");
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* A child has its parent's peak, and then one of its own. */
static int in_a_child(const char *unused)
{
    (void)unused;
    tm_start(5);
    free(site_malloc(70000));
    pid_t child = fork();
    if (child == 0) {
        struct state peak = state_of(tm_take_peak_snapshot());
        expect(peak.places[SITE_MALLOC].bytes == 70000, "the parent's peak is lost");
        free(site_calloc(1, 90000));
        peak = state_of(tm_take_peak_snapshot());
        expect(peak.places[SITE_CALLOC].bytes == 90000, "the child has no peak");
        expect(peak.places[SITE_MALLOC].bytes == 0, "the parent's in the child's");
        _exit(trouble == NULL ? 0 : scenario_fail("%s", trouble));
    }
    int status = -1;
    waitpid(child, &status, 0);
    struct state peak = state_of(tm_take_peak_snapshot());
    expect(peak.places[SITE_MALLOC].bytes == 70000, "the child's in the parent's");
    return status == 0 && trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

static int without_tracing(const char *unused)
{
    (void)unused;
    errno = 0;
    expect(tm_take_peak_snapshot() == NULL && errno == ENODATA, "before the start");
    tm_start(1);
    tm_snapshot_t *empty = tm_take_peak_snapshot();
    expect(empty != NULL && tm_snapshot_trace_count(empty) == 0, "nothing was held");
    tm_snapshot_free(empty);
    free(site_malloc(10));
    tm_stop();
    errno = 0;
    expect(tm_take_peak_snapshot() == NULL && errno == ENODATA, "after the stop");
    return trouble == NULL ? 0 : scenario_fail("%s", trouble);
}

/* ---- tests --------------------------------------------------------------------------
 */

const struct scenario scenarios[] = {
    {"log_of_one", log_of_one},           {"log_of_threads", log_of_threads},
    {"first_fall", first_fall},           {"still_rising", still_rising},
    {"creeping_up", creeping_up},         {"in_a_child", in_a_child},
    {"without_tracing", without_tracing}, {NULL, NULL}};

static const char *const no_lease[] = {"TMALLOC_LEASE=0", NULL};
static const char *const small_lease[] = {"TMALLOC_LEASE=1000", NULL};

Test(peak, of_one_thread_is_a_moment_of_the_log)
{
    scenario_expect("log_of_one", "1", NULL);
    scenario_expect("log_of_one", "2", no_lease);
    scenario_expect("log_of_one", "3", small_lease);
}

Test(peak, of_threads_in_turn_is_a_moment_of_the_log)
{
    scenario_expect("log_of_threads", "1", NULL);
    scenario_expect("log_of_threads", "3", NULL);
    scenario_expect("log_of_threads", "3", no_lease);
    scenario_expect("log_of_threads", "3", small_lease);
}

Test(peak, holds_what_was_there_before_the_first_fall)
{
    scenario_expect("first_fall", "", NULL);
}

Test(peak, is_now_while_the_bytes_rise)
{
    scenario_expect("still_rising", "", NULL);
}

Test(peak, keeps_up_with_one_that_creeps)
{
    scenario_expect("creeping_up", "", NULL);
}

Test(peak, in_a_forked_child_goes_on)
{
    scenario_expect("in_a_child", "", NULL);
}

Test(peak, needs_tracing)
{
    scenario_expect("without_tracing", "", NULL);
}
