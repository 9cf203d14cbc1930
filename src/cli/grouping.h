/* SPDX-License-Identifier: MIT */
/*
 * What listings are grouped by: options that `stats` and `diff` have alike.
 */
#ifndef TMI_GROUPING_H
#define TMI_GROUPING_H

#include <stdbool.h>

#include "cli/args.h"
#include "cli/form.h"
#include "cli/listing.h"

struct tmi_grouping {
    int key; /* in the order of the row's words, which is that of enum tm_key */
    bool cumulative;
};

extern const struct tmi_args_option tmi_grouping_rows[];

/* The entry of tmi_command.shared; `field` is the grouping in the command's struct. */
#define TMI_GROUPING_SET(type, field)                                                    \
    {                                                                                    \
        tmi_grouping_rows, offsetof(type, field)                                         \
    }

/* False when the options contradict each other: one line on stderr has said how. */
bool tmi_grouping_check(const struct tmi_grouping *grouping, const char *command);

/*
 * Group, print to stdout, release: `list` has the snapshot, the older one if two are
 * compared, and the metric. An exit status.
 */
int tmi_grouping_report(const struct tmi_grouping *grouping, const struct tmi_form *form,
                        struct tmi_listing *list);

#endif
