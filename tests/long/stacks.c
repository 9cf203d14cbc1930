/* SPDX-License-Identifier: MIT */
/*
 * Ten million different stacks: a path of calls of itself for each number, its bits being
 * which one of two. What is live at a time stays what it is, block by block of the same
 * size, so all that grows is what tracing uses.
 *
 *     stacks [STACKS [NFRAME]]     a line for each tenth of them; 1 and a line that says
 *                                  what is wrong, when
 *
 *     current or peak is not the sum that is kept here, or the sites' sum is not
 *     current; more is used than TMALLOC_MAX_MEMORY; tm_get_tracemalloc_memory() differs
 *     by more than 1 % from what the kernel says
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tmalloc.h"

#define FORKS      24 /* 16 million paths */
#define LIVE       100000
#define TENTHS     10
#define BYTES_MOST 500

static void *blocks[LIVE];

__attribute__((noinline)) static void *by_path(uint32_t path, int forks, size_t bytes)
{
    void *p;
    if (forks == 0) {
        p = malloc(bytes);
    } else if (path & 1) {
        p = by_path(path >> 1, forks - 1, bytes);
        __asm__ volatile("# one way" : "+r"(p));
    } else {
        p = by_path(path >> 1, forks - 1, bytes);
        __asm__ volatile("# the other way" : "+r"(p));
    }
    return p;
}

static size_t bytes_of(uint32_t slot)
{
    return 1 + slot % BYTES_MOST;
}

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("stacks: ", stdout);
    vprintf(format, args);
    puts("");
    va_end(args);
    exit(1);
}

/* Resident bytes of what is no file's; read without a buffer of malloc's. */
static size_t resident(void)
{
    static char room[1 << 16];
    size_t sum = 0;
    bool counts = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    if (f == NULL) {
        fail("no /proc/self/smaps");
    }
    setvbuf(f, room, _IOFBF, sizeof room);
    for (char line[512]; fgets(line, sizeof line, f) != NULL;) {
        unsigned long from;
        unsigned long inode;
        size_t kib;
        if (sscanf(line, "%lx-%*x %*s %*x %*s %lu", &from, &inode) == 2) {
            counts = inode == 0;
        } else if (counts && sscanf(line, "Rss: %zu kB", &kib) == 1) {
            sum += kib << 10;
        }
    }
    fclose(f);
    return sum;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* What the program itself knows of its traced blocks. */
static size_t current;
static size_t peak;

static void replace_with(uint32_t path)
{
    uint32_t slot = path % LIVE;
    bool was_traced = path >= LIVE;
    free(blocks[slot]);
    current -= was_traced ? bytes_of(slot) : 0;
    blocks[slot] = by_path(path, FORKS, bytes_of(slot));
    current += bytes_of(slot);
    peak = current > peak ? current : peak;
}

static void check_sums(void)
{
    tm_traced_memory_t now = tm_get_traced_memory();
    if (now.current != current || now.peak != peak) {
        fail("current %zu and peak %zu, which are %zu and %zu", now.current, now.peak,
             current, peak);
    }
    uint64_t bytes = 0;
    tm_snapshot_t *s = tm_take_snapshot();
    size_t n = tm_snapshot_trace_count(s);
    for (size_t i = 0; i < n; i++) {
        tm_trace_t trace;
        tm_snapshot_trace(s, i, &trace);
        bytes += trace.size;
    }
    tm_snapshot_free(s);
    if (bytes != current) {
        fail("the sites have %" PRIu64 " bytes, the process %zu", bytes, current);
    }
}

static size_t used_before;
static size_t resident_before;

static void check_used(uint32_t stacks)
{
    tm_tracing_memory_t memory = tm_get_tracing_memory();
    size_t used = tm_get_tracemalloc_memory();
    size_t grown = used - used_before;
    size_t resident_grown = resident() - resident_before;
    double off = 100.0 * ((double)grown / (double)resident_grown - 1);
    printf("%9" PRIu32 " stacks %7.1f s %8.1f MiB used %8.1f MiB of them by the kernel "
           "%+6.2f %% %9" PRIu64 " cut\n",
           stacks, seconds(), (double)used / 0x1p20, (double)resident_grown / 0x1p20, off,
           (uint64_t)memory.cuts);
    if (used > memory.limit) {
        fail("%zu bytes of a bound of %zu", used, memory.limit);
    }
    if (off > 1 || off < -1) {
        fail("%zu bytes more by our count, and %zu by the kernel's", grown,
             resident_grown);
    }
}

int main(int argc, char **argv)
{
    uint32_t stacks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000000;
    int nframe = argc > 2 ? atoi(argv[2]) : 65535;
    if (stacks < TENTHS * LIVE || stacks > 1u << FORKS) {
        fail("expected %d to %u stacks", TENTHS * LIVE, 1u << FORKS);
    }
    static char out[BUFSIZ];
    setvbuf(stdout, out, _IOLBF, sizeof out);
    for (uint32_t slot = 0; slot < LIVE; slot++) {
        blocks[slot] = malloc(bytes_of(slot));
    }
    for (int i = 0; i < 3; i++) {
        resident(); /* whatever it needs is there */
    }
    tm_start(nframe);
    used_before = tm_get_tracemalloc_memory();
    resident_before = resident();
    for (uint32_t path = 0; path < stacks; path++) {
        replace_with(path);
        if ((path + 1) % (stacks / TENTHS) == 0) {
            check_sums();
            check_used(path + 1);
            tm_reset_peak(); /* which reading the maps has raised */
            peak = current;
        }
    }
    return 0;
}
