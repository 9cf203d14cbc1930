/* SPDX-License-Identifier: MIT */
/*
 * Scenes of poverty: no more memory, and filters that forbid all system calls but those
 * that a malloc is known to make.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conditions.h"
#include "tmalloc.h"

#define BLOCKS 4000000

/* Takes all that there is below the limit, with stacks and sizes of many kinds, and gives
 * it back. Then there is enough again, and the counters know it. */
void scene_no_memory(unsigned megabytes)
{
    struct rlimit limit = {(rlim_t)megabytes << 20, (rlim_t)megabytes << 20};
    if (megabytes != 0) { /* 0: somebody else has set a limit */
        EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    }
    struct block {
        struct block *next;
    } *blocks = NULL;
    for (int round = 0; round < 3; round++) {
        size_t before = tm_get_traced_memory().current;
        size_t taken = 0;
        size_t size = (size_t)1 << 20;
        while (size >= 64) {
            struct block *p = malloc(size);
            if (p == NULL) {
                EXPECT(errno == ENOMEM);
                size /= 2;
                continue;
            }
            memset(p, 1, size);
            p->next = blocks;
            blocks = p;
            taken += size;
        }
        EXPECT(taken >= 10 << 20);
        EXPECT(realloc(blocks, (size_t)megabytes << 20 | (size_t)1 << 40) == NULL);
        EXPECT(tm_get_traced_memory().current <= before + taken);
        while (blocks != NULL) {
            struct block *next = blocks->next;
            free(blocks);
            blocks = next;
        }
        EXPECT(tm_get_traced_memory().current == before);
        work(5, 2000);
    }
}

/* All of its memory is to stay in RAM, what is mapped later as well: what tracing maps
 * ahead of its use must not be much. */
void scene_locked(unsigned count)
{
    struct rusage used;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        _exit(77);
    }
    work(count, count);
    if (tm_start(25) == 0) {
        work(count, count);
        look_at_counters();
    }
    EXPECT(getrusage(RUSAGE_SELF, &used) == 0);
    EXPECT(used.ru_maxrss < 200 << 10);
}

/* Not one descriptor more; what there is to say is said on those that are open. */
void scene_no_files(unsigned count)
{
    struct rlimit limit = {0, 0};
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    work(count, count);
    look_at_counters();
}

/* Standard error is a pipe whose reader is gone, and there is something to report. */
void scene_no_reader(unsigned unused)
{
    static char global[64] __attribute__((aligned(64)));
    int ends[2];
    (void)unused;
    EXPECT(pipe(ends) == 0 && close(ends[0]) == 0);
    EXPECT(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    free(global + 32);
    sigset_t pending;
    EXPECT(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    EXPECT(sigprocmask(SIG_BLOCK, NULL, &pending) == 0 &&
           !sigismember(&pending, SIGPIPE));
}

/* Allow the listed calls; the verdict for all others. */
static void allow_only(const int *calls, size_t n, uint32_t verdict)
{
    struct sock_filter filter[64];
    size_t len = 0;
    filter[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                 offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < n; i++) {
        filter[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                     (uint32_t)calls[i], 0, 1);
        filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
    struct sock_fprog program = {(unsigned short)len, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(77);
    }
}

/* The program starts in the sandbox already when this is its first allocation. */
void scene_seccomp_errors(unsigned count)
{
    static const int basic[] = {SYS_read,  SYS_write,      SYS_mmap, SYS_munmap,
                                SYS_futex, SYS_exit_group, SYS_brk};
    allow_only(basic, sizeof basic / sizeof *basic, SECCOMP_RET_ERRNO | EPERM);
    work(count, count);
    look_at_counters();
    EXPECT(tm_start(25) == 0);
    work(count, count);
    look_at_counters();
    tm_snapshot_t *s = tm_take_snapshot();
    EXPECT(s != NULL);
    for (int i = 0; i < 3; i++) { /* the reason is told once */
        EXPECT(tm_snapshot_dump(s, "sandboxed.pb.gz") < 0);
    }
    tm_snapshot_free(s);
}

/* As OpenSSH's and nginx's sandboxes have it: anything else is death. What mimalloc needs
 * is among it (madvise, mprotect, clock_gettime where the vDSO does not serve it). */
void scene_seccomp_kill(unsigned count)
{
    static const int basic[] = {SYS_read,      SYS_write,         SYS_mmap,
                                SYS_munmap,    SYS_mremap,        SYS_madvise,
                                SYS_mprotect,  SYS_futex,         SYS_brk,
                                SYS_exit,      SYS_exit_group,    SYS_getpid,
                                SYS_getrandom, SYS_clock_gettime, SYS_rt_sigprocmask};
    work(1, 1000); /* mimalloc looks once how many nodes of memory there are */
    allow_only(basic, sizeof basic / sizeof *basic, SECCOMP_RET_KILL_PROCESS);
    work(count, count);
    if (tm_is_tracing()) {
        tm_traced_memory_t now = tm_get_traced_memory();
        EXPECT(now.peak >= now.current);
        tm_clear_traces();
    }
    work(count, count);
    _exit(0); /* exit would write a snapshot, if one was asked for */
}
