/* SPDX-License-Identifier: MIT */
/*
 * The comments of a profile in which tmalloc says what the format has no field for.
 */
#ifndef TMI_PPROF_COMMENT_H
#define TMI_PPROF_COMMENT_H

#include "view/snapshot.h"

/*
 * Puts what a comment says into s->about; any other comment says nothing. `text` must be
 * the snapshot's own. 0, or -EBADMSG when it begins as one of ours and has no sound
 * value.
 */
int tmi_comment_apply(struct tm_snapshot *s, const char *text);

#endif
