/* SPDX-License-Identifier: MIT */
/*
 * See base/report.h. A line that is too long is cut, and ends in "..." to say so.
 */
#include "base/report.h"

#include <unistd.h>

#include "base/sys.h"

static const char prefix[] = "tmalloc: ";
static const char cut[] = "...";

/* Room kept free for the end of a line: "...", newline, NUL. */
#define TAIL_BYTES (sizeof cut + 1)

struct tmi_writer tmi_report_on(char *room)
{
    struct tmi_writer w = tmi_writer_on(room, TMI_REPORT_BYTES - TAIL_BYTES);
    tmi_put_text(&w, prefix);
    return w;
}

void tmi_report(struct tmi_writer *w)
{
    w->room += TAIL_BYTES;
    if (w->lost) {
        tmi_put_text(w, cut);
    }
    tmi_put_char(w, '\n');
    tmi_sys_write(STDERR_FILENO, w->text, w->len);
}

void tmi_report_text(const char *a, const char *b, const char *c)
{
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    const char *pieces[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        if (pieces[i] != NULL) {
            tmi_put_text(&w, pieces[i]);
        }
    }
    tmi_report(&w);
}
