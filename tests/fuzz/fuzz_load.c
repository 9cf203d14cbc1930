/* SPDX-License-Identifier: MIT */
/*
 * The reader of files against libFuzzer: whatever bytes it is given, it must refuse them
 * with a reason or give a snapshot that is sound, can be grouped, shown, written, and
 * read back with as many traces. Build and run by hand, in a build tree, with clang:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *         -fno-strict-aliasing -D_GNU_SOURCE -I$srcdir/src -I$srcdir/include -Isrc/pprof
 * \
 *         $srcdir/tests/fuzz/fuzz_load.c $srcdir/src/pprof/[a-z]*.c
 * $srcdir/src/view/[a-z]*.c \
 *         src/pprof/profile.pb-c.c $srcdir/src/base/arena.c $srcdir/src/base/sys.c \
 *         -lprotobuf-c -lz -o fuzz_load
 *     ./fuzz_load -max_len=4096 -max_total_time=600 CORPUS
 *
 * with some snapshots in CORPUS, better uncompressed: zlib's checksum stops what is
 * changed in a compressed one.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pprof/dump.h"
#include "pprof/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static void need(int truth)
{
    if (!truth) {
        abort();
    }
}

static void group(const struct tm_snapshot *s)
{
    for (int i = 0; i < 5; i++) {
        tm_statistics_t *st = tm_snapshot_statistics(s, (tm_key_t)(i % 3), i > 2);
        need(st != NULL);
        tm_statistic_t stat;
        char text[256];
        if (tm_statistics_get(st, 0, &stat) == 0) {
            need(tm_statistic_format(&stat, text, sizeof text) > 0);
            need(tm_traceback_format(stat.traceback, INT_MAX, true, text, 200) > 0);
        }
        tm_statistics_free(st);
    }
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
    need(tmi_pprof_dump(s, path, NULL) == 0);
    need(tmi_pprof_load(path, &again, NULL) == 0);
    unlink(path);
    need(tmi_snapshot_check(again));
    need(again->trace_count == s->trace_count && again->live_count == s->live_count);
    need(again->frame_count == s->frame_count && again->line_count == s->line_count);
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
    need(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    if (tmi_pprof_load(path, &s, &error) != 0) {
        need(s == NULL && error.text[0] != '\0');
        return 0;
    }
    need(tmi_snapshot_check(s));
    group(s);
    write_and_read(s);
    tm_snapshot_free(s);
    return 0;
}
