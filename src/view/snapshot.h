/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: columns in one arena, written by a builder (the runtime, the loader of
 * files) and read by everyone else. Read top down, each row points to the next:
 *
 *     traces[]     domain, values[5], first frame, nframes     one a (stack, domain)
 *     frames[]     location id, newest first within a trace    one a frame
 *     locations[]  address, module id, first line, nlines      one a code address
 *     lines[]      file, function, line; innermost first       known symbols only
 *     modules[]    name, build id, address range and file offset of its code
 *
 * Strings are interned: within one snapshot equal texts are one pointer. A location whose
 * nlines is 0 has not been resolved; tmi_service()->resolve does that for all of them.
 * Locking: none. A snapshot is immutable once built, but for its symbols, which the first
 * reader that asks adds under `resolve_once`.
 */
#ifndef TMI_SNAPSHOT_H
#define TMI_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "tmalloc/snapshot.h"

/* The values of a trace, in the order of the file's sample types. */
enum tmi_value {
    TMI_INUSE_BLOCKS,
    TMI_INUSE_BYTES,
    TMI_ALLOC_BLOCKS,
    TMI_ALLOC_BYTES,
    TMI_TEMPORARY_BLOCKS,
    TMI_VALUE_COUNT
};

#define TMI_NO_MODULE UINT32_MAX

/* An executable segment of a program or library, loaded now or once. */
struct tmi_module {
    const char *name;        /* path, interned */
    const uint8_t *build_id; /* NULL when there is none */
    uint32_t build_id_bytes;
    uint64_t start;  /* address of its first byte in memory, page aligned */
    uint64_t limit;  /* address behind its last byte */
    uint64_t offset; /* of `start` in the file */
};

struct tmi_line {
    const char *filename; /* interned; "" when not known */
    const char *function; /* interned; demangled; "" when not known */
    uint32_t lineno;      /* 0 when not known */
};

struct tmi_location {
    uint64_t address;    /* return address; 0 for none */
    uint32_t module;     /* index, or TMI_NO_MODULE */
    uint32_t first_line; /* index into lines */
    uint32_t nlines;     /* 0: not resolved */
};

/* The public, opaque tm_traceback: a view on frames of the snapshot that owns it. */
struct tm_traceback {
    struct tm_snapshot *home;
    uint64_t first_frame; /* index into home->frames, the newest frame */
    uint32_t nframes;
    uint32_t total_nframe; /* 0: not known */
};

struct tmi_trace {
    struct tm_traceback traceback;
    tm_domain_t domain;
    uint64_t values[TMI_VALUE_COUNT];
};

/* What describes the snapshot as a whole. */
struct tmi_snapshot_about {
    int traceback_limit;
    const char *kind;    /* "live" or "peak"; "" in a foreign file */
    const char *command; /* arguments separated by spaces; "" if not known */
    int pid;             /* 0 if not known, or of several */
    uint32_t processes;  /* of how many this is the sum; 0 counts as 1 */
    uint64_t current;
    uint64_t peak;
    uint64_t overhead;  /* tm_get_tracemalloc_memory() at that time */
    uint64_t by_libgcc; /* stacks, since the start, that only libgcc could walk */
    uint64_t guessed;   /* stacks, since the start, with parts that are guessed */
    uint64_t period;    /* bytes between sampled points; 0: every block was recorded */
    int64_t time_nanos; /* since 1970; 0 if not known */
};

struct tmi_domain_name {
    tm_domain_t domain;
    const char *name;
};

struct tm_snapshot {
    struct tmi_arena arena;
    struct tmi_snapshot_about about;
    struct tmi_trace *traces; /* those with live blocks first: live_count of them */
    struct tmi_location *locations;
    struct tmi_line *lines;
    struct tmi_module *modules;
    struct tmi_domain_name *domains;
    uint32_t *frames;
    size_t trace_count, trace_room;
    size_t live_count;
    size_t frame_count, frame_room;
    uint32_t location_count, location_room;
    uint32_t line_count, line_room;
    uint32_t module_count, module_room;
    uint32_t domain_count, domain_room;
    struct tmi_strings {
        const char **slots; /* open addressing, a power of two */
        uint32_t count, room;
        uint64_t seed; /* of their hash: names may come from a hostile file */
    } strings;
    uint32_t resolve_once;     /* atomic: 0 raw, 1 somebody resolves, 2 done */
    bool empty_is_name;        /* a line without file name is one of the file called "" */
    tm_key_t grouped_by;       /* of statistics: what its traces are the groups by */
    struct tmi_places *places; /* view/build.c: frames known so far; NULL elsewhere */
};

/*
 * Builder. Each returns an index (or 0) that is >= 0, or -ENOMEM; nothing is ever half
 * added. tmi_snapshot_finish() must be called once after the last trace: it moves the
 * live traces to the front.
 */
struct tm_snapshot *tmi_snapshot_create(int traceback_limit);

/* The snapshot's own copy of `len` bytes of text; NULL when there is no memory. */
const char *tmi_snapshot_text(struct tm_snapshot *s, const char *text, size_t len);

/* Strings and build id are copied. */
int64_t tmi_snapshot_add_module(struct tm_snapshot *s, const struct tmi_module *module);
int64_t tmi_snapshot_add_location(struct tm_snapshot *s, uint64_t address,
                                  uint32_t module);

/* Appends lines (strings are copied) and makes them the location's, innermost first. */
int tmi_snapshot_set_lines(struct tm_snapshot *s, uint32_t location,
                           const struct tmi_line *lines, uint32_t n);

/* `locations`: indices, newest frame first, at least one (else -EINVAL). */
int tmi_snapshot_add_trace(struct tm_snapshot *s, tm_domain_t domain,
                           const uint64_t values[TMI_VALUE_COUNT],
                           const uint32_t *locations, uint32_t n, uint32_t total_nframe);
int tmi_snapshot_add_domain(struct tm_snapshot *s, tm_domain_t domain, const char *name);
void tmi_snapshot_finish(struct tm_snapshot *s);

/* Look up the symbols of every location that has none, once; 0 or a negative errno. */
int tmi_snapshot_resolve(const struct tm_snapshot *s);

/*
 * Keep the symbols still while reading them all (the writer of files does): waits for
 * whoever resolves. When it returns true nobody may resolve until the release, which is
 * then due; false means that they are complete and never change again.
 */
bool tmi_snapshot_hold_symbols(const struct tm_snapshot *s);
void tmi_snapshot_release_symbols(const struct tm_snapshot *s, bool resolved);

/* For tests: true when every index is in range and every rule above holds. */
bool tmi_snapshot_check(const struct tm_snapshot *s);

#endif
