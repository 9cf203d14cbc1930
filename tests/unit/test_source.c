/* SPDX-License-Identifier: MIT */
/*
 * Source lines, held against what Python's linecache gives for the same bytes. The files
 * are written by the tests, in a directory of their own.
 */
#include "view/source.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static struct tmi_source source;

static void begin(void)
{
    strcpy(directory, "/tmp/tmalloc-source-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

static void end(void)
{
    tmi_source_close(&source);
    cr_assert_eq(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(source, .init = begin, .fini = end);

static void write_bytes(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(name, "w");
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

#define WRITE(name, literal) write_bytes(name, literal, sizeof(literal) - 1)

static void expect(const char *name, uint32_t lineno, const char *text)
{
    const char *line;
    size_t len;
    cr_assert_eq(tmi_source_line(&source, name, lineno, &line, &len), 0);
    cr_assert(len == strlen(text) && memcmp(line, text, len) == 0,
              "%s:%u is '%.*s', not '%s'", name, lineno, (int)len, line, text);
}

Test(source, lines_are_stripped)
{
    WRITE("a.c", "first\n\n\t  third;  \t\n   \nfifth, no newline");
    expect("a.c", 1, "first");
    expect("a.c", 2, "");
    expect("a.c", 3, "third;");
    expect("a.c", 4, "");
    expect("a.c", 5, "fifth, no newline");
    expect("a.c", 6, "");
    expect("a.c", 0, "");
    expect("a.c", UINT32_MAX, "");
}

Test(source, universal_newlines)
{
    WRITE("a.c", "1\r\n2\r3\n\r4b\r\r\n5\f5\v5\xC2\x85"
                 "5\xE2\x80\xA8"
                 "5\r\n");
    expect("a.c", 1, "1");
    expect("a.c", 2, "2");
    expect("a.c", 3, "3");
    expect("a.c", 4, "");
    expect("a.c", 5, "4b");
    expect("a.c", 6, "");
    expect("a.c", 7,
           "5\f5\v5\xC2\x85"
           "5\xE2\x80\xA8"
           "5");
    expect("a.c", 8, "");
}

Test(source, unicode_space_is_stripped)
{
    WRITE("a.c", "\xC2\xA0\xE3\x80\x80 x\xC2\xA0y \xC2\x85\x1C\x1F\n"
                 "\xE2\x80\x8Bz\n" /* zero width space is none */
                 "\xE3\x80\x80\xE2\x80\xAF\n");
    expect("a.c", 1, "x\xC2\xA0y");
    expect("a.c", 2, "\xE2\x80\x8Bz");
    expect("a.c", 3, "");
}

Test(source, byte_order_mark)
{
    WRITE("a.c", "\xEF\xBB\xBFint x;\nint y;\n");
    expect("a.c", 1, "int x;");
    expect("a.c", 2, "int y;");
    WRITE("only.c", "\xEF\xBB\xBF");
    expect("only.c", 1, "");
}

Test(source, one_bad_byte_hides_the_file)
{
    WRITE("a.c", "good\nbad \xE9\n");
    expect("a.c", 1, "");
    expect("a.c", 2, "");
    WRITE("b.c", "good\n\xC3\n");
    expect("b.c", 1, "");
    WRITE("c.c", "good\n\0\n");
    expect("c.c", 1, "");
}

Test(source, what_is_no_file)
{
    WRITE("<x>", "text\n");
    WRITE("<x", "text\n");
    WRITE("empty.c", "");
    mkdir("dir", 0700);
    expect("", 1, "");
    expect("<x>", 1, "");
    expect("<x", 1, "text");
    expect("missing.c", 1, "");
    expect("dir", 1, "");
    expect("empty.c", 1, "");
}

Test(source, a_pipe_does_not_stop_us, .timeout = 10)
{
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    expect("pipe", 1, "");
}

Test(source, a_huge_file_is_not_read)
{
    int fd = open("huge.c", O_RDWR | O_CREAT, 0600);
    cr_assert_eq(write(fd, "text\n", 5), 5);
    cr_assert_eq(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    expect("huge.c", 1, "");
    cr_assert_lt(source.arena.total_bytes, 1000000);
}

Test(source, a_file_stays_as_it_was_read)
{
    WRITE("a.c", "old\n");
    WRITE("b.c", "other\n");
    expect("a.c", 1, "old");
    WRITE("a.c", "new\n");
    expect("b.c", 1, "other");
    expect("a.c", 1, "old");
    tmi_source_close(&source);
    expect("a.c", 1, "new");
}
