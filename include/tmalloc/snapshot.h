/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: who held what, as an object that never changes, in memory or in a file.
 *
 *     snapshot --- traces: (domain, size, count, traceback), one per call stack and
 * domain |            traceback: frames, the oldest first
 *        +-------- statistics: traces grouped by file, line or traceback, biggest first
 *
 * Files are gzip-compressed pprof profiles (profile.proto): every tool that reads pprof
 * reads them. Frames are kept as module and address and become file, line and function
 * when somebody asks; that may read debug info, and takes time and memory then.
 *
 * Every function here is thread safe as long as no other thread frees the object in use,
 * and none is signal safe. Memory that they use is tmalloc's own and is never traced.
 */
#ifndef TMALLOC_SNAPSHOT_H
#define TMALLOC_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tmalloc/attr.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tm_snapshot tm_snapshot_t;
typedef struct tm_statistics tm_statistics_t;
typedef struct tm_traceback tm_traceback_t;

/* A class of memory; 0 is the default one. At most 65,535 others. */
typedef uint32_t tm_domain_t;

/*
 * One frame of a traceback. Strings belong to the traceback's owner and live as long.
 * What is not known is "<unknown>" for `filename`, 0 for `lineno` and "" for the others.
 * Without debug info `filename` is the module's file, and `lineno` is 0.
 */
typedef struct tm_frame {
    const char *filename; /* source file as the compiler recorded it */
    uint32_t lineno;      /* line, counted from 1 */
    const char *function; /* demangled */
    const char *module;   /* file of the program or library */
    uintptr_t address; /* return address as it stood on the stack; 0 if there is none */
} tm_frame_t;

/* One call stack's share of a snapshot. */
typedef struct tm_trace {
    tm_domain_t domain;
    uint64_t size;  /* bytes in `count` live blocks together */
    uint64_t count; /* live blocks */
    const tm_traceback_t *traceback;
} tm_trace_t;

/* What statistics group by. */
typedef enum tm_key {
    TM_KEY_FILENAME = 0, /* file of the newest frame */
    TM_KEY_LINENO = 1,   /* file and line of the newest frame */
    TM_KEY_TRACEBACK = 2 /* all frames */
} tm_key_t;

/* One group. `traceback` has one frame, or with TM_KEY_TRACEBACK all of them. */
typedef struct tm_statistic {
    const tm_traceback_t *traceback;
    uint64_t size;
    uint64_t count;
} tm_statistic_t;

/* ---- snapshot ---------------------------------------------------------------------- */

/*
 * Write a snapshot to `path` as a gzip-compressed pprof profile, mode 0600. The file is
 * complete or absent: it is written beside `path` under a temporary name, then renamed
 * over what was there.
 * Errors: those of open, write and rename (-ENOSPC, -EISDIR, -EACCES, ...), -ENOMEM;
 * -ENOSYS when tmalloc's helper library cannot be loaded.
 */
TM_API int tm_snapshot_dump(const tm_snapshot_t *s, const char *path);

/*
 * Read a snapshot, or any other pprof profile. Free it with tm_snapshot_free().
 * Errors: those of open and read, EBADMSG for a file that is no such profile or is
 * damaged, ENOMEM, ENOSYS as above.
 */
TM_API TM_NODISCARD tm_snapshot_t *tm_snapshot_load(const char *path);

/* Free a snapshot and all that points into it. NULL is allowed. */
TM_API void tm_snapshot_free(tm_snapshot_t *s);

/* The limit of frames that was in force when the snapshot was taken. */
TM_API int tm_snapshot_traceback_limit(const tm_snapshot_t *s);

/* How many traces there are, and the i-th. Errors: -ERANGE. Their order says nothing. */
TM_API size_t tm_snapshot_trace_count(const tm_snapshot_t *s);
TM_API int tm_snapshot_trace(const tm_snapshot_t *s, size_t i, tm_trace_t *out);

/* ---- traceback --------------------------------------------------------------------- */

/* The number of frames kept; at least 1. */
TM_API size_t tm_traceback_len(const tm_traceback_t *tb);

/* The number of frames that the stack had, up to TM_MAX_NFRAME; 0 when it is not known.
 */
TM_API size_t tm_traceback_total_nframe(const tm_traceback_t *tb);

/*
 * The return address of frame i, counted from the oldest (0), as it stood on the stack:
 * the instruction after the call. 0 when i is out of range or the frame has no address.
 */
TM_API uintptr_t tm_traceback_address(const tm_traceback_t *tb, size_t i);

/*
 * Frame i, counted from the oldest, with file, line and function. The first call for a
 * snapshot looks the symbols of all its frames up (which may take a second); a frame into
 * which functions were inlined gives the innermost one.
 * Errors: -ERANGE, -ENOMEM. Symbols that are not to be had are not an error.
 */
TM_API int tm_traceback_frame(const tm_traceback_t *tb, size_t i, tm_frame_t *out);

/* ---- statistics -------------------------------------------------------------------- */

/*
 * Traces grouped by `key`, biggest size first; equal sizes by count, then by traceback,
 * the greater one first. With `cumulative` each frame of a trace, not just the newest
 * one, is given the trace's size and count. Inlined calls are frames of their own here.
 * The result is independent of the snapshot. Free it with tm_statistics_free().
 * Errors: EINVAL for an unknown key, or cumulative with TM_KEY_TRACEBACK; ENOMEM.
 */
TM_API TM_NODISCARD tm_statistics_t *
tm_snapshot_statistics(const tm_snapshot_t *s, tm_key_t key, bool cumulative);

/* How many groups there are, and the i-th. Errors: -ERANGE. */
TM_API size_t tm_statistics_count(const tm_statistics_t *st);
TM_API int tm_statistics_get(const tm_statistics_t *st, size_t i, tm_statistic_t *out);

/* Free statistics and their tracebacks. NULL is allowed. */
TM_API void tm_statistics_free(tm_statistics_t *st);

/*
 * The group in tracemalloc's words, `FILE:LINE: size=4855 KiB, count=39328, average=126
 * B`, FILE:LINE being the oldest frame. Writes at most `len` bytes with the final NUL and
 * returns the length that the whole text has, as snprintf does.
 */
TM_API int tm_statistic_format(const tm_statistic_t *stat, char *text, size_t len);

/*
 * A traceback as text, two lines a frame as Python prints them (the second, the source
 * line, only where the source can be read), each ended by a newline:
 *   File "NAME", line N
 *     source
 * `limit` > 0 keeps that many newest frames, < 0 that many oldest, 0 none; INT_MAX all.
 * Newest last unless `most_recent_first`. Returns a length as tm_statistic_format() does,
 * or -ENOMEM.
 */
TM_API int tm_traceback_format(const tm_traceback_t *tb, int limit,
                               bool most_recent_first, char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
