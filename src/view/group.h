/* SPDX-License-Identifier: MIT */
/*
 * Groups: the live traces of a snapshot, or of two that are compared, put together by
 * what they are grouped by, and the order in which they are shown. Statistics are the
 * groups of one snapshot, differences those of two; both become results of their own in
 * view/home.h.
 */
#ifndef TMI_GROUP_H
#define TMI_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "view/key.h"
#include "view/snapshot.h"

struct tmi_group {
    uint64_t size[TMI_SIDES_MOST];
    uint64_t count[TMI_SIDES_MOST];
    uint32_t id;        /* the key; a trace with that traceback; the domain */
    enum tmi_side side; /* of that trace, or one that has the domain */
};

struct tmi_groups {
    struct tmi_arena arena; /* all of this, released in the end */
    const struct tm_snapshot *from[TMI_SIDES_MOST];
    uint32_t sides;
    tm_key_t by;
    struct tmi_keys keys; /* none with TM_KEY_DOMAIN */
    struct tmi_group *all;
    uint32_t count;
    uint32_t *order; /* indices of all[], as they are shown */
};

/* True for what can be grouped by. */
bool tmi_groups_possible(tm_key_t by, bool cumulative);

/*
 * Groups the `sides` (1 or 2) snapshots in from[], looks their symbols up where they are
 * needed, and sorts: one snapshot's groups biggest first, those of two the most changed
 * first. 0 or a negative errno; to be released either way.
 */
int tmi_groups_make(struct tmi_groups *g, const struct tm_snapshot *const *from,
                    uint32_t sides, tm_key_t by, bool cumulative);

void tmi_groups_release(struct tmi_groups *g);

#endif
