/* SPDX-License-Identifier: MIT */
/*
 * Where a traced program writes its snapshot: from what the user says to what the runtime
 * is told, and afterwards back to the file that is there.
 */
#ifndef TMI_OUTPUT_H
#define TMI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct tmi_output {
    char pattern[PATH_MAX]; /* absolute; %p, %e and %% are the runtime's to expand */
    size_t
        directory_len;  /* of the present directory in `pattern`, 0 if FILE is absolute */
    bool every_process; /* FILE has %p: descendants write files of their own */
};

/* Which file it was, if any: one that is there afterwards must be another. */
struct tmi_output_mark {
    bool exists;
    dev_t device;
    ino_t inode;
    struct timespec modified;
};

/*
 * `file` as the user gave it, NULL for tmalloc.NAME.PID.pb.gz; `program` is what is run.
 * Errors: those of getcwd, -ENAMETOOLONG, and those that writing there would meet, as far
 * as they can be known: -ENOENT, -ENOTDIR, -EACCES, -EISDIR, ...; -EINVAL for a device or
 * pipe.
 */
int tmi_output_plan(struct tmi_output *output, const char *file, const char *program);

/* The file of process `pid` in path, as seen from the present directory; false: none. */
bool tmi_output_find(const struct tmi_output *output, pid_t pid, char path[PATH_MAX],
                     struct tmi_output_mark *mark);

bool tmi_output_same(const struct tmi_output_mark *a, const struct tmi_output_mark *b);

#endif
