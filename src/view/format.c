/* SPDX-License-Identifier: MIT */
/*
 * Traces, statistics and differences as text, in the words that tracemalloc's str() has
 * for them. All three begin with where: the oldest frame, or the name of what groups are
 * the groups of, which only the home of a result knows.
 *
 *     main.c:71: size=5002 B (+5000 B), count=2 (+1), average=2501 B
 *     '- where -'     '- amount, with the change if there is one to tell -'
 */
#include <stdint.h>

#include "tmalloc/snapshot.h"
#include "view/frame.h"
#include "view/snapshot.h"
#include "view/text.h"

/* The place of a traceback, and the colon behind it. 0 or -ENOMEM. */
static int add_place(struct tmi_text *text, const struct tm_traceback *tb)
{
    const struct tm_snapshot *s = tb->home;
    int err = tmi_snapshot_resolve(s);
    if (err != 0) {
        return err;
    }
    uint32_t oldest = s->frames[tb->first_frame + tb->nframes - 1];
    tm_frame_t frame;
    tmi_frame_get(s, oldest, tmi_frame_count(&s->locations[oldest]) - 1, &frame);
    bool named = s->grouped_by == TM_KEY_FUNCTION && frame.function[0] != '\0';
    tmi_text_add_string(text, named ? frame.function : frame.filename);
    if (s->grouped_by <= TM_KEY_TRACEBACK) {
        tmi_text_add_string(text, ":");
        tmi_text_add_number(text, frame.lineno);
    }
    tmi_text_add_string(text, ": ");
    return 0;
}

static void add_average(struct tmi_text *text, uint64_t size, uint64_t count)
{
    if (count != 0) {
        long double average = (long double)size / (long double)count;
        tmi_text_add_string(text, ", average=");
        tmi_text_add_size(text, (double)average, false);
    }
}

static void add_signed(struct tmi_text *text, int64_t number)
{
    tmi_text_add_string(text, number < 0 ? "-" : "+");
    tmi_text_add_number(text,
                        number < 0 ? (uint64_t)0 - (uint64_t)number : (uint64_t)number);
}

int tm_trace_format(const tm_trace_t *trace, char *text, size_t len)
{
    struct tmi_text out = {.out = text, .room = len};
    int err = add_place(&out, trace->traceback);
    tmi_text_add_size(&out, (double)trace->size, false);
    int length = tmi_text_end(&out);
    return err != 0 ? err : length;
}

int tm_statistic_format(const tm_statistic_t *stat, char *text, size_t len)
{
    struct tmi_text out = {.out = text, .room = len};
    int err = add_place(&out, stat->traceback);
    tmi_text_add_string(&out, "size=");
    tmi_text_add_size(&out, (double)stat->size, false);
    tmi_text_add_string(&out, ", count=");
    tmi_text_add_number(&out, stat->count);
    add_average(&out, stat->size, stat->count);
    int length = tmi_text_end(&out);
    return err != 0 ? err : length;
}

int tm_statistic_diff_format(const tm_statistic_diff_t *diff, char *text, size_t len)
{
    struct tmi_text out = {.out = text, .room = len};
    int err = add_place(&out, diff->traceback);
    tmi_text_add_string(&out, "size=");
    tmi_text_add_size(&out, (double)diff->size, false);
    tmi_text_add_string(&out, " (");
    tmi_text_add_size(&out, (double)diff->size_diff, true);
    tmi_text_add_string(&out, "), count=");
    tmi_text_add_number(&out, diff->count);
    tmi_text_add_string(&out, " (");
    add_signed(&out, diff->count_diff);
    tmi_text_add_string(&out, ")");
    add_average(&out, diff->size, diff->count);
    int length = tmi_text_end(&out);
    return err != 0 ? err : length;
}
