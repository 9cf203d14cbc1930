/* SPDX-License-Identifier: MIT */
/*
 * tmalloc stats: a snapshot's traces, grouped and printed, the biggest first.
 *
 * text is for reading: ten groups, then what is left and the total. tsv is for programs:
 * every group, exact bytes, nothing else. `--limit` overrules either.
 */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/snapfile.h"
#include "tmalloc/snapshot.h"

enum { LIMIT_OF_FORMAT = -1, TEXT_LIMIT = 10 };

enum format { FORMAT_TEXT, FORMAT_TSV };

struct stats_options {
    int key; /* in the order of the row's words */
    int format;
    bool cumulative;
    long limit;
};

#define FIELD(name) offsetof(struct stats_options, name)

static const struct tmi_args_option options[] = {
    {.name = "key",
     .letter = 'k',
     .kind = TMI_ARGS_CHOICE,
     .value = "lineno|filename|traceback",
     .preset = "lineno",
     .help = "what to group by",
     .offset = FIELD(key)},
    {.name = "cumulative",
     .letter = 'c',
     .kind = TMI_ARGS_FLAG,
     .help = "credit every frame of a stack, not just the newest;\n"
             "not with --key traceback",
     .offset = FIELD(cumulative)},
    {.name = "limit",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .help = "print N groups, 0 for all (default: 10 as text, all\n"
             "as tsv)",
     .min = 0,
     .max = LONG_MAX,
     .offset = FIELD(limit)},
    {.name = "format",
     .letter = 'f',
     .kind = TMI_ARGS_CHOICE,
     .value = "text|tsv",
     .preset = "text",
     .help = "for people or for programs",
     .offset = FIELD(format)},
};

static int print_statistics(const tm_snapshot_t *snapshot,
                            const struct stats_options *chosen)
{
    static const tm_key_t keys[] = {TM_KEY_LINENO, TM_KEY_FILENAME, TM_KEY_TRACEBACK};
    struct tmi_listing list = {.snapshot = snapshot,
                               .key = keys[chosen->key],
                               .cumulative = chosen->cumulative,
                               .indent = ""};
    tm_statistics_t *statistics =
        tm_snapshot_statistics(snapshot, list.key, list.cumulative);
    if (statistics == NULL) {
        perror("tmalloc: statistics");
        return TMI_EXIT_FAILURE;
    }
    list.statistics = statistics;
    if (chosen->limit != LIMIT_OF_FORMAT) {
        list.limit = (size_t)chosen->limit;
    } else {
        list.limit = chosen->format == FORMAT_TEXT ? TEXT_LIMIT : 0;
    }
    if (chosen->format == FORMAT_TEXT) {
        tmi_print_text(stdout, &list);
    } else {
        tmi_print_tsv(stdout, &list);
    }
    tm_statistics_free(statistics);
    return TMI_EXIT_OK;
}

static int run_stats(int argc, char **argv)
{
    struct stats_options chosen = {.limit = LIMIT_OF_FORMAT};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_stats, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    if (chosen.cumulative && chosen.key == 2) {
        fputs("tmalloc stats: --cumulative goes with --key lineno or filename, not with "
              "traceback\n",
              stderr);
        return TMI_EXIT_USAGE;
    }
    tm_snapshot_t *snapshot = tmi_snapfile_open(args.operands[0]);
    if (snapshot == NULL) {
        return TMI_EXIT_FAILURE;
    }
    status = print_statistics(snapshot, &chosen);
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
        "A-Za-z0-9._/<>-.\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_stats,
};
