/* SPDX-License-Identifier: MIT */
/*
 * text is for reading, and keeps to what fits a screen; tsv and JSON are for programs,
 * which want everything and exact numbers. `--limit` overrules either.
 */
#include "cli/form.h"

#include <limits.h>

#define FIELD(name) offsetof(struct tmi_form, name)

const struct tmi_args_option tmi_form_rows[] = {
    {.name = "limit",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .help =
         "print the N biggest, 0 for all (default: as text 10 of stats and diff, 20 of "
         "top and what --min-percent leaves of tree; as tsv and json all)",
     .min = 0,
     .max = LONG_MAX,
     .offset = FIELD(limit)},
    {.name = "format",
     .letter = 'f',
     .kind = TMI_ARGS_CHOICE,
     .value = "text|tsv|json",
     .preset = "text",
     .help = "for people or for programs",
     .offset = FIELD(format)},
    {0},
};

size_t tmi_form_limit(const struct tmi_form *form, size_t screenful)
{
    if (form->limit >= 0) {
        return (size_t)form->limit;
    }
    return form->format == TMI_FORMAT_TEXT ? screenful : 0;
}
