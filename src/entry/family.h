/* SPDX-License-Identifier: MIT */
/*
 * What the malloc family and operator new are made of: the four things that can happen to
 * a block. The inline functions are the hot path with tracing off:
 *
 *     malloc   is tracing off? -> mimalloc -> write the header
 *     free     is the header's check right? not traced, tracing off? -> mark it ->
 * mimalloc
 *
 * Everything else is out of line in family.c. `caller` is the return address of the entry
 * point, i.e. the program's own code; the inline functions read it where they are
 * inlined. On failure the result is NULL and errno ENOMEM.
 */
#ifndef TMI_FAMILY_H
#define TMI_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/errno.h"
#include "heap/block.h"
#include "trace/tracer.h"

/* More than this is never asked of mimalloc; a size fits the header's 48 bits. */
#define TMI_FAMILY_MOST ((size_t)1 << 47)

/* The return address of the entry point that this is inlined into. */
#define TMI_CALLER() ((uintptr_t)__builtin_return_address(0))

void *tmi_family_no_memory(void);
void *tmi_family_alloc_traced(size_t size, uintptr_t caller);
void *tmi_family_alloc_zeroed_traced(size_t size, uintptr_t caller);
void *tmi_family_alloc_aligned(size_t size, size_t align, uintptr_t caller);

/* As realloc(p, size) for p that is not NULL and size that is not 0. */
void *tmi_family_resize(void *p, size_t size, uintptr_t caller);

/* The two slow ends of free: a traced block, and a pointer of which nothing is known yet.
 */
void tmi_family_free_traced(void *p);
void tmi_family_free_odd(void *p);

/* malloc_usable_size */
size_t tmi_family_usable(const void *p);

/* A plain read: one operand of a compare. A thread may see a start one operation late. */
TMI_INLINE bool tmi_family_is_off(void)
{
    return TMI_LIKELY(tmi_tracer.mode == TMI_MODE_OFF);
}

TMI_INLINE void *tmi_family_alloc_plain(size_t size, bool zeroed)
{
    size_t bytes;
    if (TMI_UNLIKELY(tmi_add_overflows(size, sizeof(struct tmi_block), &bytes))) {
        return tmi_family_no_memory();
    }
    void *base = zeroed ? tmi_backend_alloc_zeroed(bytes) : tmi_backend_alloc(bytes);
    if (TMI_UNLIKELY(base == NULL)) {
        return tmi_family_no_memory();
    }
    return tmi_block_seal(base, size, 0, 0);
}

TMI_INLINE void *tmi_family_alloc(size_t size)
{
    if (TMI_LIKELY(tmi_family_is_off())) {
        return tmi_family_alloc_plain(size, false);
    }
    return tmi_family_alloc_traced(size, TMI_CALLER());
}

TMI_INLINE void *tmi_family_alloc_zeroed(size_t size)
{
    if (TMI_LIKELY(tmi_family_is_off())) {
        return tmi_family_alloc_plain(size, true);
    }
    return tmi_family_alloc_zeroed_traced(size, TMI_CALLER());
}

TMI_INLINE void tmi_family_free(void *p)
{
    struct tmi_block *block = tmi_block_of(p);
    if (TMI_UNLIKELY(!tmi_block_may_look(p) || !tmi_block_is_plain(block))) {
        tmi_family_free_odd(p);
        return;
    }
    if (TMI_UNLIKELY(block->trace != 0)) {
        tmi_family_free_traced(p);
        return;
    }
    tmi_block_unseal(block);
    int saved = tmi_errno_get();
    tmi_backend_release(block);
    tmi_errno_set(saved);
}

#endif
