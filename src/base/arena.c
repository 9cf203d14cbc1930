/* SPDX-License-Identifier: MIT */
/*
 * Chunks double from 64 KiB to 4 MiB, so a small snapshot costs little and a large one
 * few mappings. A piece of LARGE_BYTES or more gets a mapping of its own, headed by its
 * list node; such a piece grows by mremap, without a copy.
 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/bits.h"
#include "base/sys.h"

#define PIECE_ALIGN       16
#define FIRST_CHUNK_BYTES ((size_t)64 << 10)
#define LAST_CHUNK_BYTES  ((size_t)4 << 20)
#define LARGE_BYTES       ((size_t)32 << 10)

struct tmi_chunk {
    struct tmi_chunk *next;
    size_t bytes; /* of the mapping */
    size_t used;  /* including this header */
    size_t unused;
};

struct tmi_large {
    struct tmi_large *next;
    struct tmi_large *prev;
    size_t bytes; /* of the mapping */
    size_t unused;
};

_Static_assert(sizeof(struct tmi_chunk) % PIECE_ALIGN == 0, "pieces stay aligned");
_Static_assert(sizeof(struct tmi_large) % PIECE_ALIGN == 0, "pieces stay aligned");

static struct tmi_chunk *add_chunk(struct tmi_arena *arena)
{
    size_t bytes = FIRST_CHUNK_BYTES;
    if (arena->chunks != NULL && arena->chunks->bytes < LAST_CHUNK_BYTES) {
        bytes = 2 * arena->chunks->bytes;
    } else if (arena->chunks != NULL) {
        bytes = LAST_CHUNK_BYTES;
    }
    struct tmi_chunk *chunk = tmi_sys_map(bytes);
    if (chunk != NULL) {
        chunk->next = arena->chunks;
        chunk->bytes = bytes;
        chunk->used = sizeof *chunk;
        arena->chunks = chunk;
        arena->total_bytes += bytes;
    }
    return chunk;
}

static void link_large(struct tmi_arena *arena, struct tmi_large *large)
{
    large->prev = NULL;
    large->next = arena->larges;
    if (arena->larges != NULL) {
        arena->larges->prev = large;
    }
    arena->larges = large;
}

static void *alloc_large(struct tmi_arena *arena, size_t bytes)
{
    size_t mapped;
    if (tmi_add_overflows(bytes, sizeof(struct tmi_large), &mapped)) {
        return NULL;
    }
    struct tmi_large *large = tmi_sys_map(mapped);
    if (large == NULL) {
        return NULL;
    }
    large->bytes = mapped;
    link_large(arena, large);
    arena->total_bytes += mapped;
    return large + 1;
}

void *tmi_arena_alloc(struct tmi_arena *arena, size_t bytes)
{
    if (bytes >= LARGE_BYTES) {
        return alloc_large(arena, bytes);
    }
    size_t rounded = tmi_align_up(bytes, PIECE_ALIGN);
    struct tmi_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->bytes - chunk->used < rounded) {
        chunk = add_chunk(arena);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *piece = (char *)chunk + chunk->used;
    chunk->used += rounded;
    return piece;
}

static void *grow_large(struct tmi_arena *arena, void *piece, size_t new_bytes)
{
    struct tmi_large *large = (struct tmi_large *)piece - 1;
    size_t old_mapped = large->bytes;
    size_t mapped;
    if (tmi_add_overflows(new_bytes, sizeof *large, &mapped)) {
        return NULL;
    }
    struct tmi_large *moved = tmi_sys_remap(large, old_mapped, mapped);
    if (moved == NULL) {
        return NULL;
    }
    moved->bytes = mapped;
    if (moved->prev != NULL) {
        moved->prev->next = moved;
    } else {
        arena->larges = moved;
    }
    if (moved->next != NULL) {
        moved->next->prev = moved;
    }
    arena->total_bytes += mapped - old_mapped;
    return moved + 1;
}

void *tmi_arena_grow(struct tmi_arena *arena, void *piece, size_t old_bytes,
                     size_t new_bytes)
{
    if (new_bytes <= old_bytes) {
        return piece;
    }
    if (piece != NULL && old_bytes >= LARGE_BYTES) {
        return grow_large(arena, piece, new_bytes);
    }
    void *grown = tmi_arena_alloc(arena, new_bytes);
    if (grown != NULL && old_bytes != 0) {
        memcpy(grown, piece, old_bytes);
    }
    return grown;
}

char *tmi_arena_text(struct tmi_arena *arena, const char *text, size_t len)
{
    char *copy = tmi_arena_alloc(arena, len + 1);
    if (copy != NULL && len != 0) {
        memcpy(copy, text, len);
    }
    return copy;
}

void tmi_arena_release(struct tmi_arena *arena)
{
    for (struct tmi_chunk *c = arena->chunks; c != NULL;) {
        struct tmi_chunk *next = c->next;
        tmi_sys_unmap(c, c->bytes);
        c = next;
    }
    for (struct tmi_large *l = arena->larges; l != NULL;) {
        struct tmi_large *next = l->next;
        tmi_sys_unmap(l, l->bytes);
        l = next;
    }
    memset(arena, 0, sizeof *arena);
}
