/* SPDX-License-Identifier: MIT */
/*
 * The whole content of a file, uncompressed, with a bound on the memory it may take.
 */
#ifndef TMI_PPROF_FETCH_H
#define TMI_PPROF_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "view/service.h"

/*
 * What reading a file may use in all: 64 MiB and 256 times its size, but no more than
 * half of the machine's memory and 8 GiB. Of a pipe, whose size nobody knows, the latter.
 */
size_t tmi_fetch_budget(const char *path);

/* Says that the budget is too small, and returns -ENOMEM. */
int tmi_fetch_fail_budget(struct tmi_error *error, size_t budget);

/*
 * The bytes of a gzip or plain file (or pipe), in `arena`; more than `budget` bytes of
 * them are -ENOMEM, damage to gzip's format is -EBADMSG. 0 or a negative errno.
 */
int tmi_fetch(const char *path, size_t budget, struct tmi_arena *arena, uint8_t **bytes,
              size_t *len, struct tmi_error *error);

#endif
