/* SPDX-License-Identifier: MIT */
/*
 * Writing a snapshot as a pprof profile; docs/format.md describes the file.
 */
#ifndef TMI_PPROF_DUMP_H
#define TMI_PPROF_DUMP_H

#include "view/service.h"
#include "view/snapshot.h"

/*
 * Every trace of `s`, and its symbols as far as they have been resolved. The file
 * replaces what was at `path` when it is complete; nothing is left behind on failure. 0,
 * or a negative errno with a line of explanation. `error` may be NULL.
 */
int tmi_pprof_dump(const struct tm_snapshot *s, const char *path,
                   struct tmi_error *error);

#endif
