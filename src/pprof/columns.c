/* SPDX-License-Identifier: MIT */
/*
 * By name first: our own five, which Go, gperftools and jemalloc use as well, and the
 * older "space" and "objects" of live memory. A profile of something else (CPU time, lock
 * contention, allocations only) has no live bytes. Then the type that its producer wants
 * shown, or the last one, which is pprof's rule, stands for the size, and each sample
 * that has any of it counts as one block, as it does when live bytes come without a
 * number of blocks. The unit plays no part: there is only one column to show.
 */
#include "pprof/columns.h"

#include <string.h>

static const struct {
    const char *name;
    enum tmi_value value;
} KNOWN[] = {
    {"inuse_objects", TMI_INUSE_BLOCKS},
    {"inuse_space", TMI_INUSE_BYTES},
    {"alloc_objects", TMI_ALLOC_BLOCKS},
    {"alloc_space", TMI_ALLOC_BYTES},
    {"temporary_objects", TMI_TEMPORARY_BLOCKS},
    {"objects", TMI_INUSE_BLOCKS},
    {"space", TMI_INUSE_BYTES},
};

static int64_t find(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

void tmi_columns_choose(struct tmi_columns *columns, const char *const *names, size_t n,
                        const char *preferred)
{
    columns->types = n;
    for (int i = 0; i < TMI_VALUE_COUNT; i++) {
        columns->of[i] = -1;
    }
    for (size_t k = 0; k < sizeof KNOWN / sizeof KNOWN[0]; k++) {
        int64_t *column = &columns->of[KNOWN[k].value];
        *column = *column >= 0 ? *column : find(names, n, KNOWN[k].name);
    }
    if (columns->of[TMI_INUSE_BYTES] < 0) {
        int64_t shown = preferred[0] == '\0' ? -1 : find(names, n, preferred);
        columns->of[TMI_INUSE_BYTES] = shown >= 0 ? shown : (int64_t)n - 1;
        columns->of[TMI_INUSE_BLOCKS] = -1;
    }
}

void tmi_columns_pick(const struct tmi_columns *columns, const uint64_t *sample,
                      uint64_t values[TMI_VALUE_COUNT])
{
    for (int i = 0; i < TMI_VALUE_COUNT; i++) {
        values[i] = columns->of[i] < 0 ? 0 : sample[columns->of[i]];
    }
    if (columns->of[TMI_INUSE_BLOCKS] < 0) {
        values[TMI_INUSE_BLOCKS] = values[TMI_INUSE_BYTES] != 0;
    }
}
