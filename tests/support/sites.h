/* SPDX-License-Identifier: MIT */
/*
 * Places that allocate and that a test can tell apart by address: each function lies in a
 * linker section of its own, whose bounds the linker gives, so "this return address lies
 * in site_calloc" needs no symbols and nothing of what is tested.
 */
#ifndef TEST_SITES_H
#define TEST_SITES_H

#include <stddef.h>
#include <stdint.h>

enum site {
    SITE_MALLOC,
    SITE_DEEP, /* site_deep: one site, many stacks */
    SITE_CALLOC,
    SITE_REALLOC,
    SITE_REALLOCARRAY,
    SITE_POSIX_MEMALIGN,
    SITE_MEMALIGN,
    SITE_NEW,
    SITE_COUNT /* none of them */
};

void *site_malloc(size_t bytes);
void *site_deep(size_t bytes,
                int depth); /* malloc, called through itself `depth` times */
void *site_calloc(size_t n, size_t bytes);
void *site_realloc(void *p, size_t bytes);
void *site_reallocarray(void *p, size_t n, size_t bytes);
void *site_posix_memalign(size_t align, size_t bytes); /* NULL when it fails */
void *site_memalign(size_t align, size_t bytes);
void *site_new(size_t bytes); /* C++ operator new */

/* The site whose code a return address follows. */
enum site site_of_address(uintptr_t address);

#endif
