/* SPDX-License-Identifier: MIT */
/*
 * Call trees: the stacks of a snapshot laid over each other from their oldest frame on,
 * or, inverted, from the newest one on, so that what they have in common is one path.
 *
 *     nodes[0]            everything
 *       +- main           what is held by stacks that begin so: size, count
 *       |    +- parse     and what by those that end there: self
 *       |    `- load
 *       `- start_thread
 */
#ifndef TMI_CALLTREE_H
#define TMI_CALLTREE_H

#include <stdbool.h>

#include "base/arena.h"
#include "view/key.h"
#include "view/snapshot.h"

/* For stacks whose outer frames were not kept: no frame that was seen is their root. */
#define TMI_CALLTREE_CUT UINT32_MAX

struct tmi_calltree_node {
    uint32_t id;     /* of keys; TMI_CALLTREE_CUT */
    uint32_t parent; /* index; of node 0 itself */
    uint32_t first;  /* child, the biggest; 0: none */
    uint32_t next;   /* sibling, the next smaller; 0: none */
    uint64_t size, count;
    uint64_t self_size, self_count;
};

struct tmi_calltree {
    struct tmi_arena arena; /* all of this */
    struct tmi_keys keys;
    struct tmi_calltree_node *nodes;
    uint32_t count, room;
};

/*
 * Of the live traces of `s`. `by`: TM_KEY_FUNCTION, _LINENO, _FILENAME or _MODULE;
 * `by_count`: siblings are ordered by count, not size. 0 or a negative errno; to be
 * released either way.
 */
int tmi_calltree_make(struct tmi_calltree *tree, const struct tm_snapshot *s, tm_key_t by,
                      bool inverted, bool by_count);
void tmi_calltree_release(struct tmi_calltree *tree);

/*
 * The node that comes after `node` when each stands before its children and those of one
 * parent stand in order; *depth is kept. `deeper`: go to the children as well. 0: it was
 * the last one.
 */
uint32_t tmi_calltree_next(const struct tmi_calltree *tree, uint32_t node, bool deeper,
                           uint32_t *depth);

#endif
