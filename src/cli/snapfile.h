/* SPDX-License-Identifier: MIT */
/*
 * Snapshot files as commands want them: loaded, symbols looked up, trouble said.
 */
#ifndef TMI_SNAPFILE_H
#define TMI_SNAPFILE_H

#include "tmalloc/snapshot.h"

/*
 * The snapshot in `path` with the symbols of its frames, to be freed by the caller. NULL
 * when there is none: one line on stderr has said why. Where the symbols take longer than
 * a second somebody who sits before a terminal is told so.
 */
tm_snapshot_t *tmi_snapfile_open(const char *path);

#endif
