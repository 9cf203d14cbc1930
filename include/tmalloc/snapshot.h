/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: who held what, as an object that never changes, in memory or in a file.
 *
 *     snapshot --- traces: domain, size, count and traceback, one a call stack
 *        |            traceback: frames, the oldest first
 *        +-------- filtered: a snapshot again, of the traces that filters let through
 *        +-------- statistics: traces grouped by file, line or traceback, biggest first
 *        +-------- differences from an older snapshot, by the same groups
 *
 * Files are gzip-compressed pprof profiles (profile.proto): every tool that reads pprof
 * reads them. Frames are kept as module and address and become file, line and function
 * when somebody asks; that may read debug info, and takes time and memory then. elfutils,
 * which reads it, ends the process when there is no memory left: a program that must not
 * end then dumps, which looks nothing up, and has the file read elsewhere.
 *
 * Every function here is thread safe as long as no other thread frees the object in use
 * or adds to it, and none is signal safe. Memory that they use is tmalloc's own and is
 * never traced.
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
typedef struct tm_statistic_diffs tm_statistic_diffs_t;
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

/*
 * What statistics group by; the first three are tracemalloc's. With TM_KEY_FUNCTION code
 * without a name goes by its file, and functions of one name in several files are one.
 */
typedef enum tm_key {
    TM_KEY_FILENAME = 0,  /* file of the newest frame */
    TM_KEY_LINENO = 1,    /* file and line of the newest frame */
    TM_KEY_TRACEBACK = 2, /* all frames */
    TM_KEY_FUNCTION = 3,  /* function of the newest frame */
    TM_KEY_MODULE = 4,    /* program or library of the newest frame */
    TM_KEY_DOMAIN = 5     /* domain of the memory */
} tm_key_t;

/*
 * One group. `traceback` has one frame, or with TM_KEY_TRACEBACK all of them. Of the one
 * frame that is sure which the key speaks of; the rest is there as far as all code with
 * that key in the snapshot agrees. `filename` is the module with TM_KEY_MODULE, and the
 * domain's name with TM_KEY_DOMAIN ("domain 7" if it has none).
 */
typedef struct tm_statistic {
    const tm_traceback_t *traceback;
    uint64_t size;
    uint64_t count;
    tm_domain_t domain; /* with TM_KEY_DOMAIN, else 0 */
} tm_statistic_t;

/* One group of a comparison: what it is now, and by how much that differs from before. */
typedef struct tm_statistic_diff {
    const tm_traceback_t *traceback;
    uint64_t size;
    int64_t size_diff; /* what 64 bits cannot hold stays at the largest or smallest */
    uint64_t count;
    int64_t count_diff;
    tm_domain_t domain; /* with TM_KEY_DOMAIN, else 0 */
} tm_statistic_diff_t;

/*
 * A condition on traces, and its sign. Fields that are zero do not restrict, so that
 * {.inclusive = true, .filename_pattern = "*.c"} is tracemalloc's Filter(True, "*.c"),
 * and {.has_domain = true, .domain = 3} its DomainFilter(False, 3).
 *
 * The condition holds for a trace when some frame of it (the newest one, or any one with
 * `all_frames`) has a matching file name and that line, and the domain is that one.
 * Patterns match the whole name, case and all: `*` any run of characters, '/' as well,
 * `?` any one, `[a-z]` and `[!a-z]` one in or not in the set; a backslash is a backslash.
 * A final ".pyc" of name or pattern counts as ".py", as in tracemalloc.
 */
typedef struct tm_filter {
    bool inclusive;               /* let these traces through; else keep them out */
    bool all_frames;              /* look at every frame, not just the newest */
    const char *filename_pattern; /* NULL: any file */
    bool has_lineno;
    uint32_t lineno; /* 0 is a line too: that of frames whose line is not known */
    bool has_domain;
    tm_domain_t domain;
} tm_filter_t;

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

/*
 * The trace as tracemalloc puts it, `FILE:LINE: 4855 KiB`, FILE:LINE being the oldest
 * frame and the size that of all its blocks. Writes at most `len` bytes with the final
 * NUL and returns the length that the whole text has, as snprintf does, or -ENOMEM.
 */
TM_API int tm_trace_format(const tm_trace_t *trace, char *text, size_t len);

/*
 * A snapshot of the traces that filters let through: those for which at least one of the
 * inclusive filters holds, if there are any, and none of the others. The order of filters
 * plays no part, that of traces is kept; no filters (n = 0) make a copy. The result is
 * independent of `s`; what describes the process is the same, the limit included. Symbols
 * are looked up if a filter speaks of files or lines; inlined calls are frames of their
 * own. Free it with tm_snapshot_free().
 * Errors: EINVAL when there are no filters though n > 0; ENOMEM.
 */
TM_API TM_NODISCARD tm_snapshot_t *
tm_snapshot_filter_traces(const tm_snapshot_t *s, const tm_filter_t *filters, size_t n);

/* ---- snapshots of your own numbers ------------------------------------------------- */

/*
 * An empty snapshot to add traces to; otherwise one like any other. Free it with
 * tm_snapshot_free(). Errors: EINVAL when the limit is not in 1..65535; ENOMEM.
 */
TM_API TM_NODISCARD tm_snapshot_t *tm_snapshot_new(int traceback_limit);

/*
 * Add a trace: `count` blocks of `size` bytes together, all from one call stack. Equal
 * stacks stay traces of their own; statistics put them together. Traces are counted from
 * 0 in the order of additions; one of no blocks and no bytes is passed over.
 * `frames` stand the oldest first. Strings are copied; NULL says that something is not
 * known, while an empty file name is a name like others. `total_nframe` is the number of
 * frames that the stack had, 0 if that is not known.
 * Tracebacks that this snapshot gave before are no longer valid then. Not to be called
 * while another thread uses the snapshot.
 * Errors: -EPERM when `s` is not from tm_snapshot_new(); -EINVAL when nframes is not in
 * 1..65535, or total_nframe neither 0 nor in nframes..65535; -ENOMEM. Nothing is added.
 */
TM_API int tm_snapshot_add(tm_snapshot_t *s, tm_domain_t domain, uint64_t size,
                           uint64_t count, const tm_frame_t *frames, size_t nframes,
                           size_t total_nframe);

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
 * one, is given the trace's size and count: by file and line as often as it stands there,
 * as tracemalloc does; by function and module once, so that none exceeds the total.
 * Inlined calls are frames of their own here. Domains are put together.
 * The result is independent of the snapshot. Free it with tm_statistics_free().
 * Errors: EINVAL for an unknown key, or cumulative with TM_KEY_TRACEBACK or
 * TM_KEY_DOMAIN; ENOMEM.
 */
TM_API TM_NODISCARD tm_statistics_t *
tm_snapshot_statistics(const tm_snapshot_t *s, tm_key_t key, bool cumulative);

/* How many groups there are, and the i-th. Errors: -ERANGE. */
TM_API size_t tm_statistics_count(const tm_statistics_t *st);
TM_API int tm_statistics_get(const tm_statistics_t *st, size_t i, tm_statistic_t *out);

/* Free statistics and their tracebacks. NULL is allowed. */
TM_API void tm_statistics_free(tm_statistics_t *st);

/*
 * The group in tracemalloc's words, as in
 *     FILE:LINE: size=4855 KiB, count=39328, average=126 B
 * FILE:LINE being the oldest frame, or just the name of the function, module or domain
 * that it is a group of. Returns a length as tm_trace_format() does.
 */
TM_API int tm_statistic_format(const tm_statistic_t *stat, char *text, size_t len);

/*
 * What changed since `old`: both snapshots grouped as tm_snapshot_statistics() does, and
 * one difference for each group of either, also for those that stayed the same. A group
 * that is new has all of its size as difference, one that is gone has size 0. Sorted by
 * the amount of size_diff, growth or not, then by size, amount of count_diff, count and
 * traceback, the greatest first. The limits of the snapshots may differ.
 * The result is independent of both. Free it with tm_statistic_diffs_free().
 * Errors: those of tm_snapshot_statistics().
 */
TM_API TM_NODISCARD tm_statistic_diffs_t *tm_snapshot_compare_to(const tm_snapshot_t *s,
                                                                 const tm_snapshot_t *old,
                                                                 tm_key_t key,
                                                                 bool cumulative);

/* How many differences there are, and the i-th. Errors: -ERANGE. */
TM_API size_t tm_statistic_diffs_count(const tm_statistic_diffs_t *diffs);
TM_API int tm_statistic_diffs_get(const tm_statistic_diffs_t *diffs, size_t i,
                                  tm_statistic_diff_t *out);

/* Free differences and their tracebacks. NULL is allowed. */
TM_API void tm_statistic_diffs_free(tm_statistic_diffs_t *diffs);

/*
 * The difference in tracemalloc's words, as in
 *     FILE:LINE: size=5002 B (+5000 B), count=2 (+1), average=2501 B
 * with FILE:LINE as tm_statistic_format() has it. Returns a length as that does.
 */
TM_API int tm_statistic_diff_format(const tm_statistic_diff_t *diff, char *text,
                                    size_t len);

/*
 * A traceback as text, two lines a frame as Python prints them (the second, the source
 * line, only where the source can be read), each ended by a newline:
 *   File "NAME", line N
 *     source
 * `limit` > 0 keeps that many newest frames, < 0 that many oldest, 0 none; INT_MAX all.
 * Newest last unless `most_recent_first`. Returns a length as tm_trace_format() does,
 * or -ENOMEM.
 */
TM_API int tm_traceback_format(const tm_traceback_t *tb, int limit,
                               bool most_recent_first, char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
