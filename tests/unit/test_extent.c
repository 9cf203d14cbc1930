/* SPDX-License-Identifier: MIT */
/*
 * Where wrappers lie, against nm on the same files: in a library that exports them, in
 * this program, whose own are static, and in libc, which is one. Then damaged copies of a
 * file: any answer will do, but there has to be one.
 */
#include "trace/extent.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/random.h"

static void *__attribute__((noinline, used)) a_static_wrapper(size_t bytes)
{
    return malloc(bytes + 1);
}

static struct tmi_object object_at(const void *address)
{
    struct tmi_object o;
    cr_assert(tmi_object_find((uintptr_t)address, &o));
    return o;
}

/* Each function that nm has under `name` lies in the extents, its neighbours do not. */
static int expect_as_nm_says(const char *command, const struct tmi_extents *found,
                             const struct tmi_object *o)
{
    FILE *nm = popen(command, "r");
    unsigned long value;
    unsigned long size;
    int n = 0;
    cr_assert_not_null(found);
    while (fscanf(nm, "%lx %lx %*[^\n]", &value, &size) == 2) {
        uintptr_t start = o->bias + value;
        cr_expect(tmi_extents_have(found, start));
        cr_expect(tmi_extents_have(found, start + size - 1));
        cr_expect_not(tmi_extents_have(found, start - 1));
        cr_expect_not(tmi_extents_have(found, start + size));
        n++;
    }
    pclose(nm);
    return n;
}

static const char *self(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    cr_assert_gt(n, 0);
    return path;
}

Test(extent, of_static_functions_in_this_program)
{
    char command[PATH_MAX + 100];
    struct tmi_object o = object_at((const void *)(uintptr_t)a_static_wrapper);
    snprintf(command, sizeof command, "nm -S %s | grep ' [tT] a_static_wrapper'", self());
    const struct tmi_extents *found =
        tmi_extents_of_wrappers(&o, self(), "a_static_*,other");
    cr_assert_eq(expect_as_nm_says(command, found, &o), 1);
    found = tmi_extents_of_wrappers(&o, self(), NULL);
    cr_assert_not_null(found);
    cr_assert_not(tmi_extents_have(found, (uintptr_t)a_static_wrapper));
}

/* Criterion's library is there in any case; to have names in it, name some. */
static const void *in_criterion(void)
{
    const void *place = dlsym(RTLD_DEFAULT, "criterion_run_all_tests");
    cr_assert_not_null(place);
    return place;
}

/* How many of its exported functions fit `pattern` and, as a regular expression, `names`:
 * nm and the symbols in memory have to agree on them. */
static int expect_exported(const char *pattern, const char *names)
{
    char command[PATH_MAX + 100];
    Dl_info where;
    struct tmi_object o = object_at(in_criterion());
    cr_assert(dladdr(in_criterion(), &where));
    snprintf(command, sizeof command,
             "nm -D -S --defined-only %s | grep ' T %s$' | sort -u -k1,1",
             where.dli_fname, names);
    const struct tmi_extents *found =
        tmi_extents_of_wrappers(&o, "/no/such/file", pattern);
    FILE *nm = popen(command, "r");
    unsigned long value;
    unsigned long size;
    int n = 0;
    while (fscanf(nm, "%lx %lx %*[^\n]", &value, &size) == 2) {
        cr_expect(tmi_extents_have(found, o.bias + value));
        cr_expect(tmi_extents_have(found, o.bias + value + size - 1));
        n++;
    }
    pclose(nm);
    for (size_t i = 0; i < found->count; i++) { /* sorted, apart from each other */
        cr_assert_lt(found->list[i].start, found->list[i].end);
        cr_assert(i == 0 || found->list[i - 1].end < found->list[i].start);
    }
    return n;
}

Test(extent, of_exported_functions)
{
    struct tmi_object o = object_at(in_criterion());
    int few = expect_exported("criterion_*", "criterion_[a-z_]*");
    int many = expect_exported("c*", "c[a-z_]*"); /* more than one round notes */
    cr_assert(few > 3 && few < 32, "%d", few);
    cr_assert_gt(many, 40);
    const struct tmi_extents *found = tmi_extents_of_wrappers(&o, "/no/such/file", NULL);
    cr_assert_not(tmi_extents_have(found, (uintptr_t)in_criterion()));
}

Test(extent, of_libc_is_all_of_it)
{
    const void *place = dlsym(RTLD_DEFAULT, "puts");
    struct tmi_object o = object_at(place);
    const struct tmi_extents *found = tmi_extents_of_wrappers(&o, o.name, NULL);
    cr_assert_not_null(found);
    cr_assert_eq(found->count, 1);
    cr_assert_eq(found->list[0].start, o.start);
    cr_assert_eq(found->list[0].end, o.end);
}

Test(extent, of_damaged_files)
{
    char path[] = "/tmp/test_extent.XXXXXX";
    uint64_t seed = 20;
    struct tmi_object o = object_at((const void *)(uintptr_t)a_static_wrapper);
    FILE *whole = fopen(self(), "r");
    char *bytes = malloc((size_t)4 << 20);
    size_t len = fread(bytes, 1, (size_t)4 << 20, whole);
    fclose(whole);
    cr_assert_gt(len, 10000);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    for (int round = 0; round < 400; round++) {
        size_t kept = round % 4 == 0 ? random_below(&seed, len) : len;
        cr_assert_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
        cr_assert_eq(ftruncate(fd, (off_t)kept), 0);
        for (uint64_t n = random_below(&seed, 20); n > 0; n--) {
            char byte = (char)random_below(&seed, 256);
            uint64_t from_end = random_below(&seed, round % 2 == 0 ? 3000 : len);
            if (from_end < kept) { /* section headers are at the end */
                cr_assert_eq(pwrite(fd, &byte, 1, (off_t)(kept - 1 - from_end)), 1);
            }
        }
        const struct tmi_extents *found = tmi_extents_of_wrappers(&o, path, "a_*");
        cr_assert(found == NULL || found->count < 100000);
        for (size_t i = 0; found != NULL && i < found->count; i++) {
            cr_assert(found->list[i].start >= o.start && found->list[i].end <= o.end);
        }
    }
    close(fd);
    unlink(path);
    free(bytes);
}
