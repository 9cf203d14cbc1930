/* SPDX-License-Identifier: MIT */
/*
 * Keys: the logical frames of one snapshot, or of two that are compared, as small numbers
 * that compare as what is grouped by does.
 *
 *     side, location L  ->  ids[first[side][L]] ... ids[first[side][L + 1] - 1]
 *                           the innermost first
 *     id                ->  keys[id]: file and line, and what else its members agree on
 *
 * Two logical frames have the same id when file and line are the same (or just the file,
 * the function, the module), and a smaller id when file, then line, come first. Grouping
 * and sorting millions of frames are then a matter of integers, and what two snapshots
 * have in common is found by looking at each of their locations once.
 */
#ifndef TMI_KEY_H
#define TMI_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "view/snapshot.h"

/* The snapshot itself, and the older one that it is compared with. */
enum tmi_side { TMI_NOW, TMI_BEFORE, TMI_SIDES_MOST };

struct tmi_key {
    const char *filename; /* the module's with TM_KEY_MODULE */
    const char *function; /* "" when the members differ */
    uint32_t lineno;      /* 0 but with TM_KEY_LINENO and TM_KEY_TRACEBACK */
    uint32_t module;      /* of that side; TMI_NO_MODULE when the members differ */
    enum tmi_side side;
    uint64_t address; /* 0 when the members differ */
};

struct tmi_keys {
    const struct tm_snapshot *from[TMI_SIDES_MOST];
    uint32_t sides;
    uint32_t *first[TMI_SIDES_MOST]; /* by location, one more than there are */
    uint32_t *ids;                   /* by logical frame, of one side after the other */
    uint32_t frames;                 /* of those */
    struct tmi_key *keys;
    uint32_t count; /* of keys */
};

/*
 * For the `sides` (1 or 2) snapshots in from[], which are resolved. Everything lies in
 * `arena`, strings in the snapshots. 0 or -ENOMEM.
 */
int tmi_keys_build(struct tmi_keys *keys, const struct tm_snapshot *const *from,
                   uint32_t sides, tm_key_t by, struct tmi_arena *arena);

/* The ids of a location, [0] the innermost, up to the [*count - 1]. */
static inline const uint32_t *tmi_keys_at(const struct tmi_keys *keys, uint32_t side,
                                          uint32_t location, uint32_t *count)
{
    const uint32_t *first = &keys->first[side][location];
    *count = first[1] - first[0];
    return keys->ids + first[0];
}

/* The logical frames of a traceback from the oldest on, as ids. */
struct tmi_key_walk {
    const uint32_t *first; /* of its side */
    const uint32_t *ids;
    const uint32_t *newest; /* location */
    const uint32_t *frame;  /* location visited last; behind the oldest at first */
    const uint32_t *inner;  /* innermost id there */
    const uint32_t *id;     /* visited last */
};

/* Begins behind the `skip` oldest locations. */
static inline void tmi_key_walk_begin(struct tmi_key_walk *walk,
                                      const struct tmi_keys *keys, uint32_t side,
                                      const struct tm_traceback *tb, uint32_t skip)
{
    walk->first = keys->first[side];
    walk->ids = keys->ids;
    walk->newest = keys->from[side]->frames + tb->first_frame;
    walk->frame = walk->newest + tb->nframes - skip;
    walk->inner = NULL;
    walk->id = NULL;
}

static inline bool tmi_key_walk_next(struct tmi_key_walk *walk, uint32_t *id)
{
    if (walk->id == walk->inner) {
        if (walk->frame == walk->newest) {
            return false;
        }
        walk->frame--;
        walk->inner = walk->ids + walk->first[*walk->frame];
        walk->id = walk->ids + walk->first[*walk->frame + 1];
    }
    walk->id--;
    *id = *walk->id;
    return true;
}

#endif
