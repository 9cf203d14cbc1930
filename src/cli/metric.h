/* SPDX-License-Identifier: MIT */
/*
 * What is counted. A snapshot says of each call stack what it holds now, all that it ever
 * allocated, and how many blocks were temporary; a report is about one of these.
 */
#ifndef TMI_METRIC_H
#define TMI_METRIC_H

#include <stdbool.h>

#include "view/snapshot.h"

struct tmi_metric {
    const char *name;
    const char *size_word;  /* before an amount of bytes; NULL: there are none */
    const char *count_word; /* before a number of blocks */
    enum tmi_value size;    /* where there are bytes */
    enum tmi_value count;
    bool by_count; /* what is biggest has the most blocks, not bytes */
};

/* The names of all, separated by '|'; and the one at that place among them. */
#define TMI_METRIC_NAMES "inuse-bytes|inuse-blocks|alloc-bytes|alloc-blocks|temporary"
const struct tmi_metric *tmi_metric_at(int place);

/*
 * From now on the traces of `s` have the metric's numbers as their size and count, and
 * traces for which these are 0 are not there. Once, before anyone reads `s`.
 */
void tmi_metric_apply(const struct tmi_metric *metric, struct tm_snapshot *s);

#endif
