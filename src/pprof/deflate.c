/* SPDX-License-Identifier: MIT */
/*
 *     pack -> plain (64 KiB) -> deflate -> packed (64 KiB) -> write
 *
 * protobuf-c appends a few bytes at a time and cannot be told of an error, so the first
 * one is kept and the rest of the stream goes nowhere. zlib allocates from the arena: in
 * the traced process nothing here may come from malloc. It frees in the order of its own
 * choosing and only at the end, so freeing is left to the arena.
 */
#include "pprof/deflate.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/sys.h"

#define BUFFER_BYTES ((size_t)64 << 10)

/* Stacks repeat so much that level 1 finds most of it, several times as fast as 6. */
#define LEVEL        1
#define GZIP_WINDOW  (16 + MAX_WBITS)
#define MEMORY_LEVEL 8

static void *allocate(void *arena, unsigned items, unsigned bytes)
{
    size_t total;
    return tmi_mul_overflows(items, bytes, &total) ? NULL : tmi_arena_alloc(arena, total);
}

static void keep(void *arena, void *piece)
{
    (void)arena;
    (void)piece;
}

/* Compresses what is in `plain`, all of it, and with Z_FINISH ends the stream. */
static void drain(struct tmi_deflate *d, int flush)
{
    d->stream.next_in = d->plain;
    d->stream.avail_in = (unsigned)d->plain_bytes;
    d->plain_bytes = 0;
    do {
        d->stream.next_out = d->packed;
        d->stream.avail_out = BUFFER_BYTES;
        deflate(&d->stream, flush);
        size_t len = BUFFER_BYTES - d->stream.avail_out;
        if (d->error == 0 && len > 0) {
            d->error = tmi_sys_write(d->fd, d->packed, len);
        }
    } while (d->error == 0 && d->stream.avail_out == 0);
}

static void append(ProtobufCBuffer *sink, size_t len, const uint8_t *bytes)
{
    struct tmi_deflate *d = (struct tmi_deflate *)sink;
    while (len > 0 && d->error == 0) {
        size_t room = BUFFER_BYTES - d->plain_bytes;
        size_t n = len < room ? len : room;
        memcpy(d->plain + d->plain_bytes, bytes, n);
        d->plain_bytes += n;
        bytes += n;
        len -= n;
        if (d->plain_bytes == BUFFER_BYTES) {
            drain(d, Z_NO_FLUSH);
        }
    }
}

int tmi_deflate_begin(struct tmi_deflate *d, struct tmi_arena *arena, int fd)
{
    *d = (struct tmi_deflate){
        .sink = {.append = append},
        .stream = {.zalloc = allocate, .zfree = keep, .opaque = arena},
        .plain = tmi_arena_alloc(arena, BUFFER_BYTES),
        .packed = tmi_arena_alloc(arena, BUFFER_BYTES),
        .fd = fd,
    };
    if (d->plain == NULL || d->packed == NULL ||
        deflateInit2(&d->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        d->error = -ENOMEM;
    }
    return d->error;
}

int tmi_deflate_end(struct tmi_deflate *d)
{
    if (d->error == 0) {
        drain(d, Z_FINISH);
    }
    return d->error;
}
