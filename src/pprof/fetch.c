/* SPDX-License-Identifier: MIT */
/*
 *     file -> input (64 KiB) -> [inflate] -> bytes, a piece that doubles
 *
 * The first two bytes tell gzip from plain: 0x1F is no tag that a profile can begin with.
 * deflate shrinks at most 1032
 * times, so a small file can still ask for very much: the budget is what stops it, and it
 * is noticed before the memory is touched. Snapshots of programs shrink ten to a hundred
 * times; only those of endless recursion come near the limit. Members of gzip that follow
 * one another are one stream, as gzip(1) has it; anything else behind the last one is
 * damage.
 */
#include "pprof/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bits.h"
#include "pprof/failure.h"

#define INPUT_BYTES        ((size_t)64 << 10)
#define FIRST_OUTPUT_BYTES ((size_t)256 << 10)
#define BUDGET_BASE        ((uint64_t)64 << 20)
#define BUDGET_FACTOR      ((uint64_t)256)
#define BUDGET_MOST        ((uint64_t)8 << 30)
#define GZIP_WINDOW        (16 + MAX_WBITS)

struct fetch {
    int fd;
    struct tmi_arena *arena;
    struct tmi_error *error;
    uint8_t *input;
    size_t input_bytes;  /* read and not yet used */
    uint64_t file_bytes; /* read so far */
    uint8_t *bytes;
    size_t len, room, budget;
};

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

size_t tmi_fetch_budget(const char *path)
{
    struct sysinfo machine;
    struct stat status;
    uint64_t budget = BUDGET_MOST;
    if (sysinfo(&machine) == 0) {
        budget = least_of(budget, (uint64_t)machine.totalram * machine.mem_unit / 2);
    }
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        uint64_t bytes = least_of((uint64_t)status.st_size, BUDGET_MOST);
        budget = least_of(budget, BUDGET_BASE + BUDGET_FACTOR * bytes);
    }
    return (size_t)budget;
}

int tmi_fetch_fail_budget(struct tmi_error *error, size_t budget)
{
    return tmi_pprof_fail(
        error, -ENOMEM,
        "it needs more than %zu MiB: the most is %d MiB and %d times the "
        "size of the file (gunzip it first to allow for more), and half "
        "of the machine's memory",
        budget >> 20, (int)(BUDGET_BASE >> 20), (int)BUDGET_FACTOR);
}

static int fail_memory(struct fetch *f)
{
    return tmi_pprof_fail(f->error, -ENOMEM, "not enough memory");
}

/* Fills the input buffer as far as one read does; 0 bytes left means the end. */
static int refill(struct fetch *f)
{
    ssize_t n;
    do {
        n = read(f->fd, f->input + f->input_bytes, INPUT_BYTES - f->input_bytes);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        int err = -errno;
        return tmi_pprof_fail(f->error, err, "cannot read: %s", strerrordesc_np(-err));
    }
    f->input_bytes += (size_t)n;
    f->file_bytes += (size_t)n;
    return 0;
}

/* Room for at least one more byte. */
static int make_room(struct fetch *f)
{
    if (f->len < f->room) {
        return 0;
    }
    size_t room = f->room == 0 ? FIRST_OUTPUT_BYTES : 2 * f->room;
    room = room < f->budget ? room : f->budget;
    if (room == f->room) {
        return tmi_fetch_fail_budget(f->error, f->budget);
    }
    void *grown = tmi_arena_grow(f->arena, f->bytes, f->room, room);
    if (grown == NULL) {
        return fail_memory(f);
    }
    f->bytes = grown;
    f->room = room;
    return 0;
}

static int copy_plain(struct fetch *f)
{
    int err = 0;
    while (err == 0 && f->input_bytes > 0) {
        for (size_t used = 0; used < f->input_bytes && err == 0;) {
            err = make_room(f);
            size_t left = f->room - f->len;
            size_t n = f->input_bytes - used < left ? f->input_bytes - used : left;
            if (err == 0) {
                memcpy(f->bytes + f->len, f->input + used, n);
            }
            f->len += n;
            used += n;
        }
        f->input_bytes = 0;
        err = err == 0 ? refill(f) : err;
    }
    return err;
}

/* ---- gzip -------------------------------------------------------------------------- */

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

static int fail_at(struct fetch *f, const z_stream *stream, const char *what)
{
    return tmi_pprof_fail(f->error, -EBADMSG, "gzip stream damaged at byte %llu: %s",
                          (unsigned long long)(f->file_bytes - stream->avail_in), what);
}

/* Inflates what is in the input buffer, or up to the end of a member. */
static int inflate_input(struct fetch *f, z_stream *stream, bool *ended)
{
    *ended = false;
    do {
        int err = make_room(f);
        if (err != 0) {
            return err;
        }
        size_t left = f->room - f->len;
        stream->next_out = f->bytes + f->len;
        stream->avail_out = left < (1u << 30) ? (unsigned)left : 1u << 30;
        unsigned offered = stream->avail_out;
        int result = inflate(stream, Z_NO_FLUSH);
        f->len += offered - stream->avail_out;
        if (result == Z_MEM_ERROR) {
            return fail_memory(f);
        }
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            return fail_at(f, stream,
                           stream->msg != NULL ? stream->msg : "no deflate data");
        }
        *ended = result == Z_STREAM_END;
    } while (!*ended && (stream->avail_in > 0 || stream->avail_out == 0));
    return 0;
}

/* Reads more when there is nothing left; *at_end when there is nothing to come. */
static int feed(struct fetch *f, z_stream *stream, bool *at_end)
{
    int err = 0;
    if (stream->avail_in == 0) {
        f->input_bytes = 0;
        err = refill(f);
        stream->next_in = f->input;
        stream->avail_in = (unsigned)f->input_bytes;
    }
    *at_end = stream->avail_in == 0;
    return err;
}

static int inflate_members(struct fetch *f, z_stream *stream)
{
    bool at_end = false;
    bool ended = false;
    int err = feed(f, stream, &at_end);
    while (err == 0 && !at_end) {
        if (ended && inflateReset(stream) != Z_OK) {
            return fail_memory(f);
        }
        err = inflate_input(f, stream, &ended);
        if (err == 0) {
            err = feed(f, stream, &at_end);
        }
    }
    return err == 0 && !ended ? fail_at(f, stream, "the file ends too early") : err;
}

static int inflate_file(struct fetch *f)
{
    z_stream stream = {.zalloc = allocate,
                       .zfree = keep,
                       .opaque = f->arena,
                       .next_in = f->input,
                       .avail_in = (unsigned)f->input_bytes};
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK) {
        return fail_memory(f);
    }
    return inflate_members(f, &stream);
}

/* ---- the whole --------------------------------------------------------------------- */

static int fetch_open(struct fetch *f)
{
    f->input = tmi_arena_alloc(f->arena, INPUT_BYTES);
    if (f->input == NULL) {
        return fail_memory(f);
    }
    size_t before;
    do {
        before = f->input_bytes;
        int err = refill(f);
        if (err != 0) {
            return err;
        }
    } while (f->input_bytes < 2 && f->input_bytes > before);
    bool gzip = f->input_bytes >= 2 && f->input[0] == 0x1F && f->input[1] == 0x8B;
    return gzip ? inflate_file(f) : copy_plain(f);
}

int tmi_fetch(const char *path, size_t budget, struct tmi_arena *arena, uint8_t **bytes,
              size_t *len, struct tmi_error *error)
{
    struct fetch f = {.arena = arena, .error = error, .budget = budget};
    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (f.fd < 0) {
        int err = -errno;
        return tmi_pprof_fail(error, err, "cannot open: %s", strerrordesc_np(-err));
    }
    int err = fetch_open(&f);
    close(f.fd);
    *bytes = f.bytes;
    *len = f.len;
    return err;
}
