/* SPDX-License-Identifier: MIT */
#include "scarcity.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit before;

static size_t mapped_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert_eq(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

void scarcity_begin(size_t spare)
{
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    struct rlimit tight = {mapped_bytes() + spare, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_AS, &tight), 0);
}

void scarcity_end(void)
{
    int saved = errno;
    setrlimit(RLIMIT_AS, &before);
    errno = saved;
}
