/* SPDX-License-Identifier: MIT */
/* See lifetimes.h: the blocks, the scenes before main, and the table of them all. */
#include "lifetimes.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tm_calls tm;
static const char *folder = ".";

void fail(const char *why)
{
    char line[200];
    int n = snprintf(line, sizeof line, "lifetimes: %s\n", why);
    if (write(STDERR_FILENO, line, (size_t)n) != n) {
        _exit(2);
    }
    _exit(1);
}

void expect(bool holds, const char *what)
{
    if (!holds) {
        fail(what);
    }
}

struct block {
    size_t size;
    unsigned char bytes[];
};

static unsigned char byte_of(size_t size, size_t i)
{
    return (unsigned char)(size * 7 + i);
}

void *make_block(size_t size)
{
    struct block *block = malloc(sizeof *block + size);
    expect(block != NULL, "no memory");
    expect((uintptr_t)block % 16 == 0, "a block is not aligned");
    block->size = size;
    for (size_t i = 0; i < size; i++) {
        block->bytes[i] = byte_of(size, i);
    }
    return block;
}

void drop_block(void *of)
{
    struct block *block = of;
    for (size_t i = 0; block != NULL && i < block->size; i++) {
        expect(block->bytes[i] == byte_of(block->size, i), "a block has changed");
    }
    free(block);
}

void work(unsigned count)
{
    void *blocks[64] = {NULL};
    for (unsigned n = 0; n < count; n++) {
        unsigned at = n * 37 % 64;
        drop_block(blocks[at]);
        blocks[at] = make_block(n * 131 % (n % 50 == 0 ? 20000 : 300));
        void *other = realloc(calloc(1, n % 100), n % 500 + 1);
        expect(other != NULL, "no memory");
        free(other);
    }
    for (unsigned at = 0; at < 64; at++) {
        drop_block(blocks[at]);
    }
}

static void *before_constructors;
static void *in_constructor;

/* Runs before any constructor of any library. */
static void begin_early(void)
{
    work(100);
    before_constructors = make_block(1000);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = begin_early;

__attribute__((constructor(101))) static void construct(void)
{
    work(100);
    in_constructor = make_block(2000);
}

void scene_early(void)
{
    expect(before_constructors != NULL && in_constructor != NULL, "nothing came before");
    void *grown = realloc(in_constructor, 100000);
    expect(grown != NULL, "no memory");
    drop_block(before_constructors);
    drop_block(grown);
}

/* The library allocates in its constructor and in its destructor, and leaves a block. */
void scene_dlopen(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/library.so", folder);
    void *left[50];
    for (int i = 0; i < 50; i++) {
        void *library = dlopen(path, i % 2 == 0 ? RTLD_NOW : RTLD_LAZY);
        expect(library != NULL, "the library does not load");
        void *(*leave)(void);
        int (*is_whole)(void);
        *(void **)&leave = dlsym(library, "library_leave");
        *(void **)&is_whole = dlsym(library, "library_is_whole");
        expect(leave != NULL && is_whole != NULL, "the library is another one");
        expect(is_whole() == 1, "what its constructor wrote has changed");
        left[i] = leave();
        work(50);
        expect(dlclose(library) == 0, "the library does not unload");
        expect(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL, "it is still there");
    }
    for (int i = 0; i < 50; i++) {
        expect(strcmp(left[i], "left by the library") == 0, "a block has changed");
        free(left[i]);
    }
}

static const struct {
    const char *name;
    void (*play)(void);
} scenes[] = {
    {"early", scene_early},   {"dlopen", scene_dlopen},   {"threads", scene_threads},
    {"keys", scene_keys},     {"signals", scene_signals}, {"altstack", scene_altstack},
    {"exit", scene_exit},     {"fork", scene_fork},       {"spawn", scene_spawn},
    {"closed", scene_closed},
};

static void find_calls(void)
{
    *(void **)&tm.is_tracing = dlsym(RTLD_DEFAULT, "tm_is_tracing");
    *(void **)&tm.get_traceback_limit = dlsym(RTLD_DEFAULT, "tm_get_traceback_limit");
    *(void **)&tm.get_tracemalloc_memory =
        dlsym(RTLD_DEFAULT, "tm_get_tracemalloc_memory");
    *(void **)&tm.take_snapshot = dlsym(RTLD_DEFAULT, "tm_take_snapshot");
    *(void **)&tm.snapshot_free = dlsym(RTLD_DEFAULT, "tm_snapshot_free");
    *(void **)&tm.trace_count = dlsym(RTLD_DEFAULT, "tm_snapshot_trace_count");
    expect(tm.is_tracing != NULL && tm.trace_count != NULL, "libtmalloc is not here");
    const char *frames = getenv("TMALLOC");
    int wanted = frames == NULL ? 0 : atoi(frames);
    expect(tm.is_tracing() == (wanted > 0), "tracing is not as TMALLOC has it");
    expect(wanted == 0 || tm.get_traceback_limit() == wanted,
           "the limit is not TMALLOC's");
}

int main(int argc, char **argv)
{
    alarm(60); /* a hang is a failure */
    if (argc < 3) {
        fail("which scene, and where are its libraries?");
    }
    folder = argv[2];
    find_calls();
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        if (strcmp(scenes[i].name, argv[1]) == 0) {
            scenes[i].play();
            work(1000);
            return 0;
        }
    }
    fail("no such scene");
}
