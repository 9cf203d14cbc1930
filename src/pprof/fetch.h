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

/* What reading one file may use in all: half of the machine's memory, at most 8 GiB. */
size_t tmi_fetch_budget(void);

/*
 * The bytes of a gzip or plain file (or pipe), in `arena`; more than `budget` bytes of
 * them are -ENOMEM, damage to gzip's format is -EBADMSG. 0 or a negative errno.
 */
int tmi_fetch(const char *path, size_t budget, struct tmi_arena *arena, uint8_t **bytes,
              size_t *len, struct tmi_error *error);

#endif
