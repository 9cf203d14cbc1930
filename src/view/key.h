/* SPDX-License-Identifier: MIT */
/*
 * Keys: the logical frames of a snapshot as small numbers that compare as the frames do.
 *
 *     location L  ->  ids[first[L]] ... ids[first[L + 1] - 1]     innermost first
 *     id          ->  keys[id]: file, line and what else its members agree on
 *
 * Two logical frames have the same id when file and line are the same (just the file with
 * TM_KEY_FILENAME), and a smaller id when file, then line, come first. Grouping and
 * sorting millions of frames are then a matter of integers.
 */
#ifndef TMI_KEY_H
#define TMI_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "view/snapshot.h"

struct tmi_key {
    const char *filename;
    const char *function; /* "" when the members differ */
    uint32_t lineno;      /* 0 with TM_KEY_FILENAME */
    uint32_t module;      /* of the snapshot; TMI_NO_MODULE when the members differ */
    uint64_t address;     /* 0 when the members differ */
};

struct tmi_keys {
    const struct tm_snapshot *from;
    uint32_t *first; /* by location, one more than there are */
    uint32_t *ids;   /* by logical frame */
    struct tmi_key *keys;
    uint32_t count; /* of keys */
};

/* Everything lies in `arena`, strings in `from`, which is resolved. 0 or -ENOMEM. */
int tmi_keys_build(struct tmi_keys *keys, const struct tm_snapshot *from, tm_key_t by,
                   struct tmi_arena *arena);

/* The logical frames of a traceback from the oldest on, as ids. */
struct tmi_key_walk {
    const struct tmi_keys *keys;
    const uint32_t *newest; /* location */
    const uint32_t *frame;  /* location visited last; behind the oldest at first */
    const uint32_t *inner;  /* innermost id there */
    const uint32_t *id;     /* visited last */
};

void tmi_key_walk_begin(struct tmi_key_walk *walk, const struct tmi_keys *keys,
                        const struct tm_traceback *tb);

static inline bool tmi_key_walk_next(struct tmi_key_walk *walk, uint32_t *id)
{
    if (walk->id == walk->inner) {
        if (walk->frame == walk->newest) {
            return false;
        }
        walk->frame--;
        walk->inner = walk->keys->ids + walk->keys->first[*walk->frame];
        walk->id = walk->keys->ids + walk->keys->first[*walk->frame + 1];
    }
    walk->id--;
    *id = *walk->id;
    return true;
}

#endif
