/* SPDX-License-Identifier: MIT */
/*
 * One line about what went wrong, for whoever reads it in the end.
 */
#ifndef TMI_PPROF_FAILURE_H
#define TMI_PPROF_FAILURE_H

#include "base/compiler.h"
#include "view/service.h"

/* Puts the line into `error` (which may be NULL) and returns `code`, a negative errno. */
int tmi_pprof_fail(struct tmi_error *error, int code, const char *format, ...)
    TMI_PRINTF(3, 4);

#endif
