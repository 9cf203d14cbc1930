/* SPDX-License-Identifier: MIT */
/*
 * A stream of packed messages into a gzip file.
 */
#ifndef TMI_PPROF_DEFLATE_H
#define TMI_PPROF_DEFLATE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <zlib.h>

#include "base/arena.h"

struct tmi_deflate {
    ProtobufCBuffer sink; /* what messages are packed into; first */
    z_stream stream;
    unsigned char *plain;  /* not yet compressed */
    unsigned char *packed; /* not yet written */
    size_t plain_bytes;
    int fd;
    int error; /* the first one, a negative errno; everything after it is dropped */
};

/* The buffers and zlib's own memory lie in `arena`. 0 or -ENOMEM. */
int tmi_deflate_begin(struct tmi_deflate *d, struct tmi_arena *arena, int fd);

/* Writes what is left, and gzip's trailer; 0 or the first error of all. */
int tmi_deflate_end(struct tmi_deflate *d);

#endif
