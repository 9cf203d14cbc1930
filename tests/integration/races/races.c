/* SPDX-License-Identifier: MIT */
/*
 * The runtime's data structures, each with several threads in it at once, for TSan: a
 * race that the protocols do not allow for is a report, and a wrong result a line on
 * stderr. What is plain on purpose (a shard's counts) is named in races.sh.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/random.h"
#include "base/lock.h"
#include "trace/direct.h"
#include "trace/index.h"
#include "trace/shard.h"
#include "trace/totals.h"
#include "trace/tracer.h"
#include "trace/tree.h"

#define THREADS 4
#define ROUNDS  20000

#define EXPECT(holds)                                                                    \
    do {                                                                                 \
        if (!(holds)) {                                                                  \
            fprintf(stderr, "races: line %d: %s\n", __LINE__, #holds);                   \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

static void run_all(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ---- index: readers without a lock beside writers with one --------------------------
 */

static struct tmi_index words;

static void *use_index(void *number)
{
    uint64_t random = (uintptr_t)number;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t key = random_below(&random, 5000) * 3;
        uint32_t id = tmi_index_find(&words, key);
        if (id == 0) {
            tmi_lock(TMI_LOCK_SITES);
            id = tmi_index_add(&words, key);
            tmi_unlock(TMI_LOCK_SITES);
        }
        EXPECT(id != 0 && tmi_index_key(&words, id) == key);
        EXPECT(tmi_index_count(&words) >= id);
        EXPECT(tmi_index_find(&words, key) == id);
    }
    return NULL;
}

/* ---- tree: the same stacks interned by all ------------------------------------------
 */

static uint32_t leaves[500];

static void *use_tree(void *number)
{
    uint64_t random = (uintptr_t)number + 7;
    for (int i = 0; i < ROUNDS / 4; i++) {
        uintptr_t which = random_below(&random, 500);
        uintptr_t stack[] = {which + 1, which / 10 + 1, which / 100 + 1, 5};
        uint32_t leaf = tmi_tree_intern(stack, 4);
        uint32_t none = 0;
        EXPECT(leaf != 0 && tmi_tree_depth(leaf) == 4);
        bool is_first = __atomic_compare_exchange_n(&leaves[which], &none, leaf, false,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        EXPECT(is_first || none == leaf);
    }
    return NULL;
}

/* ---- shards: owners that count and flush, cuts through what they do, a reader --------
 */

#define SITES 1000

static struct tmi_shard *shards[THREADS];
static uint32_t owners_left;    /* atomic */
static uint32_t steps[THREADS]; /* atomic: odd while an owner is in an operation */

static tmi_stamp stamp_of(uint32_t epoch)
{
    return (tmi_stamp)epoch << 32 | 1;
}

/* Between two looks at the turn each site's blocks are freed again. */
static void *own_shard(void *number)
{
    struct tmi_shard *shard = shards[(uintptr_t)number];
    uint64_t random = (uintptr_t)number + 11;
    uint32_t *step = &steps[(uintptr_t)number];
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_fetch_add(step, 1, __ATOMIC_SEQ_CST);
        uint64_t turn = tmi_load_acquire(&tmi_tracer.turn);
        if (turn != shard->turn) {
            tmi_shard_look(shard, turn);
        }
        uint32_t id = 1 + (uint32_t)random_below(&random, SITES);
        tmi_shard_count_alloc(shard, id, 10);
        tmi_shard_add(shard, 10);
        if (!tmi_shard_count_free(shard, id, 10, true)) {
            tmi_direct_count(id, 10, 1);
        }
        tmi_shard_add(shard, -10);
        if (one_in(&random, 1000)) {
            tmi_shard_flush(shard);
        }
        __atomic_fetch_add(step, 1, __ATOMIC_RELEASE);
    }
    __atomic_sub_fetch(&owners_left, 1, __ATOMIC_RELEASE);
    return NULL;
}

/*
 * Whoever was in an operation when the turn moved does not know of the cut, and is waited
 * for, as tmi_read_settle() does: else a half of that operation is seen.
 */
static void settle(void)
{
    for (int i = 0; i < THREADS; i++) {
        uint32_t was = __atomic_fetch_add(&steps[i], 0, __ATOMIC_SEQ_CST);
        while (was % 2 == 1 && __atomic_load_n(&steps[i], __ATOMIC_ACQUIRE) == was) {
        }
    }
}

/* What lies before a cut is whole: as many blocks freed as allocated, in each shard. */
static void read_cut(void)
{
    static struct tmi_cell sums[SITES];
    for (int i = 0; i < THREADS; i++) {
        memset(sums, 0, sizeof sums);
        EXPECT(tmi_shard_read(shards[i], TMI_CUT_NOW, 1, sums, SITES));
        for (int site = 0; site < SITES; site++) {
            EXPECT(sums[site].alloc_blocks == sums[site].free_blocks);
            EXPECT(sums[site].alloc_bytes == 10 * sums[site].alloc_blocks);
            EXPECT(sums[site].free_bytes == 10 * sums[site].free_blocks);
        }
    }
}

static void read_shards(void)
{
    while (__atomic_load_n(&owners_left, __ATOMIC_ACQUIRE) != 0) {
        tmi_lock(TMI_LOCK_CUTS);
        tmi_cut_make_locked(TMI_CUT_NOW);
        tmi_unlock(TMI_LOCK_CUTS);
        settle();
        read_cut();
        tmi_lock(TMI_LOCK_CUTS);
        tmi_cut_end_locked(TMI_CUT_NOW);
        tmi_unlock(TMI_LOCK_CUTS);
    }
}

static void use_shards(void)
{
    tmi_totals_begin(&tmi_process_totals, 1);
    pthread_t threads[THREADS];
    owners_left = THREADS;
    for (uintptr_t i = 0; i < THREADS; i++) {
        shards[i] = tmi_shard_new();
        EXPECT(shards[i] != NULL);
        tmi_shard_begin(shards[i], stamp_of(1), 100);
        EXPECT(pthread_create(&threads[i], NULL, own_shard, (void *)i) == 0);
    }
    read_shards();
    uint64_t blocks = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        tmi_shard_flush(shards[i]);
        for (uint32_t id = 1; id <= SITES; id++) {
            const struct tmi_cell *cell = tmi_shard_cell(shards[i], id);
            EXPECT(cell->alloc_blocks == cell->free_blocks);
            blocks += cell->alloc_blocks;
        }
    }
    EXPECT(blocks == (uint64_t)THREADS * ROUNDS);
    EXPECT(tmi_totals_current(&tmi_process_totals) == 0 &&
           tmi_totals_peak(&tmi_process_totals) >= 10);
}

/* ---- totals: flushes of two epochs, and the change between them -----------------------
 */

static uint32_t epoch = 2; /* atomic */

static void *use_totals(void *number)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t now = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
        tmi_totals_flush(&tmi_process_totals, now, 10, 20);
        tmi_totals_flush(&tmi_process_totals, now, -10, 0);
        if (number == NULL && i % 1000 == 0) {
            tmi_totals_begin(&tmi_process_totals, now + 1);
            __atomic_store_n(&epoch, now + 1, __ATOMIC_RELEASE);
        }
    }
    return NULL;
}

int main(void)
{
    run_all(use_index);
    EXPECT(tmi_index_count(&words) <= 5000);
    EXPECT(tmi_index_forget(&words) == tmi_index_count(&words) + 1);
    run_all(use_index);
    run_all(use_tree);
    use_shards();
    tmi_totals_begin(&tmi_process_totals, epoch);
    run_all(use_totals);
    EXPECT(tmi_totals_are_of(&tmi_process_totals, epoch));
    puts("no race");
    return 0;
}
