/* SPDX-License-Identifier: MIT */
/*
 * Scenes of processes: fork beside threads that allocate, vfork and exec, what runs after
 * exit began, and a program without descriptors 0 to 2.
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lifetimes.h"

extern char **environ;

static uint32_t is_over; /* atomic */

static void *work_on(void *arg)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        work(100);
    }
    return arg;
}

static void *work_once(void *arg)
{
    work(100);
    return arg;
}

static void take_and_drop_snapshot(void)
{
    struct tm_snapshot *snapshot = tm.take_snapshot();
    expect((snapshot != NULL) == tm.is_tracing(), "a snapshot only while tracing");
    if (snapshot != NULL) {
        expect(tm.trace_count(snapshot) > 0, "an empty snapshot");
        tm.snapshot_free(snapshot);
    }
}

/* The child has its parent's blocks, and one thread. */
_Noreturn static void be_child(int number, void **of_parent, int count)
{
    alarm(20);
    for (int i = 0; i < count; i++) {
        drop_block(of_parent[i]);
    }
    work(30);
    if (number % 5 == 0) {
        take_and_drop_snapshot();
    }
    if (number % 10 == 0) {
        pthread_t thread;
        expect(pthread_create(&thread, NULL, work_once, NULL) == 0, "thread in a child");
        pthread_join(thread, NULL);
    }
    if (number % 50 == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            work(30);
            _exit(0);
        }
        int status;
        expect(waitpid(grandchild, &status, 0) == grandchild && status == 0,
               "grandchild");
    }
    if (number % 7 == 0) {
        exit(0);
    }
    _exit(0);
}

void scene_fork(void)
{
    pthread_t workers[4];
    for (int i = 0; i < 4; i++) {
        expect(pthread_create(&workers[i], NULL, work_on, NULL) == 0, "thread");
    }
    int forks = tm.get_traceback_limit() > 1 ? 500 : 150; /* where most can go wrong */
    for (int number = 0; number < forks; number++) {
        void *blocks[20];
        for (int i = 0; i < 20; i++) {
            blocks[i] = make_block((size_t)(number + i * 50));
        }
        pid_t child = fork();
        expect(child >= 0, "fork");
        if (child == 0) {
            be_child(number, blocks, 20);
        }
        int status;
        expect(waitpid(child, &status, 0) == child, "waitpid");
        expect(status == 0, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                                ? "a child hangs"
                                : "a child failed");
        for (int i = 0; i < 20; i++) {
            drop_block(blocks[i]);
        }
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i], NULL);
    }
}

static void expect_success(pid_t child)
{
    int status;
    expect(waitpid(child, &status, 0) == child && status == 0, "a program failed");
}

void scene_spawn(void)
{
    pthread_t worker;
    expect(pthread_create(&worker, NULL, work_on, NULL) == 0, "thread");
    char *const arguments[] = {"true", NULL};
    for (int i = 0; i < 50; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(9);
        }
        expect_success(child);
        expect(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0,
               "posix_spawn");
        expect_success(child);
        work(50);
    }
    expect(system("exec /bin/true") == 0, "system");
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    pthread_join(worker, NULL);
}

static bool plays_exit;
static void *kept;

static void after_exit_began(void)
{
    drop_block(kept);
    work(100);
    kept = make_block(4000);
}

/* Among the very last things that this program does. */
__attribute__((destructor(101))) static void destruct(void)
{
    if (plays_exit) {
        drop_block(kept);
        work(100);
        take_and_drop_snapshot();
        static const char done[] = "the last destructor ran\n";
        expect(write(STDOUT_FILENO, done, sizeof done - 1) == sizeof done - 1, "write");
    }
}

/* A thread is still at work when the process ends. */
void scene_exit(void)
{
    plays_exit = true;
    kept = make_block(3000);
    for (int i = 0; i < 40; i++) {
        expect(atexit(after_exit_began) == 0, "atexit");
    }
    pthread_t worker;
    expect(pthread_create(&worker, NULL, work_on, NULL) == 0, "thread");
}

/* A file of the program's takes the place of stderr: nothing of ours may land there. */
void scene_closed(void)
{
    char name[] = "/tmp/tmalloc-closed-XXXXXX";
    int fd = mkstemp(name);
    expect(fd == 0, "descriptor 0 is not closed");
    expect(dup(fd) == 1 && dup(fd) == 2, "descriptors 1 and 2 are not closed");
    unlink(name);
    work(10000);
    take_and_drop_snapshot();
    struct stat file;
    if (fstat(fd, &file) != 0 || file.st_size != 0) {
        _exit(3);
    }
}
