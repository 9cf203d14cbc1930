/* SPDX-License-Identifier: MIT */
/*
 * Small loads that do nothing but allocate, each to show one thing, for any allocator
 * that is preloaded:
 *
 *     random THREADS PAIRS   free one of 1024 live blocks, allocate another of 16 to 271
 *                            bytes in its place, in every thread
 *     deep   THREADS PAIRS   the same below 40 frames, of which the inner 3 keep changing
 *     cross  THREADS PAIRS   batches of blocks are freed by the next thread of a ring
 *     churn  THREADS PAIRS   THREADS at a time that live for 100 pairs
 *
 * PAIRS are those of malloc and free in each thread. Prints nothing: whoever runs it
 * looks at the clock.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE         1024
#define DEPTH        40
#define BATCH        4096
#define SHORT_LIFE   100
#define THREADS_MOST 64

struct worker {
    pthread_t id;
    uint64_t random;
    uint64_t pairs;
    void *blocks[LIVE];
    int number;
};

static struct worker workers[THREADS_MOST];
static int worker_count;

static uint64_t next_random(struct worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static size_t size_from(uint64_t random)
{
    return 16 + (random >> 32) % 256;
}

static void free_all(struct worker *w)
{
    for (size_t i = 0; i < LIVE; i++) {
        free(w->blocks[i]);
        w->blocks[i] = NULL;
    }
}

/* ---- random ------------------------------------------------------------------------ */

static void replace_one(struct worker *w)
{
    uint64_t random = next_random(w);
    void **slot = &w->blocks[random % LIVE];
    free(*slot);
    *slot = malloc(size_from(random));
}

static void *work_random(void *worker)
{
    struct worker *w = worker;
    for (uint64_t i = 0; i < w->pairs; i++) {
        replace_one(w);
    }
    free_all(w);
    return NULL;
}

/* ---- deep -------------------------------------------------------------------------- */

/* No tail calls, and no two of the paths below become one. */
#define KEEP_FRAME(n) __asm__ volatile("" ::"i"(n) : "memory")

#define INNER(n, callee)                                                                 \
    static void __attribute__((noinline)) inner_##n(struct worker *w, uint64_t path)     \
    {                                                                                    \
        if ((path & 3) == 0) {                                                           \
            callee(w, path >> 2);                                                        \
            KEEP_FRAME(0);                                                               \
        } else if ((path & 3) == 1) {                                                    \
            callee(w, path >> 2);                                                        \
            KEEP_FRAME(1);                                                               \
        } else {                                                                         \
            callee(w, path >> 2);                                                        \
            KEEP_FRAME(2);                                                               \
        }                                                                                \
    }

static void __attribute__((noinline)) inner_0(struct worker *w, uint64_t path)
{
    (void)path;
    replace_one(w);
    KEEP_FRAME(3);
}

INNER(1, inner_0)
INNER(2, inner_1)
INNER(3, inner_2)

static void __attribute__((noinline)) descend(struct worker *w, int depth)
{
    if (depth > 0) {
        descend(w, depth - 1);
    } else {
        for (uint64_t i = 0; i < w->pairs; i++) {
            inner_3(w, w->random >> 40);
        }
    }
    KEEP_FRAME(4);
}

static void *work_deep(void *worker)
{
    struct worker *w = worker;
    descend(w, DEPTH);
    free_all(w);
    return NULL;
}

/* ---- cross ------------------------------------------------------------------------- */

/* What a thread hands to the next one: empty or full. */
struct tray {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int full;
    void *blocks[BATCH];
};

static struct tray trays[THREADS_MOST];

static void put_batch(struct worker *w, struct tray *tray)
{
    void *batch[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        batch[i] = malloc(size_from(next_random(w)));
    }
    pthread_mutex_lock(&tray->lock);
    while (tray->full) {
        pthread_cond_wait(&tray->changed, &tray->lock);
    }
    memcpy(tray->blocks, batch, sizeof batch);
    tray->full = 1;
    pthread_cond_signal(&tray->changed);
    pthread_mutex_unlock(&tray->lock);
}

static void take_batch(struct tray *tray)
{
    void *batch[BATCH];
    pthread_mutex_lock(&tray->lock);
    while (!tray->full) {
        pthread_cond_wait(&tray->changed, &tray->lock);
    }
    memcpy(batch, tray->blocks, sizeof batch);
    tray->full = 0;
    pthread_cond_signal(&tray->changed);
    pthread_mutex_unlock(&tray->lock);
    for (size_t i = 0; i < BATCH; i++) {
        free(batch[i]);
    }
}

static void *work_cross(void *worker)
{
    struct worker *w = worker;
    for (uint64_t i = 0; i < w->pairs / BATCH; i++) {
        put_batch(w, &trays[w->number]);
        take_batch(&trays[(w->number + worker_count - 1) % worker_count]);
    }
    return NULL;
}

/* ---- churn ------------------------------------------------------------------------- */

static void *work_churn(void *worker)
{
    struct worker *w = worker;
    for (uint64_t done = 0; done < w->pairs; done += SHORT_LIFE) {
        struct worker *mayfly = calloc(1, sizeof *mayfly);
        if (mayfly == NULL) {
            abort();
        }
        mayfly->random = next_random(w);
        mayfly->pairs = SHORT_LIFE;
        if (pthread_create(&mayfly->id, NULL, work_random, mayfly) != 0) {
            abort();
        }
        pthread_join(mayfly->id, NULL);
        free(mayfly);
    }
    return NULL;
}

static const struct {
    const char *name;
    void *(*work)(void *);
} loads[] = {{"random", work_random},
             {"deep", work_deep},
             {"cross", work_cross},
             {"churn", work_churn}};

static void *(*load_named(const char *name))(void *)
{
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        if (strcmp(loads[i].name, name) == 0) {
            return loads[i].work;
        }
    }
    return NULL;
}

static void run(void *(*work)(void *), uint64_t pairs)
{
    for (int i = 0; i < worker_count; i++) {
        workers[i].number = i;
        workers[i].pairs = pairs;
        workers[i].random = UINT64_C(88172645463325252) + (uint64_t)i * 7919;
        pthread_mutex_init(&trays[i].lock, NULL);
        pthread_cond_init(&trays[i].changed, NULL);
    }
    if (worker_count == 1) {
        work(&workers[0]); /* a process of one thread, as most are */
        return;
    }
    for (int i = 0; i < worker_count; i++) {
        if (pthread_create(&workers[i].id, NULL, work, &workers[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; i < worker_count; i++) {
        pthread_join(workers[i].id, NULL);
    }
}

int main(int argc, char **argv)
{
    void *(*work)(void *) = argc == 4 ? load_named(argv[1]) : NULL;
    worker_count = argc == 4 ? atoi(argv[2]) : 0;
    if (work == NULL || worker_count < 1 || worker_count > THREADS_MOST) {
        fprintf(stderr, "usage: micro random|deep|cross|churn THREADS(1..%d) PAIRS\n",
                THREADS_MOST);
        return 2;
    }
    run(work, strtoull(argv[3], NULL, 10));
    return 0;
}
