/* SPDX-License-Identifier: MIT */
/*
 * The string table of a file that is being written.
 */
#ifndef TMI_PPROF_NAMES_H
#define TMI_PPROF_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "view/map.h"
#include "view/snapshot.h"

struct tmi_names {
    struct tm_snapshot *texts; /* holds them; nothing else of it is used */
    struct tmi_map numbers;    /* of their addresses there */
    char **list;
    uint32_t count, room;
    int error; /* the first one; every name is number 0 after it */
};

/* The table holds "" as number 0 and lives until the end. 0 or -ENOMEM. */
int tmi_names_begin(struct tmi_names *names);
void tmi_names_end(struct tmi_names *names);

/* The number of a name. What is not UTF-8 in it is written as U+FFFD, byte for byte. */
int64_t tmi_names_number(struct tmi_names *names, const char *name);

/* The same with `prefix` before the name. */
int64_t tmi_names_number2(struct tmi_names *names, const char *prefix, const char *name);

#endif
