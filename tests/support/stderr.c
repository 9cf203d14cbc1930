/* SPDX-License-Identifier: MIT */
/*
 * See stderr.h. A file in memory takes the place of descriptor 2 for a while.
 */
#include "stderr.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int kept = -1;
static int file = -1;

void stderr_catch(void)
{
    kept = dup(STDERR_FILENO);
    file = memfd_create("stderr", 0);
    cr_assert(kept >= 0 && file >= 0);
    cr_assert_eq(fcntl(file, F_SETFL, O_APPEND), 0); /* threads write one after another */
    cr_assert_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
}

const char *stderr_caught(void)
{
    static char text[STDERR_MOST];
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    cr_assert(n >= 0);
    text[n] = '\0';
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    return text;
}
