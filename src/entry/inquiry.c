/* SPDX-License-Identifier: MIT */
/*
 * glibc's questions to the allocator and its knobs. Where mimalloc or the tracer knows
 * the answer it is a real one; the rest is harmless: fields of an arena that we do not
 * have are 0, knobs are taken and change nothing.
 *
 *     committed   bytes that mimalloc holds of the system
 *     in use      bytes of traced blocks while tracing; otherwise all that is committed
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/report.h"
#include "entry/names.h"
#include "heap/backend.h"
#include "tmalloc.h"

static size_t bytes_in_use(size_t committed)
{
    size_t traced = tm_get_traced_memory().current;
    return tm_is_tracing() && traced < committed ? traced : committed;
}

TM_API struct mallinfo2 mallinfo2(void)
{
    struct tmi_backend_usage usage = tmi_backend_usage();
    size_t in_use = bytes_in_use(usage.committed_bytes);
    return (struct mallinfo2){
        .arena = usage.committed_bytes,
        .usmblks = usage.peak_committed_bytes,
        .uordblks = in_use,
        .fordblks = usage.committed_bytes - in_use,
        .keepcost = 0,
    };
}

static int capped(size_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (int)bytes;
}

/* The old form, whose ints overflow in glibc; here they stop at INT_MAX. */
TM_API struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){
        .arena = capped(wide.arena),
        .usmblks = capped(wide.usmblks),
        .uordblks = capped(wide.uordblks),
        .fordblks = capped(wide.fordblks),
    };
}

TM_API int malloc_trim(size_t pad)
{
    (void)pad;
    tmi_backend_trim();
    return 1;
}

TM_API int mallopt(int param, int value)
{
    (void)param;
    (void)value;
    return 1;
}

static void put_row(struct tmi_writer *w, const char *before, size_t value,
                    const char *after)
{
    tmi_put_text(w, before);
    tmi_put_u64(w, value);
    tmi_put_text(w, after);
}

/* The XML that glibc's malloc_info writes, with one heap that stands for all. */
TM_API int malloc_info(int options, FILE *stream)
{
    if (options != 0) {
        return EINVAL;
    }
    struct mallinfo2 now = mallinfo2();
    char text[512];
    struct tmi_writer w = tmi_writer_on(text, sizeof text);
    tmi_put_text(&w, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n");
    put_row(&w, "<system type=\"current\" size=\"", now.arena, "\"/>\n");
    put_row(&w, "<system type=\"max\" size=\"", now.usmblks, "\"/>\n</heap>\n");
    put_row(&w, "<total type=\"rest\" count=\"1\" size=\"", now.fordblks, "\"/>\n");
    put_row(&w, "<system type=\"current\" size=\"", now.arena, "\"/>\n");
    put_row(&w, "<system type=\"max\" size=\"", now.usmblks, "\"/>\n</malloc>\n");
    return fwrite(w.text, 1, w.len, stream) == w.len ? 0 : -1;
}

TM_API void malloc_stats(void)
{
    struct mallinfo2 now = mallinfo2();
    tm_traced_memory_t traced = tm_get_traced_memory();
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    put_row(&w, "system bytes = ", now.arena, "");
    put_row(&w, ", most system bytes = ", now.usmblks, "");
    put_row(&w, ", traced bytes = ", traced.current, "");
    put_row(&w, ", most traced bytes = ", traced.peak, "");
    tmi_report(&w);
}
