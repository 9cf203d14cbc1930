/* SPDX-License-Identifier: MIT */
/*
 * Which nodes of a call tree are worth a reader's time.
 */
#ifndef TMI_PRUNE_H
#define TMI_PRUNE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/calltree.h"

struct tmi_prune {
    double min_percent; /* of everything */
    long depth;         /* the deepest one; 0: any */
    size_t most;        /* that many nodes, the biggest; 0: all */
};

/*
 * By node whether it is shown, and how many are, node 0 included, which always is. Where
 * a node is shown its callers are. To be freed; NULL without memory.
 */
bool *tmi_prune_choose(const struct tmi_prune *prune, const struct tmi_calltree *tree,
                       bool by_count, uint32_t *shown_count);

#endif
