/* SPDX-License-Identifier: MIT */
/*
 * The keys are those of the public API, in its order; so a key's place among the words of
 * the option is the key.
 */
#include "cli/grouping.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { SCREENFUL = 10 };

#define FIELD(name) offsetof(struct tmi_grouping, name)

const struct tmi_args_option tmi_grouping_rows[] = {
    {.name = "key",
     .letter = 'k',
     .kind = TMI_ARGS_CHOICE,
     .value = "filename|lineno|traceback|function|module|domain",
     .preset = "lineno",
     .help = "what to group by; all but traceback and domain go by the newest "
             "frame of a stack",
     .offset = FIELD(key)},
    {.name = "cumulative",
     .letter = 'c',
     .kind = TMI_ARGS_FLAG,
     .help = "credit every frame of a stack, not just the newest; not with "
             "--key traceback or domain",
     .offset = FIELD(cumulative)},
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

int tmi_grouping_report(const struct tmi_grouping *grouping, const struct tmi_form *form,
                        struct tmi_listing *list)
{
    list->key = (tm_key_t)grouping->key;
    list->cumulative = grouping->cumulative;
    list->indent = "";
    list->limit = tmi_form_limit(form, SCREENFUL);
    int err = tmi_listing_make(list);
    if (err == 0) {
        tmi_print(stdout, list, (enum tmi_format)form->format);
    } else {
        fprintf(stderr, "tmalloc: grouping: %s\n", strerror(-err));
    }
    tmi_listing_release(list);
    return err == 0 ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}
