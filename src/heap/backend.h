/* SPDX-License-Identifier: MIT */
/*
 * mimalloc, and the only place that includes its header. The wrappers are inline, so that
 * the hot path calls mimalloc itself. What is asked of it is little on purpose: blocks
 * aligned to 16, and nothing else; larger alignments are ours (heap/block.h), because
 * releases of mimalloc differ in how well they keep them.
 */
#ifndef TMI_BACKEND_H
#define TMI_BACKEND_H

#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

TMI_INLINE void *tmi_backend_alloc(size_t bytes)
{
    return mi_malloc(bytes);
}
TMI_INLINE void *tmi_backend_alloc_zeroed(size_t bytes)
{
    return mi_zalloc(bytes);
}

/* The same for at most so many bytes, for which mimalloc has a shorter way. */
#define TMI_BACKEND_SMALL_MOST MI_SMALL_SIZE_MAX

TMI_INLINE void *tmi_backend_alloc_small(size_t bytes)
{
    return mi_malloc_small(bytes);
}
TMI_INLINE void *tmi_backend_alloc_zeroed_small(size_t bytes)
{
    return mi_zalloc_small(bytes);
}

/* Keeps the content up to the smaller size; NULL leaves the old block as it was. */
TMI_INLINE void *tmi_backend_resize(void *base, size_t bytes)
{
    return mi_realloc(base, bytes);
}

TMI_INLINE void tmi_backend_release(void *base)
{
    mi_free(base);
}
TMI_INLINE size_t tmi_backend_usable(const void *base)
{
    return mi_usable_size(base);
}
TMI_INLINE size_t tmi_backend_good_size(size_t bytes)
{
    return mi_good_size(bytes);
}

/* True when `p` points into memory that mimalloc has; never reads through `p`. */
TMI_INLINE bool tmi_backend_owns(const void *p)
{
    return mi_is_in_heap_region(p);
}

/* Give unused memory back to the system. */
TMI_INLINE void tmi_backend_trim(void)
{
    mi_collect(true);
}

/* Bytes that mimalloc has committed now and at most. */
struct tmi_backend_usage {
    size_t committed_bytes;
    size_t peak_committed_bytes;
};

TMI_INLINE struct tmi_backend_usage tmi_backend_usage(void)
{
    struct tmi_backend_usage usage = {0, 0};
    mi_process_info(NULL, NULL, NULL, NULL, NULL, &usage.committed_bytes,
                    &usage.peak_committed_bytes, NULL);
    return usage;
}

#endif
