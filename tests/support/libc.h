/* SPDX-License-Identifier: MIT */
/*
 * The C library's own allocator, which this program does not use since libtmalloc has
 * taken its names: what it does with strange arguments is what ours has to do. And the
 * names that libc's headers do not have.
 */
#ifndef TMI_TEST_LIBC_H
#define TMI_TEST_LIBC_H

#include <stddef.h>

struct libc {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void (*free)(void *);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    size_t (*malloc_usable_size)(void *);
};

/* Fails the test when these are not libc's, or the program's are not libtmalloc's. */
const struct libc *real_libc(void);

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);
void cfree(void *p);
void vfree(void *p);
void __libc_free(void *p);
void __libc_cfree(void *p);
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
int __posix_memalign(void **out, size_t align, size_t size);
void *_aligned_malloc(size_t size, size_t align);
size_t malloc_size(const void *p);
size_t malloc_good_size(size_t size);
void *reallocf(void *p, size_t size);
int reallocarr(void *array, size_t n, size_t size);

#endif
