/* SPDX-License-Identifier: MIT */
/*
 * How long tm_take_snapshot() keeps its caller, with few and with many live blocks: the
 * time must follow the number of stacks and not that of blocks.
 *
 *     snapshot [BLOCKS [STACKS [TURNS]]]     prints blocks, stacks, and the shortest and
 *                                            the median time of TURNS calls, in ms, by
 * the clock and of this thread's processor time
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tmalloc.h"

#define FORKS     14
#define MOST_RUNS 1000

static double clock_ms(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* Two calls of itself, and which one it is by the lowest bit: 2^forks stacks. */
__attribute__((noinline)) static void *by_path(uint32_t path, int forks)
{
    void *p;
    if (forks == 0) {
        p = malloc(16);
    } else if (path & 1) {
        p = by_path(path >> 1, forks - 1);
        __asm__ volatile("# one way" : "+r"(p));
    } else {
        p = by_path(path >> 1, forks - 1);
        __asm__ volatile("# the other way" : "+r"(p));
    }
    return p;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double wall[MOST_RUNS];
    static double cpu[MOST_RUNS];
    uint32_t blocks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    uint32_t stacks = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000;
    int runs = argc > 3 ? atoi(argv[3]) : 31;
    if (runs < 1 || runs > MOST_RUNS || stacks < 1 || stacks > 1u << FORKS) {
        fprintf(stderr, "snapshot: expected up to %d stacks and %d turns\n", 1 << FORKS,
                MOST_RUNS);
        return 2;
    }
    tm_start(25);
    for (uint32_t i = 0; i < blocks; i++) {
        by_path(i % stacks, FORKS); /* never freed */
    }
    size_t traces = 0;
    for (int i = 0; i < runs; i++) {
        double wall_before = clock_ms(CLOCK_MONOTONIC);
        double cpu_before = clock_ms(CLOCK_THREAD_CPUTIME_ID);
        tm_snapshot_t *s = tm_take_snapshot();
        cpu[i] = clock_ms(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
        wall[i] = clock_ms(CLOCK_MONOTONIC) - wall_before;
        traces = tm_snapshot_trace_count(s);
        tm_snapshot_free(s);
        by_path((uint32_t)i % stacks, FORKS); /* something changes in between */
    }
    qsort(wall, (size_t)runs, sizeof *wall, compare);
    qsort(cpu, (size_t)runs, sizeof *cpu, compare);
    printf("%u %zu %.3f %.3f %.3f %.3f\n", blocks, traces, wall[0], wall[runs / 2],
           cpu[0], cpu[runs / 2]);
    return 0;
}
