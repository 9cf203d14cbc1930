/* SPDX-License-Identifier: MIT */
/*
 * text is for reading: ten groups, then what is left and the total. tsv and JSON are for
 * programs: every group, exact bytes. `--limit` overrules either.
 */
#include "cli/grouping.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { TEXT_LIMIT = 10 };

#define FIELD(name) offsetof(struct tmi_grouping, name)

const struct tmi_args_option tmi_grouping_rows[] = {
    {.name = "key",
     .letter = 'k',
     .kind = TMI_ARGS_CHOICE,
     .value = "filename|lineno|traceback|function|module|domain",
     .preset = "lineno",
     .help = "what to group by; all but traceback and domain go by the newest\n"
             "frame of a stack",
     .offset = FIELD(key)},
    {.name = "cumulative",
     .letter = 'c',
     .kind = TMI_ARGS_FLAG,
     .help = "credit every frame of a stack, not just the newest; not with\n"
             "--key traceback or domain",
     .offset = FIELD(cumulative)},
    {.name = "limit",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .help = "print N groups, 0 for all (default: 10 as text, else all)",
     .min = 0,
     .max = LONG_MAX,
     .offset = FIELD(limit)},
    {.name = "format",
     .letter = 'f',
     .kind = TMI_ARGS_CHOICE,
     .value = TMI_FORMAT_NAMES,
     .preset = "text",
     .help = "for people or for programs",
     .offset = FIELD(format)},
    {0},
};

bool tmi_grouping_check(const struct tmi_grouping *grouping, const char *command)
{
    bool whole = grouping->key == TM_KEY_TRACEBACK || grouping->key == TM_KEY_DOMAIN;
    if (grouping->cumulative && whole) {
        fprintf(stderr,
                "tmalloc %s: --cumulative goes with --key filename, lineno, function or "
                "module, not with %s\n",
                command, grouping->key == TM_KEY_DOMAIN ? "domain" : "traceback");
        return false;
    }
    return true;
}

int tmi_grouping_report(const struct tmi_grouping *grouping, struct tmi_listing *list)
{
    list->key = (tm_key_t)grouping->key;
    list->cumulative = grouping->cumulative;
    list->indent = "";
    list->limit = (size_t)grouping->limit;
    if (grouping->limit < 0) {
        list->limit = grouping->format == TMI_FORMAT_TEXT ? TEXT_LIMIT : 0;
    }
    int err = tmi_listing_make(list);
    if (err == 0) {
        tmi_print(stdout, list, (enum tmi_format)grouping->format);
    } else {
        fprintf(stderr, "tmalloc: grouping: %s\n", strerror(-err));
    }
    tmi_listing_release(list);
    return err == 0 ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}
