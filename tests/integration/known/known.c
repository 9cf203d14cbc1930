/* SPDX-License-Identifier: MIT */
/*
 * A program of which it is known which line holds how much: the marks at the ends of
 * lines are what lines.sh looks for, and the numbers are there. argv[1] is a library to
 * load, call and unload.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"

#define NOINLINE      __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NO_TAIL_CALL  __asm__ volatile("" ::: "memory")

static void *held[256];
static unsigned held_count;

static void hold(void *p)
{
    held[held_count++] = p;
}

/* 10 blocks of 100 bytes, of which 3 are freed. */
static NOINLINE void allocate_plainly(void)
{
    for (int i = 0; i < 10; i++) {
        hold(malloc(100)); /* mark: plain */
    }
    for (int i = 0; i < 3; i++) {
        free(held[--held_count]);
    }
}

static NOINLINE void allocate_zeroed(void)
{
    for (int i = 0; i < 5; i++) {
        hold(calloc(4, 25)); /* mark: zeroed */
    }
}

/* A realloc makes the block its own line's. */
static NOINLINE void allocate_and_grow(void)
{
    for (int i = 0; i < 2; i++) {
        void *p = malloc(10);   /* mark: born */
        hold(realloc(p, 1000)); /* mark: grown */
    }
}

static NOINLINE void allocate_aligned(void)
{
    for (int i = 0; i < 3; i++) {
        void *p = NULL;
        if (posix_memalign(&p, 64, 200) == 0) { /* mark: aligned */
            hold(p);
        }
    }
}

static ALWAYS_INLINE void *fresh(size_t bytes)
{
    return malloc(bytes); /* mark: inlined */
}

static NOINLINE void allocate_inlined(void)
{
    hold(fresh(11)); /* mark: inlined once */
    for (int i = 0; i < 3; i++) {
        hold(fresh(22)); /* mark: inlined thrice */
    }
}

static NOINLINE void descend(int depth)
{
    if (depth == 0) {
        hold(malloc(33)); /* mark: bottom */
    } else {
        descend(depth - 1); /* mark: recursion */
    }
    NO_TAIL_CALL;
}

static void *allocate_in_thread(void *unused)
{
    for (int i = 0; i < 4; i++) {
        hold(malloc(25)); /* mark: thread */
    }
    return unused;
}

static NOINLINE void allocate_by_libc(void)
{
    hold(strdup("twelve bytes")); /* mark: copied */
}

static NOINLINE void run_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}

static NOINLINE void load_and_unload(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    void *(*allocate)(int) = NULL;
    *(void **)&allocate = library == NULL ? NULL : dlsym(library, "allocate_and_go");
    for (int i = 0; allocate != NULL && i < 3; i++) {
        hold(allocate(40)); /* mark: caller of gone */
    }
    if (library != NULL) {
        dlclose(library);
    }
}

int main(int argc, char **argv)
{
    allocate_plainly();  /* mark: main plain */
    allocate_zeroed();   /* mark: main zeroed */
    allocate_and_grow(); /* mark: main grown */
    allocate_aligned();  /* mark: main aligned */
    allocate_inlined();  /* mark: main inlined */
    descend(3);          /* mark: main recursion */
    allocate_by_libc();  /* mark: main copied */
    run_thread();
    for (int i = 0; i < 2; i++) {
        hold(library_array(50)); /* mark: main array */
        hold(library_vector(7)); /* mark: main vector */
    }
    if (argc > 1) {
        load_and_unload(argv[1]); /* dlopen keeps some, too */
    }
    NO_TAIL_CALL;
    return 0;
}
