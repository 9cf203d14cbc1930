/* SPDX-License-Identifier: MIT */
/* See conditions.h. */
#include "conditions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/random.h"
#include "tmalloc.h"

#define SLOTS 64

void failed_at(const char *file, int line, const char *what)
{
    const char *slash = strrchr(file, '/');
    dprintf(STDERR_FILENO, "%s:%d: %s\n", slash == NULL ? file : slash + 1, line, what);
    _exit(1);
}

static void look_and_free(unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i += 61) {
        EXPECT(p[i] == (unsigned char)size);
    }
    free(p);
}

void work(uint64_t seed, unsigned count)
{
    unsigned char *blocks[SLOTS] = {NULL};
    size_t sizes[SLOTS] = {0};
    for (unsigned i = 0; i < count; i++) {
        size_t at = random_below(&seed, SLOTS);
        size_t size = 1 + random_below(&seed, one_in(&seed, 40) ? 40000 : 300);
        if (blocks[at] != NULL && one_in(&seed, 4)) {
            blocks[at] = realloc(blocks[at], size);
        } else {
            look_and_free(blocks[at], blocks[at] == NULL ? 0 : sizes[at]);
            blocks[at] = malloc(size);
        }
        EXPECT(blocks[at] != NULL);
        memset(blocks[at], (int)size, size);
        sizes[at] = size;
    }
    for (int i = 0; i < SLOTS; i++) {
        look_and_free(blocks[i], blocks[i] == NULL ? 0 : sizes[i]);
    }
}

void look_at_counters(void)
{
    if (!tm_is_tracing()) {
        return;
    }
    tm_snapshot_t *s = tm_take_snapshot();
    EXPECT(s != NULL);
    uint64_t sum = 0;
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t trace;
        EXPECT(tm_snapshot_trace(s, i, &trace) == 0);
        sum += trace.size;
    }
    tm_snapshot_free(s);
    tm_traced_memory_t now = tm_get_traced_memory();
    EXPECT(sum == now.current);
    EXPECT(now.peak >= now.current);
}

static void scene_work(unsigned count)
{
    work(count, count);
    look_at_counters();
    if (tm_is_tracing()) {
        void *p = malloc(99);
        const tm_traceback_t *tb = tm_get_object_traceback(p);
        tm_frame_t frame;
        EXPECT(tb != NULL && tm_traceback_len(tb) >= 1);
        EXPECT(tm_traceback_frame(tb, 0, &frame) == 0);
        free(p);
    }
}

/* What a setuid program sees of the caller's variables: nothing. */
static void scene_untraced(unsigned unused)
{
    (void)unused;
    EXPECT(!tm_is_tracing());
    EXPECT(tm_get_traceback_limit() == -ENODATA);
    work(1, 1000);
}

static const struct {
    const char *name;
    void (*run)(unsigned count);
    unsigned count;
} scenes[] = {
    {"work", scene_work, 3000},
    {"untraced", scene_untraced, 0},
    {"forks", scene_forks, 200},
    {"fork-handlers", scene_fork_handlers, 50},
    {"fork-by-signal", scene_fork_by_signal, 60},
    {"cancel", scene_cancel, 200},
    {"vfork-memory", scene_vfork_memory, 50},
    {"exit-beside", scene_exit_beside, 40},
    {"coroutines", scene_coroutines, 200},
    {"deep", scene_deep, 1000000},
    {"small-threads", scene_small_threads, 100},
    {"locked", scene_locked, 3000},
    {"no-memory", scene_no_memory, 300},
    {"no-files", scene_no_files, 1000},
    {"no-reader", scene_no_reader, 0},
    {"seccomp-errors", scene_seccomp_errors, 3000},
    {"seccomp-kill", scene_seccomp_kill, 3000},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof scenes / sizeof *scenes; i++) {
        if (strcmp(argv[1], scenes[i].name) == 0) {
            scenes[i].run(argc > 2 ? (unsigned)atoi(argv[2]) : scenes[i].count);
            return 0;
        }
    }
    dprintf(STDERR_FILENO, "conditions: which scene?\n");
    return 2;
}
