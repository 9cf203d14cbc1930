/* SPDX-License-Identifier: MIT */
/*
 * tmalloc stats: a snapshot's traces, grouped and printed, the biggest first.
 */
#include <stddef.h>

#include "cli/command.h"
#include "cli/grouping.h"
#include "cli/selection.h"

struct stats_options {
    struct tmi_grouping grouping;
    struct tmi_form form;
    struct tmi_selection selection;
};

static const struct tmi_args_set shared[] = {
    TMI_GROUPING_SET(struct stats_options, grouping),
    TMI_FORM_SET(struct stats_options, form),
    TMI_SELECTION_SET(struct stats_options, selection),
    {0},
};

static int run_stats(int argc, char **argv)
{
    struct stats_options chosen = {.form = TMI_FORM_UNSET};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_stats, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    if (!tmi_grouping_check(&chosen.grouping, "stats")) {
        return TMI_EXIT_USAGE;
    }
    tm_snapshot_t *snapshot = tmi_selection_open(&chosen.selection, args.operands[0]);
    if (snapshot == NULL) {
        return TMI_EXIT_FAILURE;
    }
    struct tmi_listing list = {.snapshot = snapshot,
                               .metric = tmi_metric_at(chosen.selection.metric)};
    status = tmi_grouping_report(&chosen.grouping, &chosen.form, &list);
    tm_snapshot_free(snapshot);
    return status;
}

const struct tmi_command tmi_command_stats = {
    .name = "stats",
    .summary = "Who held the memory when a snapshot was taken",
    .operands = "FILE",
    .details =
        "FILE is a snapshot of tmalloc, or any other pprof profile.\n"
        "Text has a line a group, FILE:LINE: size=..., count=..., average=..., where\n"
        "count is the number of live blocks. tsv has size in bytes, count and\n"
        "traceback, separated by tabs; a traceback is its frames, the oldest first,\n"
        "separated by spaces, each LINE:FILE with FILE percent-encoded outside\n"
        "A-Za-z0-9._/<>-; a function, module or domain stands in the place of FILE\n"
        "when it is what is grouped by.\n",
    .examples = "tmalloc stats old.pb.gz\n"
                "tmalloc stats --key traceback --limit 3 old.pb.gz\n"
                "tmalloc stats --key function --metric temporary old.pb.gz\n"
                "tmalloc stats --include '*/sort*' --all-frames --format tsv old.pb.gz\n",
    .shared = shared,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_stats,
};
