/* SPDX-License-Identifier: MIT */
/*
 * The operating system, as little of it as the runtime needs. Nothing here allocates,
 * takes a lock or is a cancellation point; errors are negative errnos and the caller's
 * errno is left alone, so that malloc and free may come through here.
 */
#ifndef TMI_SYS_H
#define TMI_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed pages, not yet touched; NULL when there are none. `bytes` is rounded up to
 * pages. */
void *tmi_sys_map(size_t bytes);

/* Grow a mapping, moving it if need be; NULL leaves the old one as it was. */
void *tmi_sys_remap(void *p, size_t old_bytes, size_t new_bytes);

void tmi_sys_unmap(void *p, size_t bytes);

/*
 * Pages from tmi_sys_map() that are about to be written, all of them: the kernel gets
 * them in one go where it can, which takes half as long as one by one.
 */
void tmi_sys_touch(void *p, size_t bytes);

/* The whole pages within the range become zero and cost nothing until touched again. */
void tmi_sys_discard(void *p, size_t bytes);

size_t tmi_sys_page_bytes(void);

/* True when the 8 bytes at `p`, which is aligned to 8, can be read. A system call. */
bool tmi_sys_is_readable(const void *p);

/*
 * All of `bytes` to fd, again after interruptions: 0 or a negative errno. A pipe that
 * nobody reads and a limit on file sizes are errors like others: no signal is raised.
 */
int tmi_sys_write(int fd, const void *bytes, size_t len);

/* A file to read from, or a negative errno; its bytes from `offset` on, all `len` or not
 * (false). */
int tmi_sys_open(const char *path);
bool tmi_sys_read_at(int fd, void *bytes, size_t len, uint64_t offset);
void tmi_sys_close(int fd);

/* Wait while *word == expected; wake one waiter. Spurious returns happen. */
void tmi_sys_futex_wait(uint32_t *word, uint32_t expected);
void tmi_sys_futex_wake(uint32_t *word);

/* 64 bits from the kernel's generator, or from the auxiliary vector's random bytes. */
uint64_t tmi_sys_random(void);

/*
 * tmi_sys_barrier: every other thread of this process has executed a full memory barrier
 * since the call; false when the kernel cannot do that. Announce it once before.
 */
void tmi_sys_barrier_announce(void);
bool tmi_sys_barrier(void);

/* Let others run. */
void tmi_sys_yield(void);

int tmi_sys_getpid(void);

/* The command line, arguments separated by spaces, cut to `room`; its length, 0: unknown.
 */
size_t tmi_sys_command_line(char *text, size_t room);

/* True in a setuid or setgid program, where the environment must not steer us. */
bool tmi_sys_is_secure(void);

#endif
