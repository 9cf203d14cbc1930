/* SPDX-License-Identifier: MIT */
/*
 * tmalloc merge: the snapshots of many processes as one, file by file, so that one of
 * them is in memory beside the result and no more. What makes two stacks the same, and
 * what becomes of the rest, is view/merge.h's to say. Symbols are not looked up: where
 * code lies is enough to tell it apart.
 */
#include "view/merge.h"

#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/listing.h"
#include "cli/print.h"
#include "cli/snapfile.h"

struct merge_options {
    const char *output;
};

static const struct tmi_args_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = TMI_ARGS_TEXT,
     .value = "FILE",
     .help = "write to FILE; has to be given",
     .offset = offsetof(struct merge_options, output)},
};

static bool add_file(struct tmi_merge *m, const char *path)
{
    tm_snapshot_t *snapshot = tmi_snapfile_load(path);
    if (snapshot == NULL) {
        return false;
    }
    int err = tmi_merge_add(m, snapshot);
    tm_snapshot_free(snapshot);
    if (err != 0) {
        fprintf(stderr, "tmalloc: %s: %s\n", path, strerror(-err));
    }
    return err == 0;
}

/* The sum of all files, or NULL when a line on stderr has said why not. */
static tm_snapshot_t *merge_files(char **paths, int n)
{
    struct tmi_merge merge;
    tm_snapshot_t *merged = NULL;
    int err = tmi_merge_begin(&merge);
    if (err == 0) {
        for (int i = 0; i < n; i++) {
            if (!add_file(&merge, paths[i])) {
                tmi_merge_abandon(&merge);
                return NULL;
            }
        }
        merged = tmi_merge_end(&merge);
    }
    if (merged == NULL) {
        fputs("tmalloc merge: not enough memory\n", stderr);
    }
    return merged;
}

static void tell_sum(const tm_snapshot_t *s, const char *path)
{
    struct tmi_listing list = {.snapshot = s};
    struct tmi_amount total = tmi_listing_total(&list);
    fprintf(stderr, "tmalloc: %s: %" PRIu32 " process%s held ", path, s->about.processes,
            s->about.processes == 1 ? "" : "es");
    tmi_print_size(stderr, (double)total.size);
    fprintf(stderr, " in %" PRIu64 " blocks of %zu stacks", total.count,
            tm_snapshot_trace_count(s));
    if (s->about.peak > total.size) {
        fputs(", and at no time together more than ", stderr);
        tmi_print_size(stderr, (double)s->about.peak);
    }
    putc('\n', stderr);
}

static int run_merge(int argc, char **argv)
{
    struct merge_options chosen = {NULL};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_merge, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    if (chosen.output == NULL) {
        fputs("tmalloc merge: --output is missing: the file to write\n", stderr);
        return TMI_EXIT_USAGE;
    }
    tm_snapshot_t *merged = merge_files(args.operands, args.operand_count);
    if (merged == NULL) {
        return TMI_EXIT_FAILURE;
    }
    bool written = tmi_snapfile_write(merged, chosen.output);
    if (written) {
        tell_sum(merged, chosen.output);
    }
    tm_snapshot_free(merged);
    return written ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}

const struct tmi_command tmi_command_merge = {
    .name = "merge",
    .summary = "Put the snapshots of many processes together",
    .operands = "FILE...",
    .details =
        "What the processes held is added up, stack by stack. Code is the same where it\n"
        "lies at the same place of the same file (name and build id), wherever that was\n"
        "loaded; domains are the same that have one name. Current and peak of the whole\n"
        "are sums: the peak is an upper bound, as the processes need not have had "
        "theirs\n"
        "at one time. The limits of frames may differ; the largest is kept.\n",
    .examples = "tmalloc merge -o all.pb.gz old.pb.gz new.pb.gz\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = INT_MAX,
    .run = run_merge,
};
