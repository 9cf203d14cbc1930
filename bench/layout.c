/* SPDX-License-Identifier: MIT */
/*
 * What a block's trace id costs, by where it lies: three small allocators over mimalloc
 * that differ in nothing else, to be preloaded before real programs (layout.py). The
 * conclusion is docs/block-tag.md.
 *
 *     LAYOUT 0      | what the program writes           |      mimalloc's own block
 *     LAYOUT 16     | size | seal | what the program writes |  tmalloc's header
 *     LAYOUT 8      | what the program writes    ...   | tag | the tag ends the block;
 *                   with SLICES it is found without asking mimalloc
 *
 * The tag is id:32 check:16 slack:16, slack being the bytes between the size asked for
 * and the tag; where it does not fit there is room for the size before the tag. malloc
 * finds it by a table of mimalloc's small size classes, everybody else through
 * mi_usable_size(). With SIZES set to a file's name, the sizes that were live when their
 * sum was most go there at exit, as lines SIZE BLOCKS (then time means nothing).
 */
#include <errno.h>
#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef LAYOUT
#define LAYOUT 16
#endif

#define API   __attribute__((visibility("default")))
#define KEY   UINT64_C(0x9E3779B97F4A7C15) /* as good as drawn, for a measurement */
#define ID    1u
#define WIDE  0xFFFFu /* the size lies before the tag */
#define SIZES ((size_t)1 << 16)
#define FREED 0

/* ---- what was live at the peak ------------------------------------------------------
 */

static bool recording;
static uint64_t live[SIZES];
static uint64_t most[SIZES];
static uint64_t live_bytes;
static uint64_t most_bytes;

/* Sizes from SIZES on are counted with the last one, less than a percent of all blocks.
 */
static void record(size_t size, uint64_t change)
{
    size_t at = size < SIZES ? size : SIZES - 1;
    __atomic_fetch_add(&live[at], change, __ATOMIC_RELAXED);
    uint64_t bytes = __atomic_add_fetch(&live_bytes, size * change, __ATOMIC_RELAXED);
    if (bytes > most_bytes + most_bytes / 64 + 65536) {
        most_bytes = bytes;
        memcpy(most, live, sizeof most);
    }
}

static __attribute__((constructor)) void begin(void)
{
    recording = getenv("SIZES") != NULL;
}

static __attribute__((destructor)) void end(void)
{
    FILE *out = recording ? fopen(getenv("SIZES"), "w") : NULL;
    for (size_t size = 0; out != NULL && size < SIZES; size++) {
        if (most[size] != 0) {
            fprintf(out, "%zu %llu\n", size, (unsigned long long)most[size]);
        }
    }
    if (out != NULL) {
        fclose(out);
    }
}

/* ---- the layouts --------------------------------------------------------------------
 */

#if LAYOUT == 16

struct header {
    uint64_t size;
    uint64_t seal;
};

enum { EXTRA = sizeof(struct header) };

static inline void *write_tag(void *base, size_t size, bool is_new)
{
    (void)is_new;
    struct header *header = base;
    header->size = size;
    header->seal = ((uintptr_t)base ^ size) * KEY ^ ((uint64_t)ID << 32 | ID);
    return header + 1;
}

static inline void *base_of(void *p)
{
    return (struct header *)p - 1;
}

static inline size_t size_of(void *p)
{
    return ((struct header *)base_of(p))->size;
}

static inline size_t usable_of(void *p)
{
    return mi_usable_size(base_of(p)) - EXTRA;
}

/* False when it is no live block; else it is none any more. */
static inline bool retire(void *p)
{
    struct header *header = base_of(p);
    uint64_t tag = ((uintptr_t)header ^ header->size) * KEY ^ header->seal;
    header->seal = FREED;
    return (uint32_t)tag == tag >> 32;
}

#elif LAYOUT == 8

enum { EXTRA = sizeof(uint64_t) };

#if SLICES

/*
 * What mi_usable_size() knows, on two lines of cache fewer: of the blocks that begin in a
 * slice of 64 KiB the size in words, which is one for all of them, as mimalloc's pages
 * are made of slices. 0: ask. Virtual memory, of which a byte in 32 KiB of heap is
 * touched.
 */
static uint16_t *slices;

static void map_slices(void)
{
    size_t bytes = sizeof *slices << (47 - 16);
    slices = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static inline void note(void *base, size_t words)
{
    uint16_t *slice = &slices[(uintptr_t)base >> 16];
    if (__builtin_expect(*slice != words, 0)) {
        *slice = words <= UINT16_MAX ? (uint16_t)words : 0;
    }
}

static inline uint64_t *tag_of(void *p)
{
    size_t words = slices[(uintptr_t)p >> 16];
    if (__builtin_expect(words == 0, 0)) {
        words = mi_usable_size(p) / sizeof(uint64_t);
    }
    return (uint64_t *)p + words - 1;
}

#else

static void map_slices(void) {}
static inline void note(void *base, size_t words)
{
    (void)base;
    (void)words;
}

static inline uint64_t *tag_of(void *p)
{
    return (uint64_t *)((char *)p + mi_usable_size(p)) - 1;
}

#endif

static inline uint64_t check_of(const void *tag, uint32_t id, uint64_t slack)
{
    return (((uintptr_t)tag ^ (uint64_t)id << 16 ^ slack) * KEY) >> 48;
}

/* Of as many words, the size class in words; 0: not known yet. */
static uint16_t classes[MI_SMALL_WSIZE_MAX + 1];

/* Of a size that is not small, or whose class is not known yet. */
static __attribute__((noinline)) uint64_t *tag_of_any(void *base, size_t words)
{
    size_t usable = mi_usable_size(base) / sizeof(uint64_t);
    if (classes[0] == 0) {
        map_slices();
        classes[0] = 1;
    }
    if (words <= MI_SMALL_WSIZE_MAX) {
        classes[words] = (uint16_t)usable;
    }
    note(base, usable);
    return (uint64_t *)base + usable - 1;
}

static inline uint64_t *tag_of_new(void *base, size_t size)
{
    size_t words = (size + EXTRA + sizeof(void *) - 1) / sizeof(void *);
    if (__builtin_expect(words > MI_SMALL_WSIZE_MAX || classes[words] == 0, 0)) {
        return tag_of_any(base, words);
    }
    note(base, classes[words]);
    return (uint64_t *)base + classes[words] - 1;
}

static inline void *write_tag(void *base, size_t size, bool is_new)
{
    uint64_t *tag = is_new ? tag_of_new(base, size) : tag_of_any(base, SIZE_MAX);
    size_t slack = (size_t)((char *)tag - (char *)base) - size;
    if (slack >= WIDE) {
        tag[-1] = size;
        slack = WIDE;
    }
    *tag = (uint64_t)ID << 32 | check_of(tag, ID, slack) << 16 | slack;
    return base;
}

static inline void *base_of(void *p)
{
    return p;
}

static inline size_t size_of(void *p)
{
    uint64_t *tag = tag_of(p);
    uint64_t slack = *tag & WIDE;
    return slack == WIDE ? tag[-1] : (size_t)((char *)tag - (char *)p) - slack;
}

static inline size_t usable_of(void *p)
{
    return mi_usable_size(p) - EXTRA;
}

static inline bool retire(void *p)
{
    uint64_t *tag = tag_of(p);
    uint64_t was = *tag;
    *tag = FREED;
    return (was >> 16 & WIDE) == check_of(tag, (uint32_t)(was >> 32), was & WIDE);
}

#else

enum { EXTRA = 0 };

static inline void *write_tag(void *base, size_t size, bool is_new)
{
    (void)size;
    (void)is_new;
    return base;
}
static inline void *base_of(void *p)
{
    return p;
}
static inline size_t size_of(void *p)
{
    return mi_usable_size(p);
}
static inline size_t usable_of(void *p)
{
    return mi_usable_size(p);
}
static inline bool retire(void *p)
{
    (void)p;
    return true;
}

#endif

/* ---- libc's names -------------------------------------------------------------------
 */

static inline void *finish(void *base, size_t size, bool is_new)
{
    if (__builtin_expect(base == NULL, 0)) {
        errno = ENOMEM;
        return NULL;
    }
    if (__builtin_expect(recording, 0)) {
        record(size, 1);
    }
    return write_tag(base, size, is_new);
}

API void *malloc(size_t size)
{
    return finish(mi_malloc(size + EXTRA), size, true);
}

API void *calloc(size_t n, size_t size)
{
    return finish(mi_zalloc(n * size + EXTRA), n * size, true);
}

API void free(void *p)
{
    if (p == NULL) {
        return;
    }
    if (__builtin_expect(recording, 0)) {
        record(size_of(p), (uint64_t)-1);
    }
    if (__builtin_expect(!retire(p), 0)) {
        fprintf(stderr, "layout: %p is damaged\n", p);
        abort();
    }
    mi_free(base_of(p));
}

API void *realloc(void *p, size_t size)
{
    if (p == NULL) {
        return malloc(size);
    }
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (__builtin_expect(recording, 0)) {
        record(size_of(p), (uint64_t)-1);
    }
    return finish(mi_realloc(base_of(p), size + EXTRA), size, false);
}

/* These programs have a handful of such blocks: by mimalloc's own means. */
API int posix_memalign(void **out, size_t align, size_t size)
{
    char *p = LAYOUT == 16 ? mi_malloc_aligned_at(size + EXTRA, align, EXTRA)
                           : mi_malloc_aligned(size + EXTRA, align);
    *out = finish(p, size, false);
    return *out == NULL ? ENOMEM : 0;
}

API void *aligned_alloc(size_t align, size_t size)
{
    void *p = NULL;
    posix_memalign(&p, align, size);
    return p;
}

API void *memalign(size_t align, size_t size)
{
    return aligned_alloc(align, size);
}

API size_t malloc_usable_size(void *p)
{
    return p == NULL ? 0 : usable_of(p);
}
