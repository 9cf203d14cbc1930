/* SPDX-License-Identifier: MIT */
/*
 * Linux behind base/sys.h: one of the two places (heap/backend.c is the other) that
 * change when tmalloc meets a new platform. System calls go through syscall(2) where
 * libc's own wrapper is a cancellation point, and each function restores errno.
 */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/hash.h"

size_t tmi_sys_page_bytes(void)
{
    return (size_t)getauxval(AT_PAGESZ);
}

void *tmi_sys_map(size_t bytes)
{
    int saved = errno;
    size_t rounded = tmi_align_up(bytes, tmi_sys_page_bytes());
    void *p = MAP_FAILED;
    if (rounded >= bytes) {
        p = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                 0);
    }
    errno = saved;
    return p == MAP_FAILED ? NULL : p;
}

void *tmi_sys_remap(void *p, size_t old_bytes, size_t new_bytes)
{
    int saved = errno;
    size_t page = tmi_sys_page_bytes();
    size_t rounded = tmi_align_up(new_bytes, page);
    void *moved = MAP_FAILED;
    if (rounded >= new_bytes) {
        moved = mremap(p, tmi_align_up(old_bytes, page), rounded, MREMAP_MAYMOVE);
    }
    errno = saved;
    return moved == MAP_FAILED ? NULL : moved;
}

void tmi_sys_unmap(void *p, size_t bytes)
{
    int saved = errno;
    munmap(p, tmi_align_up(bytes, tmi_sys_page_bytes()));
    errno = saved;
}

void tmi_sys_touch(void *p, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    int saved = errno;
    uintptr_t within = (uintptr_t)p & (tmi_sys_page_bytes() - 1);
    madvise((char *)p - within, tmi_align_up(within + bytes, tmi_sys_page_bytes()),
            MADV_POPULATE_WRITE);
    errno = saved;
#else
    (void)p;
    (void)bytes;
#endif
}

void tmi_sys_discard(void *p, size_t bytes)
{
    int saved = errno;
    size_t page = tmi_sys_page_bytes();
    uintptr_t from = tmi_align_up((uintptr_t)p, page);
    uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(page - 1);
    if (from < to) {
        madvise((void *)from, to - from, MADV_DONTNEED);
    }
    errno = saved;
}

/*
 * The kernel reads a signal set from there before it sees that -1 says nothing about what
 * to do with it.
 */
bool tmi_sys_is_readable(const void *p)
{
    int saved = errno;
    bool readable = syscall(SYS_rt_sigprocmask, -1, p, NULL, 8) == 0 || errno != EFAULT;
    errno = saved;
    return readable;
}

/* As the kernel has them: bit n - 1 is signal n. Both come to the thread that writes. */
#define WRITE_SIGNALS ((uint64_t)1 << (SIGPIPE - 1) | (uint64_t)1 << (SIGXFSZ - 1))

static uint64_t block_write_signals(void)
{
    const uint64_t set = WRITE_SIGNALS;
    uint64_t mask = WRITE_SIGNALS; /* where even this is forbidden, nothing is undone */
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &mask, sizeof set);
    return mask;
}

/* Takes back the one that our writing raised, if the program has not blocked it itself.
 */
static void unblock_write_signals(uint64_t mask, int err)
{
    const uint64_t set = WRITE_SIGNALS & ~mask;
    const struct timespec now = {0, 0};
    if ((err == -EPIPE || err == -EFBIG) && set != 0) {
        syscall(SYS_rt_sigtimedwait, &set, NULL, &now, sizeof set);
    }
    if (set != 0) {
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
    }
}

int tmi_sys_write(int fd, const void *bytes, size_t len)
{
    int saved = errno;
    uint64_t mask = block_write_signals();
    const char *p = bytes;
    int err = 0;
    while (len > 0 && err == 0) {
        long n = syscall(SYS_write, fd, p, len);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n == 0) {
            err = -EIO;
        } else if (errno != EINTR) {
            err = -errno;
        }
    }
    unblock_write_signals(mask, err);
    errno = saved;
    return err;
}

int tmi_sys_open(const char *path)
{
    int saved = errno;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = fd < 0 ? -errno : (int)fd;
    errno = saved;
    return result;
}

bool tmi_sys_read_at(int fd, void *bytes, size_t len, uint64_t offset)
{
    int saved = errno;
    char *p = bytes;
    bool more = true;
    while (len > 0 && more) {
        long n = syscall(SYS_pread64, fd, p, len, offset);
        if (n > 0) {
            p += n;
            offset += (uint64_t)n;
            len -= (size_t)n;
        } else {
            more = n < 0 && errno == EINTR;
        }
    }
    errno = saved;
    return len == 0;
}

void tmi_sys_close(int fd)
{
    int saved = errno;
    syscall(SYS_close, fd);
    errno = saved;
}

void tmi_sys_futex_wait(uint32_t *word, uint32_t expected)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
    errno = saved;
}

void tmi_sys_futex_wake(uint32_t *word)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

uint64_t tmi_sys_random(void)
{
    int saved = errno;
    uint64_t value = 0;
    if (syscall(SYS_getrandom, &value, sizeof value, 1 /* GRND_NONBLOCK */) !=
        (long)sizeof value) {
        const void *seed = (const void *)getauxval(AT_RANDOM);
        if (seed != NULL) {
            memcpy(&value, seed, sizeof value);
        }
        value = tmi_hash_pair(value, (uintptr_t)&value);
    }
    errno = saved;
    return value;
}

static long membarrier(int command)
{
    int saved = errno;
    long result = syscall(SYS_membarrier, command, 0, 0);
    errno = saved;
    return result;
}

void tmi_sys_barrier_announce(void)
{
    membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool tmi_sys_barrier(void)
{
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

void tmi_sys_yield(void)
{
    int saved = errno;
    syscall(SYS_sched_yield);
    errno = saved;
}

int tmi_sys_getpid(void)
{
    return (int)getpid();
}

size_t tmi_sys_command_line(char *text, size_t room)
{
    int saved = errno;
    int fd = tmi_sys_open("/proc/self/cmdline");
    long n = 0;
    if (fd >= 0) {
        n = syscall(SYS_read, fd, text, room);
        tmi_sys_close(fd);
    }
    errno = saved;
    size_t len = n > 0 ? (size_t)n : 0;
    while (len > 0 && text[len - 1] == '\0') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] == '\0' ? ' ' : text[i];
    }
    return len;
}

bool tmi_sys_is_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}
