/* SPDX-License-Identifier: MIT */
/*
 * Questions to the allocator, its knobs, and blocks that one name allocates and another
 * one frees.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../support/libc.h"
#include "../support/stderr.h"

static void *by_calloc(size_t size)
{
    return calloc(1, size);
}
static void *by_libc_calloc(size_t size)
{
    return __libc_calloc(size, 1);
}
static void *by_realloc(size_t size)
{
    return realloc(NULL, size);
}
static void *by_libc_realloc(size_t size)
{
    return __libc_realloc(NULL, size);
}
static void *by_reallocarray(size_t size)
{
    return reallocarray(NULL, size, 1);
}
static void *by_reallocf(size_t size)
{
    return reallocf(NULL, size);
}
static void *by_reallocarr(size_t size)
{
    void *p = NULL;
    return reallocarr(&p, size, 1) == 0 ? p : NULL;
}
static void *by_memalign(size_t size)
{
    return memalign(64, size);
}
static void *by_libc_memalign(size_t size)
{
    return __libc_memalign(2048, size);
}
static void *by_aligned_alloc(size_t size)
{
    return aligned_alloc(4096, size);
}
static void *by_aligned_malloc(size_t size)
{
    return _aligned_malloc(size, 512);
}
static void *by_posix_memalign(size_t size)
{
    void *p;
    return posix_memalign(&p, 32, size) == 0 ? p : NULL;
}
static void *by_other_posix_memalign(size_t size)
{
    void *p;
    return __posix_memalign(&p, 8, size) == 0 ? p : NULL;
}
static void *by_strndup(size_t size)
{
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    char *copy = strndup(text, size);
    free(text);
    return copy;
}

static void *(*const makers[])(size_t) = {
    malloc,
    __libc_malloc,
    by_calloc,
    by_libc_calloc,
    by_realloc,
    by_libc_realloc,
    by_reallocarray,
    by_reallocf,
    by_reallocarr,
    by_memalign,
    by_libc_memalign,
    by_aligned_alloc,
    by_aligned_malloc,
    by_posix_memalign,
    by_other_posix_memalign,
    valloc,
    pvalloc,
    __libc_valloc,
    __libc_pvalloc,
    by_strndup,
};

static void to_realloc(void *p)
{
    cr_assert_null(realloc(p, 0));
}
static void to_libc_realloc(void *p)
{
    cr_assert_null(__libc_realloc(p, 0));
}
static void to_reallocarray(void *p)
{
    cr_assert_null(reallocarray(p, 0, 5));
}
static void to_reallocf(void *p)
{
    cr_assert_null(reallocf(p, 0));
}
static void to_reallocarr(void *p)
{
    cr_assert_eq(reallocarr(&p, 0, 1), 0);
}
static void to_free_sized(void *p)
{
    free_sized(p, malloc_usable_size(p));
}
static void to_free_aligned_sized(void *p)
{
    free_aligned_sized(p, 64, malloc_usable_size(p));
}
static void to_moved(void *p)
{
    free(realloc(p, 100000));
}

static void (*const takers[])(void *) = {
    free,
    cfree,
    vfree,
    __libc_free,
    __libc_cfree,
    to_realloc,
    to_libc_realloc,
    to_reallocf,
    to_reallocarr,
    to_reallocarray,
    to_free_sized,
    to_moved,
    to_free_aligned_sized,
};

/* A block that went to another family's free would be reported, and end the test. */
Test(inquiry, any_name_frees_what_any_name_allocates)
{
    for (size_t m = 0; m < sizeof makers / sizeof *makers; m++) {
        for (size_t t = 0; t < sizeof takers / sizeof *takers; t++) {
            for (size_t size = 1; size < 100000; size *= 7) {
                unsigned char *p = makers[m](size);
                cr_assert_not_null(p, "maker %zu, size %zu", m, size);
                cr_assert_eq(malloc_size(p), malloc_usable_size(p));
                cr_assert_geq(malloc_size(p), size);
                memset(p, 0x5A, malloc_usable_size(p));
                takers[t](p);
            }
        }
    }
}

Test(inquiry, usable_size)
{
    cr_assert_eq(malloc_usable_size(NULL), 0);
    cr_assert_eq(malloc_size(NULL), 0);
    for (size_t size = 0; size < 200000; size += 1 + size / 10) {
        void *p = malloc(size);
        cr_assert_eq(malloc_usable_size(p), size);
        p = realloc(p, size + 1);
        cr_assert_eq(malloc_usable_size(p), size + 1);
        cr_assert_geq(malloc_good_size(size), size);
        cr_assert_lt(malloc_good_size(size), size + size / 2 + 4096);
        free(p);
    }
    cr_assert_eq(malloc_good_size(SIZE_MAX), SIZE_MAX);
}

Test(inquiry, memory_in_use_is_told)
{
    struct mallinfo2 before = mallinfo2();
    char *p = malloc((size_t)100 << 20);
    memset(p, 1, (size_t)100 << 20);
    struct mallinfo2 during = mallinfo2();
    cr_assert_geq(during.arena, before.arena + ((size_t)100 << 20));
    cr_assert_geq(during.usmblks, during.arena);
    cr_assert_leq(during.uordblks, during.arena);
    cr_assert_eq(during.uordblks + during.fordblks, during.arena);
    free(p);
    cr_assert(malloc_trim(0) == 0 || malloc_trim(0) == 1);
    cr_assert_lt(mallinfo2().arena, during.arena - ((size_t)50 << 20));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
    cr_assert_geq(old.arena, 0);
    cr_assert_geq(old.uordblks, 0);
}

Test(inquiry, knobs_are_taken)
{
    cr_assert_eq(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    cr_assert_eq(mallopt(M_ARENA_MAX, 1), 1);
    cr_assert_eq(mallopt(M_PERTURB, 0x55), 1);
    void *p = malloc(100);
    cr_assert_not_null(p);
    free(p);
}

/* As XML, by an XML parser where there is one. */
Test(inquiry, malloc_info_writes_xml)
{
    char name[] = "/tmp/tmalloc-info-XXXXXX";
    int fd = mkstemp(name);
    FILE *file = fdopen(fd, "w+");
    cr_assert_eq(malloc_info(1, file), EINVAL);
    cr_assert_eq(malloc_info(0, file), 0);
    cr_assert_eq(fflush(file), 0);
    rewind(file);
    char text[4096] = "";
    size_t len = fread(text, 1, sizeof text - 1, file);
    cr_assert_gt(len, 100);
    cr_assert_eq(strncmp(text, "<malloc version=\"1\">\n", 21), 0);
    cr_assert_str_eq(text + len - 10, "</malloc>\n");
    cr_assert_not_null(strstr(text, "<system type=\"current\" size=\""));
    char command[200];
    snprintf(command, sizeof command,
             "! command -v xmllint >/dev/null || xmllint --noout %s", name);
    cr_assert_eq(system(command), 0);
    fclose(file);
    unlink(name);
}

Test(inquiry, malloc_info_tells_when_it_cannot_write)
{
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    cr_assert_neq(malloc_info(0, full), 0);
    fclose(full);
}

Test(inquiry, malloc_stats_writes_to_stderr_only)
{
    int kept = dup(STDOUT_FILENO);
    int out = memfd_create("stdout", 0);
    dup2(out, STDOUT_FILENO);
    stderr_catch();
    malloc_stats();
    const char *said = stderr_caught();
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    cr_assert_eq(lseek(out, 0, SEEK_END), 0);
    cr_assert_eq(strncmp(said, "tmalloc: system bytes = ", 24), 0, "'%s'", said);
    cr_assert_gt(strtoul(said + 24, NULL, 10), 4096);
}
