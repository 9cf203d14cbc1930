/* SPDX-License-Identifier: MIT */
/*
 * Where code lies: modules and locations of a snapshot that is being merged, as those of
 * the result.
 */
#ifndef TMI_MERGE_PLACE_H
#define TMI_MERGE_PLACE_H

#include "view/merge.h"

/* The snapshot in work; memory that is needed no longer than that lies in `arena`. */
struct tmi_merge_source {
    const struct tm_snapshot *s;
    struct tmi_arena arena;
    uint32_t *modules;   /* by index: the result's, plus one; 0: not yet */
    uint32_t *locations; /* the same */
    struct tmi_line *lines;
    uint32_t line_room;
};

/* 0 or -ENOMEM. */
int tmi_merge_place_begin(struct tmi_merge_source *source);

/* The location of the result for one of the source, or -ENOMEM. */
int64_t tmi_merge_place(struct tmi_merge *m, struct tmi_merge_source *source,
                        uint32_t location);

#endif
