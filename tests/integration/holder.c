/* SPDX-License-Identifier: MIT */
/*
 * A program whose memory is known: 7 blocks of 1000 bytes, allocated one by one on a
 * single line and held until the end. What it does besides is its first argument:
 *
 *     hold                 nothing
 *     exit N               exits with status N
 *     die N                kills itself with signal N
 *     leave                ends by _exit
 *     move                 changes to another directory
 *     less                 frees four of the blocks again
 *     parent               starts itself as a child with `hold`, and waits
 *     fork                 its fork exits, and then it ends by _exit itself
 *     wait FILE            creates FILE, then waits for a signal
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 7, BLOCK_BYTES = 1000 };

static void *held[BLOCKS];

static void hold(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        held[i] = malloc(BLOCK_BYTES); /* the line */
        memset(held[i], i, BLOCK_BYTES);
    }
}

static int start_child(const char *self)
{
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "hold", (char *)NULL);
        _exit(1);
    }
    int status;
    return waitpid(child, &status, 0) == child ? status : 1;
}

static int outlive_fork(void)
{
    pid_t child = fork();
    if (child == 0) {
        return 0;
    }
    int status;
    _exit(waitpid(child, &status, 0) == child ? status : 1);
}

static int wait_for_signal(const char *path)
{
    FILE *ready = fopen(path, "w");
    if (ready == NULL) {
        return 1;
    }
    fclose(ready);
    for (;;) {
        pause();
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "hold";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    hold();
    if (strcmp(what, "die") == 0) {
        raise(number);
    } else if (strcmp(what, "leave") == 0) {
        _exit(0);
    } else if (strcmp(what, "move") == 0) {
        return chdir("/") == 0 ? 0 : 1;
    } else if (strcmp(what, "less") == 0) {
        for (int i = 0; i < 4; i++) {
            free(held[i]);
        }
    } else if (strcmp(what, "parent") == 0) {
        return start_child(argv[0]);
    } else if (strcmp(what, "fork") == 0) {
        return outlive_fork();
    } else if (strcmp(what, "wait") == 0) {
        return wait_for_signal(argv[2]);
    }
    return number;
}
