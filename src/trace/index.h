/* SPDX-License-Identifier: MIT */
/*
 * An index: 64-bit keys get dense 32-bit ids, 1, 2, 3, ... in the order in which they
 * come, for ever. Locations, nodes, sites and tracebacks are each one such index; 0 is
 * "none".
 *
 *     keys    id -> key      segments of 512, 512, 1024, 2048, ... keys: they never move
 *     slots   hash, id       open addressing, at most 3/4 full, doubled into a new table
 *
 * Reading takes no lock: a slot is published with release after its key is written, and a
 * table after it is filled. A superseded table stays mapped, for readers still in it, but
 * its pages are given back: whoever finds nothing there looks into its successor. Writers
 * hold the caller's lock. A slot has 32 bits of its key's hash, so that only keys that
 * are right are looked at, and none when the table grows. Costs 8 bytes a key (16 when
 * its segment is new) and 11 to 22 for its slot; the first ones take a page each.
 */
#ifndef TMI_INDEX_H
#define TMI_INDEX_H

#include <stdint.h>

#define TMI_INDEX_SEGMENTS 24

struct tmi_index {
    uint64_t *segments[TMI_INDEX_SEGMENTS]; /* atomic, written under the caller's lock */
    struct tmi_index_table *table;          /* atomic, written under the caller's lock */
    uint32_t count;                         /* atomic: ids given so far */
    uint32_t discarded;                     /* caller's lock: keys given back */
};

/* The id of `key`, or 0. Takes no lock. */
uint32_t tmi_index_find(const struct tmi_index *index, uint64_t key);

/* The key of an id that was given. Takes no lock. */
uint64_t tmi_index_key(const struct tmi_index *index, uint32_t id);

/* The id of `key`, given now if it has none; 0 when there is no memory. Caller's lock. */
uint32_t tmi_index_add(struct tmi_index *index, uint64_t key);

/*
 * Forget which keys have ids: each comes again with a new, higher one. Ids given before
 * lose their keys in time: their memory goes back to the system. Returns the lowest id
 * that can still come. Caller's lock.
 */
uint32_t tmi_index_forget(struct tmi_index *index);

uint32_t tmi_index_count(const struct tmi_index *index);

#endif
