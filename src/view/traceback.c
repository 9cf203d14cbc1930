/* SPDX-License-Identifier: MIT */
/*
 * Tracebacks: a window on the frames of the snapshot that owns them. The snapshot keeps
 * the newest frame first, as the stack was walked; everything public counts from the
 * oldest.
 *
 *     frames[]       newest ............ oldest      first_frame + n - 1 - i
 *     public i         n-1  ...  2    1    0
 *
 * As text, a frame with inlined calls becomes several, the outermost first when the
 * oldest comes first. `limit` counts those, for a reader cannot tell the two kinds apart.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "tmalloc/snapshot.h"
#include "view/frame.h"
#include "view/snapshot.h"
#include "view/source.h"
#include "view/text.h"

/* Index of the location of frame i, counted from the oldest. */
static uint32_t location_of(const tm_traceback_t *tb, size_t i)
{
    return tb->home->frames[tb->first_frame + tb->nframes - 1 - i];
}

size_t tm_traceback_len(const tm_traceback_t *tb)
{
    return tb->nframes;
}

size_t tm_traceback_total_nframe(const tm_traceback_t *tb)
{
    return tb->total_nframe;
}

uintptr_t tm_traceback_address(const tm_traceback_t *tb, size_t i)
{
    return i < tb->nframes ? (uintptr_t)tb->home->locations[location_of(tb, i)].address
                           : 0;
}

int tm_traceback_frame(const tm_traceback_t *tb, size_t i, tm_frame_t *out)
{
    if (i >= tb->nframes) {
        return -ERANGE;
    }
    int err = tmi_snapshot_resolve(tb->home);
    if (err == 0) {
        tmi_frame_get(tb->home, location_of(tb, i), 0, out);
    }
    return err;
}

/* ---- as text ----------------------------------------------------------------------- */

/* A place among the logical frames of a traceback, and how far it is from the oldest. */
struct place {
    const tm_traceback_t *tb;
    size_t frame;  /* counted from the oldest */
    uint32_t line; /* counted from the innermost */
};

static uint32_t lines_at(const tm_traceback_t *tb, size_t frame)
{
    return tmi_frame_count(&tb->home->locations[location_of(tb, frame)]);
}

static size_t count_logical(const tm_traceback_t *tb)
{
    size_t count = 0;
    for (size_t i = 0; i < tb->nframes; i++) {
        count += lines_at(tb, i);
    }
    return count;
}

/* One step towards the newest frame; the caller knows that there is one. */
static void step_newer(struct place *at)
{
    if (at->line > 0) {
        at->line--;
    } else {
        at->frame++;
        at->line = lines_at(at->tb, at->frame) - 1;
    }
}

static void step_older(struct place *at)
{
    if (at->line + 1 < lines_at(at->tb, at->frame)) {
        at->line++;
    } else {
        at->frame--;
        at->line = 0;
    }
}

static int print_frame(struct tmi_text *text, struct tmi_source *source,
                       const struct place *at)
{
    tm_frame_t frame;
    tmi_frame_get(at->tb->home, location_of(at->tb, at->frame), at->line, &frame);
    tmi_text_add_string(text, "  File \"");
    tmi_text_add_string(text, frame.filename);
    tmi_text_add_string(text, "\", line ");
    tmi_text_add_number(text, frame.lineno);
    tmi_text_add_string(text, "\n");
    const char *line;
    size_t len;
    int err = tmi_source_line(source, frame.filename, frame.lineno, &line, &len);
    if (err == 0 && len > 0) {
        tmi_text_add_string(text, "    ");
        tmi_text_add(text, line, len);
        tmi_text_add_string(text, "\n");
    }
    return err;
}

/* Prints `count` logical frames from the `first`-th on, counted from the oldest. */
static int print_range(struct tmi_text *text, const tm_traceback_t *tb, size_t first,
                       size_t count, bool most_recent_first)
{
    struct place at = {.tb = tb, .frame = 0, .line = lines_at(tb, 0) - 1};
    size_t start = most_recent_first ? first + count - 1 : first;
    for (size_t i = 0; i < start; i++) {
        step_newer(&at);
    }
    struct tmi_source source = {0};
    int err = print_frame(text, &source, &at);
    for (size_t i = 1; i < count && err == 0; i++) {
        if (most_recent_first) {
            step_older(&at);
        } else {
            step_newer(&at);
        }
        err = print_frame(text, &source, &at);
    }
    tmi_source_close(&source);
    return err;
}

int tm_traceback_format(const tm_traceback_t *tb, int limit, bool most_recent_first,
                        char *text, size_t len)
{
    struct tmi_text out = {.out = text, .room = len};
    int err = tmi_snapshot_resolve(tb->home);
    if (err == 0 && limit != 0) {
        size_t all = count_logical(tb);
        size_t wanted = limit > 0 ? (size_t)limit : (size_t)0 - (size_t)limit;
        size_t count = wanted < all ? wanted : all;
        err =
            print_range(&out, tb, limit > 0 ? all - count : 0, count, most_recent_first);
    }
    int length = tmi_text_end(&out);
    return err != 0 ? err : length;
}
