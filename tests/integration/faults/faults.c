/* SPDX-License-Identifier: MIT */
/*
 * A program that uses the whole API while calls fail (inject.h), and knows what it holds.
 * faults.sh runs it once for each fault. What must hold, whatever fails:
 *
 *     an allocation    fails only if mimalloc failed; content is what was written
 *     the counters     current = the bytes of those of our blocks that are traced, and a
 *                      snapshot says the same; all freed: 0
 *     a dump           says 0 and its file loads, or an error and there is no file
 *
 * Exit status: 0 all held, 1 something did not, 4 all held, and the FIRST-th call never
 * came.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/random.h"
#include "faults.h"
#include "inject.h"

#define SLOTS    300
#define THREADS  3
#define FILENAME "faults.pb.gz"

struct slot {
    unsigned char *p;
    size_t size;
};

static struct slot slots[SLOTS];

void failed_at(const char *file, int line, const char *what)
{
    const char *slash = strrchr(file, '/');
    dprintf(STDERR_FILENO, "%s:%d: %s\n", slash == NULL ? file : slash + 1, line, what);
    _exit(1);
}

/* An allocation may have failed because one of mimalloc's means did, and for no other
 * reason. */
static bool may_lack_memory(uint32_t hits_before)
{
    return faults_hit() != hits_before && (faults_are("alloc") || faults_are("os"));
}

static unsigned char mark_of(size_t size, size_t i)
{
    return (unsigned char)(size * 31 + i);
}

static void fill(struct slot *slot, void *p, size_t size)
{
    *slot = (struct slot){p, size};
    for (size_t i = 0; i < size; i += 7) {
        slot->p[i] = mark_of(size, i);
    }
}

static void drop(struct slot *slot)
{
    for (size_t i = 0; i < slot->size; i += 7) {
        EXPECT(slot->p[i] == mark_of(slot->size, i));
    }
    errno = 1234;
    free(slot->p);
    EXPECT(errno == 1234);
    *slot = (struct slot){NULL, 0};
}

static void *make(unsigned how, size_t size)
{
    void *p = NULL;
    switch (how % 8) {
    case 0:
        return calloc(1, size);
    case 1:
        return memalign(64, size);
    case 2:
        return posix_memalign(&p, 256, size) == 0 ? p : NULL;
    case 3:
        return reallocarray(NULL, size, 1);
    default:
        return malloc(size);
    }
}

static void resize(struct slot *slot, size_t size)
{
    size_t old = slot->size;
    uint32_t before = faults_hit();
    unsigned char *p = realloc(slot->p, size);
    if (p == NULL) {
        EXPECT(may_lack_memory(before) && errno == ENOMEM);
        return;
    }
    for (size_t i = 0; i < old && i < size; i += 7) {
        EXPECT(p[i] == mark_of(old, i));
    }
    fill(slot, p, size);
}

/* One operation, at a depth of its own: stacks never seen keep the call tree growing. */
__attribute__((noinline)) static void operate(struct slot *slot, uint64_t *random,
                                              unsigned depth)
{
    if (depth > 0) {
        operate(slot, random, depth - 1);
        __asm__ volatile("");
        return;
    }
    size_t size = 1 + random_below(random, one_in(random, 50) ? 300000 : 500);
    if (slot->p != NULL && one_in(random, 3)) {
        resize(slot, size);
        return;
    }
    if (slot->p != NULL) {
        drop(slot);
    }
    uint32_t before = faults_hit();
    void *p = make((unsigned)next_random(random), size);
    EXPECT(p != NULL || may_lack_memory(before));
    if (p != NULL) {
        fill(slot, p, size);
    }
}

static void operate_on(struct slot *from, size_t n, uint64_t seed, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        operate(&from[random_below(&seed, n)], &seed, (unsigned)random_below(&seed, 40));
    }
}

static void drop_all(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].p != NULL) {
            drop(&slots[i]);
        }
    }
}

/* What of our blocks is traced. A block of which only the traceback cannot be built is.
 */
static tm_trace_t traced_blocks(void)
{
    tm_trace_t sum = {0};
    faults_switch(false);
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].p != NULL && tm_get_object_traceback(slots[i].p) != NULL) {
            sum.size += slots[i].size;
            sum.count++;
        }
    }
    faults_switch(true);
    return sum;
}

tm_trace_t sum_of(const tm_snapshot_t *s)
{
    tm_trace_t sum = {0};
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t trace;
        EXPECT(tm_snapshot_trace(s, i, &trace) == 0);
        sum.size += trace.size;
        sum.count += trace.count;
    }
    return sum;
}

static tm_traced_memory_t look_at_counters(void)
{
    tm_trace_t ours = traced_blocks();
    tm_traced_memory_t now = tm_get_traced_memory();
    EXPECT(now.peak >= now.current);
    faults_switch(false);
    tm_snapshot_t *s = tm_take_snapshot();
    EXPECT(s != NULL);
    tm_trace_t told = sum_of(s);
    tm_snapshot_free(s);
    faults_switch(true);
    EXPECT(told.size == now.current);
    EXPECT(now.current >= ours.size);
    return now;
}

/* Whether a dump left what it says that it left, and nothing else. */
static void look_at_files(int err, const tm_trace_t *sum)
{
    faults_switch(false);
    tm_snapshot_t *loaded = err == 0 ? tm_snapshot_load(FILENAME) : NULL;
    EXPECT((err == 0) == (access(FILENAME, F_OK) == 0));
    if (err == 0) {
        EXPECT(loaded != NULL);
        tm_trace_t again = sum_of(loaded);
        EXPECT(again.size == sum->size && again.count == sum->count);
        tm_snapshot_free(loaded);
        unlink(FILENAME);
    }
    DIR *folder = opendir(".");
    EXPECT(folder != NULL);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        EXPECT(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    }
    closedir(folder);
    faults_switch(true);
}

static void use_snapshot(void)
{
    uint32_t before = faults_hit();
    tm_snapshot_t *s = tm_take_snapshot();
    if (s == NULL) {
        EXPECT(faults_hit() != before && errno == ENOMEM);
        return;
    }
    tm_trace_t sum = sum_of(s);
    look_at_views(s);
    before = faults_hit();
    int err = tm_snapshot_dump(s, FILENAME);
    EXPECT(err <= 0 && (err == 0 || faults_hit() > 0));
    look_at_files(err, &sum);
    if (tm_snapshot_dump(s, FILENAME) == 0) {
        tm_snapshot_t *loaded = tm_snapshot_load(FILENAME);
        EXPECT(loaded != NULL || faults_hit() > 0);
        tm_snapshot_free(loaded);
        unlink(FILENAME);
    }
    tm_snapshot_free(s);
}

static void *be_thread(void *part)
{
    operate_on(part, SLOTS / THREADS, (uintptr_t)part, 400);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];
    bool runs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        struct slot *part = &slots[i * (SLOTS / THREADS)];
        runs[i] = pthread_create(&threads[i], NULL, be_thread, part) == 0;
        EXPECT(runs[i] || faults_hit() > 0);
    }
    for (int i = 0; i < THREADS; i++) {
        if (runs[i]) {
            pthread_join(threads[i], NULL);
        }
    }
}

static void run_child(void)
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        alarm(20);
        close(STDERR_FILENO); /* what it has to say, its parent says too */
        operate_on(slots, SLOTS, 99, 300);
        tm_snapshot_free(tm_take_snapshot());
        drop_all();
        _exit(0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void build_own_snapshot(void)
{
    tm_snapshot_t *s = tm_snapshot_new(7);
    const tm_frame_t frame = {.filename = "there.c", .lineno = 3, .function = "f"};
    for (int i = 0; s != NULL && i < 50; i++) {
        int err = tm_snapshot_add(s, 0, 10, 1, &frame, 1, 1);
        EXPECT(err == 0 || (err == -ENOMEM && faults_hit() > 0));
    }
    EXPECT(s != NULL || faults_hit() > 0);
    tm_snapshot_free(s);
}

static void trace_and_look(int nframe, uint64_t seed)
{
    EXPECT(tm_start(nframe) == 0);
    tm_clear_traces(); /* TMALLOC may have started it */
    EXPECT(tm_is_tracing() && tm_get_traceback_limit() >= 1);
    for (int round = 0; round < 3; round++) {
        operate_on(slots, SLOTS, seed + (uint64_t)round, 800);
        look_at_counters();
        use_domains();
        use_peak();
        tm_reset_peak();
    }
    run_threads();
    look_at_counters();
    use_snapshot();
    run_child();
    drop_all();
    tm_clear_traces();
    tm_traced_memory_t cleared = tm_get_traced_memory();
    EXPECT(cleared.current == 0 && cleared.peak == 0);
    operate_on(slots, SLOTS, seed + 7, 500);
    tm_traced_memory_t full = look_at_counters();
    EXPECT(full.current == traced_blocks().size);
    tm_tracing_memory_t used = tm_get_tracing_memory();
    EXPECT(used.tables == tm_get_tracemalloc_memory());
    EXPECT(used.headers == 16 * traced_blocks().count);
    drop_all();
    EXPECT(tm_get_traced_memory().current == 0);
    use_snapshot();
    tm_stop();
    EXPECT(tm_get_traced_memory().current == 0);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0) {
        return 2;
    }
    alarm(100);
    operate_on(slots, SLOTS, 5, 500);
    trace_and_look(1, 11);
    trace_and_look(25, 12);
    build_own_snapshot();
    drop_all();
    return faults_are_over() ? 4 : 0;
}
