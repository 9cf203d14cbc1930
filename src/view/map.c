/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear steps, at most half full. A free slot is a zeroed one, as
 * the arena gives it: values are kept plus one. The table that was outgrown stays in the
 * arena until that is released; the sum of all of them is less than the last one.
 */
#include "view/map.h"

#include <errno.h>
#include <stdbool.h>

#include "base/hash.h"
#include "base/sys.h"

#define FIRST_ROOM 64
#define LAST_ROOM  (UINT32_C(1) << 31)

struct tmi_map_slot {
    uint64_t key;
    uint32_t value_plus_1; /* 0: free */
    uint32_t unused;
};

void tmi_map_init(struct tmi_map *map, struct tmi_arena *arena)
{
    *map = (struct tmi_map){.arena = arena, .seed = tmi_sys_random()};
}

/* The slot that has `key`, or the free one where it belongs. */
static struct tmi_map_slot *find(const struct tmi_map *map, uint64_t key)
{
    uint32_t mask = map->room - 1;
    uint32_t i = (uint32_t)tmi_hash_pair(map->seed, key) & mask;
    while (map->slots[i].value_plus_1 != 0 && map->slots[i].key != key) {
        i = (i + 1) & mask;
    }
    return &map->slots[i];
}

static bool widen(struct tmi_map *map)
{
    if (2 * ((uint64_t)map->count + 1) <= map->room) {
        return true;
    }
    if (map->room == LAST_ROOM) {
        return false;
    }
    struct tmi_map wider = *map;
    wider.room = map->room == 0 ? FIRST_ROOM : 2 * map->room;
    wider.slots = tmi_arena_alloc(map->arena, wider.room * sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < map->room; i++) {
        if (map->slots[i].value_plus_1 != 0) {
            *find(&wider, map->slots[i].key) = map->slots[i];
        }
    }
    *map = wider;
    return true;
}

int64_t tmi_map_put(struct tmi_map *map, uint64_t key, uint32_t value)
{
    if (!widen(map)) {
        return -ENOMEM;
    }
    struct tmi_map_slot *slot = find(map, key);
    if (slot->value_plus_1 == 0) {
        slot->key = key;
        slot->value_plus_1 = value + 1;
        map->count++;
    }
    return (int64_t)slot->value_plus_1 - 1;
}

int64_t tmi_map_get(const struct tmi_map *map, uint64_t key)
{
    if (map->room == 0) {
        return -ENOENT;
    }
    const struct tmi_map_slot *slot = find(map, key);
    return slot->value_plus_1 == 0 ? -ENOENT : (int64_t)slot->value_plus_1 - 1;
}
