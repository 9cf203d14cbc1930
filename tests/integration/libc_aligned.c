/* SPDX-License-Identifier: MIT */
/*
 * The functions that take an alignment. What they do with arguments that make no sense is
 * compared with this machine's libc; what they return is checked for every pair of
 * alignment and size that an allocator may get wrong. mimalloc 2.0.9 does get wrong
 * (256, 256), (512, 512) and (1024, 1024).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "../support/libc.h"
#include "../support/random.h"

#define MIB ((size_t)1 << 20)

/* The smallest power of two that is at least x, for x up to 2^63. */
static size_t power_above(size_t x)
{
    size_t power = 1;
    while (power < x) {
        power *= 2;
    }
    return power;
}

static const size_t strange_aligns[] = {
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    12,
    15,
    16,
    17,
    24,
    31,
    32,
    33,
    48,
    63,
    64,
    100,
    1000,
    4095,
    4096,
    4097,
    65535,
    65536,
    MIB - 1,
    MIB,
    MIB + 1,
    3 * MIB,
    SIZE_MAX / 4,
    SIZE_MAX / 2,
    SIZE_MAX / 2 + 1,
    SIZE_MAX / 2 + 2,
    SIZE_MAX - 1,
    SIZE_MAX,
};
static const size_t strange_sizes[] = {
    0,
    1,
    15,
    16,
    17,
    100,
    4096,
    70000,
    PTRDIFF_MAX,
    PTRDIFF_MAX - 4096,
    (size_t)PTRDIFF_MAX + 1,
    SIZE_MAX / 2 + 5000,
    SIZE_MAX - 5000,
    SIZE_MAX - 100,
    SIZE_MAX,
};
#define ALIGN_COUNT (sizeof strange_aligns / sizeof *strange_aligns)
#define SIZE_COUNT  (sizeof strange_sizes / sizeof *strange_sizes)

/* Both fail with the same errno, or both succeed, and ours is as aligned as asked for. */
static void compare(void *(*ours)(size_t, size_t), void *(*theirs)(size_t, size_t))
{
    for (size_t a = 0; a < ALIGN_COUNT; a++) {
        for (size_t s = 0; s < SIZE_COUNT; s++) {
            size_t align = strange_aligns[a];
            size_t size = strange_sizes[s];
            errno = 0;
            void *wanted = theirs(align, size);
            int wanted_errno = errno;
            errno = 0;
            void *got = ours(align, size);
            int got_errno = errno;
            cr_assert_eq(got == NULL, wanted == NULL, "(%zx, %zx)", align, size);
            cr_assert_eq(got_errno, wanted_errno, "(%zx, %zx): errno %d, not %d", align,
                         size, got_errno, wanted_errno);
            if (got != NULL) {
                cr_assert_eq((uintptr_t)got % power_above(align), 0, "(%zx, %zx)", align,
                             size);
                cr_assert_eq((uintptr_t)got % 16, 0);
                cr_assert_geq(malloc_usable_size(got), size);
            }
            free(got);
            real_libc()->free(wanted);
        }
    }
}

Test(aligned, memalign_does_as_libc_does)
{
    compare(memalign, real_libc()->memalign);
    compare(__libc_memalign, real_libc()->memalign);
}

Test(aligned, aligned_alloc_does_as_libc_does)
{
    compare(aligned_alloc, real_libc()->aligned_alloc);
}

static void *of_size(size_t align, size_t size)
{
    (void)align;
    return valloc(size);
}
static void *of_size_in_libc(size_t align, size_t size)
{
    (void)align;
    return real_libc()->valloc(size);
}
static void *of_pages(size_t align, size_t size)
{
    (void)align;
    return pvalloc(size);
}
static void *of_pages_in_libc(size_t align, size_t size)
{
    (void)align;
    return real_libc()->pvalloc(size);
}

Test(aligned, valloc_and_pvalloc)
{
    for (size_t s = 0; s < SIZE_COUNT; s++) {
        size_t size = strange_sizes[s];
        errno = 0;
        void *wanted = of_size_in_libc(0, size);
        int wanted_errno = errno;
        void *wanted_pages = of_pages_in_libc(0, size);
        errno = 0;
        void *got = of_size(0, size);
        cr_assert_eq(got == NULL, wanted == NULL);
        cr_assert_eq(errno, wanted_errno);
        void *pages = of_pages(0, size);
        cr_assert_eq(pages == NULL, wanted_pages == NULL);
        if (got != NULL) {
            cr_assert_eq((uintptr_t)got % 4096, 0);
            cr_assert_eq((uintptr_t)pages % 4096, 0);
            cr_assert_geq(malloc_usable_size(got), size);
            cr_assert_geq(malloc_usable_size(pages), (size + 4095) / 4096 * 4096);
        }
        free(got);
        free(pages);
        real_libc()->free(wanted);
        real_libc()->free(wanted_pages);
    }
}

Test(aligned, posix_memalign_tells_by_its_result)
{
    for (size_t a = 0; a < ALIGN_COUNT; a++) {
        for (size_t s = 0; s < SIZE_COUNT; s++) {
            size_t align = strange_aligns[a];
            size_t size = strange_sizes[s];
            void *wanted_out = NULL;
            void *const untouched = &wanted_out;
            void *out = untouched;
            int wanted = real_libc()->posix_memalign(&wanted_out, align, size);
            errno = 99;
            int got = (a + s) % 2 == 0 ? posix_memalign(&out, align, size)
                                       : __posix_memalign(&out, align, size);
            cr_assert_eq(got, wanted, "(%zx, %zx) gives %d, not %d", align, size, got,
                         wanted);
            cr_assert_eq(errno, 99);
            if (got == 0) {
                cr_assert_eq((uintptr_t)out % align, 0);
                free(out);
                real_libc()->free(wanted_out);
            } else {
                cr_assert_eq(out, untouched);
            }
        }
    }
}

static void expect_block(unsigned char *p, size_t align, size_t size)
{
    cr_assert_not_null(p, "(%zu, %zu)", align, size);
    cr_assert_eq((uintptr_t)p % align, 0, "(%zu, %zu) gave %p", align, size, (void *)p);
    cr_assert_eq((uintptr_t)p % 16, 0, "(%zu, %zu) gave %p", align, size, (void *)p);
    cr_assert_geq(malloc_usable_size(p), size);
}

static bool is_filled(const unsigned char *p, size_t n, unsigned char with)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != with) {
            return false;
        }
    }
    return true;
}

/* Eight at a time, each filled to its last usable byte, resized, and freed. */
static void try_pair(size_t align, size_t size)
{
    unsigned char *blocks[8];
    size_t usable[8];
    int count = align * 8 + size > 16 * MIB ? 2 : 8;
    for (int i = 0; i < count; i++) {
        blocks[i] =
            i % 2 == 0 ? aligned_alloc(align, size) : _aligned_malloc(size, align);
        expect_block(blocks[i], align, size);
        usable[i] = malloc_usable_size(blocks[i]);
        usable[i] = usable[i] < size + 4096 ? usable[i] : size + 4096;
        memset(blocks[i], i + 1, usable[i]);
    }
    for (int i = 0; i < count; i++) {
        cr_assert(is_filled(blocks[i], usable[i], i + 1), "(%zu, %zu)", align, size);
        size_t next = i % 3 == 0 ? size / 2 + 1 : size * 2 + 1;
        unsigned char *moved = realloc(blocks[i], next);
        expect_block(moved, 16, next);
        size_t kept = next < usable[i] ? next : usable[i];
        cr_assert(is_filled(moved, kept, i + 1), "(%zu, %zu) to %zu", align, size, next);
        memset(moved, 0xFF, next);
        blocks[i] = moved;
    }
    for (int i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

Test(aligned, every_alignment_with_every_size_that_may_go_wrong)
{
    try_pair(256, 256);
    try_pair(512, 512);
    try_pair(1024, 1024);
    for (size_t align = 1; align <= 64 * MIB; align *= 2) {
        try_pair(align, 0);
        for (size_t power = 1; power <= (align < MIB ? MIB : 4096); power *= 2) {
            try_pair(align, power - 1);
            try_pair(align, power);
            try_pair(align, power + 1);
            try_pair(align, power + power / 2);
        }
        if (align <= 4 * MIB) {
            try_pair(align, align + align / 2 + 16);
            try_pair(align, 3 * align);
        }
    }
}

/* Many at once, so that they lie in every place of a page of mimalloc's. */
Test(aligned, the_pairs_that_mimalloc_gets_wrong_many_times)
{
    enum { COUNT = 2000 };
    static void *blocks[COUNT];
    for (size_t size = 128; size <= 4096; size *= 2) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = memalign(size, size);
            expect_block(blocks[i], size, size);
        }
        for (int i = 0; i < COUNT; i++) {
            void *zeroed = calloc(1, size);
            expect_block(zeroed, 16, size);
            free(zeroed);
            blocks[i] = realloc(blocks[i], size * 2);
            expect_block(blocks[i], 16, size * 2);
        }
        for (int i = 0; i < COUNT; i++) {
            free(blocks[i]);
        }
    }
}

/* Blocks that mimalloc's own map of addresses does not have. */
Test(aligned, huge_blocks)
{
    for (size_t size = 512 * MIB; size <= 4096 * MIB; size *= 2) {
        unsigned char *p = memalign(4096, size);
        expect_block(p, 4096, size);
        memset(p, 1, 4096);
        p[size - 1] = 2;
        p = realloc(p, 4096);
        expect_block(p, 16, 4096);
        cr_assert(is_filled(p, 4096, 1));
        free(p);
    }
}

Test(aligned, at_random)
{
    enum { COUNT = 500 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint64_t random = 3;
    for (int round = 0; round < 60000; round++) {
        size_t i = random_below(&random, COUNT);
        if (blocks[i] != NULL) {
            cr_assert(is_filled(blocks[i], sizes[i], (unsigned char)i));
        }
        free(blocks[i]);
        size_t align = (size_t)1 << random_below(&random, 14);
        sizes[i] = random_below(&random, round % 50 == 0 ? 100000 : 2000);
        blocks[i] = memalign(align, sizes[i]);
        expect_block(blocks[i], align, sizes[i]);
        memset(blocks[i], (int)i, sizes[i]);
    }
}
