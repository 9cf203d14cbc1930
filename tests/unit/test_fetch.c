/* SPDX-License-Identifier: MIT */
/*
 * The content of files: plain, compressed, in several members, through a pipe, and the
 * bound on what it may take.
 */
#include "pprof/fetch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define PLENTY ((size_t)64 << 20)

static struct tmi_arena arena;
static uint8_t *content;
static size_t content_bytes;
static struct tmi_error error;

static int fetch_fd(int fd, size_t budget)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    tmi_arena_release(&arena);
    error.text[0] = '\0';
    return tmi_fetch(path, budget, &arena, &content, &content_bytes, &error);
}

static int fetch(const uint8_t *bytes, size_t len, size_t budget)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    int err = fetch_fd(fd, budget);
    close(fd);
    return err;
}

/* Bytes that hardly compress, and the same each time. */
static uint8_t *noise(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint32_t random = 7;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(random >> 24);
    }
    return bytes;
}

/* One member of gzip; *packed is the caller's. */
static size_t gzip(const uint8_t *bytes, size_t len, uint8_t **packed)
{
    z_stream stream = {0};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&stream, len);
    *packed = malloc(room);
    stream.next_in = (uint8_t *)bytes;
    stream.avail_in = (unsigned)len;
    stream.next_out = *packed;
    stream.avail_out = (unsigned)room;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static void expect_content(const uint8_t *bytes, size_t len)
{
    cr_assert_eq(content_bytes, len);
    cr_assert_eq(len == 0 ? 0 : memcmp(content, bytes, len), 0);
}

/* Around the sizes of the buffers: 64 KiB of input, 256 KiB and its doubles of output. */
Test(fetch, all_sizes, .timeout = 60)
{
    static const size_t SIZES[] = {0,      1,      2,      3,      65535,   65536,  65537,
                                   262143, 262144, 262145, 524288, 1048577, 3000000};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        uint8_t *bytes = noise(SIZES[i]);
        cr_assert_eq(fetch(bytes, SIZES[i], PLENTY), 0);
        expect_content(bytes, SIZES[i]);
        uint8_t *packed;
        size_t len = gzip(bytes, SIZES[i], &packed);
        cr_assert_eq(fetch(packed, len, PLENTY), 0, "%s", error.text);
        expect_content(bytes, SIZES[i]);
        free(packed);
        memset(bytes, 'x', SIZES[i]);
        len = gzip(bytes, SIZES[i], &packed);
        cr_assert_eq(fetch(packed, len, PLENTY), 0, "%s", error.text);
        expect_content(bytes, SIZES[i]);
        free(packed);
        free(bytes);
    }
    tmi_arena_release(&arena);
}

Test(fetch, members_are_joined)
{
    uint8_t *first;
    uint8_t *second;
    size_t first_len = gzip((const uint8_t *)"one ", 4, &first);
    size_t second_len = gzip((const uint8_t *)"two", 3, &second);
    uint8_t both[200];
    memcpy(both, first, first_len);
    memcpy(both + first_len, second, second_len);
    cr_assert_eq(fetch(both, first_len + second_len, PLENTY), 0);
    expect_content((const uint8_t *)"one two", 7);
    for (size_t cut = 1; cut < second_len; cut++) {
        cr_assert_eq(fetch(both, first_len + cut, PLENTY), -EBADMSG);
    }
    both[first_len] = 'x';
    cr_assert_eq(fetch(both, first_len + second_len, PLENTY), -EBADMSG);
    cr_assert_not_null(strstr(error.text, "gzip stream damaged at byte"));
    free(first);
    free(second);
    tmi_arena_release(&arena);
}

Test(fetch, through_a_pipe)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "piped", 5), 5);
    close(ends[1]);
    cr_assert_eq(fetch_fd(ends[0], PLENTY), 0);
    expect_content((const uint8_t *)"piped", 5);
    tmi_arena_release(&arena);
}

/* A thousandfold: 64 MiB of one letter are 64 KiB of file. */
Test(fetch, the_budget_holds)
{
    size_t len = PLENTY;
    uint8_t *bytes = malloc(len);
    memset(bytes, 'x', len);
    uint8_t *packed;
    size_t packed_len = gzip(bytes, len, &packed);
    cr_assert_lt(packed_len, 100000);
    cr_assert_eq(fetch(packed, packed_len, 1 << 20), -ENOMEM);
    cr_assert_lt(arena.total_bytes, 3 << 20);
    cr_assert_not_null(strstr(error.text, "1 MiB"), "%s", error.text);
    cr_assert_eq(fetch(packed, packed_len, len - 1), -ENOMEM);
    cr_assert_eq(fetch(packed, packed_len, len + 1), 0);
    cr_assert_eq(fetch(bytes, 2 << 20, 1 << 20), -ENOMEM, "plain files as well");
    free(packed);
    free(bytes);
    tmi_arena_release(&arena);
}

static size_t budget_of(off_t size)
{
    char path[64];
    int fd = memfd_create("file", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(fd, size), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    size_t budget = tmi_fetch_budget(path);
    close(fd);
    return budget;
}

Test(fetch, the_budget_follows_the_size)
{
    cr_assert_eq(budget_of(0), (size_t)64 << 20);
    cr_assert_eq(budget_of(1000), ((size_t)64 << 20) + 256000);
}

Test(fetch, half_the_machine_at_most)
{
    size_t pages = (size_t)sysconf(_SC_PHYS_PAGES);
    size_t half = pages / 2 * (size_t)sysconf(_SC_PAGESIZE) + 4096;
    const off_t sizes[] = {(off_t)1 << 40, INT64_MAX - 4095};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_leq(budget_of(sizes[i]), half);
        cr_assert_leq(budget_of(sizes[i]), (size_t)8 << 30);
        cr_assert_gt(budget_of(sizes[i]), (size_t)64 << 20);
    }
    cr_assert_leq(tmi_fetch_budget("/dev/null"), half, "no size to go by");
}
