/* SPDX-License-Identifier: MIT */
/*
 * An arena: memory straight from the kernel, released all at once. The analysis keeps a
 * whole snapshot in one, so that inside a traced process it cannot re-enter the
 * allocator, and freeing a snapshot is one call.
 *
 *     arena -> chunk (newest) -> chunk -> ...      small pieces, bumped
 *          \-> large -> large -> ...               pieces of LARGE bytes and more, each
 * its own mapping, so that they can grow in place
 *
 * Locking: none; an arena belongs to one thread at a time.
 */
#ifndef TMI_ARENA_H
#define TMI_ARENA_H

#include <stddef.h>

struct tmi_arena {
    struct tmi_chunk *chunks; /* newest first */
    struct tmi_large *larges;
    size_t total_bytes; /* mapped, for whoever accounts for it */
};

/* `bytes` zeroed bytes, 16-aligned; NULL when there is no memory. 0 bytes is allowed. */
void *tmi_arena_alloc(struct tmi_arena *arena, size_t bytes);

/*
 * Grow a piece of this arena (or NULL with old_bytes 0) keeping its content; what is new
 * is zero. Returns the piece, perhaps moved, or NULL, which leaves the old one as it was.
 */
void *tmi_arena_grow(struct tmi_arena *arena, void *piece, size_t old_bytes,
                     size_t new_bytes);

/* A copy of `len` bytes of text with a NUL behind; NULL when there is no memory. */
char *tmi_arena_text(struct tmi_arena *arena, const char *text, size_t len);

/* Give everything back. The arena is empty and usable afterwards. */
void tmi_arena_release(struct tmi_arena *arena);

#endif
