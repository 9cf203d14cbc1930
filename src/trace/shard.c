/* SPDX-License-Identifier: MIT */
/*
 * See trace/shard.h. Chunks are cut from pages mapped in growing pieces; those of an
 * epoch that is over go to a free list and are used again. A directory that became too
 * short is left mapped, because a reader may be in it: all of them together are no larger
 * than the last one.
 */
#include "trace/shard.h"

#include <string.h>

#include "heap/block.h"
#include "trace/memory.h"

#define FIRST_DIRECTORY  64u
#define ROOM_BYTES       ((size_t)32 << 10)
#define CHUNK_BYTES      (TMI_SHARD_CHUNK * sizeof(struct tmi_cell))
#define FIRST_STACK_ROOM 512u

_Static_assert(offsetof(struct tmi_shard, by_caller) == TMI_CACHE_LINE, "one hot line");

struct tmi_shard *tmi_shard_new(void)
{
    return tmi_memory_map(sizeof(struct tmi_shard));
}

static void free_chunk(struct tmi_shard *shard, struct tmi_cell *chunk)
{
    memset(chunk, 0, CHUNK_BYTES);
    *(void **)chunk = shard->free_chunks;
    shard->free_chunks = chunk;
}

void tmi_shard_begin(struct tmi_shard *shard, tmi_stamp stamp, int64_t lease)
{
    tmi_store_relaxed(&shard->net, 0);
    tmi_store_relaxed(&shard->high, 0);
    for (uint32_t i = 0; i < shard->directory_len; i++) {
        if (shard->directory[i] != NULL) {
            free_chunk(shard, shard->directory[i]);
            tmi_store_relaxed(&shard->directory[i], NULL);
        }
    }
    memset(shard->known, 0, sizeof shard->known);
    tmi_shard_forget_quick(shard); /* whose cells are in the chunks that are free now */
    shard->latest = NULL;
    shard->lease = lease;
    tmi_store_release(&shard->stamp, stamp); /* readers: the counts are of this epoch */
}

void tmi_shard_forget_quick(struct tmi_shard *shard)
{
    memset(shard->by_caller, 0, sizeof shard->by_caller);
    memset(shard->by_tag, 0, sizeof shard->by_tag);
}

void tmi_shard_flush(struct tmi_shard *shard)
{
    int64_t net = shard->net;
    int64_t high = shard->high;
    tmi_store_relaxed(&shard->net, 0);
    tmi_store_relaxed(&shard->high, 0);
    tmi_totals_flush(tmi_stamp_epoch(shard->stamp), net, high);
}

static bool grow_directory(struct tmi_shard *shard, uint32_t chunk)
{
    uint32_t len = shard->directory_len == 0 ? FIRST_DIRECTORY : shard->directory_len;
    while (len <= chunk) {
        len *= 2;
    }
    struct tmi_cell **directory = tmi_memory_map(len * sizeof(struct tmi_cell *));
    if (directory == NULL) {
        return false;
    }
    if (shard->directory_len != 0) {
        memcpy(directory, shard->directory, shard->directory_len * sizeof *directory);
    }
    tmi_store_release(&shard->directory, directory);
    tmi_store_release(&shard->directory_len, len); /* never longer than the directory */
    return true;
}

static struct tmi_cell *new_chunk(struct tmi_shard *shard)
{
    void *chunk = shard->free_chunks;
    if (chunk != NULL) {
        shard->free_chunks = *(void **)chunk;
        *(void **)chunk = NULL;
        return chunk;
    }
    if (shard->room_bytes < CHUNK_BYTES) {
        shard->room = tmi_memory_map(ROOM_BYTES);
        shard->room_bytes = shard->room == NULL ? 0 : ROOM_BYTES;
    }
    if (shard->room != NULL) {
        chunk = shard->room;
        shard->room += CHUNK_BYTES;
        shard->room_bytes -= CHUNK_BYTES;
    }
    return chunk;
}

TMI_COLD struct tmi_cell *tmi_shard_new_cell(struct tmi_shard *shard, uint32_t id)
{
    uint32_t at = id - tmi_stamp_first(shard->stamp);
    uint32_t chunk = at / TMI_SHARD_CHUNK;
    if (chunk >= shard->directory_len && !grow_directory(shard, chunk)) {
        return NULL;
    }
    struct tmi_cell *cells = new_chunk(shard);
    if (cells == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < TMI_SHARD_CHUNK; i++) {
        cells[i].tag = tmi_block_tag_of(id - at % TMI_SHARD_CHUNK + i);
    }
    tmi_store_release(&shard->directory[chunk], cells);
    return &cells[at % TMI_SHARD_CHUNK];
}

void tmi_shard_read(struct tmi_shard *shard, uint32_t id, struct tmi_cell *sum)
{
    uint32_t at = id - tmi_stamp_first(tmi_load_acquire(&shard->stamp));
    uint32_t chunk = at / TMI_SHARD_CHUNK;
    if (chunk >= tmi_load_acquire(&shard->directory_len)) {
        return;
    }
    struct tmi_cell **directory = tmi_load_acquire(&shard->directory);
    struct tmi_cell *cells = tmi_load_acquire(&directory[chunk]);
    if (cells != NULL) {
        struct tmi_cell *cell = &cells[at % TMI_SHARD_CHUNK];
        sum->alloc_bytes += tmi_load_relaxed(&cell->alloc_bytes);
        sum->alloc_blocks += tmi_load_relaxed(&cell->alloc_blocks);
        sum->free_bytes += tmi_load_relaxed(&cell->free_bytes);
        sum->free_blocks += tmi_load_relaxed(&cell->free_blocks);
        sum->temporary_blocks += tmi_load_relaxed(&cell->temporary_blocks);
    }
}

bool tmi_shard_grow_stack(struct tmi_shard *shard, size_t frames)
{
    size_t room = shard->stack_room == 0 ? FIRST_STACK_ROOM : shard->stack_room;
    while (room < frames) {
        room *= 2;
    }
    if (room == shard->stack_room) {
        return true;
    }
    uintptr_t *stack = tmi_memory_map(room * sizeof *stack);
    if (stack == NULL) {
        return false;
    }
    if (shard->stack != NULL) {
        tmi_memory_unmap(shard->stack, shard->stack_room * sizeof *stack);
    }
    shard->stack = stack;
    shard->stack_room = room;
    return true;
}
