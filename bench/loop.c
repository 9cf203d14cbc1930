/* SPDX-License-Identifier: MIT */
/*
 * The loop of random sizes: PAIRS times, free one of 1024 live blocks and allocate
 * another of 16 to 271 bytes in its place. Everything but malloc and free is a dozen
 * instructions a pair, and the same for every allocator it is preloaded with.
 *
 *     loop [PAIRS [DEPTH [time]]]     DEPTH more frames between main and the loop;
 *                                     with a third word: print nanoseconds a pair
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIVE 1024

static void *blocks[LIVE];

static void run(uint64_t pairs)
{
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 0; i < pairs; i++) {
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
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void __attribute__((noinline)) descend(uint64_t pairs, int depth)
{
    if (depth > 0) {
        descend(pairs, depth - 1);
    } else {
        run(pairs);
    }
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

int main(int argc, char **argv)
{
    uint64_t pairs = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    double begin = seconds();
    descend(pairs, argc > 2 ? atoi(argv[2]) : 0);
    double end = seconds();
    if (argc > 3) {
        printf("%.3f\n", (end - begin) * 1e9 / (double)pairs);
    }
    return 0;
}
