/* SPDX-License-Identifier: MIT */
/*
 * The reader of files: whatever bytes it is given, it must refuse them with a reason or
 * give a snapshot that is sound, takes no more memory than promised, can be grouped,
 * filtered, compared, merged with itself, shown, written, and read back as it was.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "fuzz.h"
#include "pprof/dump.h"
#include "pprof/load.h"
#include "view/merge.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static void group(const struct tm_snapshot *s)
{
    for (int key = TM_KEY_FILENAME; key <= TM_KEY_DOMAIN; key++) {
        tm_statistics_t *st = tm_snapshot_statistics(s, (tm_key_t)key, false);
        fuzz_need(st != NULL);
        tm_statistic_t stat;
        char text[256];
        if (tm_statistics_get(st, 0, &stat) == 0) {
            fuzz_need(tm_statistic_format(&stat, text, sizeof text) > 0);
            fuzz_need(tm_traceback_format(stat.traceback, INT_MAX, true, text, 200) > 0);
        }
        tm_statistics_free(st);
    }
    tm_statistics_free(tm_snapshot_statistics(s, TM_KEY_LINENO, true));
    tm_statistics_free(tm_snapshot_statistics(s, TM_KEY_FUNCTION, true));
}

/* What differs from itself is nothing. */
static void compare(const struct tm_snapshot *s)
{
    tm_statistic_diffs_t *diffs = tm_snapshot_compare_to(s, s, TM_KEY_LINENO, false);
    fuzz_need(diffs != NULL);
    tm_statistic_diff_t diff;
    for (size_t i = 0; tm_statistic_diffs_get(diffs, i, &diff) == 0; i++) {
        fuzz_need(diff.size_diff == 0 && diff.count_diff == 0);
    }
    tm_statistic_diffs_free(diffs);
}

static uint64_t bytes_of(const struct tm_snapshot *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        tmi_add_up(&sum, s->traces[i].values[TMI_INUSE_BYTES]);
    }
    return sum;
}

static void filter(const struct tm_snapshot *s)
{
    const tm_filter_t filters[] = {
        {.inclusive = true, .filename_pattern = "*[a-m]*", .all_frames = true},
        {.has_lineno = true, .lineno = 0},
        {.has_domain = true, .domain = 1},
    };
    tm_snapshot_t *some = tm_snapshot_filter_traces(s, filters, 3);
    fuzz_need(some != NULL && tmi_snapshot_check(some) && bytes_of(some) <= bytes_of(s));
    tm_snapshot_free(some);
}

static void merge(const struct tm_snapshot *s)
{
    struct tmi_merge m;
    fuzz_need(tmi_merge_begin(&m) == 0);
    fuzz_need(tmi_merge_add(&m, s) == 0);
    fuzz_need(tmi_merge_add(&m, s) == 0);
    struct tm_snapshot *twice = tmi_merge_end(&m);
    fuzz_need(twice != NULL && tmi_snapshot_check(twice));
    fuzz_need(twice->trace_count <= s->trace_count);
    uint64_t doubled = bytes_of(s);
    tmi_add_up(&doubled, doubled);
    fuzz_need(bytes_of(twice) == doubled);
    tm_snapshot_free(twice);
}

/* Every 64th sound one goes to the disk and comes back; syncing takes its time. */
static void write_and_read(const struct tm_snapshot *s)
{
    static unsigned turn;
    static char path[64];
    if (turn++ % 64 != 0) {
        return;
    }
    snprintf(path, sizeof path, "/dev/shm/fuzz-load-%d", (int)getpid());
    struct tm_snapshot *again;
    fuzz_need(tmi_pprof_dump(s, path, NULL) == 0);
    fuzz_need(tmi_pprof_load(path, &again, NULL) == 0);
    unlink(path);
    fuzz_need(tmi_snapshot_check(again));
    fuzz_need(again->trace_count == s->trace_count && again->live_count == s->live_count);
    fuzz_need(again->frame_count == s->frame_count && again->line_count <= s->line_count);
    tm_snapshot_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("profile", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_need(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    if (tmi_pprof_load(path, &s, &error) != 0) {
        fuzz_need(s == NULL && error.text[0] != '\0');
        return 0;
    }
    fuzz_need(tmi_snapshot_check(s));
    group(s);
    compare(s);
    filter(s);
    merge(s);
    write_and_read(s);
    tm_snapshot_free(s);
    return 0;
}
