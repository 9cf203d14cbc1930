/* SPDX-License-Identifier: MIT */
/* A first session: what README.md shows. */
#include <stdio.h>
#include <stdlib.h>
#include <tmalloc.h>

struct book {
    char *title;
    struct book *next;
};

static struct book *add_book(struct book *shelf)
{
    struct book *book = malloc(sizeof *book);
    book->title = calloc(1, 40);
    book->next = shelf;
    return book;
}

int main(void)
{
    struct book *shelf = NULL;
    tm_start(25);
    for (int i = 0; i < 1000; i++) {
        shelf = add_book(shelf);
    }
    free(malloc(1000000));

    tm_traced_memory_t now = tm_get_traced_memory();
    tm_snapshot_t *snapshot = tm_take_snapshot();
    tm_statistics_t *lines = tm_snapshot_statistics(snapshot, TM_KEY_LINENO, false);
    printf("%zu bytes now, %zu at most\n", now.current, now.peak);
    for (size_t i = 0; i < tm_statistics_count(lines); i++) {
        char text[256];
        tm_statistic_t line;
        tm_statistics_get(lines, i, &line);
        tm_statistic_format(&line, text, sizeof text);
        puts(text);
    }
    tm_snapshot_dump(snapshot, "first.pb.gz");
    tm_statistics_free(lines);
    tm_snapshot_free(snapshot);
    return shelf == NULL;
}
