/* SPDX-License-Identifier: MIT */
/*
 * See trace/index.h. Segment s > 0 holds FIRST << (s - 1) keys and begins with that
 * number, so the segment of a position is one count of leading zeros away.
 */
#include "trace/index.h"

#include <stdbool.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "base/sys.h"
#include "trace/memory.h"

#define FIRST       512u
#define FIRST_BITS  9
#define FIRST_SLOTS 1024u

/*
 * Forgotten keys are given back in pieces of so many, eight pages, and segments that are
 * larger are charged for piece by piece.
 */
#define PIECE_KEYS (4u << 10)

struct tmi_index_table {
    uint32_t mask;
    uint32_t used;
    uint64_t slots[]; /* atomic: hash:32 id:32; 0: free */
};

static size_t table_bytes(uint32_t slots)
{
    return sizeof(struct tmi_index_table) + sizeof(uint64_t) * (size_t)slots;
}

static uint32_t hash_of(uint64_t key)
{
    return (uint32_t)(tmi_hash_u64(key) >> 32);
}

/* Where the key at `position` lives: its segment, and the position within. */
static unsigned segment_of(uint32_t position, uint32_t *within)
{
    if (position < FIRST) {
        *within = position;
        return 0;
    }
    unsigned top = 31u - (unsigned)__builtin_clz(position);
    *within = position - (1u << top);
    return top - FIRST_BITS + 1;
}

static size_t segment_bytes(unsigned segment)
{
    size_t keys = segment == 0 ? FIRST : (size_t)FIRST << (segment - 1);
    return keys * sizeof(uint64_t);
}

uint64_t tmi_index_key(const struct tmi_index *index, uint32_t id)
{
    uint32_t within;
    unsigned segment = segment_of(id - 1, &within);
    const uint64_t *keys = tmi_load_acquire(&index->segments[segment]);
    return tmi_load_relaxed(&keys[within]);
}

uint32_t tmi_index_count(const struct tmi_index *index)
{
    return tmi_load_acquire(&index->count);
}

/*
 * The slot that holds `key`, with its id in *id, or the free one where it would go, with
 * 0. A reader believes *id only: a free slot may be another key's by the time it looks
 * again.
 */
static uint64_t *probe(const struct tmi_index *index, struct tmi_index_table *table,
                       uint64_t key, uint32_t *id)
{
    uint32_t hash = hash_of(key);
    uint32_t at = hash & table->mask;
    for (;; at = (at + 1) & table->mask) {
        uint64_t *slot = &table->slots[at];
        uint64_t v = tmi_load_acquire(slot); /* pairs with the release in add */
        *id = (uint32_t)v;
        if (v == 0 || (v >> 32 == hash && tmi_index_key(index, *id) == key)) {
            return slot;
        }
    }
}

uint32_t tmi_index_find(const struct tmi_index *index, uint64_t key)
{
    struct tmi_index_table *table = tmi_load_acquire(&index->table);
    uint32_t id = 0;
    while (table != NULL) {
        probe(index, table, key, &id);
        struct tmi_index_table *now = tmi_load_acquire(&index->table);
        if (TMI_LIKELY(id != 0 || now == table)) {
            break;
        }
        table = now; /* the other one may have been emptied while it was read */
    }
    return id;
}

static bool is_full(const struct tmi_index_table *table)
{
    return table == NULL || table->used >= table->mask - table->mask / 4;
}

/* Another table, of twice the size; NULL when there is no memory. */
static struct tmi_index_table *grow(struct tmi_index *index)
{
    struct tmi_index_table *old = index->table;
    uint32_t slots = old == NULL ? FIRST_SLOTS : 2 * (old->mask + 1);
    size_t bytes = table_bytes(slots);
    struct tmi_index_table *table = NULL;
    if (slots != 0 && tmi_memory_allows(bytes)) {
        table = tmi_memory_map(bytes);
    }
    if (table == NULL) {
        return NULL;
    }
    if (old != NULL) { /* else it may remain nearly empty */
        tmi_sys_touch(table, bytes);
    }
    table->mask = slots - 1;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        uint64_t v = old->slots[i];
        uint32_t at = (uint32_t)(v >> 32) & table->mask;
        while (v != 0 && table->slots[at] != 0) {
            at = (at + 1) & table->mask;
        }
        if (v != 0) {
            table->slots[at] = v;
        }
    }
    table->used = old == NULL ? 0 : old->used;
    tmi_store_release(&index->table, table); /* pairs with the acquire in find */
    if (old != NULL) {
        tmi_memory_discard(old, table_bytes(old->mask + 1));
    }
    return table;
}

/* Where the key of the next id goes; NULL when there is no memory or no id left. */
static uint64_t *next_key(struct tmi_index *index)
{
    uint32_t within;
    unsigned segment = segment_of(index->count, &within);
    if (index->count == UINT32_MAX || segment >= TMI_INDEX_SEGMENTS) {
        return NULL;
    }
    if (index->segments[segment] == NULL) {
        size_t bytes = segment_bytes(segment);
        uint64_t *keys =
            index->count < PIECE_KEYS ? tmi_memory_map(bytes) : tmi_memory_reserve(bytes);
        if (keys == NULL) {
            return NULL;
        }
        tmi_store_release(&index->segments[segment], keys);
    }
    return &index->segments[segment][within];
}

uint32_t tmi_index_add(struct tmi_index *index, uint64_t key)
{
    struct tmi_index_table *table = index->table;
    uint32_t known = 0;
    uint64_t *slot = table == NULL ? NULL : probe(index, table, key, &known);
    if (known != 0) {
        return known;
    }
    uint64_t *place = next_key(index);
    if (place == NULL) {
        return 0;
    }
    if (TMI_UNLIKELY(is_full(table))) {
        table = grow(index);
        if (table == NULL) {
            return 0;
        }
        slot = probe(index, table, key, &known);
    }
    if (TMI_UNLIKELY(index->count >= PIECE_KEYS && index->count % PIECE_KEYS == 0)) {
        tmi_memory_charge(PIECE_KEYS * sizeof *place);
    }
    tmi_store_relaxed(place, key);
    uint32_t id = index->count + 1;
    tmi_store_release(&index->count, id);
    table->used++;
    tmi_store_release(slot, (uint64_t)hash_of(key) << 32 | id);
    return id;
}

/* Give the memory of the pieces with the keys [from, to) back. */
static void discard(struct tmi_index *index, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t within;
        unsigned segment = segment_of(from, &within);
        uint32_t in_segment =
            (uint32_t)(segment_bytes(segment) / sizeof(uint64_t)) - within;
        uint32_t n = to - from < in_segment ? to - from : in_segment;
        tmi_memory_discard(&index->segments[segment][within], n * sizeof(uint64_t));
        from += n;
    }
}

/*
 * Readers may be in the table: its slots are cleared one by one. A reader that still
 * finds an id finds one that the caller's epoch has made stale.
 */
uint32_t tmi_index_forget(struct tmi_index *index)
{
    struct tmi_index_table *table = index->table;
    for (uint32_t i = 0; table != NULL && table->used != 0 && i <= table->mask; i++) {
        tmi_store_relaxed(&table->slots[i], 0);
    }
    if (table != NULL) {
        table->used = 0;
    }
    uint32_t full = index->count - index->count % PIECE_KEYS;
    if (index->discarded < full) {
        discard(index, index->discarded, full);
        index->discarded = full;
    }
    return index->count + 1;
}
