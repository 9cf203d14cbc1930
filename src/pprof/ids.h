/* SPDX-License-Identifier: MIT */
/*
 * From the ids of a file to positions. Ids are any 64-bit numbers but 0; nearly all files
 * number from 1 on in order, though, and those ids need no table:
 *
 *     1 2 3 4 5 6 | 17 9 12 ...
 *     in order    | in the map, from the first that is out of order
 */
#ifndef TMI_PPROF_IDS_H
#define TMI_PPROF_IDS_H

#include <stdint.h>

#include "view/map.h"

struct tmi_ids {
    uint32_t in_order; /* so many first ids are their position plus one */
    struct tmi_map map;
};

static inline void tmi_ids_init(struct tmi_ids *ids, struct tmi_arena *arena)
{
    ids->in_order = 0;
    tmi_map_init(&ids->map, arena);
}

/* The position of an id, or -ENOENT. */
static inline int64_t tmi_ids_get(const struct tmi_ids *ids, uint64_t id)
{
    return id - 1 < ids->in_order ? (int64_t)(id - 1) : tmi_map_get(&ids->map, id);
}

/* Gives a new id its position; positions count up from 0. 0 or -ENOMEM. */
static inline int tmi_ids_put(struct tmi_ids *ids, uint64_t id, uint32_t position)
{
    if (position == ids->in_order && id == (uint64_t)position + 1) {
        ids->in_order++;
        return 0;
    }
    int64_t put = tmi_map_put(&ids->map, id, position);
    return put < 0 ? (int)put : 0;
}

#endif
