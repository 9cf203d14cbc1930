/* SPDX-License-Identifier: MIT */
/*
 * Frame pointers: chains laid out by hand on a page of their own, whole ones and ones
 * that break off in every way; on the thread's own stack, whose bounds are known, and on
 * one that is nobody's, with memory beside it that must not be read. And the range of the
 * stack as /proc/self/maps has it, for main's and for a thread's.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../support/random.h"
#include "trace/stackrange.h"
#include "trace/unwind.h"

#define WORDS 512 /* a page */

static uintptr_t *page; /* one that may not be read before it, and one behind it */

static void map_page(void)
{
    char *pages =
        mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages, 4096, PROT_NONE), 0);
    cr_assert_eq(mprotect(pages + 8192, 4096, PROT_NONE), 0);
    page = (uintptr_t *)(pages + 4096);
}

static void record(size_t at, uintptr_t next, uintptr_t pc)
{
    page[at] = next;
    page[at + 1] = pc;
}

static uintptr_t address(size_t at)
{
    return (uintptr_t)&page[at];
}

/* Both ways to know what may be read have to come to the same frames. */
static void expect(uintptr_t fp, size_t frames, bool whole)
{
    struct tmi_stackrange elsewhere = {16, 4096};
    struct tmi_stackrange own = {address(0), address(WORDS)};
    struct tmi_stackrange *ranges[] = {&own, &elsewhere};
    for (int i = 0; i < 2; i++) {
        uintptr_t found[100];
        bool complete;
        struct tmi_stackwalk walk = tmi_stackwalk_from(ranges[i], address(0));
        size_t n = tmi_unwind_fp(1000, fp, &walk, found, 100, &complete);
        cr_assert_eq(n, frames, "%zu frames, not %zu", n, frames);
        cr_assert_eq(complete, whole);
        for (size_t k = 0; k < n && k < 100; k++) {
            cr_assert_eq(found[k], 1000 + k);
        }
    }
}

Test(unwind_fp, chains_that_end, .init = map_page)
{
    expect(0, 1, true);
    record(10, 0, 1001);
    expect(address(10), 2, true);
    record(10, address(20), 1001);
    record(20, address(22), 1002);
    record(22, 0, 1003);
    expect(address(10), 4, true);
    record(0, address(WORDS - 2), 1001); /* the first and the last words */
    record(WORDS - 2, 0, 1002);
    expect(address(0), 3, true);
}

Test(unwind_fp, chains_that_break_off, .init = map_page)
{
    expect(1, 1, false);
    expect(3000, 1, false);
    expect(UINTPTR_MAX, 1, false);
    expect(UINTPTR_MAX - 7, 1, false);
    expect((uintptr_t)1 << 63, 1, false);
    expect(address(WORDS), 1, false);     /* not to be read */
    expect(address(WORDS - 1), 1, false); /* the second word is not */
    expect(address(0) - 8, 1, false);     /* the first word is not */
    expect(address(10) + 1, 1, false);
    record(10, address(10), 1001);
    expect(address(10), 2, false); /* itself again */
    record(10, address(9), 1001);
    expect(address(10), 2, false); /* inwards */
    record(10, address(20), 1001);
    record(20, 4711, 1002);
    expect(address(10), 3, false);
    record(20, address(30), 0); /* no caller */
    expect(address(10), 2, false);
}

Test(unwind_fp, more_frames_than_room, .init = map_page)
{
    uintptr_t found[10] = {0};
    bool complete;
    for (size_t i = 0; i < 200; i++) {
        record(2 * i, i == 199 ? 0 : address(2 * i + 2), 1001 + i);
    }
    struct tmi_stackrange own = {address(0), address(WORDS)};
    struct tmi_stackwalk walk = tmi_stackwalk_from(&own, address(0));
    cr_assert_eq(tmi_unwind_fp(1000, address(0), &walk, found, 4, &complete), 201);
    cr_assert(complete);
    cr_assert_eq(found[3], 1003);
    cr_assert_eq(found[4], 0, "past the room");
}

Test(unwind_fp, words_at_random, .init = map_page)
{
    uint64_t seed = 3;
    struct tmi_stackrange own = {address(0), address(WORDS)};
    struct tmi_stackrange elsewhere = {16, 4096};
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < WORDS; i++) {
            uint64_t kind = random_below(&seed, 4);
            page[i] = kind == 0   ? next_random(&seed)
                      : kind == 1 ? random_below(&seed, 10)
                                  : address(0) - 100 + random_below(&seed, 4400);
        }
        uintptr_t found[2][100];
        bool complete[2];
        struct tmi_stackwalk known = tmi_stackwalk_from(&own, address(0));
        struct tmi_stackwalk asked = tmi_stackwalk_from(&elsewhere, address(0));
        uintptr_t fp = address(random_below(&seed, WORDS));
        size_t n = tmi_unwind_fp(7, fp, &known, found[0], 100, &complete[0]);
        cr_assert_eq(tmi_unwind_fp(7, fp, &asked, found[1], 100, &complete[1]), n);
        cr_assert_eq(complete[0], complete[1]);
        cr_assert_eq(memcmp(found[0], found[1], (n < 100 ? n : 100) * sizeof **found), 0);
    }
}

/* Does the range end where the mapping of this stack ends, and begin no later? */
static void compare_range(struct tmi_stackrange *own, bool is_main)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    struct tmi_stackwalk walk = tmi_stackwalk_from(own, here);
    uintptr_t start;
    uintptr_t end;
    FILE *maps = fopen("/proc/self/maps", "r");
    bool found = false;
    while (!found && fscanf(maps, "%lx-%lx%*[^\n]", &start, &end) == 2) {
        found = here >= start && here < end;
    }
    fclose(maps);
    cr_assert(found);
    cr_assert(own->low <= here && here < own->high);
    cr_assert_eq(walk.low, here);
    cr_assert_eq(walk.high, own->high);
    cr_assert_leq(own->high, end);
    cr_assert_gt(own->high + 8192, end, "%lx %lx", own->high, end);
    cr_assert(!is_main || own->high == end, "%lx %lx", own->high, end);
    cr_assert(is_main || own->low >= start, "it may be read");
}

/* And deeper, where the stack was not when it was asked first. */
static void compare_deeper(struct tmi_stackrange *own, bool is_main, int times)
{
    volatile char room[15000];
    room[0] = 0;
    compare_range(own, is_main);
    if (times > 0) {
        compare_deeper(own, is_main, times - 1);
    }
    room[0]++;
}

static void *look_at_range(void *is_main)
{
    struct tmi_stackrange own = {0, 0};
    compare_deeper(&own, is_main != NULL, 2);
    return NULL;
}

Test(unwind_fp, range_of_main_and_of_threads)
{
    pthread_t id;
    pthread_attr_t attr;
    look_at_range(&id);
    pthread_attr_init(&attr);
    for (size_t kib = 64; kib < 10000; kib *= 4) {
        cr_assert_eq(pthread_attr_setstacksize(&attr, kib << 10), 0);
        cr_assert_eq(pthread_create(&id, &attr, look_at_range, NULL), 0);
        pthread_join(id, NULL);
    }
}

/* A stack that is not the thread's own, wherever it lies, is asked page by page. */
static void *look_elsewhere(void *unused)
{
    struct tmi_stackrange own = {0, 0};
    uintptr_t places[] = {address(10), (uintptr_t)pthread_self() + 100000, 4096};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(tmi_stackwalk_from(&own, places[i]).high, 0);
    }
    cr_assert_eq(tmi_stackwalk_from(&own, (uintptr_t)places).high,
                 (uintptr_t)pthread_self());
    return unused;
}

Test(unwind_fp, other_stacks_of_a_thread, .init = map_page)
{
    pthread_t id;
    cr_assert_eq(pthread_create(&id, NULL, look_elsewhere, NULL), 0);
    pthread_join(id, NULL);
}
