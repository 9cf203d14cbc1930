/* SPDX-License-Identifier: MIT */
/*
 * Snapshot files as commands want them: loaded, symbols looked up, written, trouble said.
 */
#ifndef TMI_SNAPFILE_H
#define TMI_SNAPFILE_H

#include <stdbool.h>

#include "tmalloc/snapshot.h"

/*
 * The snapshot in `path` as it stands there, to be freed by the caller. NULL when there
 * is none: one line on stderr has said why.
 */
tm_snapshot_t *tmi_snapfile_load(const char *path);

/*
 * The same with the symbols of its frames looked up as far as the file lacks them. Where
 * the symbols take longer than a second somebody who sits before a terminal is told so.
 */
tm_snapshot_t *tmi_snapfile_open(const char *path);

/* Makes `path` a file of the snapshot, whole or not at all; false: a line has said why.
 */
bool tmi_snapfile_write(const tm_snapshot_t *snapshot, const char *path);

#endif
