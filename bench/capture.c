/* SPDX-License-Identifier: MIT */
/*
 * What one stack costs: CAPTURES captures of a stack of so many frames, from main's
 * caller's caller to the one that asks, by one method, in one pattern of how stacks
 * follow each other.
 *
 *     capture METHOD PATTERN FRAMES CAPTURES [time]     with a fifth word: print ns each
 *
 *     none       the calls alone, to be subtracted
 *     tmalloc    capture and call-tree node, as malloc does it
 *     walk       frame pointers, by the simplest loop there is; where there are any
 *     libunwind  unw_backtrace()
 *     glibc      backtrace()
 *
 *     same       the same stack again and again
 *     inner      the innermost 1 to 3 frames change with each capture, by eight turns
 *     middle     that, and every eighth time a frame half-way to main is another
 *
 * Compiled without frame pointers and, as capture-fp, with them. libunwind is loaded at
 * run time: linked, its own backtrace() would take the place of glibc's.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trace/capture.h"
#include "trace/tree.h"

#define FRAMES_MOST 256
#define STAY()      __asm__ volatile("" ::: "memory") /* no tail call, no merging */
#define KEEP        __attribute__((noinline))

static struct tmi_shard *shard;
static uint32_t node;
static int (*unw_backtrace)(void **, int);
static void *found[FRAMES_MOST];
static uintptr_t stack_end;

KEEP static void by_none(void)
{
    STAY();
}

KEEP static void by_tmalloc(void)
{
    node = tmi_capture_stack(shard, __builtin_frame_address(0));
    STAY();
}

KEEP static void by_walk(void)
{
    uintptr_t *fp = __builtin_frame_address(0);
    size_t n = 0;
    while (n < FRAMES_MOST) {
        found[n++] = (void *)fp[1];
        uintptr_t *next = (uintptr_t *)fp[0];
        if (next <= fp || (uintptr_t)next >= stack_end) {
            break;
        }
        fp = next;
    }
    STAY();
}

KEEP static void by_libunwind(void)
{
    unw_backtrace(found, FRAMES_MOST);
    STAY();
}

KEEP static void by_glibc(void)
{
    backtrace(found, FRAMES_MOST);
    STAY();
}

static const struct {
    const char *name;
    void (*capture)(void);
} methods[] = {
    {"none", by_none},           {"tmalloc", by_tmalloc}, {"walk", by_walk},
    {"libunwind", by_libunwind}, {"glibc", by_glibc},
};

static void (*capture)(void);
static enum { SAME, INNER, MIDDLE } pattern;
static int middle_level;

/* Three frames inside of the caller, of two different functions each; so two and one. */
#define INNERMOST(name, words, next)                                                     \
    KEEP static void name(void)                                                          \
    {                                                                                    \
        char room[8 * (words)];                                                          \
        __asm__ volatile("" ::"r"(room) : "memory");                                     \
        next();                                                                          \
        STAY();                                                                          \
    }
INNERMOST(one_a, 2, capture)
INNERMOST(one_b, 5, capture)
INNERMOST(two_a, 3, one_a)
INNERMOST(two_b, 9, one_b)
INNERMOST(three_a, 4, two_a)
INNERMOST(three_b, 7, two_b)
INNERMOST(three_c, 2, two_a)
INNERMOST(two_c, 6, one_a)

static void (*const inner[])(void) = {one_a,   two_a, three_a, one_b,
                                      three_b, two_b, three_c, two_c};

/* Each capture from a place of its own kind; the loop is the frame that stays. */
KEEP static void bottom(uint64_t n)
{
    if (pattern == SAME) {
        for (uint64_t i = 0; i < n; i++) {
            two_a();
        }
    } else {
        for (uint64_t i = 0; i < n; i++) {
            inner[i % 8]();
        }
    }
    STAY();
}

KEEP static void descend(int levels, uint64_t n);

KEEP static void turn_a(int levels)
{
    descend(levels, 8);
    STAY();
}

KEEP static void turn_b(int levels)
{
    char room[48];
    __asm__ volatile("" ::"r"(room) : "memory");
    descend(levels, 8);
    STAY();
}

KEEP static void descend(int levels, uint64_t n)
{
    if (levels == 0) {
        bottom(n);
    } else if (levels == middle_level && pattern == MIDDLE) {
        for (uint64_t i = 0; i < n / 8; i++) {
            (i % 2 == 0 ? turn_a : turn_b)(levels - 2);
        }
    } else {
        descend(levels - 1, n);
    }
    STAY();
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* others may run beside this */
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool choose(const char *method)
{
    capture = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(method, methods[i].name) == 0) {
            capture = methods[i].capture;
        }
    }
    if (capture == by_libunwind) {
        void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
        void *symbol = library == NULL ? NULL : dlsym(library, "unw_backtrace");
        memcpy(&unw_backtrace, &symbol, sizeof symbol);
        return symbol != NULL;
    }
    return capture != NULL;
}

/* How many frames a stack has without any of descend()'s that go down. */
static int least_frames(void)
{
    pattern = SAME;
    capture = by_tmalloc;
    descend(0, 1);
    return (int)tmi_tree_depth(node) - 1; /* this one */
}

int main(int argc, char **argv)
{
    static const char *const patterns[] = {"same", "inner", "middle"};
    shard = tmi_shard_new();
    stack_end = (uintptr_t)__builtin_frame_address(0) + 4096;
    int least = shard == NULL ? 0 : least_frames();
    int p = 0;
    while (argc >= 5 && p < 3 && strcmp(argv[2], patterns[p]) != 0) {
        p++;
    }
    if (argc < 5 || p == 3 || !choose(argv[1]) || least == 0) {
        fprintf(stderr, "usage: capture METHOD PATTERN FRAMES CAPTURES [time]\n");
        return 2;
    }
    pattern = p;
    int levels = atoi(argv[3]) - least;
    middle_level = levels / 2 > 2 ? levels / 2 : 2;
    if (levels < 0 || (pattern == MIDDLE && levels < 4)) {
        fprintf(stderr, "capture: a stack has %d frames at least, 4 more with a middle\n",
                least);
        return 2;
    }
    uint64_t captures = strtoull(argv[4], NULL, 10);
    descend(levels, 8000); /* warm */
    double begin = seconds();
    descend(levels, captures);
    double end = seconds();
    if (argc > 5) {
        printf("%.3f\n", (end - begin) * 1e9 / (double)captures);
    }
    return 0;
}
