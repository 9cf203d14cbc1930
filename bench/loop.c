/* SPDX-License-Identifier: MIT */
/*
 * The loop of random sizes: PAIRS times, free one of 1024 live blocks and allocate
 * another of 16 to 271 bytes in its place. Everything but malloc and free is a dozen
 * instructions a pair, and the same for every allocator it is preloaded with.
 *
 *     loop [PAIRS [DEPTH [THREADS [time]]]]
 *
 *     DEPTH more frames between a thread's first function and the loop, THREADS that each
 *     do PAIRS with blocks of their own; with a fourth word: print nanoseconds of the
 *     processor's time a pair, which also tells when threads slow each other down
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIVE         1024
#define THREADS_MOST 64

static uint64_t pairs = 10000000;
static int frames;

static void __attribute__((noinline)) run(void **blocks, uint64_t n)
{
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 0; i < n; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **slot = &blocks[random % LIVE];
        free(*slot);
        *slot = malloc(16 + (random >> 32) % 256);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void __attribute__((noinline)) descend(int depth)
{
    if (depth > 0) {
        descend(depth - 1);
    } else {
        void *blocks[LIVE] = {NULL};
        run(blocks, pairs);
        for (int i = 0; i < LIVE; i++) {
            free(blocks[i]);
        }
    }
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

static void *run_thread(void *arg)
{
    descend(frames);
    return arg;
}

/* The main thread is one of them. */
static int run_threads(int n)
{
    pthread_t others[THREADS_MOST];
    for (int i = 1; i < n; i++) {
        if (pthread_create(&others[i], NULL, run_thread, NULL) != 0) {
            fprintf(stderr, "loop: no thread %d of %d\n", i + 1, n);
            return 1;
        }
    }
    descend(frames);
    for (int i = 1; i < n; i++) {
        pthread_join(others[i], NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int threads = argc > 3 ? atoi(argv[3]) : 1;
    pairs = argc > 1 ? strtoull(argv[1], NULL, 10) : pairs;
    frames = argc > 2 ? atoi(argv[2]) : 0;
    if (pairs == 0 || frames < 0 || threads < 1 || threads > THREADS_MOST) {
        fprintf(stderr,
                "usage: loop [PAIRS [DEPTH [THREADS [time]]]], at most %d threads\n",
                THREADS_MOST);
        return 2;
    }
    double begin = seconds();
    int status = run_threads(threads);
    double end = seconds();
    if (argc > 4) {
        printf("%.3f\n", (end - begin) * 1e9 / (double)pairs / threads);
    }
    return status;
}
