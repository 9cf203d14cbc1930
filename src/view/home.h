/* SPDX-License-Identifier: MIT */
/*
 * The home of a result: a snapshot of its own whose traces are groups, in their order. It
 * owns the tracebacks that statistics and differences point to, so that these need
 * nothing of the snapshots that they were made from. Its locations have one line each and
 * its symbols are complete.
 */
#ifndef TMI_HOME_H
#define TMI_HOME_H

#include <stdbool.h>

#include "view/group.h"
#include "view/snapshot.h"

/*
 * The home of the groups: trace i is the i-th in order, with its domain, and with the
 * present sums as its live blocks, or `without_sums` with none. 0 or -ENOMEM; *home is
 * the caller's, with NULL in it or what he has to free.
 */
int tmi_home_build(const struct tmi_groups *g, bool without_sums,
                   struct tm_snapshot **home);

#endif
