/* SPDX-License-Identifier: MIT */
/*
 * What each site has, had and lost at once, when threads free each other's blocks and
 * come and go: every thread logs what it does, and when all is quiet the logs' sums are
 * those of a snapshot, value by value. And a crowd: a thousand threads at once, and
 * again.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "../support/scenario.h"
#include "../support/sites.h"
#include "tmalloc.h"
#include "view/snapshot.h"

#define THREADS    4
#define LIVES      30
#define OPERATIONS 4000
#define POOL       1000

struct block {
    void *p; /* NULL: none here */
    size_t size;
    enum site site;
};

/* Everybody's. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block pool[POOL];

/* One thread's, from its begin to its end. */
struct life {
    uint64_t dice;
    const void *latest; /* the block that it allocated last */
    uint64_t values[SITE_COUNT][TMI_VALUE_COUNT];
};

static void log_free(struct life *life, const struct block *block)
{
    uint64_t *values = life->values[block->site];
    values[TMI_INUSE_BLOCKS]--;
    values[TMI_INUSE_BYTES] -= block->size;
    values[TMI_TEMPORARY_BLOCKS] += block->p == life->latest;
}

static void log_alloc(struct life *life, const struct block *block)
{
    uint64_t *values = life->values[block->site];
    values[TMI_INUSE_BLOCKS]++;
    values[TMI_INUSE_BYTES] += block->size;
    values[TMI_ALLOC_BLOCKS]++;
    values[TMI_ALLOC_BYTES] += block->size;
    life->latest = block->p;
}

static struct block make(struct life *life)
{
    static const enum site sites[] = {SITE_MALLOC,  SITE_CALLOC, SITE_DEEP,
                                      SITE_REALLOC, SITE_NEW,    SITE_MEMALIGN};
    struct block block = {NULL, random_below(&life->dice, 2500), SITE_COUNT};
    block.site = sites[random_below(&life->dice, sizeof sites / sizeof *sites)];
    switch (block.site) {
    case SITE_MALLOC:
        block.p = site_malloc(block.size);
        break;
    case SITE_CALLOC:
        block.p = site_calloc(1, block.size);
        break;
    case SITE_DEEP:
        block.p = site_deep(block.size, (int)random_below(&life->dice, 8));
        break;
    case SITE_REALLOC:
        block.p = site_realloc(NULL, block.size);
        break;
    case SITE_NEW:
        block.p = site_new(block.size);
        break;
    default:
        block.p = site_memalign(64, block.size);
        break;
    }
    log_alloc(life, &block);
    return block;
}

/* Put a block into the pool and take another one out of it. */
static struct block swap(struct life *life, struct block block)
{
    pthread_mutex_lock(&pool_lock);
    struct block *place = &pool[random_below(&life->dice, POOL)];
    struct block other = *place;
    *place = block;
    pthread_mutex_unlock(&pool_lock);
    return other;
}

static void *live(void *arg)
{
    struct life *life = arg;
    for (int i = 0; i < OPERATIONS; i++) {
        struct block block = make(life);
        if (!one_in(&life->dice, 5)) {
            block = swap(life, block);
        }
        if (block.p != NULL) {
            log_free(life, &block);
            free(block.p);
        }
    }
    return NULL;
}

/* As many lives after each other as there are, THREADS of them beside each other. */
static void live_them_all(struct life *lives)
{
    for (int i = 0; i < LIVES; i += THREADS) {
        pthread_t ids[THREADS];
        int n = LIVES - i < THREADS ? LIVES - i : THREADS;
        for (int k = 0; k < n; k++) {
            lives[i + k].dice = 1000 + (uint64_t)(i + k);
            pthread_create(&ids[k], NULL, live, &lives[i + k]);
        }
        for (int k = 0; k < n; k++) {
            pthread_join(ids[k], NULL);
        }
    }
}

static void add_up_snapshot(uint64_t values[SITE_COUNT][TMI_VALUE_COUNT])
{
    const struct tm_snapshot *s = tm_take_snapshot();
    for (size_t i = 0; i < s->trace_count; i++) {
        const struct tmi_trace *t = &s->traces[i];
        uint32_t newest = s->frames[t->traceback.first_frame];
        enum site site = site_of_address(s->locations[newest].address);
        for (int v = 0; site != SITE_COUNT && v < TMI_VALUE_COUNT; v++) {
            values[site][v] += t->values[v];
        }
    }
    tm_snapshot_free((struct tm_snapshot *)s);
}

static int compare(const struct life *lives)
{
    uint64_t told[SITE_COUNT][TMI_VALUE_COUNT] = {{0}};
    add_up_snapshot(told);
    for (int site = 0; site < SITE_COUNT; site++) {
        for (int v = 0; v < TMI_VALUE_COUNT; v++) {
            uint64_t sum = 0;
            for (int i = 0; i < LIVES; i++) {
                sum += lives[i].values[site][v];
            }
            if (sum != told[site][v]) {
                return scenario_fail("site %d, value %d: %llu, not %llu", site, v,
                                     (unsigned long long)told[site][v],
                                     (unsigned long long)sum);
            }
        }
    }
    return 0;
}

static int log_and_compare(const char *frames)
{
    static struct life lives[LIVES];
    tm_start(atoi(frames));
    live_them_all(lives);
    return compare(lives);
}

/* ---- the block that a dead thread allocated last ------------------------------------
 */

static void *leave_a_block(void *slot)
{
    *(void **)slot = site_malloc(100);
    return NULL;
}

static void *drop_a_block(void *block)
{
    free(block);
    return NULL;
}

/* It was not the heir of its counters who allocated it: so it was not temporary. */
static int free_what_a_dead_thread_made(const char *frames)
{
    uint64_t told[SITE_COUNT][TMI_VALUE_COUNT] = {{0}};
    tm_start(atoi(frames));
    for (int i = 0; i < 100; i++) {
        pthread_t id;
        void *block;
        pthread_create(&id, NULL, leave_a_block, &block);
        pthread_join(id, NULL);
        pthread_create(&id, NULL, drop_a_block, block);
        pthread_join(id, NULL);
    }
    add_up_snapshot(told);
    const uint64_t *values = told[SITE_MALLOC];
    return values[TMI_ALLOC_BLOCKS] == 100 && values[TMI_INUSE_BLOCKS] == 0 &&
                   values[TMI_TEMPORARY_BLOCKS] == 0
               ? 0
               : scenario_fail("%llu blocks were temporary",
                               (unsigned long long)values[TMI_TEMPORARY_BLOCKS]);
}

/* ---- a crowd ------------------------------------------------------------------------
 */

#define CROWD 1000

static pthread_barrier_t all_there;

static void *be_one_of_many(void *slot)
{
    void *p = site_malloc(64);
    pthread_barrier_wait(&all_there);
    *(void **)slot = site_calloc(1, 32); /* main frees it */
    free(p);
    return NULL;
}

static bool gather(void)
{
    static pthread_t ids[CROWD];
    static void *left[CROWD];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    pthread_barrier_init(&all_there, NULL, CROWD);
    for (int i = 0; i < CROWD; i++) {
        if (pthread_create(&ids[i], &small, be_one_of_many, &left[i]) != 0) {
            return false;
        }
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(ids[i], NULL);
        free(left[i]);
    }
    return true;
}

/* What a crowd needs is there for the next one. */
static int crowd_twice(const char *frames)
{
    tm_start(atoi(frames));
    if (!gather()) {
        return 0; /* the system does not allow so many */
    }
    size_t overhead = tm_get_tracemalloc_memory();
    gather();
    gather();
    size_t after = tm_get_tracemalloc_memory();
    uint64_t told[SITE_COUNT][TMI_VALUE_COUNT] = {{0}};
    add_up_snapshot(told);
    if (after != overhead) {
        return scenario_fail("%zu bytes, then %zu", overhead, after);
    }
    if (told[SITE_MALLOC][TMI_ALLOC_BLOCKS] != 3 * CROWD ||
        told[SITE_MALLOC][TMI_INUSE_BLOCKS] != 0 ||
        told[SITE_CALLOC][TMI_ALLOC_BLOCKS] != 3 * CROWD ||
        told[SITE_CALLOC][TMI_INUSE_BYTES] != 0) {
        return scenario_fail("the sites' counts are wrong");
    }
    return 0;
}

/* ---- tests --------------------------------------------------------------------------
 */

const struct scenario scenarios[] = {
    {"log", log_and_compare},
    {"heir", free_what_a_dead_thread_made},
    {"crowd", crowd_twice},
    {NULL, NULL},
};

static void expect_with_frames(const char *name)
{
    scenario_expect(name, "1", NULL);
    scenario_expect(name, "25", NULL);
    scenario_expect(name, "1", (const char *const[]){"TMALLOC_LEASE=0", NULL});
}

Test(threads_sites, sums_of_what_all_threads_did)
{
    expect_with_frames("log");
}

Test(threads_sites, a_dead_thread_s_block_is_not_temporary)
{
    expect_with_frames("heir");
}

Test(threads_sites, a_thousand_at_once_and_again)
{
    expect_with_frames("crowd");
}
