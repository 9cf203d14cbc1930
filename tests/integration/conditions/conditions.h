/* SPDX-License-Identifier: MIT */
/*
 * A program in conditions that are hard for an allocator that traces, one scene for each.
 * conditions.sh runs them with the library linked, untraced and traced, and makes those
 * conditions that a program cannot make for itself. Exit status: 0, 1 with a line on
 * stderr, or 77 where the system does not let us.
 */
#ifndef CONDITIONS_H
#define CONDITIONS_H

#include <stdint.h>

#define EXPECT(holds)                                                                    \
    do {                                                                                 \
        if (!(holds)) {                                                                  \
            failed_at(__FILE__, __LINE__, #holds);                                       \
        }                                                                                \
    } while (0)

_Noreturn void failed_at(const char *file, int line, const char *what);

/* Blocks of many sizes made, resized, looked at and freed; all of them are gone after. */
void work(uint64_t seed, unsigned count);

/* While traced: current is what a snapshot says, and the call works at all. */
void look_at_counters(void);

/* Threads and processes: processes.c. `count` is how often. */
void scene_forks(unsigned count);
void scene_fork_handlers(unsigned count);
void scene_fork_by_signal(unsigned count);
void scene_cancel(unsigned count);
void scene_vfork_memory(unsigned count);
void scene_exit_beside(unsigned count);

/* Stacks: stacks.c */
void scene_coroutines(unsigned count);
void scene_deep(unsigned depth);
void scene_small_threads(unsigned count);

/* Little memory and few system calls: poor.c */
void scene_no_memory(unsigned megabytes);
void scene_locked(unsigned count);
void scene_no_files(unsigned count);
void scene_no_reader(unsigned unused);
void scene_seccomp_errors(unsigned count);
void scene_seccomp_kill(unsigned count);

#endif
