/* SPDX-License-Identifier: MIT */
/*
 * Functions, files and lines against another reader of debug info: addr2line of binutils,
 * which shares no code with libdw. Some hundred addresses, spread evenly over a file's
 * code, must have the same chain of inlined calls in both.
 *
 * Two differences are addr2line's: between functions it names the one before, where we
 * say nothing; and of link-time optimised units it shows <artificial> for some files (it
 * counts DWARF 5's files from 0 where the line table starts at 1). They are counted, not
 * compared, and have to be few. Of the outermost function it shows the symbol, with what
 * the optimiser hung on (f.cold), which we cut.
 */
#include "symbol/line.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/victim.h"
#include "symbol/path.h"
#include "symbol/symbol.h"

#define ADDRESSES 500
#define TEXT_MAX  65536

static bool have_addr2line(void)
{
    return system("addr2line --version >/dev/null 2>&1") == 0;
}

/* The segment with the code, loaded where it wants to be. */
static GElf_Phdr code_of(const char *path)
{
    GElf_Phdr header, code = {.p_memsz = 0};
    size_t count = 0;
    int fd = open(path, O_RDONLY);
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    cr_assert_eq(elf_getphdrnum(elf, &count), 0);
    for (size_t i = 0; i < count; i++) {
        cr_assert_not_null(gelf_getphdr(elf, (int)i, &header));
        if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
            code = header;
        }
    }
    elf_end(elf);
    close(fd);
    cr_assert_gt(code.p_memsz, ADDRESSES);
    return code;
}

static struct tm_snapshot *ask_ours(const char *path)
{
    GElf_Phdr code = code_of(path);
    struct tmi_module module = {
        .name = path,
        .start = code.p_vaddr,
        .limit = code.p_vaddr + code.p_memsz,
        .offset = code.p_offset,
    };
    struct tm_snapshot *s = tmi_snapshot_create(1);
    cr_assert_eq(tmi_snapshot_add_module(s, &module), 0);
    for (uint64_t i = 0; i < ADDRESSES; i++) {
        uint64_t call = code.p_vaddr + code.p_memsz / ADDRESSES * i;
        cr_assert_eq(tmi_snapshot_add_location(s, call + 1, 0), (int64_t)i);
    }
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    return s;
}

/* addr2line over the same addresses, its output to be read. */
static FILE *ask_theirs(const char *path, const struct tm_snapshot *s, char *addresses)
{
    char command[PATH_MAX + 128];
    FILE *list = fdopen(mkstemp(addresses), "w");
    for (uint32_t i = 0; i < s->location_count; i++) {
        fprintf(list, "0x%" PRIx64 "\n", s->locations[i].address - 1);
    }
    fclose(list);
    snprintf(command, sizeof(command), "addr2line -a -f -i -C -e '%s' <%s", path,
             addresses);
    FILE *answer = popen(command, "r");
    cr_assert_not_null(answer);
    return answer;
}

/* The next line of the answer without its end; false behind the last. */
static bool read_line(FILE *answer, char *text)
{
    if (fgets(text, TEXT_MAX, answer) == NULL) {
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    char *discriminator = strstr(text, " (discriminator");
    if (discriminator != NULL) {
        *discriminator = '\0';
    }
    return true;
}

static bool same_function(const char *ours, const char *theirs, bool outermost)
{
    size_t len = strlen(ours);
    return strcmp(ours, theirs) == 0 ||
           (outermost && strncmp(ours, theirs, len) == 0 && theirs[len] == '.');
}

static bool same_place(const struct tmi_line *ours, char *theirs)
{
    char *colon = strrchr(theirs, ':');
    cr_assert_not_null(colon);
    *colon = '\0';
    if (strcmp(theirs, "??") == 0) {
        return ours->lineno == 0;
    }
    char *path = tmi_path_of_source(NULL, theirs);
    bool same = strcmp(ours->filename, path) == 0 &&
                ours->lineno == (uint32_t)strtoul(colon + 1, NULL, 10);
    free(path);
    return same;
}

struct score {
    bool names; /* compared too */
    uint32_t same, gaps, artificial;
};

/* The lines of one address, with the answer behind its address line. */
static void compare(const struct tm_snapshot *s, const struct tmi_location *at,
                    char (*theirs)[TEXT_MAX], uint32_t n, struct score *score)
{
    const struct tmi_line *ours = &s->lines[at->first_line];
    if (ours->function[0] == '\0') {
        score->gaps++;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (strstr(theirs[2 * i + 1], "<artificial>") != NULL) {
            score->artificial++;
            return;
        }
    }
    cr_assert_eq(at->nlines, n, "0x%" PRIx64 ": %u lines, not %u", at->address - 1,
                 at->nlines, n);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert(!score->names ||
                      same_function(ours[i].function, theirs[2 * i], i + 1 == n),
                  "0x%" PRIx64 ": %s, not %s", at->address - 1, ours[i].function,
                  theirs[2 * i]);
        cr_assert(same_place(&ours[i], theirs[2 * i + 1]), "0x%" PRIx64 ": %s:%u, not %s",
                  at->address - 1, ours[i].filename, ours[i].lineno, theirs[2 * i + 1]);
    }
    score->same++;
}

static struct score compare_all(const char *path, bool names)
{
    struct score score = {.names = names};
    char addresses[] = "/tmp/test_line.XXXXXX";
    enum { ROWS = 256 };
    char(*rows)[TEXT_MAX] = malloc(ROWS * sizeof(*rows));
    struct tm_snapshot *s = ask_ours(path);
    FILE *answer = ask_theirs(path, s, addresses);
    uint32_t asked = 0, n = 0;
    cr_assert(read_line(answer, rows[0])); /* the first address */
    while (read_line(answer, rows[n])) {
        if (strncmp(rows[n], "0x", 2) == 0) {
            compare(s, &s->locations[asked++], rows, n / 2, &score);
            n = 0;
        } else {
            n++;
            cr_assert_lt(n, ROWS);
        }
    }
    compare(s, &s->locations[asked++], rows, n / 2, &score);
    cr_assert_eq(asked, s->location_count);
    pclose(answer);
    unlink(addresses);
    free(rows);
    tm_snapshot_free(s);
    return score;
}

Test(line, victims_as_addr2line)
{
    static const char *const victims[] = {"inlined.so", "names.so"};
    if (!have_addr2line()) {
        cr_skip_test("no addr2line");
    }
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX];
        struct score score = compare_all(victim_path(victims[i], path), i == 0);
        cr_assert_gt(score.same, ADDRESSES / 4, "%s: only %u compared", victims[i],
                     score.same);
    }
}

/* A big program of others, with its debug info in a package of its own. */
Test(line, python_as_addr2line)
{
    const char *path = "/usr/bin/python3.11";
    if (!have_addr2line() || access(path, R_OK) != 0) {
        cr_skip_test("no addr2line, or no python3.11");
    }
    struct score score = compare_all(path, true);
    cr_assert_gt(score.same, ADDRESSES * 9 / 10, "%u the same, %u gaps, %u artificial",
                 score.same, score.gaps, score.artificial);
}
