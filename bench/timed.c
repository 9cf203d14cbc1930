/* SPDX-License-Identifier: MIT */
/*
 * timed NAME=VALUE... -- COMMAND...: runs the command in that environment besides its own
 * and prints what it took: wall seconds, processor seconds and the peak resident bytes of
 * the largest process. A process's peak begins with what its parent held when it forked,
 * so that one as small as this has to stand between an interpreter and the command.
 * The exit status is the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

/* In the child. What the command says is not wanted; what is measured is. */
static void become(char **words)
{
    while (words[0] != NULL && strcmp(words[0], "--") != 0) {
        putenv(*words++);
    }
    if (words[0] != NULL && words[1] != NULL && freopen("/dev/null", "w", stdout) &&
        freopen("/dev/null", "w", stderr)) {
        execvp(words[1], words + 1);
    }
    _exit(127);
}

int main(int argc, char **argv)
{
    int status;
    struct rusage usage;
    if (argc < 3) {
        fputs("usage: timed [NAME=VALUE...] -- COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    double begin = seconds_now();
    pid_t child = fork();
    if (child == 0) {
        become(argv + 1);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror("timed");
        return 2;
    }
    printf("%.6f %.6f %ld\n", seconds_now() - begin,
           seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
           usage.ru_maxrss * 1024);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
