/* SPDX-License-Identifier: MIT */
/*
 * The reader of TMALLOC_* variables: whatever stands in the environment, every option has
 * a value within its row's range afterwards, and numbers are what strtoll says they are.
 * Input: NAME=VALUE texts, each ended by a NUL or a newline.
 *
 * The operating system is played here: copies of texts are freed after each run, and what
 * is reported must be lines.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "base/sys.h"
#include "fuzz.h"

#define ENTRIES_MOST 64

static void *mapped[ENTRIES_MOST];
static size_t mapped_count;

void *tmi_sys_map(size_t bytes)
{
    fuzz_need(mapped_count < ENTRIES_MOST);
    return mapped[mapped_count++] = calloc(1, bytes);
}

int tmi_sys_write(int fd, const void *bytes, size_t len)
{
    const char *text = bytes;
    fuzz_need(fd == 2 && len > 0 && memchr(text, '\n', len) == text + len - 1);
    fuzz_need(memchr(text, '\0', len) == NULL);
    return 0;
}

static void check_number(const char *text)
{
    int64_t value = 0;
    char *end;
    int err = tmi_parse_number(text, &value);
    errno = 0;
    long long expected = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0) {
        fuzz_need(err == -EINVAL);
    } else {
        fuzz_need(err == 0 && value == expected);
    }
}

static void check_values(void)
{
    for (int i = 0; i < TMI_OPTION_COUNT; i++) {
        const struct tmi_option_row *row = &tmi_option_rows[i];
        int64_t number = tmi_option_number((enum tmi_option)i);
        fuzz_need(row->kind == TMI_TEXT || (number >= row->least && number <= row->most));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *entries[ENTRIES_MOST + 1];
    size_t n = 0;
    char *text = fuzz_text(bytes, len);
    for (char *at = text; at < text + len && n < ENTRIES_MOST; at += strlen(at) + 1) {
        at[strcspn(at, "\n")] = '\0';
        entries[n++] = at;
        char *equals = strchr(at, '=');
        check_number(equals == NULL ? at : equals + 1);
    }
    entries[n] = NULL;
    tmi_option_read(entries);
    check_values();
    free(text);
    while (mapped_count > 0) {
        free(mapped[--mapped_count]);
    }
    return 0;
}
