/* SPDX-License-Identifier: MIT */
/*
 * A hash map from 64-bit keys to 32-bit values, in an arena. Keys may come from a hostile
 * file: the hash is seeded, so that nobody can choose keys that collide.
 * Locking: none.
 */
#ifndef TMI_MAP_H
#define TMI_MAP_H

#include <stdint.h>

#include "base/arena.h"

struct tmi_map {
    struct tmi_arena *arena;
    struct tmi_map_slot *slots; /* open addressing, a power of two */
    uint64_t seed;
    uint32_t count;
    uint32_t room;
};

void tmi_map_init(struct tmi_map *map, struct tmi_arena *arena);

/* The value of `key`, after giving it `value` (not UINT32_MAX) if it had none; or
 * -ENOMEM. */
int64_t tmi_map_put(struct tmi_map *map, uint64_t key, uint32_t value);

/* The value of `key`, or -ENOENT. */
int64_t tmi_map_get(const struct tmi_map *map, uint64_t key);

#endif
