/* SPDX-License-Identifier: MIT */
/*
 * What a report is printed as, and how much of it: options that all reports have alike.
 */
#ifndef TMI_FORM_H
#define TMI_FORM_H

#include <stddef.h>

#include "cli/args.h"

enum tmi_format { TMI_FORMAT_TEXT, TMI_FORMAT_TSV, TMI_FORMAT_JSON };

struct tmi_form {
    long limit; /* negative: what suits the format */
    int format; /* enum tmi_format */
};

extern const struct tmi_args_option tmi_form_rows[];

/* The entry of tmi_command.shared; `field` is the form in the command's struct. */
#define TMI_FORM_SET(type, field)                                                        \
    {                                                                                    \
        tmi_form_rows, offsetof(type, field)                                             \
    }

/* What fields are before options are read. */
#define TMI_FORM_UNSET                                                                   \
    {                                                                                    \
        .limit = -1                                                                      \
    }

/* How many to print, 0 for all: text has `screenful` unless the user said otherwise. */
size_t tmi_form_limit(const struct tmi_form *form, size_t screenful);

#endif
