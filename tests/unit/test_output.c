/* SPDX-License-Identifier: MIT */
/*
 * Names of snapshot files: what the runtime is told, and which file is then taken for the
 * program's own. Each test works in an empty directory of its own whose name is awkward:
 * it has a percent sign, a space and what glob(3) would take for a pattern.
 */
#include "cli/output.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char here[PATH_MAX];
static char home[] = "/tmp/tmalloc-output-XXXXXX";
static struct tmi_output output;
static struct tmi_output_mark mark;
static char path[PATH_MAX];

static void enter(void)
{
    cr_assert_not_null(mkdtemp(home));
    snprintf(here, sizeof(here), "%s/100%%p [a-z]*", home);
    cr_assert_eq(mkdir(here, 0700), 0);
    cr_assert_eq(chdir(here), 0);
}

static void leave(void)
{
    char command[PATH_MAX];
    snprintf(command, sizeof(command), "rm -rf '%s'", home);
    cr_expect_eq(system(command), 0);
}

TestSuite(output, .init = enter, .fini = leave);

static void write_file(const char *name)
{
    int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    cr_assert_geq(file, 0, "%s", name);
    close(file);
}

/* As the runtime replaces a file. */
static void replace_file(const char *name)
{
    write_file("temporary");
    cr_assert_eq(rename("temporary", name), 0);
}

static void expect_pattern(const char *file, const char *program, const char *expected)
{
    char absolute[PATH_MAX];
    snprintf(absolute, sizeof(absolute), "%s/100%%%%p [a-z]*/%s", home, expected);
    cr_assert_eq(tmi_output_plan(&output, file, program), 0);
    cr_expect_str_eq(output.pattern, *expected == '/' ? expected : absolute);
}

static void expect_found(const char *name)
{
    cr_expect(tmi_output_find(&output, 4711, path, &mark), "%s", name);
    cr_expect_str_eq(path, name);
}

Test(output, by_default_it_is_named_after_program_and_process)
{
    expect_pattern(NULL, "/usr/bin/prog", "tmalloc.prog.%p.pb.gz");
    cr_expect_not(output.every_process);
    expect_pattern(NULL, "50%p", "tmalloc.50%%p.%p.pb.gz");
    cr_expect_not(output.every_process);
    expect_pattern(NULL, "prog", "tmalloc.prog.%p.pb.gz");
    cr_expect_not(tmi_output_find(&output, 4711, path, &mark));
    cr_expect_not(mark.exists);
    write_file("tmalloc.prog.471.pb.gz");
    write_file("tmalloc.prog.4711.pb.gz");
    expect_found("tmalloc.prog.4711.pb.gz");
}

Test(output, a_file_of_the_users_is_that_file)
{
    expect_pattern("out file.gz", "prog", "out file.gz");
    cr_expect_not(output.every_process);
    write_file("out file.gz");
    expect_found("out file.gz");
    expect_pattern("/tmp/x.gz", "prog", "/tmp/x.gz");
    cr_assert_eq(mkdir("sub", 0700), 0);
    expect_pattern("sub/x*[a]?.gz", "prog", "sub/x*[a]?.gz");
    write_file("sub/x1a2.gz");
    cr_expect_not(tmi_output_find(&output, 4711, path, &mark), "a pattern of glob(3)");
    write_file("sub/x*[a]?.gz");
    expect_found("sub/x*[a]?.gz");
}

Test(output, the_program_is_the_command_where_one_process_writes)
{
    expect_pattern("%e.gz", "/bin/a%b", "a%%b.gz");
    write_file("a%b.gz");
    expect_found("a%b.gz");
}

Test(output, with_the_process_each_one_writes_its_own)
{
    expect_pattern("%e-%p-%%.gz", "sh", "%e-%p-%%.gz");
    cr_expect(output.every_process);
    write_file("sh-471-%.gz");
    write_file("child-4712-%.gz");
    cr_expect_not(tmi_output_find(&output, 4711, path, &mark));
    write_file("what-sh-became-4711-%.gz");
    expect_found("what-sh-became-4711-%.gz");
}

Test(output, the_newest_of_several_is_ours)
{
    expect_pattern("%e.%p", "sh", "%e.%p");
    write_file("a.4711");
    write_file("b.4711");
    write_file("c.4711");
    static const struct timespec old[2] = {{1000, 7}, {1000, 7}};
    static const struct timespec older[2] = {{1000, 5}, {1000, 5}};
    cr_assert_eq(utimensat(AT_FDCWD, "a.4711", old, 0), 0);
    cr_assert_eq(utimensat(AT_FDCWD, "b.4711", older, 0), 0);
    expect_found("c.4711");
    unlink("c.4711");
    expect_found("a.4711");
}

Test(output, an_escaped_percent_sign_names_no_process)
{
    expect_pattern("100%%p", "sh", "100%%p");
    cr_expect_not(output.every_process);
    write_file("100%p");
    expect_found("100%p");
    expect_pattern("%%%p", "sh", "%%%p");
    cr_expect(output.every_process);
    expect_pattern("last%", "sh", "last%");
    cr_expect_not(output.every_process);
    write_file("last%");
    expect_found("last%");
}

Test(output, a_file_of_an_earlier_run_is_not_taken_for_a_new_one)
{
    struct tmi_output_mark before;
    expect_pattern("x.gz", "sh", "x.gz");
    tmi_output_find(&output, 4711, path, &before);
    cr_expect_not(before.exists);
    write_file("x.gz");
    expect_found("x.gz");
    cr_expect_not(tmi_output_same(&before, &mark));
    before = mark;
    expect_found("x.gz");
    cr_expect(tmi_output_same(&before, &mark));
    replace_file("x.gz");
    expect_found("x.gz");
    cr_expect_not(tmi_output_same(&before, &mark));
}

Test(output, what_cannot_be_written_is_known_at_once)
{
    cr_assert_eq(mkdir("sub", 0700), 0);
    write_file("plain");
    cr_expect_eq(tmi_output_plan(&output, "nowhere/x.gz", "sh"), -ENOENT);
    cr_expect_eq(tmi_output_plan(&output, "/nowhere/x.gz", "sh"), -ENOENT);
    cr_expect_eq(tmi_output_plan(&output, "plain/x.gz", "sh"), -ENOTDIR);
    cr_expect_eq(tmi_output_plan(&output, "/tmp", "sh"), -EISDIR);
    cr_expect_eq(tmi_output_plan(&output, "/tmp/", "sh"), -EISDIR);
    cr_expect_eq(tmi_output_plan(&output, "/", "sh"), -EISDIR);
    cr_expect_eq(tmi_output_plan(&output, "/dev/null", "sh"), -EINVAL);
    char endless[PATH_MAX + 2];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    cr_expect_eq(tmi_output_plan(&output, endless, "sh"), -ENAMETOOLONG);
}

Test(output, in_the_root_directory)
{
    cr_assert_eq(chdir("/"), 0);
    int status = tmi_output_plan(&output, "tmp/x.gz", "sh");
    cr_assert_eq(status, 0);
    cr_expect_str_eq(output.pattern, "/tmp/x.gz");
    cr_assert_eq(chdir(home), 0);
}
