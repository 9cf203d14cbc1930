/* SPDX-License-Identifier: MIT */
/*
 * The stacks that blocks carry: the same frames as backtrace() finds at the same place
 * (only the innermost return address differs, it follows another call), cut at the limit,
 * with the depth that the stack had; "not known" for every pointer that is no traced
 * block; and frames that stay right when their library is unloaded, or another one comes
 * to lie where it lay.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../support/sites.h"
#include "tmalloc.h"

#define FRAMES_MOST 80000

struct spot {
    void *stack[FRAMES_MOST]; /* newest first, by backtrace() */
    int depth;
    void *block;
};

static struct spot spot;

__attribute__((noinline)) static void allocate_here(struct spot *s)
{
    s->depth = backtrace(s->stack, FRAMES_MOST);
    s->block = malloc(10);
    __asm__ volatile("" : : "r"(s) : "memory");
}

__attribute__((noinline)) static void allocate_below(struct spot *s, int depth)
{
    if (depth == 0) {
        allocate_here(s);
    } else {
        allocate_below(s, depth - 1);
    }
    __asm__ volatile("" : : "r"(s) : "memory");
}

/* The i-th newest frame. */
static uintptr_t frame(const tm_traceback_t *tb, size_t i)
{
    return tm_traceback_address(tb, tm_traceback_len(tb) - 1 - i);
}

/* Where it is not the frame that backtrace() has; -1 when it is everywhere. */
static int first_difference(const tm_traceback_t *tb, const struct spot *s)
{
    uintptr_t here = frame(tb, 0);
    uintptr_t there = (uintptr_t)s->stack[0];
    if (here <= there || here - there > 100) {
        return 0; /* malloc is called a few instructions after backtrace */
    }
    for (size_t i = 1; i < tm_traceback_len(tb); i++) {
        if (frame(tb, i) != (uintptr_t)s->stack[i]) {
            return (int)i;
        }
    }
    return -1;
}

static void expect_stack(const struct spot *s, size_t limit)
{
    const tm_traceback_t *tb = tm_get_object_traceback(s->block);
    cr_assert_not_null(tb);
    size_t len = tm_traceback_len(tb);
    size_t depth = (size_t)s->depth;
    size_t capped = depth < TM_MAX_NFRAME ? depth : TM_MAX_NFRAME;
    cr_assert_eq(len, capped < limit ? capped : limit, "%zu frames of %zu", len, depth);
    int differs = first_difference(tb, s);
    cr_assert_eq(differs, -1, "limit %zu: frame %d of %zu differs", limit, differs, len);
    /* With one frame only the caller is looked at, and the depth is not known. */
    size_t total = limit == 1 ? 0 : capped;
    cr_assert_eq(tm_traceback_total_nframe(tb), total, "limit %zu: total %zu, not %zu",
                 limit, tm_traceback_total_nframe(tb), total);
    cr_assert_eq(tm_traceback_address(tb, len), 0, "out of range");
}

Test(tracebacks, are_those_of_backtrace_up_to_the_limit)
{
    static const int limits[] = {1, 2, 3, 25, TM_MAX_NFRAME};
    allocate_here(&spot); /* backtrace() loads what it needs */
    free(spot.block);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int depth = 0; depth < 40; depth += 13) {
            tm_start(limits[i]);
            allocate_below(&spot, depth);
            expect_stack(&spot, (size_t)limits[i]);
            free(spot.block);
            tm_stop();
        }
    }
}

Test(tracebacks, of_a_deep_recursion_keep_the_newest_frames)
{
    tm_start(10);
    allocate_below(&spot, 3000);
    cr_assert_gt(spot.depth, 3000);
    expect_stack(&spot, 10);
    free(spot.block);
}

static void *allocate_very_deep(void *unused)
{
    (void)unused;
    allocate_below(&spot, 70000);
    return NULL;
}

Test(tracebacks, of_more_frames_than_can_be_kept)
{
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    cr_assert_eq(pthread_attr_setstacksize(&attr, (size_t)64 << 20), 0);
    tm_start(TM_MAX_NFRAME);
    cr_assert_eq(pthread_create(&id, &attr, allocate_very_deep, NULL), 0);
    pthread_join(id, NULL);
    cr_assert_gt(spot.depth, 70000);
    expect_stack(&spot, TM_MAX_NFRAME);
    free(spot.block);
}

Test(tracebacks, of_equal_stacks_are_one_object)
{
    const tm_traceback_t *equal[20];
    tm_start(25);
    for (int i = 0; i < 20; i++) {
        void *p = site_malloc((size_t)i);
        equal[i] = tm_get_object_traceback(p);
        free(p);
    }
    void *other = site_calloc(1, 1);
    const tm_traceback_t *different = tm_get_object_traceback(other);
    free(other);
    for (int i = 0; i < 20; i++) {
        cr_assert_not_null(equal[i]);
        cr_assert_eq(equal[i], equal[0], "after %d", i);
    }
    cr_assert_not_null(different);
    cr_assert_neq(different, equal[0]);
}

Test(tracebacks, stay_valid_when_the_block_is_gone)
{
    tm_start(25);
    allocate_below(&spot, 5);
    const tm_traceback_t *tb = tm_get_object_traceback(spot.block);
    free(spot.block);
    cr_assert_not_null(tb);
    for (int i = 0; i < 10000; i++) {
        void *p = site_malloc((size_t)i);
        free(p);
    }
    cr_assert_eq(first_difference(tb, &spot), -1);
    tm_clear_traces();
    cr_assert_eq(first_difference(tb, &spot), -1);
    tm_stop();
    tm_frame_t f;
    cr_assert_eq(first_difference(tb, &spot), -1);
    cr_assert_eq(tm_traceback_frame(tb, tm_traceback_len(tb) - 1, &f), 0);
    cr_assert_str_eq(f.function, "allocate_here");
}

/* ---- pointers that are no traced block --------------------------------------------- */

static void expect_none(const void *p, int error, const char *what)
{
    errno = 0;
    const tm_traceback_t *tb = tm_get_object_traceback(p);
    int said = errno;
    cr_assert_null(tb, "%s", what);
    cr_assert_eq(said, error, "%s: errno %d", what, said);
}

/* A page behind one that must not be read. */
static const void *edge_of_memory(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages, 4096, PROT_NONE), 0);
    return pages + 4096;
}

Test(tracebacks, of_what_is_no_block)
{
    static char global[64];
    char local[64];
    tm_start(3);
    char *p = site_malloc(100000);
    memset(p, 0, 100000);
    expect_none(NULL, EINVAL, "NULL");
    expect_none(p + 1, EINVAL, "unaligned");
    expect_none(p + 16, EINVAL, "interior");
    expect_none(p + 65536, EINVAL, "interior, far");
    expect_none(local + 16, EINVAL, "stack");
    expect_none(global + 16, EINVAL, "global");
    expect_none((const void *)(uintptr_t)expect_none, EINVAL, "code");
    expect_none(edge_of_memory(), EINVAL, "first byte of a mapping");
    cr_assert_not_null(tm_get_object_traceback(p));
    free(p);
}

Test(tracebacks, of_blocks_that_are_not_traced)
{
    char *before = site_malloc(100);
    char *aligned_before = site_memalign(256, 100);
    tm_start(3);
    expect_none(before, ENOENT, "before the start");
    expect_none(aligned_before, ENOENT, "before the start, aligned");
    char *p = site_malloc(100);
    char *aligned = site_memalign(256, 100);
    cr_assert_not_null(tm_get_object_traceback(p));
    cr_assert_not_null(tm_get_object_traceback(aligned));
    tm_clear_traces();
    expect_none(p, ENOENT, "after clear");
    expect_none(aligned, ENOENT, "after clear, aligned");
    p = site_realloc(p, 200);
    cr_assert_not_null(tm_get_object_traceback(p));
    tm_stop();
    expect_none(p, ENOENT, "after stop");
    free(p);
    free(aligned);
    free(before);
    free(aligned_before);
}

/* ---- libraries that come and go ---------------------------------------------------- */

struct plug {
    char path[PATH_MAX];
    void *library;
    void *(*allocate)(size_t bytes);
    int number, line;
};

/* Without Criterion: it would allocate where the next library is to lie. */
static bool load(struct plug *plug, int number)
{
    char relative[PATH_MAX];
    const char *builddir = getenv("builddir");
    snprintf(relative, sizeof relative, "%s/tests/victims/plug%d.so",
             builddir != NULL ? builddir : ".", number);
    plug->library =
        realpath(relative, plug->path) == NULL ? NULL : dlopen(plug->path, RTLD_NOW);
    if (plug->library == NULL) {
        return false;
    }
    plug->allocate = (void *(*)(size_t))(uintptr_t)dlsym(plug->library, "plug_allocate");
    plug->number = *(const int *)dlsym(plug->library, "plug_number");
    plug->line = *(const int *)dlsym(plug->library, "plug_line");
    return true;
}

static void expect_plug(const tm_traceback_t *tb, const struct plug *plug)
{
    tm_frame_t f;
    cr_assert_not_null(tb);
    cr_assert_eq(tm_traceback_frame(tb, tm_traceback_len(tb) - 1, &f), 0);
    cr_assert_str_eq(f.module, plug->path);
    cr_assert_str_eq(f.function, "plug_allocate");
    cr_assert_eq(f.lineno, (uint32_t)plug->line, "line %u", f.lineno);
    cr_assert_not_null(strstr(f.filename, "tests/victims/plug.c"), "%s", f.filename);
}

Test(tracebacks, into_a_library_that_was_unloaded)
{
    struct plug plug;
    tm_start(25);
    cr_assert(load(&plug, 1), "%s", dlerror());
    void *p = plug.allocate(100);
    uintptr_t code = (uintptr_t)plug.allocate;
    dlclose(plug.library);
    const tm_traceback_t *tb = tm_get_object_traceback(p); /* asked for afterwards */
    cr_assert_not_null(tb);
    cr_assert(frame(tb, 0) > code && frame(tb, 0) < code + 100);
    expect_plug(tb, &plug);
    free(p);
}

/*
 * Two libraries in turn, whose call of malloc has one address; then the first again. The
 * tracer has to tell them apart by what the loader says, not by the address.
 */
static void load_in_turn(int limit, int first, int second)
{
    struct plug plugs[3];
    void *blocks[3];
    bool loaded = tm_start(limit) == 0;
    for (volatile int i = 0; i < 3; i++) { /* not unrolled: one stack for all of them */
        loaded = load(&plugs[i], i == 1 ? second : first) && loaded;
        blocks[i] = loaded ? plugs[i].allocate(100) : NULL;
        free(loaded ? plugs[i].allocate(100) : NULL);
        dlclose(plugs[i].library);
    }
    cr_assert(loaded, "%s", dlerror());
    const tm_traceback_t *tracebacks[3];
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(plugs[i].allocate, plugs[0].allocate, "not where the first one was");
        tracebacks[i] = tm_get_object_traceback(blocks[i]);
        expect_plug(tracebacks[i], &plugs[i]);
        free(blocks[i]);
    }
    cr_assert_neq(plugs[0].number, plugs[1].number);
    cr_assert_eq(frame(tracebacks[0], 0), frame(tracebacks[1], 0));
    cr_assert_neq(tracebacks[0], tracebacks[1]);
    cr_assert_eq(tracebacks[0], tracebacks[2], "the same library again is the same");
    tm_stop();
}

Test(tracebacks, into_two_libraries_at_one_address)
{
    load_in_turn(25, 1, 2);
    load_in_turn(1, 1, 2);
}

Test(tracebacks, into_two_libraries_at_one_address_without_build_ids)
{
    load_in_turn(25, 3, 4);
    load_in_turn(1, 3, 4);
}
