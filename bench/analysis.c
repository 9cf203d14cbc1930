/* SPDX-License-Identifier: MIT */
/*
 * What the analysis costs: a snapshot of many different stacks is written, read and
 * grouped by line, the way that one that a user looks at is.
 *
 *     analysis make FILE [TRACES [FRAMES]]    write one: 1,000,000 traces of 25 frames
 *     analysis read FILE                      load and group; seconds and memory, one
 * line analysis list TRACES FRAMES             the same traces for another program: a
 * line each, SIZE and frames LINE:FILE, oldest first
 *
 * The stacks are those of a program of 2,000 functions in 200 files: from main on each
 * frame is one of three callees of the one before, so that they have their outer parts in
 * common, as stacks do. The memory is the most that the process ever had (VmHWM), beside
 * the bytes of the arrays that were loaded: traces, frames, locations, lines, modules.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pprof/dump.h"
#include "pprof/load.h"
#include "view/service.h"
#include "view/snapshot.h"

enum { FUNCTIONS = 2000, FILES = 200, CALLEES = 3, FRAMES_MOST = 1000 };

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.dump = tmi_pprof_dump,
                                               .load = tmi_pprof_load};
    return &service;
}

static void die(const char *what)
{
    fprintf(stderr, "analysis: %s\n", what);
    exit(1);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* The i-th stack as functions, oldest first; a function stands for its one call. */
static void make_stack(uint64_t i, uint32_t *functions, uint32_t n)
{
    functions[0] = 0;
    for (uint32_t k = 1; k < n; k++) {
        uint64_t callee = i % CALLEES;
        i /= CALLEES;
        functions[k] = (uint32_t)(mix(functions[k - 1] * CALLEES + callee) % FUNCTIONS);
    }
}

static uint64_t size_of(uint64_t i)
{
    return 16 + mix(i) % 4096;
}

static void add_code(struct tm_snapshot *s)
{
    struct tmi_module module = {
        .name = "/usr/bin/program", .start = 0x400000, .limit = 0x500000};
    tmi_snapshot_add_module(s, &module);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char file[64], function[64];
        snprintf(file, sizeof file, "/usr/src/program/file%u.c", i % FILES);
        snprintf(function, sizeof function, "function%u", i);
        struct tmi_line line = {file, function, 10 + i};
        int64_t location = tmi_snapshot_add_location(s, 0x400000 + 64 * (i + 1), 0);
        if (location < 0 ||
            tmi_snapshot_set_lines(s, (uint32_t)location, &line, 1) != 0) {
            die("out of memory");
        }
    }
}

static void make(const char *path, uint64_t traces, uint32_t frames)
{
    struct tm_snapshot *s = tmi_snapshot_create((int)frames);
    uint32_t oldest_first[FRAMES_MOST], newest_first[FRAMES_MOST];
    if (s == NULL) {
        die("out of memory");
    }
    add_code(s);
    for (uint64_t i = 0; i < traces; i++) {
        make_stack(i, oldest_first, frames);
        for (uint32_t k = 0; k < frames; k++) {
            newest_first[k] = oldest_first[frames - 1 - k];
        }
        uint64_t size = size_of(i);
        const uint64_t values[TMI_VALUE_COUNT] = {1, size, 3, 3 * size, 1};
        if (tmi_snapshot_add_trace(s, 0, values, newest_first, frames, frames) != 0) {
            die("out of memory");
        }
    }
    tmi_snapshot_finish(s);
    struct tmi_error error = {""};
    if (tmi_pprof_dump(s, path, &error) != 0) {
        die(error.text);
    }
    tm_snapshot_free(s);
}

static void list(uint64_t traces, uint32_t frames)
{
    uint32_t stack[FRAMES_MOST];
    for (uint64_t i = 0; i < traces; i++) {
        make_stack(i, stack, frames);
        printf("%" PRIu64, size_of(i));
        for (uint32_t k = 0; k < frames; k++) {
            printf(" %u:/usr/src/program/file%u.c", 10 + stack[k], stack[k] % FILES);
        }
        putchar('\n');
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double peak_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmHWM: %lf", &kib);
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib / 1024;
}

static double arrays_mib(const struct tm_snapshot *s)
{
    size_t bytes =
        s->trace_count * sizeof *s->traces + s->frame_count * sizeof *s->frames +
        s->location_count * sizeof *s->locations + s->line_count * sizeof *s->lines +
        s->module_count * sizeof *s->modules;
    return (double)bytes / (1 << 20);
}

static void read_back(const char *path)
{
    struct tmi_error error = {""};
    struct tm_snapshot *s;
    double start = cpu_seconds();
    if (tmi_pprof_load(path, &s, &error) != 0) {
        die(error.text);
    }
    double loaded = cpu_seconds();
    tm_statistics_t *lines = tm_snapshot_statistics(s, TM_KEY_LINENO, false);
    double grouped = cpu_seconds();
    tm_statistics_t *all = tm_snapshot_statistics(s, TM_KEY_LINENO, true);
    double cumulated = cpu_seconds();
    if (lines == NULL || all == NULL) {
        die("no statistics");
    }
    printf("load %.2f s, group by line %.2f s, cumulative %.2f s; peak %.0f MiB, arrays "
           "%.0f MiB, ratio %.2f; %zu traces, %zu lines\n",
           loaded - start, grouped - loaded, cumulated - grouped, peak_mib(),
           arrays_mib(s), peak_mib() / arrays_mib(s), tm_snapshot_trace_count(s),
           tm_statistics_count(lines));
    tm_statistics_free(lines);
    tm_statistics_free(all);
    tm_snapshot_free(s);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "read") == 0) {
        read_back(argv[2]);
        return 0;
    }
    bool makes = argc >= 3 && strcmp(argv[1], "make") == 0;
    char **numbers = argv + (makes ? 3 : 2);
    int given = argc - (makes ? 3 : 2);
    uint64_t traces = given > 0 ? strtoull(numbers[0], NULL, 10) : 1000000;
    uint64_t frames = given > 1 ? strtoull(numbers[1], NULL, 10) : 25;
    if (argc < 2 || given > 2 || frames < 1 || frames > FRAMES_MOST ||
        (!makes && strcmp(argv[1], "list") != 0)) {
        die("usage: analysis make FILE [TRACES [FRAMES]] | read FILE | list TRACES "
            "FRAMES");
    }
    if (makes) {
        make(argv[2], traces, (uint32_t)frames);
    } else {
        list(traces, (uint32_t)frames);
    }
    return 0;
}
