/* SPDX-License-Identifier: MIT */
/* Memory for tracing: pieces are zeroed, apart from each other, and counted, whether they
 * are cut from the shared mapping or have one of their own. */
#include "trace/memory.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LINE 64u

static bool is_all(const unsigned char *p, size_t bytes, unsigned char value)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

/* A third of a megabyte: the first pieces share a mapping, the last ones cannot. */
#define PIECES 400u

static size_t bytes_of(size_t i)
{
    return 1 + i * 37 % 1700;
}

Test(memory, pieces_are_zeroed_and_apart)
{
    unsigned char *pieces[PIECES];
    size_t asked = 0;
    size_t before = tmi_memory_bytes();
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = tmi_memory_map(bytes_of(i));
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % LINE, 0u);
        cr_assert(is_all(pieces[i], bytes_of(i), 0));
        memset(pieces[i], (int)(i % 255 + 1), bytes_of(i));
        asked += bytes_of(i);
    }
    for (size_t i = 0; i < PIECES; i++) {
        cr_assert(is_all(pieces[i], bytes_of(i), (unsigned char)(i % 255 + 1)));
    }
    cr_assert_geq(tmi_memory_bytes() - before, asked);
    for (size_t i = 0; i < PIECES; i++) {
        tmi_memory_unmap(pieces[i], bytes_of(i));
    }
    cr_assert_eq(tmi_memory_bytes(), before);
}

/* A dozen small tables are one mapping: the next piece lies behind the one before. */
Test(memory, small_pieces_share_pages)
{
    unsigned char *first = tmi_memory_map(100);
    unsigned char *second = tmi_memory_map(100);
    cr_assert_eq(second - first, 128);
}

/* Of a piece that is discarded, whole pages are zeroes, and nothing else has changed. */
static void discard_within(size_t bytes)
{
    unsigned char *before = tmi_memory_map(100);
    unsigned char *piece = tmi_memory_map(bytes);
    unsigned char *behind = tmi_memory_map(100);
    memset(before, 1, 100);
    memset(piece, 2, bytes);
    memset(behind, 3, 100);
    size_t charged = tmi_memory_bytes();
    tmi_memory_discard(piece, bytes);
    size_t within = -(uintptr_t)piece % 4096;
    size_t whole = within < bytes ? (bytes - within) / 4096 * 4096 : 0;
    size_t edge = whole == 0 ? bytes : within;
    cr_assert(is_all(before, 100, 1));
    cr_assert(is_all(piece, edge, 2), "%zu bytes", bytes);
    cr_assert(is_all(piece + edge, whole, 0), "%zu bytes", bytes);
    cr_assert(is_all(piece + edge + whole, bytes - edge - whole, 2), "%zu bytes", bytes);
    cr_assert(is_all(behind, 100, 3));
    cr_assert_eq(charged - tmi_memory_bytes(), whole);
}

Test(memory, discard)
{
    static const size_t sizes[] = {8, 1000, 4096, 5000, 12288, 20001, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        discard_within(sizes[i]);
    }
}

#define THREADS 8u
#define EACH    100u

static unsigned char *taken[THREADS][EACH];

static void *take(void *arg)
{
    size_t me = (size_t)(uintptr_t)arg;
    for (size_t i = 0; i < EACH; i++) {
        taken[me][i] = tmi_memory_map(300);
        memset(taken[me][i], (int)me + 1, 300);
    }
    return NULL;
}

Test(memory, threads_at_once)
{
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        cr_assert_eq(pthread_create(&threads[t], NULL, take, (void *)(uintptr_t)t), 0);
    }
    for (size_t t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    for (size_t t = 0; t < THREADS; t++) {
        for (size_t i = 0; i < EACH; i++) {
            cr_assert(is_all(taken[t][i], 300, (unsigned char)(t + 1)));
        }
    }
}
