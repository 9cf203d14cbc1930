/* SPDX-License-Identifier: MIT */
/*
 * Blocks and their headers. 16 bytes lie right before the user's pointer, in a cache line
 * that the program is about to touch anyway:
 *
 *     base                                  user
 *     | size:48 domain:16 | seal:64 | what the program writes ...
 *
 * and for alignments above 16, with the distance back to mimalloc's block before it:
 *
 *     base ... | distance:64 (unused:64) | size domain | seal | user, aligned
 *
 * `seal` is a keyed hash of address, size, domain (and distance, with a constant mixed in
 * that tells the two layouts apart), exclusive-or the tag: the trace id in both halves of
 * a word. Take the hash out of a seal, and 0 is left of a block that is not traced: one
 * comparison tells free() that a pointer is a live block of ours and that nobody counts
 * it. Two equal halves are a traced block's id, and anything else is no live block.
 * free() replaces the hash in the seal by a fixed mark: mimalloc links free blocks
 * through the first word only. So a pointer that does not come from us, a block
 * freed twice and a header that somebody overwrote are told from a live block, with
 * certainty but for one chance in 2^32, before mimalloc hears of it. Not seen: the same
 * bits flipped in both halves of the seal and nowhere else, and a write that leaves every
 * byte what it was.
 *
 * The secret is drawn once, before the first block, and never changes.
 * Invariant: user - base >= 16, and a block of mimalloc's that holds a live block of ours
 * is never handed to mimalloc but through tmi_block_release or tmi_block_resize.
 * Locking: none; a block belongs to whoever may free it.
 */
#ifndef TMI_BLOCK_H
#define TMI_BLOCK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "heap/backend.h"

#define TMI_BLOCK_ALIGN     16
#define TMI_BLOCK_SIZE_BITS 48

/*
 * After free the seal is the tag and this: for a block that was not traced one store of a
 * constant that fits an instruction. Its halves differ, so no tag comes out of a word
 * with equal halves, which is what programs fill memory with.
 */
#define TMI_BLOCK_FREED_MARK ((uint64_t)(int64_t)-0x0B114EF4)

struct tmi_block {
    uint64_t size_domain;
    uint64_t seal;
};

struct tmi_block_distance {
    uint64_t base_bytes; /* from mimalloc's block to the user's pointer */
    uint64_t unused;
};

_Static_assert(sizeof(struct tmi_block) == 16, "the header is 16 bytes");
_Static_assert(sizeof(struct tmi_block_distance) == 16, "and keeps the alignment");

extern TMI_HIDDEN uint64_t tmi_block_secret;

/* What the memory before a pointer looks like. */
enum tmi_block_state {
    TMI_BLOCK_LIVE,
    TMI_BLOCK_LIVE_ALIGNED,
    TMI_BLOCK_FREED,
    TMI_BLOCK_UNKNOWN, /* no header of ours: a foreign pointer, or a damaged header */
};

/* Draw the secret. Before the first block; a second call changes nothing. */
void tmi_block_init(void);

TMI_INLINE struct tmi_block *tmi_block_of(const void *user)
{
    return (struct tmi_block *)user - 1;
}

TMI_INLINE size_t tmi_block_size(const struct tmi_block *block)
{
    return block->size_domain & (((uint64_t)1 << TMI_BLOCK_SIZE_BITS) - 1);
}

TMI_INLINE uint32_t tmi_block_domain(const struct tmi_block *block)
{
    return (uint32_t)(block->size_domain >> TMI_BLOCK_SIZE_BITS);
}

/* True for a block of domain 0: its first word is its size. */
TMI_INLINE bool tmi_block_is_of_domain_0(const struct tmi_block *block)
{
    return block->size_domain < (uint64_t)1 << TMI_BLOCK_SIZE_BITS;
}

/*
 * Multiplication by a random odd factor: two different words meet in the upper half once
 * in 2^31. The address is the user's, which free() has in a register.
 */
TMI_INLINE uint64_t tmi_block_hash(const struct tmi_block *block, uint64_t size_domain)
{
    return ((uintptr_t)(block + 1) ^ size_domain) * tmi_block_secret;
}

/* A trace id as it is mixed into a seal; 0: not traced. */
TMI_INLINE uint64_t tmi_block_tag_of(uint32_t trace)
{
    return (uint64_t)trace << 32 | trace;
}

TMI_INLINE bool tmi_block_is_tag(uint64_t tag)
{
    return tag >> 32 == (uint32_t)tag;
}

/* The tag of a block without a distance; no tag when this is no such block, or not live.
 */
TMI_INLINE uint64_t tmi_block_tag(const struct tmi_block *block)
{
    return tmi_block_hash(block, block->size_domain) ^ block->seal;
}

TMI_INLINE bool tmi_block_is_plain(const struct tmi_block *block)
{
    return tmi_block_is_tag(tmi_block_tag(block));
}

/* Write the header of a block without a distance. */
TMI_INLINE void *tmi_block_seal_tag(void *base, uint64_t size_domain, uint64_t tag)
{
    void *user = (struct tmi_block *)base + 1;
    __asm__("" : "+r"(user)); /* everything below in terms of one register */
    struct tmi_block *block = tmi_block_of(user);
    block->size_domain = size_domain;
    block->seal = tmi_block_hash(block, size_domain) ^ tag;
    return user;
}

TMI_INLINE void *tmi_block_seal(void *base, size_t size, uint32_t domain, uint32_t trace)
{
    return tmi_block_seal_tag(base, size | (uint64_t)domain << TMI_BLOCK_SIZE_BITS,
                              tmi_block_tag_of(trace));
}

/* From now on this is no live block. The tag stays, for the report of a second free. */
TMI_INLINE void tmi_block_unseal(struct tmi_block *block, uint64_t tag)
{
    block->seal = tag ^ TMI_BLOCK_FREED_MARK;
}

/* Below that nobody's blocks lie: no process may map the page of NULL. */
#define TMI_BLOCK_LOWEST 4096

/*
 * True when the 16 bytes before `user` are on the same page as `user`, so that they can
 * be read if the program can use the pointer at all; false for NULL and its page.
 */
TMI_INLINE bool tmi_block_may_look(const void *user)
{
    return ((uintptr_t)user & 0xFF0) != 0 && (uintptr_t)user >= TMI_BLOCK_LOWEST;
}

/* The same question answered for every pointer, also where the page before is not mapped.
 */
enum tmi_block_state tmi_block_classify(const void *user);

/* The trace id of a block; 0: not traced, or of unknown state. */
uint32_t tmi_block_trace(const void *user, enum tmi_block_state state);

/*
 * What the trace id was in a header that was overwritten, if one half of the header was
 * left whole: a guess when it is the first half. Reads mimalloc's block. For reports.
 */
uint32_t tmi_block_guess_trace(const void *user);

/* Write the header of a block whose base is `distance` bytes before `user`. */
void tmi_block_seal_aligned(void *user, size_t distance, size_t size, uint32_t domain,
                            uint32_t trace);

/* Write a new header before a live block, in the state that it is in. */
void tmi_block_seal_again(void *user, enum tmi_block_state state, size_t size,
                          uint32_t domain, uint32_t trace);

/*
 * As tmi_block_classify(), for any number at all: asks the kernel whether there is
 * anything to look at.
 */
enum tmi_block_state tmi_block_classify_any(uintptr_t address);

/* Where mimalloc's block begins. `state` is one of the two live ones. */
void *tmi_block_base(const void *user, enum tmi_block_state state);

/* Bytes that the program may write. `state` is one of the two live ones. */
size_t tmi_block_usable(const void *user, enum tmi_block_state state);

/* Bytes to ask of mimalloc for `size` bytes aligned to `align` > 16; 0 when too many. */
size_t tmi_block_aligned_request(size_t size, size_t align);

/* The aligned user pointer within a block of that many bytes at `base`. */
void *tmi_block_aligned_user(void *base, size_t align);

/*
 * The nearest live block that begins below `p` and within `reach` bytes of it, as a user
 * pointer, or NULL: the block that an interior pointer belongs to, or the neighbour that
 * ran over its end. Asks the kernel what can be read, page by page. For reports only.
 */
const void *tmi_block_search_below(const void *p, size_t reach,
                                   enum tmi_block_state *state);

#endif
