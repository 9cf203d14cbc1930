/* SPDX-License-Identifier: MIT */
/*
 * What the analysis asks of other people's libraries: files (protobuf-c, zlib) and
 * symbols (libdw). The CLI links them and answers directly (cli/service.c); in a traced
 * process they come from a plug-in, loaded when first asked for (live/service.c), so that
 * the runtime needs nothing but libc and mimalloc at load time.
 */
#ifndef TMI_SERVICE_H
#define TMI_SERVICE_H

#include <stddef.h>

struct tm_snapshot;

/* Where a failing service says in one line what was wrong; may be NULL. */
struct tmi_error {
    char text[256];
};

struct tmi_service {
    /* 0 or a negative errno; the file is whole or absent. */
    int (*dump)(const struct tm_snapshot *s, const char *path, struct tmi_error *error);

    /* 0 and a finished snapshot in *out, or a negative errno and *out NULL. */
    int (*load)(const char *path, struct tm_snapshot **out, struct tmi_error *error);

    /* Gives every location of `s` its lines as far as they are known; 0 or -ENOMEM. */
    int (*resolve)(struct tm_snapshot *s);
};

/* NULL when the plug-in cannot be loaded. */
const struct tmi_service *tmi_service(void);

#endif
