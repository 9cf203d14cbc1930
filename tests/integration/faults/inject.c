/* SPDX-License-Identifier: MIT */
/*
 * See inject.h. The functions behind ours are found with dlsym, or by system call where
 * dlsym itself could come back here. Nothing in this file allocates.
 */
#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

enum kind { MMAP, OS, MUNMAP, OPEN, READ, WRITE, THREAD, ALLOC, RANDOM, KINDS };

static const char *const names[KINDS] = {"mmap",  "os",     "munmap", "open",  "read",
                                         "write", "thread", "alloc",  "random"};

static int wanted = -1; /* the kind; -1: FAULT was not read yet, KINDS: none */
static uint32_t first;
static uint32_t step;
static uint32_t seen; /* atomic */
static uint32_t hit;  /* atomic */
static uint32_t off;  /* atomic */

uint32_t faults_hit(void)
{
    return __atomic_load_n(&hit, __ATOMIC_RELAXED);
}

bool faults_are_over(void)
{
    return __atomic_load_n(&seen, __ATOMIC_RELAXED) < first;
}

void faults_switch(bool on)
{
    __atomic_store_n(&off, !on, __ATOMIC_RELAXED);
}

static void read_wish(void)
{
    const char *wish = environ == NULL ? NULL : getenv("FAULT");
    const char *colon = wish == NULL ? NULL : strchr(wish, ':');
    if (environ != NULL) {
        wanted = KINDS;
    }
    for (int kind = 0; colon != NULL && kind < KINDS; kind++) {
        size_t len = strlen(names[kind]);
        if ((size_t)(colon - wish) == len && memcmp(wish, names[kind], len) == 0) {
            char *end;
            first = (uint32_t)strtoul(colon + 1, &end, 10);
            step = *end == ':' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
            wanted = kind;
        }
    }
}

bool faults_are(const char *kind)
{
    return wanted >= 0 && wanted < KINDS && strcmp(names[wanted], kind) == 0;
}

static bool is_of(uintptr_t pc, const char *name)
{
    struct dl_find_object found;
    return _dl_find_object((void *)pc, &found) == 0 &&
           strstr(found.dlfo_link_map->l_name, name) != NULL;
}

/* Libraries that give an error back when they have no memory, as they should. */
static bool is_of_the_brave(uintptr_t pc)
{
    static const char *const libraries[] = {"tmalloc", "mimalloc", "/libc.so",
                                            "/libprotobuf-c", "/libz."};
    struct dl_find_object found;
    bool is = _dl_find_object((void *)pc, &found) != 0 ||
              found.dlfo_link_map->l_name[0] == '\0'; /* this program */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries && !is; i++) {
        is = is_of(pc, libraries[i]);
    }
    return is;
}

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *spared)
{
    *(bool *)spared = !is_of_the_brave(_Unwind_GetIP(context));
    return *(bool *)spared ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static bool is_spared(void)
{
    bool spared = false;
    _Unwind_Backtrace(look, &spared);
    return spared;
}

static bool fails(enum kind kind)
{
    static _Thread_local __attribute__((tls_model("initial-exec"))) bool busy;
    if (wanted < 0) {
        read_wish();
    }
    if ((int)kind != wanted || busy || __atomic_load_n(&off, __ATOMIC_RELAXED)) {
        return false;
    }
    uint32_t n = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
    bool due = n == first || (n > first && step != 0 && (n - first) % step == 0);
    if (due && (kind == ALLOC || kind == OS)) {
        busy = true;
        due = !is_spared();
        busy = false;
    }
    if (due) {
        __atomic_add_fetch(&hit, 1, __ATOMIC_RELAXED);
    }
    return due;
}

static int failed(int err)
{
    errno = err;
    return -1;
}

/* The caller's library decides what kind a mapping is of. */
static bool map_fails(void *caller)
{
    if (is_of((uintptr_t)caller, "tmalloc")) {
        return fails(MMAP);
    }
    return is_of((uintptr_t)caller, "mimalloc") && fails(OS);
}

#define NEXT(name)                                                                       \
    static __typeof__(&name) next;                                                       \
    if (next == NULL) {                                                                  \
        *(void **)&next = dlsym(RTLD_NEXT, #name);                                       \
    }

/* The system call itself: libc's syscall() is one of the functions defined here. */
static long call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined __x86_64__
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result < 0 && result > -4096 ? failed((int)-result) : result;
#else
    NEXT(syscall)
    return next(number, a, b, c, d, e, f);
#endif
}

long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(list, long);
    }
    va_end(list);
    if ((number == SYS_openat && fails(OPEN)) || (number == SYS_read && fails(READ))) {
        return failed(EMFILE);
    }
    if (number == SYS_write && a[0] != STDERR_FILENO && fails(WRITE)) {
        return failed(ENOSPC);
    }
    if (number == SYS_getrandom && fails(RANDOM)) {
        return failed(ENOSYS);
    }
    return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (map_fails(__builtin_return_address(0))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)call(SYS_mmap, (long)at, (long)bytes, protection, flags, fd, offset);
}

void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
    if (map_fails(__builtin_return_address(0))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)call(SYS_mremap, (long)old, (long)old_bytes, (long)bytes, flags, 0, 0);
}

int munmap(void *p, size_t bytes)
{
    return fails(MUNMAP) ? failed(ENOMEM)
                         : (int)call(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0);
}

static int open_at(int folder, const char *path, int flags, int mode)
{
    return fails(OPEN) ? failed(EMFILE)
                       : (int)call(SYS_openat, folder, (long)path, flags, mode, 0, 0);
}

#define MODE_OF(flags)                                                                   \
    int mode = 0;                                                                        \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                        \
        va_list list;                                                                    \
        va_start(list, flags);                                                           \
        mode = va_arg(list, int);                                                        \
        va_end(list);                                                                    \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_at(folder, path, flags, mode);
}

ssize_t read(int fd, void *to, size_t bytes)
{
    return fails(READ) ? failed(EIO) : call(SYS_read, fd, (long)to, (long)bytes, 0, 0, 0);
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at)
{
    return fails(READ) ? failed(EIO)
                       : call(SYS_pread64, fd, (long)to, (long)bytes, at, 0, 0);
}

ssize_t pread64(int fd, void *to, size_t bytes, off64_t at)
{
    return pread(fd, to, bytes, at);
}

int fstat(int fd, struct stat *st)
{
    return fails(READ) ? failed(EIO) : (int)call(SYS_fstat, fd, (long)st, 0, 0, 0, 0);
}

/* Half of what was asked for, before it fails: a disk that fills up. */
ssize_t write(int fd, const void *from, size_t bytes)
{
    if (fd != STDERR_FILENO && fails(WRITE)) {
        return bytes > 1 &&
                       call(SYS_write, fd, (long)from, (long)(bytes / 2), 0, 0, 0) < 0
                   ? -1
                   : failed(ENOSPC);
    }
    return call(SYS_write, fd, (long)from, (long)bytes, 0, 0, 0);
}

int fsync(int fd)
{
    return fails(WRITE) ? failed(EIO) : (int)call(SYS_fsync, fd, 0, 0, 0, 0, 0);
}

int renameat(int from, const char *old, int to, const char *name); /* stdio.h's */
int renameat(int from, const char *old, int to, const char *name)
{
    return fails(WRITE) ? failed(ENOSPC)
                        : (int)call(SYS_renameat, from, (long)old, to, (long)name, 0, 0);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*body)(void *), void *arg)
{
    NEXT(pthread_create)
    return fails(THREAD) ? EAGAIN : next(thread, attributes, body, arg);
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    NEXT(pthread_key_create)
    return fails(THREAD) ? EAGAIN : next(key, destructor);
}

int pthread_setspecific(pthread_key_t key, const void *of_thread)
{
    NEXT(pthread_setspecific)
    return fails(THREAD) ? ENOMEM : next(key, of_thread);
}

void *mi_malloc(size_t bytes);
void *mi_zalloc(size_t bytes);
void *mi_realloc(void *p, size_t bytes);

void *mi_malloc(size_t bytes)
{
    NEXT(mi_malloc)
    return fails(ALLOC) ? NULL : next(bytes);
}

void *mi_zalloc(size_t bytes)
{
    NEXT(mi_zalloc)
    return fails(ALLOC) ? NULL : next(bytes);
}

void *mi_realloc(void *p, size_t bytes)
{
    NEXT(mi_realloc)
    return fails(ALLOC) ? NULL : next(p, bytes);
}
