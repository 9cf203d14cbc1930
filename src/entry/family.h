/* SPDX-License-Identifier: MIT */
/*
 * What the malloc family and operator new are made of: the four things that can happen to
 * a block. The inline functions are the hot path with tracing off:
 *
 *     malloc   is tracing off, and the size small? -> mimalloc -> write the header
 *     free     does the seal say: live, not traced? -> mark it -> mimalloc
 *
 * and with one frame and a site that the thread met lately (trace/quick.h). Everything
 * else is out of line in family.c. `caller` is the return address of the entry
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
#include "trace/quick.h"
#include "trace/tracer.h"

/* More than this is never asked of mimalloc; a size fits the header's 48 bits. */
#define TMI_FAMILY_MOST ((size_t)1 << 47)

/* The return address of the entry point that this is inlined into. */
#define TMI_CALLER() ((uintptr_t)__builtin_return_address(0))

void *tmi_family_no_memory(void);
void *tmi_family_alloc_long(size_t size, uintptr_t caller);
void *tmi_family_alloc_zeroed_long(size_t size, uintptr_t caller);

/*
 * Make a traced block of mimalloc's, or an untraced one: whatever is set; of whole
 * stacks, while all is taken; and with one frame, of the newest caller outside of
 * wrappers. The last two go the way of the first where need be.
 */
void *tmi_family_trace(void *base, size_t size, uintptr_t caller);
void *tmi_family_trace_stack(void *base, size_t size, uintptr_t caller);
void *tmi_family_trace_outside(void *base, size_t size, uintptr_t caller);
void *tmi_family_alloc_aligned(size_t size, size_t align, uintptr_t caller);

/* As realloc(p, size) for p that is not NULL and size that is not 0. */
void *tmi_family_resize(void *p, size_t size, uintptr_t caller);

/*
 * The rest of free: a traced block, or a pointer of which nothing is known yet. `hash` is
 * that of the first half of its header.
 */
void tmi_family_free_sealed(void *p, uint64_t hash);
void tmi_family_free_odd(void *p);

/* The size of a block that is odd like that. */
size_t tmi_family_size_odd(const void *p);

/* What malloc and calloc ask of mimalloc, for sizes that it calls small. */
TMI_INLINE void *tmi_family_ask_small(size_t size, bool zeroed)
{
    size_t bytes = size + sizeof(struct tmi_block);
    return zeroed ? tmi_backend_alloc_zeroed_small(bytes)
                  : tmi_backend_alloc_small(bytes);
}

TMI_INLINE void *tmi_family_alloc_any(size_t size, bool zeroed, uintptr_t caller)
{
    return zeroed ? tmi_family_alloc_zeroed_long(size, caller)
                  : tmi_family_alloc_long(size, caller);
}

/*
 * Plain reads of the three limits, each one operand of a compare, and of what is traced
 * then. A thread may see a start one operation late.
 */
TMI_INLINE void *tmi_family_alloc(size_t size, bool zeroed)
{
    if (TMI_LIKELY(size < tmi_tracer.plain_below)) {
        void *base = tmi_family_ask_small(size, zeroed);
        return TMI_LIKELY(base != NULL) ? tmi_block_seal(base, size, 0, 0)
                                        : tmi_family_no_memory();
    }
    if (TMI_LIKELY(size < tmi_tracer.caller_below)) {
        void *base = tmi_family_ask_small(size, zeroed);
        if (TMI_UNLIKELY(base == NULL)) {
            return tmi_family_no_memory();
        }
        void *p = tmi_quick_alloc(base, size, TMI_CALLER());
        return TMI_LIKELY(p != NULL) ? p
                                     : tmi_family_trace_outside(base, size, TMI_CALLER());
    }
    if (TMI_LIKELY(size < tmi_tracer.traced_below)) {
        void *base = tmi_family_ask_small(size, zeroed);
        if (TMI_UNLIKELY(base == NULL)) {
            return tmi_family_no_memory();
        }
        return TMI_LIKELY(tmi_tracer.takes_all)
                   ? tmi_family_trace_stack(base, size, TMI_CALLER())
                   : tmi_family_trace(base, size, TMI_CALLER());
    }
    return tmi_family_alloc_any(size, zeroed, TMI_CALLER());
}

/* Hand back a block without a distance, and keep errno. */
TMI_INLINE void tmi_family_release(void *p)
{
    int saved = tmi_errno_get();
    __asm__("" : "+r"(p)); /* no copy of the block's address from before */
    tmi_backend_release(tmi_block_of(p));
    tmi_errno_set(saved);
}

TMI_INLINE void tmi_family_free(void *p)
{
    if (TMI_UNLIKELY(!tmi_block_may_look(p))) {
        tmi_family_free_odd(p);
        return;
    }
    const struct tmi_block *block = tmi_block_of(p);
    uint64_t hash = tmi_block_hash(block, block->size_domain);
    if (TMI_UNLIKELY(block->seal != hash)) {
        tmi_family_free_sealed(p, hash);
        return;
    }
    tmi_block_unseal(tmi_block_of(p), 0);
    tmi_family_release(p);
}

/*
 * malloc_usable_size: what was asked for, which is what is counted. mimalloc may have
 * rounded up, but it knows by way of two more cache lines, and programs like redis ask
 * for each block, twice.
 */
TMI_INLINE size_t tmi_family_size(const void *p)
{
    const struct tmi_block *block = tmi_block_of(p);
    return TMI_LIKELY(tmi_block_may_look(p) && tmi_block_is_plain(block))
               ? tmi_block_size(block)
               : tmi_family_size_odd(p);
}

#endif
