/* SPDX-License-Identifier: MIT */
/*
 * The part of a snapshot that a report is about: which traces, and which of their
 * numbers. Options that every reporting command has, and what they do.
 */
#ifndef TMI_SELECTION_H
#define TMI_SELECTION_H

#include <stdbool.h>

#include "cli/args.h"
#include "cli/metric.h"
#include "tmalloc/snapshot.h"

struct tmi_selection {
    struct tmi_args_list include; /* PATTERN[:LINE] each */
    struct tmi_args_list exclude;
    bool all_frames;
    struct tmi_args_list filter; /* cli/filterspec.h */
    struct tmi_args_list domain; /* numbers or names; none: all */
    struct tmi_args_list exclude_domain;
    int metric;
    struct tmi_args_list wrapper; /* more names of functions to pass over */
    bool keep_wrappers;           /* pass over none */
};

extern const struct tmi_args_option tmi_selection_rows[];

/* The entry of tmi_command.shared; `field` is the selection in the command's struct. */
#define TMI_SELECTION_SET(type, field)                                                   \
    {                                                                                    \
        tmi_selection_rows, offsetof(type, field)                                        \
    }

/*
 * What is selected of the snapshot in `path`, with symbols; to be freed with
 * tm_snapshot_free(). NULL when there is none: one line on stderr has said why.
 */
tm_snapshot_t *tmi_selection_open(const struct tmi_selection *selection,
                                  const char *path);

/* The same snapshot with all its numbers, each trace's in tmi_trace.values. */
tm_snapshot_t *tmi_selection_open_all(const struct tmi_selection *selection,
                                      const char *path);

#endif
