/* SPDX-License-Identifier: MIT */
/*
 * What an arena promises: alignment, zeroes, growing with the content kept, and nothing
 * left mapped after the release.
 */
#include "base/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

Test(arena, pieces_are_aligned_zeroed_and_apart)
{
    static const size_t SIZES[] = {0, 1, 15, 16, 17, 4095, 32767, 32768, 65536, 5000000};
    struct tmi_arena arena = {0};
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        size_t bytes = SIZES[i % 10];
        pieces[i] = tmi_arena_alloc(&arena, bytes);
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0, "piece of %zu bytes", bytes);
        cr_assert(all_zero(pieces[i], bytes));
        memset(pieces[i], (int)i + 1, bytes);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < SIZES[i % 10]; k += 997) {
            cr_assert_eq(pieces[i][k], (unsigned char)(i + 1), "piece %zu overwritten",
                         i);
        }
    }
    tmi_arena_release(&arena);
}

/* From nothing through small pieces and across the border to mappings of their own. */
Test(arena, growing_keeps_the_content_and_zeroes_the_rest)
{
    struct tmi_arena arena = {0};
    unsigned char *piece = NULL;
    size_t bytes = 0;
    for (size_t wanted = 1; wanted < 3000000; wanted = wanted * 3 + 1) {
        piece = tmi_arena_grow(&arena, piece, bytes, wanted);
        cr_assert_not_null(piece);
        cr_assert_eq((uintptr_t)piece % 16, 0);
        for (size_t k = 0; k < bytes; k++) {
            cr_assert_eq(piece[k], (unsigned char)(k * 7), "byte %zu of %zu", k, bytes);
        }
        cr_assert(all_zero(piece + bytes, wanted - bytes));
        for (size_t k = bytes; k < wanted; k++) {
            piece[k] = (unsigned char)(k * 7);
        }
        bytes = wanted;
        cr_assert_not_null(tmi_arena_alloc(&arena, 40000), "a neighbour in the list");
    }
    cr_assert_eq(tmi_arena_grow(&arena, piece, bytes, bytes - 1), piece);
    tmi_arena_release(&arena);
}

Test(arena, text_is_terminated)
{
    struct tmi_arena arena = {0};
    char *text = tmi_arena_text(&arena, "abcdef", 3);
    cr_assert_str_eq(text, "abc");
    cr_assert_str_eq(tmi_arena_text(&arena, NULL, 0), "");
    tmi_arena_release(&arena);
}

Test(arena, release_unmaps_everything_and_the_arena_works_again)
{
    struct tmi_arena arena = {0};
    char *small = tmi_arena_alloc(&arena, 10);
    char *large = tmi_arena_alloc(&arena, 1000000);
    cr_assert_geq(arena.total_bytes, 1000010);
    char *small_page = (char *)((uintptr_t)small & ~(uintptr_t)4095);
    char *large_page = (char *)((uintptr_t)large & ~(uintptr_t)4095);
    tmi_arena_release(&arena);
    cr_assert_eq(arena.total_bytes, 0);
    unsigned char resident;
    cr_assert_neq(mincore(small_page, 1, &resident), 0, "still mapped");
    cr_assert_neq(mincore(large_page, 1, &resident), 0, "still mapped");
    small = tmi_arena_alloc(&arena, 10);
    cr_assert_not_null(small);
    small[9] = 1;
    tmi_arena_release(&arena);
}

Test(arena, what_cannot_be_had_is_null_and_changes_nothing)
{
    struct tmi_arena arena = {0};
    char *piece = tmi_arena_alloc(&arena, 100000);
    strcpy(piece, "content");
    cr_assert_null(tmi_arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(tmi_arena_alloc(&arena, SIZE_MAX - 40));
    cr_assert_null(tmi_arena_alloc(&arena, SIZE_MAX / 2));
    cr_assert_null(tmi_arena_grow(&arena, piece, 100000, SIZE_MAX));
    cr_assert_null(tmi_arena_grow(&arena, piece, 100000, SIZE_MAX / 2));
    cr_assert_str_eq(piece, "content");
    tmi_arena_release(&arena);
}
