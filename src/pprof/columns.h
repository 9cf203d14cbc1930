/* SPDX-License-Identifier: MIT */
/*
 * Which of a profile's sample types are the values that a snapshot knows.
 */
#ifndef TMI_PPROF_COLUMNS_H
#define TMI_PPROF_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "view/snapshot.h"

struct tmi_columns {
    size_t types;                /* of the profile; each sample has as many values */
    int64_t of[TMI_VALUE_COUNT]; /* column of each value, or -1 */
};

/* `names` of the `n` (at least 1) sample types; `preferred` is the default's name or "".
 */
void tmi_columns_choose(struct tmi_columns *columns, const char *const *names, size_t n,
                        const char *preferred);

/* The snapshot's values out of a sample's. */
void tmi_columns_pick(const struct tmi_columns *columns, const uint64_t *sample,
                      uint64_t values[TMI_VALUE_COUNT]);

#endif
