/* SPDX-License-Identifier: MIT */
/*
 * tmalloc diff: what changed from one snapshot to another, the most changed groups first.
 */
#include <stddef.h>

#include "cli/command.h"
#include "cli/grouping.h"
#include "cli/selection.h"

struct diff_options {
    struct tmi_grouping grouping;
    struct tmi_form form;
    struct tmi_selection selection;
};

static const struct tmi_args_set shared[] = {
    TMI_GROUPING_SET(struct diff_options, grouping),
    TMI_FORM_SET(struct diff_options, form),
    TMI_SELECTION_SET(struct diff_options, selection),
    {0},
};

static int run_diff(int argc, char **argv)
{
    struct diff_options chosen = {.form = TMI_FORM_UNSET};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_diff, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    if (!tmi_grouping_check(&chosen.grouping, "diff")) {
        return TMI_EXIT_USAGE;
    }
    struct tmi_listing list = {.metric = tmi_metric_at(chosen.selection.metric)};
    tm_snapshot_t *old = tmi_selection_open(&chosen.selection, args.operands[0]);
    tm_snapshot_t *new =
        old == NULL ? NULL : tmi_selection_open(&chosen.selection, args.operands[1]);
    status = TMI_EXIT_FAILURE;
    if (new != NULL) {
        list.snapshot = new;
        list.old = old;
        status = tmi_grouping_report(&chosen.grouping, &chosen.form, &list);
    }
    tm_snapshot_free(new);
    tm_snapshot_free(old);
    return status;
}

const struct tmi_command tmi_command_diff = {
    .name = "diff",
    .summary = "What changed from one snapshot to another",
    .operands = "OLD NEW",
    .details =
        "OLD and NEW are snapshots of tmalloc, or any other pprof profiles, of one\n"
        "process at two times or of two runs of a program.\n"
        "Text has a line a group that changed, FILE:LINE: size=... (+...), count=...\n"
        "(+...), average=..., the greatest change first, growth or not: what it is in\n"
        "NEW, and by how much that differs from OLD. tsv and JSON have the unchanged\n"
        "groups as well; tsv has size, size_diff, count, count_diff and traceback,\n"
        "separated by tabs, the traceback as 'tmalloc stats' has it.\n",
    .examples = "tmalloc diff old.pb.gz new.pb.gz\n"
                "tmalloc diff --key module --format json old.pb.gz new.pb.gz\n",
    .shared = shared,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_diff,
};
