/* SPDX-License-Identifier: MIT */
/*
 * A main for the harnesses where there is no libFuzzer: every file of the directories as
 * it is, and then changed in ways that are the same in each run.
 *
 *     replay [-runs=N] [-seed=N] [-max_len=N] DIRECTORY...
 *
 * The options are those of libFuzzer, whose others are passed over. A change: one to
 * eight times, bytes are flipped, set, cut out, doubled, or overwritten by a piece of
 * another file.
 */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"
#include "support/random.h"

#define FILES_MOST 1024

static struct input {
    uint8_t *bytes;
    size_t len;
} inputs[FILES_MOST];
static size_t input_count;
static uint64_t state = 1;
static size_t max_len = 4096;

static void add_file(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    struct input *input = &inputs[input_count];
    input->bytes = malloc(max_len);
    fuzz_need(file != NULL && input->bytes != NULL);
    input->len = fread(input->bytes, 1, max_len, file);
    fclose(file);
    input_count++;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void add_directory(const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_visible, alphasort);
    for (int i = 0; i < n; i++) {
        if (input_count < FILES_MOST) {
            add_file(directory, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
}

/* One change to `bytes`, which has room for max_len; its new length. */
static size_t change(uint8_t *bytes, size_t len)
{
    const struct input *other = &inputs[random_below(&state, input_count)];
    size_t at = len == 0 ? 0 : random_below(&state, len);
    size_t n = 1 + random_below(&state, len - at < 16 ? len - at + 1 : 16);
    n = n < len - at ? n : len - at;
    switch (random_below(&state, 5)) {
    case 0:
        bytes[at] ^= n == 0 ? 0 : (uint8_t)(1u << random_below(&state, 8));
        return len;
    case 1:
        memset(bytes + at, (int)next_random(&state), n);
        return len;
    case 2:
        memmove(bytes + at, bytes + at + n, len - at - n);
        return len - n;
    case 3:
        n = n < max_len - len ? n : max_len - len;
        memmove(bytes + at + n, bytes + at, len - at);
        return len + n;
    default:
        n = n < other->len ? n : other->len;
        memcpy(bytes + at, other->bytes + random_below(&state, other->len - n + 1), n);
        return len;
    }
}

static void run(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len);
    fuzz_need(copy != NULL || len == 0);
    if (len != 0) {
        memcpy(copy, bytes, len);
    }
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

int main(int argc, char **argv)
{
    unsigned long runs = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            add_directory(argv[i]);
            continue;
        }
        unsigned long number;
        if (sscanf(argv[i], "-runs=%lu", &number) == 1) {
            runs = number;
        } else if (sscanf(argv[i], "-seed=%lu", &number) == 1) {
            state = number;
        } else if (sscanf(argv[i], "-max_len=%lu", &number) == 1) {
            max_len = number;
        }
    }
    uint8_t *bytes = malloc(max_len + 1);
    if (bytes == NULL || input_count == 0) {
        fprintf(stderr, "replay: nothing to run\n");
        return 1;
    }
    for (unsigned long i = 0; i < input_count + runs; i++) {
        const struct input *input = &inputs[i % input_count];
        size_t len = input->len;
        memcpy(bytes, input->bytes, len);
        for (uint64_t n = i < input_count ? 0 : 1 + random_below(&state, 8); n > 0; n--) {
            len = change(bytes, len);
        }
        run(bytes, len);
    }
    free(bytes);
    printf("Done %lu runs\n", (unsigned long)input_count + runs);
    return 0;
}
