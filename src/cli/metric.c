/* SPDX-License-Identifier: MIT */
/*
 * The analysis knows one size and one count a trace, those of live memory. Another metric
 * takes their place, and everything that groups, filters and compares stays as it is:
 *
 *     inuse blocks, inuse bytes, alloc blocks, alloc bytes, temporary blocks
 *          ^             ^            |             |
 *          '-------------+------------'             |      alloc-bytes, alloc-blocks
 *                        '--------------------------'
 *
 * Temporary blocks have no bytes on record: their size is 0, and what is of equal size is
 * ordered by count anyway.
 */
#include "cli/metric.h"

static const struct tmi_metric metrics[] = {
    {"inuse-bytes", "size", "count", TMI_INUSE_BYTES, TMI_INUSE_BLOCKS, false},
    {"inuse-blocks", "size", "count", TMI_INUSE_BYTES, TMI_INUSE_BLOCKS, true},
    {"alloc-bytes", "allocated", "count", TMI_ALLOC_BYTES, TMI_ALLOC_BLOCKS, false},
    {"alloc-blocks", "allocated", "count", TMI_ALLOC_BYTES, TMI_ALLOC_BLOCKS, true},
    {"temporary", NULL, "temporary", TMI_VALUE_COUNT, TMI_TEMPORARY_BLOCKS, true},
};

const struct tmi_metric *tmi_metric_at(int place)
{
    return &metrics[place];
}

void tmi_metric_apply(const struct tmi_metric *metric, struct tm_snapshot *s)
{
    for (size_t i = 0; i < s->trace_count; i++) {
        uint64_t *values = s->traces[i].values;
        uint64_t size = metric->size_word == NULL ? 0 : values[metric->size];
        uint64_t count = values[metric->count];
        values[TMI_INUSE_BYTES] = size;
        values[TMI_INUSE_BLOCKS] = count;
    }
    tmi_snapshot_finish(s);
}
