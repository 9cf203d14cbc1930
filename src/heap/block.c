/* SPDX-License-Identifier: MIT */
/*
 * The slow half of heap/block.h: aligned blocks, and finding out what a pointer is. None
 * of it runs for an ordinary malloc or free.
 */
#include "heap/block.h"

#include "base/atomic.h"
#include "base/sys.h"

uint64_t tmi_block_secret TMI_READ_MOSTLY __attribute__((aligned(TMI_CACHE_LINE)));

/* Mixed into the seal of a block that has a distance before its header. */
#define ALIGNED_FLAG UINT64_C(0x5A5A5A5AA5A5A5A5)

/* How many sizes tmi_block_guess_trace tries. */
#define GUESSES_MOST ((size_t)1 << 17)

void tmi_block_init(void)
{
    uint64_t none = 0;
    uint64_t drawn = tmi_sys_random() | 1;
    tmi_cas_relaxed(&tmi_block_secret, &none, drawn);
}

static struct tmi_block_distance *distance_of(const struct tmi_block *block)
{
    return (struct tmi_block_distance *)block - 1;
}

static uint64_t aligned_hash(const struct tmi_block *block)
{
    uint64_t mixed = block->size_domain ^ tmi_hash_u64(distance_of(block)->base_bytes);
    return tmi_block_hash(block, mixed) ^ ALIGNED_FLAG;
}

/*
 * Whether a header at `p` can be looked at, on a page that the program may not have.
 * mimalloc knows its own memory, but not all of it: not what lies above its address map
 * or in blocks that span segments. The kernel knows the rest.
 */
static bool can_read(const void *p)
{
    return tmi_backend_owns(p) || tmi_sys_is_readable(p);
}

/* The distance lies 16 bytes before the header: on its page, or on the page before. */
static bool is_aligned(const struct tmi_block *block)
{
    return (tmi_block_may_look(block) || can_read(distance_of(block))) &&
           tmi_block_is_tag(aligned_hash(block) ^ block->seal);
}

enum tmi_block_state tmi_block_classify(const void *user)
{
    const struct tmi_block *block = tmi_block_of(user);
    if (!tmi_is_aligned(user, TMI_BLOCK_ALIGN) || (uintptr_t)user < TMI_BLOCK_LOWEST ||
        (!tmi_block_may_look(user) && !can_read(block))) {
        return TMI_BLOCK_UNKNOWN;
    }
    if (tmi_block_is_plain(block)) {
        return TMI_BLOCK_LIVE;
    }
    if (is_aligned(block)) {
        return TMI_BLOCK_LIVE_ALIGNED;
    }
    return tmi_block_is_tag(block->seal ^ TMI_BLOCK_FREED_MARK) ? TMI_BLOCK_FREED
                                                                : TMI_BLOCK_UNKNOWN;
}

uint32_t tmi_block_trace(const void *user, enum tmi_block_state state)
{
    const struct tmi_block *block = tmi_block_of(user);
    switch (state) {
    case TMI_BLOCK_LIVE:
        return (uint32_t)tmi_block_tag(block);
    case TMI_BLOCK_LIVE_ALIGNED:
        return (uint32_t)(aligned_hash(block) ^ block->seal);
    case TMI_BLOCK_FREED:
        return (uint32_t)(block->seal ^ TMI_BLOCK_FREED_MARK);
    default:
        return 0;
    }
}

/*
 * Who runs over the end of the block below overwrites the size first: then the right size
 * is one that fits mimalloc's block and makes a tag of the seal. Who writes below a block
 * overwrites the upper half of the seal first: then the lower half still has the id.
 */
uint32_t tmi_block_guess_trace(const void *user)
{
    const struct tmi_block *block = tmi_block_of(user);
    size_t bytes = tmi_backend_usable(block); /* of which the header is the first 16 */
    for (size_t i = 0; i < GUESSES_MOST && i + sizeof *block <= bytes; i++) {
        uint64_t tag = tmi_block_hash(block, bytes - sizeof *block - i) ^ block->seal;
        if (tmi_block_is_tag(tag)) {
            return (uint32_t)tag;
        }
    }
    return (uint32_t)tmi_block_tag(block);
}

void tmi_block_seal_aligned(void *user, size_t distance, size_t size, uint32_t domain,
                            uint32_t trace)
{
    struct tmi_block *block = tmi_block_of(user);
    distance_of(block)->base_bytes = distance;
    block->size_domain = size | (uint64_t)domain << TMI_BLOCK_SIZE_BITS;
    block->seal = aligned_hash(block) ^ tmi_block_tag_of(trace);
}

void tmi_block_seal_again(void *user, enum tmi_block_state state, size_t size,
                          uint32_t domain, uint32_t trace)
{
    void *base = tmi_block_base(user, state);
    if (state == TMI_BLOCK_LIVE) {
        tmi_block_seal(base, size, domain, trace);
    } else {
        size_t distance = (size_t)((char *)user - (char *)base);
        tmi_block_seal_aligned(user, distance, size, domain, trace);
    }
}

enum tmi_block_state tmi_block_classify_any(uintptr_t address)
{
    const void *user = (const void *)address;
    if (!tmi_is_aligned(user, TMI_BLOCK_ALIGN) || address < 4096 ||
        !can_read(tmi_block_of(user))) {
        return TMI_BLOCK_UNKNOWN;
    }
    return tmi_block_classify(user);
}

void *tmi_block_base(const void *user, enum tmi_block_state state)
{
    const struct tmi_block *block = tmi_block_of(user);
    if (state == TMI_BLOCK_LIVE) {
        return (void *)block;
    }
    return (char *)user - distance_of(block)->base_bytes;
}

size_t tmi_block_usable(const void *user, enum tmi_block_state state)
{
    const char *base = tmi_block_base(user, state);
    return tmi_backend_usable(base) - (size_t)((const char *)user - base);
}

size_t tmi_block_aligned_request(size_t size, size_t align)
{
    size_t extra;
    size_t bytes;
    const size_t headers = sizeof(struct tmi_block) + sizeof(struct tmi_block_distance);
    if (tmi_add_overflows(align, headers, &extra) ||
        tmi_add_overflows(size, extra, &bytes) || bytes > PTRDIFF_MAX) {
        return 0;
    }
    return bytes;
}

void *tmi_block_aligned_user(void *base, size_t align)
{
    const size_t headers = sizeof(struct tmi_block) + sizeof(struct tmi_block_distance);
    return (void *)tmi_align_up((uintptr_t)base + headers, align);
}

static uintptr_t page_of(uintptr_t address)
{
    return address & ~(uintptr_t)4095;
}

/* classify() looks at the 32 bytes below `at`, which may begin one page further down. */
const void *tmi_block_search_below(const void *p, size_t reach,
                                   enum tmi_block_state *state)
{
    const size_t looked_at = sizeof(struct tmi_block) + sizeof(struct tmi_block_distance);
    uintptr_t at = ((uintptr_t)p - 1) & ~(uintptr_t)(TMI_BLOCK_ALIGN - 1);
    uintptr_t readable = page_of(at - 1);
    bool can_go_on = tmi_sys_is_readable((const void *)readable);
    for (size_t gone = 0; can_go_on && gone < reach; gone += TMI_BLOCK_ALIGN) {
        uintptr_t lowest = page_of(at - looked_at);
        if (lowest != readable && !tmi_sys_is_readable((const void *)lowest)) {
            break;
        }
        readable = lowest;
        enum tmi_block_state found = tmi_block_classify((const void *)at);
        if (found == TMI_BLOCK_LIVE || found == TMI_BLOCK_LIVE_ALIGNED) {
            *state = found;
            return (const void *)at;
        }
        at -= TMI_BLOCK_ALIGN;
    }
    return NULL;
}
