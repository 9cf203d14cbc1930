/* SPDX-License-Identifier: MIT */
/*
 * A file that is complete or absent: written beside its place under a name nobody can
 * guess, then renamed over whatever was there.
 */
#ifndef TMI_PPROF_NEWFILE_H
#define TMI_PPROF_NEWFILE_H

#include "view/service.h"

struct tmi_newfile {
    int fd;           /* write here */
    int dir;          /* the directory of both names */
    const char *name; /* the last one; points into the path given */
    char temporary[32];
};

/* Opens the temporary file, mode 0600. 0 or a negative errno; `path` must stay. */
int tmi_newfile_create(struct tmi_newfile *file, const char *path,
                       struct tmi_error *error);

/* Makes it last on the disk and gives it its name; abandons it if that fails. */
int tmi_newfile_commit(struct tmi_newfile *file, struct tmi_error *error);

/* Closes and removes it. */
void tmi_newfile_abandon(struct tmi_newfile *file);

#endif
