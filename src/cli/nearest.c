/* SPDX-License-Identifier: MIT */
/*
 * Edit distance with swaps (optimal string alignment): the usual table, of which only the
 * last three rows are kept.
 *
 *     row i, column j = distance between the first i letters of a and the first j of b
 *
 * A name is near when at most every third letter is wrong, or when both begin with the
 * same three: `stats`, `statistics`. A suggestion that is far-fetched helps less than
 * none.
 */
#include "cli/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST = 64, TOO_FAR = 1000, BEGINNING = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void fill_row(const char *a, const char *b, size_t i, size_t b_len,
                     size_t rows[3][LONGEST + 1])
{
    size_t *row = rows[i % 3];
    const size_t *last = rows[(i + 2) % 3];
    const size_t *before_last = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
        size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
        row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
            row[j] = least(row[j], before_last[j - 2] + 1);
        }
    }
}

size_t tmi_nearest_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST) {
        return TOO_FAR;
    }
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        fill_row(a, b, i, b_len, rows);
    }
    return rows[a_len % 3][b_len];
}

static bool begins_alike(const char *a, const char *b)
{
    return strlen(a) >= BEGINNING && strncmp(a, b, BEGINNING) == 0;
}

const char *tmi_nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = TOO_FAR;
    for (size_t i = 0; i < count; i++) {
        size_t distance = tmi_nearest_distance(word, names[i]);
        size_t longer = strlen(word) > strlen(names[i]) ? strlen(word) : strlen(names[i]);
        bool near = distance <= (longer + 2) / 3 || begins_alike(word, names[i]);
        if (near && distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
