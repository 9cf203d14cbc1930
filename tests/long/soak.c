/* SPDX-License-Identifier: MIT */
/*
 * Mixed load for as long as is asked for: threads that come and go, blocks handed from
 * one to another, forks, snapshots written and read, clears, stops and starts, peaks
 * reset. At the end all blocks are freed: the counters must say so to the byte, and the
 * process must have no more descriptors, threads, or memory than after the first tenth.
 *
 *     soak SECONDS FOLDER
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/random.h"
#include "tmalloc.h"

#define THREADS   6
#define MAILBOXES 4096
#define FILENAME  "soak.pb.gz"

#define EXPECT(holds)                                                                    \
    do {                                                                                 \
        if (!(holds)) {                                                                  \
            fprintf(stderr, "soak: line %d: %s\n", __LINE__, #holds);                    \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

struct block {
    size_t size;
    unsigned char bytes[];
};

static struct block *mailboxes[MAILBOXES]; /* atomic */
static uint64_t operations;                /* atomic */

static void drop(struct block *block)
{
    if (block != NULL) {
        for (size_t i = 0; i < block->size; i += 97) {
            EXPECT(block->bytes[i] == (unsigned char)block->size);
        }
        free(block);
    }
}

__attribute__((noinline)) static struct block *make(size_t size, unsigned depth)
{
    if (depth > 0) {
        struct block *made = make(size, depth - 1);
        __asm__ volatile("");
        return made;
    }
    struct block *made = malloc(sizeof *made + size);
    EXPECT(made != NULL);
    made->size = size;
    memset(made->bytes, (int)size, size);
    return made;
}

static void *live_for_a_while(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < 20000; i++) {
        struct block **box = &mailboxes[random_below(&random, MAILBOXES)];
        size_t size = random_below(&random, one_in(&random, 200) ? 200000 : 600);
        struct block *made = NULL;
        if (!one_in(&random, 3)) {
            made = make(size, (unsigned)random_below(&random, 30));
        }
        drop(__atomic_exchange_n(box, made, __ATOMIC_ACQ_REL));
    }
    __atomic_add_fetch(&operations, 20000, __ATOMIC_RELAXED);
    return NULL;
}

static void empty_mailboxes(void)
{
    for (int i = 0; i < MAILBOXES; i++) {
        drop(__atomic_exchange_n(&mailboxes[i], NULL, __ATOMIC_ACQ_REL));
    }
}

/* Beside the threads. */
static void disturb(uint64_t *random)
{
    switch (random_below(random, 8)) {
    case 0:
        tm_clear_traces();
        break;
    case 1:
        tm_stop();
        EXPECT(tm_start(one_in(random, 2) ? 25 : 1) == 0);
        break;
    case 2:
        tm_reset_peak();
        break;
    case 3: {
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
            alarm(60);
            live_for_a_while((void *)7);
            _exit(0);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        break;
    }
    default: {
        tm_snapshot_t *s = tm_take_snapshot();
        EXPECT(s != NULL);
        EXPECT(tm_snapshot_dump(s, FILENAME) == 0);
        tm_snapshot_t *again = tm_snapshot_load(FILENAME);
        EXPECT(again != NULL);
        EXPECT(tm_snapshot_trace_count(again) == tm_snapshot_trace_count(s));
        tm_snapshot_free(again);
        tm_snapshot_free(s);
    }
    }
}

static long kib_of(const char *field)
{
    char line[200];
    long value = 0;
    FILE *status = fopen("/proc/self/status", "r");
    EXPECT(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            value = strtol(line + strlen(field), NULL, 10);
        }
    }
    fclose(status);
    return value;
}

static int descriptors(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    EXPECT(folder != NULL);
    while (readdir(folder) != NULL) {
        n++;
    }
    closedir(folder);
    return n;
}

static void run_round(uint64_t *random)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        void *seed = (void *)(uintptr_t)next_random(random);
        EXPECT(pthread_create(&threads[i], NULL, live_for_a_while, seed) == 0);
    }
    disturb(random);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* With nobody else about and all of ours freed, nothing of ours is left to be traced. */
static void expect_nothing_held(void)
{
    empty_mailboxes();
    tm_traced_memory_t before = tm_get_traced_memory();
    struct block *probe = make(1000, 3);
    EXPECT(tm_get_traced_memory().current == before.current + 1000 + sizeof *probe);
    drop(probe);
    EXPECT(tm_get_traced_memory().current == before.current);
    tm_snapshot_t *s = tm_take_snapshot();
    EXPECT(s != NULL);
    uint64_t sum = 0;
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t trace;
        EXPECT(tm_snapshot_trace(s, i, &trace) == 0);
        sum += trace.size;
    }
    tm_snapshot_free(s);
    EXPECT(sum == before.current);
    EXPECT(before.current < 20000); /* what libc keeps for its threads */
}

int main(int argc, char **argv)
{
    EXPECT(argc == 3 && chdir(argv[2]) == 0);
    long seconds = strtol(argv[1], NULL, 10);
    uint64_t random = 4711;
    long kib_early = 0;
    int fds_early = 0;
    time_t begin = time(NULL);
    EXPECT(tm_start(25) == 0);
    for (long gone = 0, rounds = 0; gone < seconds; gone = time(NULL) - begin, rounds++) {
        run_round(&random);
        if (rounds % 10 == 9) {
            expect_nothing_held();
        }
        if (kib_early == 0 && gone >= seconds / 10 && rounds >= 20) {
            kib_early = kib_of("VmRSS:");
            fds_early = descriptors();
        }
    }
    expect_nothing_held();
    unlink(FILENAME);
    long kib_late = kib_of("VmRSS:");
    printf(
        "%ld s, %llu operations, RSS %ld KiB after a tenth, %ld KiB at the end, tracing "
        "%zu KiB\n",
        seconds, (unsigned long long)operations, kib_early, kib_late,
        tm_get_tracemalloc_memory() / 1024);
    EXPECT(kib_of("Threads:") == 1);
    EXPECT(kib_early != 0 && descriptors() == fds_early);
    EXPECT(kib_late < kib_early + kib_early / 4 + 8192);
    return 0;
}
