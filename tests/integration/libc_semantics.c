/* SPDX-License-Identifier: MIT */
/*
 * malloc, calloc, realloc, free and their kin, as a program gets them that is linked with
 * libtmalloc: what libc's manual promises, to the letter, and where the manual leaves a
 * choice what this machine's libc does. Alignments are in libc_aligned.c, questions in
 * libc_inquiry.c. Compiled with -fno-builtin: the compiler knows too much of malloc.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../support/libc.h"
#include "../support/random.h"

static bool is_filled(const unsigned char *p, size_t n, unsigned char with)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != with) {
            return false;
        }
    }
    return true;
}

/* More than anything that could be had, in many ways. */
static const size_t too_large[] = {
    (size_t)PTRDIFF_MAX - 4096,
    (size_t)PTRDIFF_MAX - 1,
    PTRDIFF_MAX,
    (size_t)PTRDIFF_MAX + 1,
    (size_t)PTRDIFF_MAX + 4096,
    SIZE_MAX - 65536,
    SIZE_MAX - 4096,
    SIZE_MAX - 17,
    SIZE_MAX - 16,
    SIZE_MAX - 15,
    SIZE_MAX - 1,
    SIZE_MAX,
    (size_t)1 << 47,
    (size_t)1 << 48,
    ((size_t)1 << 48) + 7,
};
/* The compiler takes it that p is gone; when it fails, it is not. */
static void *(*volatile hidden_reallocarray)(void *, size_t, size_t) = reallocarray;

#define TOO_LARGE_COUNT (sizeof too_large / sizeof *too_large)

Test(libc, the_names_are_ours_and_libc_has_others)
{
    cr_assert_not_null(real_libc()->malloc);
}

Test(libc, every_size_is_aligned_and_whole)
{
    for (size_t size = 0; size <= 70000; size++) {
        unsigned char *p = malloc(size);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % 16, 0, "malloc(%zu)", size);
        cr_assert_geq(malloc_usable_size(p), size);
        memset(p, 1, size < 64 ? size : 64);
        if (malloc_usable_size(p) != 0) {
            p[malloc_usable_size(p) - 1] = 2;
        }
        free(p);
    }
    for (size_t size = 70001; size < (size_t)1 << 31; size += size / 3) {
        unsigned char *p = malloc(size);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % 16, 0, "malloc(%zu)", size);
        cr_assert_geq(malloc_usable_size(p), size);
        p[0] = 1;
        p[size - 1] = 2;
        free(p);
    }
}

/* What may be written is written; a header that it hit would be reported by free. */
Test(libc, all_usable_bytes_are_ours_alone)
{
    enum { COUNT = 3000 };
    static unsigned char *blocks[COUNT];
    static size_t usable[COUNT];
    uint64_t random = 1;
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = malloc(random_below(&random, i % 10 == 0 ? 20000 : 300));
        usable[i] = malloc_usable_size(blocks[i]);
        memset(blocks[i], i & 0xFF, usable[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert(is_filled(blocks[i], usable[i], i & 0xFF), "block %d", i);
        cr_assert_eq(malloc_usable_size(blocks[i]), usable[i]);
        free(blocks[i]);
    }
}

Test(libc, blocks_of_no_bytes_are_distinct)
{
    enum { COUNT = 1000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i += 4) {
        blocks[i] = malloc(0);
        blocks[i + 1] = calloc(0, 10);
        blocks[i + 2] = realloc(NULL, 0);
        blocks[i + 3] = reallocarray(NULL, 3, 0);
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_not_null(blocks[i]);
        for (int j = 0; j < i; j++) {
            cr_assert_neq(blocks[i], blocks[j]);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        free(blocks[i]);
    }
}

static void *through_posix_memalign(size_t size)
{
    void *p = NULL;
    errno = 77;
    int err = posix_memalign(&p, 64, size);
    cr_assert_eq(errno, 77, "posix_memalign tells by its result alone");
    errno = err;
    return p;
}

static void *through_calloc(size_t size)
{
    return calloc(1, size);
}
static void *through_calloc_of_many(size_t size)
{
    return calloc(size, 1);
}
static void *through_realloc(size_t size)
{
    return realloc(NULL, size);
}
static void *through_reallocarray(size_t size)
{
    return reallocarray(NULL, size, 1);
}
static void *through_memalign(size_t size)
{
    return memalign(4096, size);
}
static void *through_aligned_alloc(size_t size)
{
    return aligned_alloc(16, size);
}

static void *(*const allocators[])(size_t) = {
    malloc,
    through_calloc,
    through_calloc_of_many,
    through_realloc,
    valloc,
    pvalloc,
    through_reallocarray,
    through_memalign,
    __libc_malloc,
    through_aligned_alloc,
    through_posix_memalign,
};

Test(libc, too_large_is_ENOMEM_for_all)
{
    for (size_t f = 0; f < sizeof allocators / sizeof *allocators; f++) {
        for (size_t i = 0; i < TOO_LARGE_COUNT; i++) {
            errno = 0;
            cr_assert_null(allocators[f](too_large[i]), "function %zu, %zx", f,
                           too_large[i]);
            cr_assert_eq(errno, ENOMEM, "function %zu, %zx", f, too_large[i]);
        }
    }
}

Test(libc, a_realloc_that_fails_leaves_the_block)
{
    unsigned char *p = malloc(1000);
    unsigned char *a = aligned_alloc(256, 1000);
    memset(p, 5, 1000);
    memset(a, 6, 1000);
    for (size_t i = 0; i < TOO_LARGE_COUNT; i++) {
        errno = 0;
        cr_assert_null(realloc(p, too_large[i]));
        cr_assert_eq(errno, ENOMEM);
        errno = 0;
        cr_assert_null(hidden_reallocarray(a, too_large[i], 1));
        cr_assert_eq(errno, ENOMEM);
    }
    /* What mimalloc itself has to refuse. */
    errno = 0;
    cr_assert_null(realloc(p, ((size_t)1 << 47) - 4096));
    cr_assert_eq(errno, ENOMEM);
    errno = 0;
    cr_assert_null(realloc(a, ((size_t)1 << 47) - 4096));
    cr_assert_eq(errno, ENOMEM);
    cr_assert(is_filled(p, 1000, 5));
    cr_assert(is_filled(a, 1000, 6));
    free(p);
    free(a);
}

Test(libc, products_that_overflow_are_ENOMEM)
{
    static const size_t pairs[][2] = {
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX / 2 + 1, 2},
        {SIZE_MAX, SIZE_MAX},
        {(size_t)1 << 32, (size_t)1 << 32},
        {((size_t)1 << 32) + 1, (size_t)1 << 32},
        {SIZE_MAX / 3, 4},
    };
    unsigned char *p = malloc(10);
    memset(p, 9, 10);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = pairs[i][0];
        size_t size = pairs[i][1];
        errno = 0;
        cr_assert_null(calloc(n, size));
        cr_assert_eq(errno, ENOMEM);
        errno = 0;
        cr_assert_null(hidden_reallocarray(p, n, size));
        cr_assert_eq(errno, ENOMEM);
        errno = 0;
        void *slot = p;
        cr_assert_neq(reallocarr(&slot, n, size), 0);
        cr_assert_eq(errno, 0, "reallocarr tells by its result alone");
        cr_assert_eq(slot, p);
    }
    cr_assert(is_filled(p, 10, 9));
    free(p);
}

Test(libc, realloc_to_nothing_frees)
{
    const struct libc *libc = real_libc();
    void *theirs = libc->malloc(10);
    cr_assert_null(libc->realloc(theirs, 0), "this libc frees: so do we");
    for (size_t size = 0; size < 3000; size += 7) {
        errno = 55;
        cr_assert_null(realloc(malloc(size), 0));
        cr_assert_null(reallocarray(malloc(size), 0, 100));
        cr_assert_null(reallocarray(malloc(size), 100, 0));
        cr_assert_null(realloc(aligned_alloc(512, size), 0));
        cr_assert_eq(errno, 55, "nothing went wrong");
    }
    size_t before = mallinfo2().arena;
    for (int i = 0; i < 200000; i++) {
        cr_assert_null(realloc(malloc(1000), 0));
    }
    cr_assert_lt(mallinfo2().arena, before + (64 << 20), "200 MB were given back");
}

Test(libc, realloc_keeps_what_fits)
{
    uint64_t random = 2;
    for (int round = 0; round < 300; round++) {
        size_t size = random_below(&random, 5000);
        unsigned char *p = malloc(size);
        memset(p, round & 0xFF, size);
        for (int step = 0; step < 20; step++) {
            size_t next = 1 + random_below(&random, step % 7 == 0 ? 500000 : 5000);
            size_t kept = next < size ? next : size;
            p = step % 2 == 0 ? realloc(p, next) : reallocarray(p, next, 1);
            cr_assert_not_null(p);
            cr_assert_eq((uintptr_t)p % 16, 0);
            cr_assert_geq(malloc_usable_size(p), next);
            cr_assert(is_filled(p, kept, round & 0xFF), "%zu to %zu", size, next);
            memset(p, round & 0xFF, next);
            size = next;
        }
        free(p);
    }
}

/* From 1 GiB on mimalloc's own map of addresses does not have a block. Nothing is copied.
 */
Test(libc, realloc_of_huge_blocks)
{
    for (size_t size = (size_t)512 << 20; size <= (size_t)4 << 30; size *= 2) {
        char *p = malloc(size);
        cr_assert_not_null(p, "%zu", size);
        strcpy(p, "the beginning");
        p[size - 1] = 'x';
        p = realloc(p, size - size / 4);
        cr_assert_not_null(p, "%zu", size);
        cr_assert_geq(malloc_usable_size(p), size - size / 4);
        p = realloc(p, 100);
        cr_assert_str_eq(p, "the beginning");
        free(p);
    }
}

static void expect_zeroed(size_t n, size_t size)
{
    unsigned char *p = calloc(n, size);
    cr_assert_not_null(p);
    cr_assert_eq((uintptr_t)p % 16, 0);
    cr_assert(is_filled(p, n * size, 0), "calloc(%zu, %zu)", n, size);
    memset(p, 0xAA, malloc_usable_size(p));
    free(p);
}

/* Memory that was dirty before, in many sizes; and the second round reuses the first's.
 */
Test(libc, calloc_is_zeroed)
{
    for (int round = 0; round < 2; round++) {
        for (size_t size = 0; size < 3000; size++) {
            void *dirty[4];
            for (int i = 0; i < 4; i++) {
                dirty[i] = malloc(size);
                memset(dirty[i], 0xFF, malloc_usable_size(dirty[i]));
            }
            for (int i = 0; i < 4; i++) {
                free(dirty[i]);
            }
            expect_zeroed(1, size);
            expect_zeroed(size, 1);
            expect_zeroed(size / 8, 8);
        }
        for (size_t size = 3000; size < (size_t)70 << 20; size = size * 3 / 2) {
            expect_zeroed(size, 1);
            expect_zeroed(2, size / 2);
        }
    }
}

/* Deny the system calls that give memory back. */
static void deny_unmapping(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

static void free_in_every_way(size_t size)
{
    static void (*const frees[])(void *) = {free, cfree, vfree, __libc_free,
                                            __libc_cfree};
    for (size_t f = 0; f < sizeof frees / sizeof *frees; f++) {
        void *blocks[] = {malloc(size), calloc(1, size), memalign(8192, size)};
        for (size_t i = 0; i < 3; i++) {
            memset(blocks[i], 1, size);
            errno = 4711;
            frees[f](blocks[i]);
            cr_assert_eq(errno, 4711, "function %zu, block %zu, size %zu", f, i, size);
        }
    }
    void *p = malloc(size);
    void *a = aligned_alloc(128, size);
    errno = 4712;
    free_sized(p, size);
    free_aligned_sized(a, 128, size);
    free(NULL);
    free_sized(NULL, size);
    cr_assert_eq(errno, 4712);
}

Test(libc, free_keeps_errno)
{
    for (size_t size = 1; size < (size_t)300 << 20; size *= 6) {
        free_in_every_way(size);
    }
}

Test(libc, free_keeps_errno_when_the_system_refuses)
{
    deny_unmapping();
    for (size_t size = 1; size < (size_t)100 << 20; size *= 6) {
        free_in_every_way(size);
    }
}

Test(libc, success_does_not_touch_errno)
{
    for (size_t size = 0; size < (size_t)1 << 26; size = size * 5 + 1) {
        errno = 88;
        void *p = malloc(size);
        p = realloc(p, size + 100);
        free(calloc(size, 1));
        free(memalign(64, size));
        cr_assert_eq(errno, 88, "size %zu", size);
        free(p);
    }
}

Test(libc, bsd_forms_of_realloc)
{
    char *p = reallocf(NULL, 10);
    strcpy(p, "123456789");
    p = reallocf(p, 10000);
    cr_assert_str_eq(p, "123456789");
    errno = 0;
    cr_assert_null(reallocf(p, PTRDIFF_MAX), "and p is freed");
    cr_assert_eq(errno, ENOMEM);

    char *slot = NULL;
    errno = 66;
    cr_assert_eq(reallocarr(&slot, 10, 1), 0);
    strcpy(slot, "123456789");
    cr_assert_eq(reallocarr(&slot, 1000, 8), 0);
    cr_assert_str_eq(slot, "123456789");
    char *before = slot;
    cr_assert_eq(reallocarr(&slot, PTRDIFF_MAX, 1), ENOMEM);
    cr_assert_eq(slot, before);
    cr_assert_eq(reallocarr(&slot, 0, 8), 0);
    cr_assert_null(slot);
    cr_assert_eq(errno, 66);
}
