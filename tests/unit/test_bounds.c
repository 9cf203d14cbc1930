/* SPDX-License-Identifier: MIT */
/*
 * Files that ask for much more memory than they have bytes: the content of each would
 * take gigabytes to be read. Each is refused with a reason, and what was touched until
 * then is within the bound that docs/format.md states.
 */
#include "pprof/load.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static char path[] = "/tmp/tmalloc-bounds-XXXXXX";

static void begin(void)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void end(void)
{
    unlink(path);
}

TestSuite(bounds, .init = begin, .fini = end, .timeout = 100);

/* `head`, and then as much of `unit` as makes `total` bytes; the size of the file. */
static size_t write_bomb(const char *head, size_t head_len, const char *unit,
                         size_t unit_len, size_t total)
{
    static char block[1 << 20];
    size_t used = sizeof block / unit_len * unit_len;
    for (size_t i = 0; i < used; i++) {
        block[i] = unit[i % unit_len];
    }
    gzFile file = gzopen(path, "w9");
    cr_assert_eq(gzwrite(file, head, (unsigned)head_len), (int)head_len);
    for (size_t at = 0; at < total; at += used) {
        cr_assert_eq(gzwrite(file, block, (unsigned)used), (int)used);
    }
    cr_assert_eq(gzclose(file), Z_OK);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    return (size_t)status.st_size;
}

/* The most memory that this process ever had, in bytes. */
static size_t touched(void)
{
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmHWM: %zu kB", &kib);
    }
    fclose(status);
    cr_assert_gt(kib, 0);
    return kib << 10;
}

static void expect_refusal(size_t file_bytes)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    size_t before = touched();
    cr_assert_eq(tmi_pprof_load(path, &s, &error), -ENOMEM, "%s", error.text);
    cr_assert_null(s);
    cr_assert_not_null(strstr(error.text, "it needs more than "), "%s", error.text);
    size_t bound = ((size_t)64 << 20) + 256 * file_bytes;
    cr_assert_leq(touched() - before, bound + ((size_t)2 << 20));
}

#define BOMB(name, head, unit, mib)                                                      \
    Test(bounds, name)                                                                   \
    {                                                                                    \
        expect_refusal(write_bomb(head, sizeof(head) - 1, unit, sizeof(unit) - 1,        \
                                  (size_t)(mib) << 20));                                 \
    }

/* A string table of "" and a type, so that what follows is read. */
#define HEAD "\x32\x00\x0A\x00"

BOMB(zeros, "", "\x00", 400)
BOMB(strings, HEAD, "\x32\x00", 60)
BOMB(sample_types, HEAD, "\x0A\x00", 60)
BOMB(comments, HEAD, "\x68\x00", 60)
BOMB(tiny_samples, HEAD, "\x12\x02\x10\x00", 60)

/* Ids must differ: a location's is a varint of four bytes that counts. */
Test(bounds, tiny_locations)
{
    gzFile file = gzopen(path, "w9");
    gzwrite(file, HEAD, sizeof HEAD - 1);
    for (unsigned i = 0; i < 1 << 21; i++) {
        unsigned char location[] = {0x22,
                                    0x05,
                                    0x08,
                                    (unsigned char)(0x80 | (i & 127)),
                                    (unsigned char)(0x80 | (i >> 7 & 127)),
                                    (unsigned char)(0x80 | (i >> 14 & 127)),
                                    0x01};
        gzwrite(file, location, sizeof location);
    }
    gzclose(file);
    struct stat status;
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    cr_assert_eq(stat(path, &status), 0);
    size_t before = touched();
    int err = tmi_pprof_load(path, &s, &error);
    cr_assert(err == 0 || err == -ENOMEM, "%s", error.text);
    tm_snapshot_free(s);
    size_t bound = ((size_t)64 << 20) + 256 * (size_t)status.st_size;
    cr_assert_leq(touched() - before, bound + ((size_t)2 << 20));
}

/* The same plain, as it says: with its true size it may take what it needs. */
Test(bounds, what_was_refused_can_be_uncompressed_first)
{
    expect_refusal(write_bomb(HEAD, 4, "\x12\x02\x10\x00", 4, (size_t)24 << 20));
    gzFile packed = gzopen(path, "r");
    FILE *plain = fopen("/dev/shm/tmalloc-bounds", "w");
    static char block[1 << 20];
    for (int n; (n = gzread(packed, block, sizeof block)) > 0;) {
        fwrite(block, 1, (size_t)n, plain);
    }
    fclose(plain);
    gzclose(packed);
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    int err = tmi_pprof_load("/dev/shm/tmalloc-bounds", &s, &error);
    unlink("/dev/shm/tmalloc-bounds");
    cr_assert_eq(err, 0, "%s", error.text);
    cr_assert_eq(s->trace_count, 6 << 20);
    tm_snapshot_free(s);
}
