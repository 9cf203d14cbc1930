/* SPDX-License-Identifier: MIT */
/*
 * The names that this library takes over from libc, and those that mimalloc exports
 * beside them: a block from any of them may reach the free of any other, so all must be
 * ours. Declared here once, since libc's headers have only some of them.
 */
#ifndef TMI_NAMES_H
#define TMI_NAMES_H

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include "tmalloc/attr.h"

/* Another name for a function of the same file, with its attributes where gcc wants that.
 */
#if defined(__has_attribute) && __has_attribute(copy)
#define TMI_ALIAS(of) __attribute__((alias(#of), copy(of)))
#else
#define TMI_ALIAS(of) __attribute__((alias(#of)))
#endif

/* ISO C23 */
TM_API void free_sized(void *p, size_t size);
TM_API void free_aligned_sized(void *p, size_t align, size_t size);

/* once in glibc */
TM_API void cfree(void *p);

/* glibc's internal names, which old programs call */
TM_API void *__libc_malloc(size_t size);
TM_API void *__libc_calloc(size_t n, size_t size);
TM_API void *__libc_realloc(void *p, size_t size);
TM_API void *__libc_memalign(size_t align, size_t size);
TM_API void *__libc_valloc(size_t size);
TM_API void *__libc_pvalloc(size_t size);
TM_API void __libc_free(void *p);
TM_API void __libc_cfree(void *p);
TM_API int __posix_memalign(void **out, size_t align, size_t size);

/* other systems' names, as mimalloc has them */
TM_API void *_aligned_malloc(size_t size, size_t align);
TM_API size_t malloc_size(const void *p);
TM_API size_t malloc_good_size(size_t size);
TM_API void *reallocf(void *p, size_t size);
TM_API int reallocarr(void *array, size_t n, size_t size);
TM_API void vfree(void *p);

#endif
