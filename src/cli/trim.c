/* SPDX-License-Identifier: MIT */
/*
 * In place, and by location: how many of its logical frames, from the innermost on, are
 * wrappers is found out once.
 *
 *     newest   operator new       all of its frames are: the location is left out
 *              allocate < push    the inner one is: a location with the outer one alone
 *     oldest   main               stands in its place from there on
 */
#include "cli/trim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wrapper.h"
#include "view/frame.h"

struct trim {
    struct tm_snapshot *s;
    const char *patterns;
    uint32_t *inner;     /* by location: wrappers in it */
    uint32_t *shortened; /* by location: the one without them, plus one; 0: not yet */
};

static bool is_allocator(const char *module)
{
    static const char *const names[] = {"libtmalloc.so", "libmimalloc", "libjemalloc",
                                        "libtcmalloc"};
    const char *slash = strrchr(module, '/');
    const char *file = slash == NULL ? module : slash + 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strncmp(file, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t count_wrappers(const struct trim *t, uint32_t location)
{
    uint32_t frames = tmi_frame_count(&t->s->locations[location]);
    for (uint32_t i = 0; i < frames; i++) {
        tm_frame_t frame;
        tmi_frame_get(t->s, location, i, &frame);
        if (!tmi_wrapper_is_name(frame.function, t->patterns) &&
            !is_allocator(frame.module)) {
            return i;
        }
    }
    return frames;
}

static bool is_wrapper(const struct trim *t, uint32_t location)
{
    return t->inner[location] == tmi_frame_count(&t->s->locations[location]);
}

/* The location without its wrappers, of which it has some but not only some. */
static int64_t shorten(struct trim *t, uint32_t location)
{
    if (t->shortened[location] == 0) {
        struct tmi_location whole = t->s->locations[location];
        int64_t copy = tmi_snapshot_add_location(t->s, whole.address, whole.module);
        if (copy < 0) {
            return copy;
        }
        t->s->locations[copy].first_line = whole.first_line + t->inner[location];
        t->s->locations[copy].nlines = whole.nlines - t->inner[location];
        t->shortened[location] = (uint32_t)copy + 1;
    }
    return t->shortened[location] - 1;
}

static int trim_trace(struct trim *t, struct tm_traceback *tb)
{
    while (tb->nframes > 1 && is_wrapper(t, t->s->frames[tb->first_frame])) {
        tb->first_frame++;
        tb->nframes--;
        tb->total_nframe -= tb->total_nframe > 0;
    }
    uint32_t *newest = &t->s->frames[tb->first_frame];
    if (t->inner[*newest] == 0 || is_wrapper(t, *newest)) {
        return 0;
    }
    int64_t location = shorten(t, *newest);
    if (location < 0) {
        return (int)location;
    }
    *newest = (uint32_t)location;
    return 0;
}

int tmi_trim_wrappers(struct tm_snapshot *s, const char *patterns)
{
    uint32_t locations = s->location_count;
    struct trim t = {.s = s, .patterns = patterns};
    t.inner = calloc((size_t)locations + 1, sizeof(*t.inner));
    t.shortened = calloc((size_t)locations + 1, sizeof(*t.shortened));
    int err = t.inner == NULL || t.shortened == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; i < locations && err == 0; i++) {
        t.inner[i] = count_wrappers(&t, i);
    }
    for (size_t i = 0; i < s->trace_count && err == 0; i++) {
        err = trim_trace(&t, &s->traces[i].traceback);
    }
    free(t.inner);
    free(t.shortened);
    return err;
}
