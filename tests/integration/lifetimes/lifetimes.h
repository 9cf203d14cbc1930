/* SPDX-License-Identifier: MIT */
/*
 * One program, several scenes in the life of a process and of its threads: each allocates
 * where an allocator has it hard, and looks at what it wrote. lifetimes.sh runs each
 * scene with the library linked and preloaded, with tracing off, short and long.
 */
#ifndef LIFETIMES_H
#define LIFETIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tm_snapshot;

/* tmalloc's own functions, which the preloaded program finds at run time only. */
struct tm_calls {
    bool (*is_tracing)(void);
    int (*get_traceback_limit)(void);
    size_t (*get_tracemalloc_memory)(void);
    struct tm_snapshot *(*take_snapshot)(void);
    void (*snapshot_free)(struct tm_snapshot *);
    size_t (*trace_count)(const struct tm_snapshot *);
};
extern struct tm_calls tm;

/* One line on stderr, and exit status 1 without further ado. */
_Noreturn void fail(const char *why);
void expect(bool holds, const char *what);

/* A block that remembers its size; its content is looked at when it is dropped. */
void *make_block(size_t size);
void drop_block(void *block);

/* `count` blocks of many sizes made, dropped, some of them resized. */
void work(unsigned count);

/* The scenes. */
void scene_early(void);
void scene_dlopen(void);
void scene_threads(void);
void scene_keys(void);
void scene_signals(void);
void scene_altstack(void);
void scene_exit(void);
void scene_fork(void);
void scene_spawn(void);
void scene_closed(void);

#endif
