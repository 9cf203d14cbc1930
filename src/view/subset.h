/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of some of another one's traces, in their order, with the modules, code
 * addresses and symbols that these need, and all that describes the process. Symbols that
 * nobody has looked up yet are looked up for the copy when somebody asks it for them.
 */
#ifndef TMI_SUBSET_H
#define TMI_SUBSET_H

#include <stdbool.h>

#include "view/snapshot.h"

/* `keep` has an entry for each trace, those without live blocks included. NULL: ENOMEM.
 */
struct tm_snapshot *tmi_subset_copy(const struct tm_snapshot *s, const bool *keep);

#endif
