/* SPDX-License-Identifier: MIT */
/*
 * Words are remembered per process, as Criterion runs each test in a process of its own
 * and a test that uses two snapshots starts the second with literal_snapshot, which
 * forgets them. Mistakes in a literal abort: they are the test's.
 */
#include "support/literal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MOST  512
#define WORD_BYTES  80
#define FRAMES_MOST 512

static struct {
    char word[WORD_BYTES];
    uint32_t location;
} known[WORDS_MOST];
static size_t known_count;

static void *need(void *p)
{
    if (p == NULL) {
        abort();
    }
    return p;
}

static uint32_t need_index(int64_t index)
{
    if (index < 0) {
        abort();
    }
    return (uint32_t)index;
}

struct tm_snapshot *literal_snapshot(int traceback_limit)
{
    known_count = 0;
    return need(tmi_snapshot_create(traceback_limit));
}

static void set_lines(struct tm_snapshot *s, uint32_t location, const char *word)
{
    struct tmi_line lines[8];
    char texts[8][2][128];
    uint32_t n = 0;
    char *copy = need(strdup(word));
    for (char *rest = copy, *part; (part = strsep(&rest, "<")) != NULL; n++) {
        char *colon = need(strchr(part, ':'));
        snprintf(texts[n][0], sizeof texts[n][0], "%s", colon + 1);
        snprintf(texts[n][1], sizeof texts[n][1], "in_%s", colon + 1);
        lines[n].filename = texts[n][0];
        lines[n].function = texts[n][1];
        lines[n].lineno = (uint32_t)strtoul(part, NULL, 10);
    }
    free(copy);
    need_index(tmi_snapshot_set_lines(s, location, lines, n));
}

uint32_t literal_location(struct tm_snapshot *s, const char *word)
{
    for (size_t i = 0; i < known_count; i++) {
        if (strcmp(known[i].word, word) == 0) {
            return known[i].location;
        }
    }
    if (known_count == WORDS_MOST || strlen(word) >= WORD_BYTES) {
        abort();
    }
    uint32_t location =
        need_index(tmi_snapshot_add_location(s, 0x1001 + known_count, TMI_NO_MODULE));
    strcpy(known[known_count].word, word);
    known[known_count++].location = location;
    if (word[0] != '?') {
        set_lines(s, location, word);
    }
    return location;
}

void literal_trace(struct tm_snapshot *s, tm_domain_t domain, uint64_t size,
                   uint64_t count, const char *frames)
{
    uint32_t newest_first[FRAMES_MOST];
    uint32_t n = 0;
    char *copy = need(strdup(frames));
    for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL; n++) {
        memmove(newest_first + 1, newest_first, n * sizeof *newest_first);
        newest_first[0] = literal_location(s, word);
    }
    free(copy);
    uint64_t values[TMI_VALUE_COUNT] = {
        [TMI_INUSE_BYTES] = size, [TMI_INUSE_BLOCKS] = count};
    need_index(tmi_snapshot_add_trace(s, domain, values, newest_first, n, n));
}

const char *literal_frames(const tm_traceback_t *tb)
{
    static char text[16384];
    size_t at = 0;
    for (size_t i = 0; i < tm_traceback_len(tb); i++) {
        tm_frame_t frame;
        need_index(tm_traceback_frame(tb, i, &frame));
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u:%s", i == 0 ? "" : " ",
                               frame.lineno, frame.filename);
    }
    return text;
}
