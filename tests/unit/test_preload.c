/* SPDX-License-Identifier: MIT */
/*
 * How the library is found and named to the loader, and the programs into which it cannot
 * get. The programs are made here: headers of ELF files with what the loader looks at.
 */
#include "cli/preload.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[] = "/tmp/tmalloc-preload-XXXXXX";
static char path[PATH_MAX];
static char error[TMI_PRELOAD_ERROR];

static void enter(void)
{
    cr_assert_not_null(mkdtemp(home));
    cr_assert_eq(chdir(home), 0);
    unsetenv("LD_PRELOAD");
    unsetenv("TMALLOC_LIBRARY");
}

static void leave(void)
{
    char command[PATH_MAX];
    unsetenv("LD_PRELOAD");
    snprintf(command, sizeof(command), "/bin/rm -rf '%s'", home);
    cr_expect_eq(system(command), 0);
}

TestSuite(preload, .init = enter, .fini = leave);

static void write_file(const char *name, const void *bytes, size_t len)
{
    int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    cr_assert_geq(file, 0, "%s", name);
    cr_assert_eq(write(file, bytes, len), (ssize_t)len);
    close(file);
}

/* A program for this machine, or another one, that has a segment of `type`. */
static void write_program(const char *name, unsigned machine_step, uint32_t type)
{
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr segments[2];
    } program = {.segments = {{.p_type = PT_LOAD}, {.p_type = type}}};
    int self = open("/proc/self/exe", O_RDONLY);
    cr_assert_eq(read(self, &program.head, sizeof(program.head)),
                 (ssize_t)sizeof(program.head));
    close(self);
    program.head.e_machine = (Elf64_Half)(program.head.e_machine + machine_step);
    program.head.e_phoff = sizeof(program.head);
    program.head.e_phnum = 2;
    write_file(name, &program, sizeof(program));
}

Test(preload, the_named_library_is_made_absolute)
{
    char expected[PATH_MAX];
    write_file("mine.so", "", 0);
    setenv("TMALLOC_LIBRARY", "./mine.so", 1);
    cr_assert_eq(tmi_preload_find(path, error), 0, "%s", error);
    snprintf(expected, sizeof(expected), "%s/mine.so", home);
    cr_expect_str_eq(path, expected);
}

Test(preload, a_library_that_is_not_there)
{
    setenv("TMALLOC_LIBRARY", "none.so", 1);
    cr_expect_eq(tmi_preload_find(path, error), -ENOENT);
    cr_expect_str_eq(error, "TMALLOC_LIBRARY: none.so: No such file or directory");
}

Test(preload, a_library_that_the_loader_cannot_name)
{
    static const char *const names[] = {"my own.so", "my:own.so"};
    for (size_t i = 0; i < 2; i++) {
        write_file(names[i], "", 0);
        setenv("TMALLOC_LIBRARY", names[i], 1);
        cr_expect_eq(tmi_preload_find(path, error), -EINVAL);
        cr_expect_not_null(strstr(error, names[i]));
    }
}

Test(preload, what_was_preloaded_stays_behind_us)
{
    cr_assert_eq(tmi_preload_set("/lib/a.so"), 0);
    cr_expect_str_eq(getenv("LD_PRELOAD"), "/lib/a.so");
    cr_assert_eq(tmi_preload_set("/lib/b.so"), 0);
    cr_expect_str_eq(getenv("LD_PRELOAD"), "/lib/b.so:/lib/a.so");
    setenv("LD_PRELOAD", "", 1);
    cr_assert_eq(tmi_preload_set("/lib/c.so"), 0);
    cr_expect_str_eq(getenv("LD_PRELOAD"), "/lib/c.so");
}

Test(preload, programs_without_an_obstacle)
{
    write_program("dynamic", 0, PT_INTERP);
    write_file("script", "#!/bin/sh\n", 10);
    write_file("empty", "", 0);
    cr_expect_null(tmi_preload_obstacle("./dynamic"));
    cr_expect_null(tmi_preload_obstacle("./script"));
    cr_expect_null(tmi_preload_obstacle("./empty"));
    cr_expect_null(tmi_preload_obstacle("./missing"));
    cr_expect_null(tmi_preload_obstacle("/"));
    cr_expect_null(tmi_preload_obstacle("sh"));
}

Test(preload, programs_with_an_obstacle)
{
    write_program("static", 0, PT_NOTE);
    write_program("foreign", 1, PT_INTERP);
    cr_expect_str_eq(tmi_preload_obstacle("./static"),
                     "is statically linked, so that nothing can be preloaded");
    cr_expect_str_eq(tmi_preload_obstacle("./foreign"),
                     "is built for another machine than libtmalloc.so");
}

Test(preload, other_rights_are_an_obstacle)
{
    write_program("setuid", 0, PT_INTERP);
    if (geteuid() == 0) {
        cr_assert_eq(chown("setuid", 65534, 65534), 0);
    }
    cr_assert_eq(chmod("setuid", 04755), 0);
    const char *obstacle = tmi_preload_obstacle("./setuid");
    if (geteuid() == 0) {
        cr_assert_not_null(obstacle);
        cr_expect_str_eq(obstacle,
                         "is setuid or setgid, and the loader preloads nothing there");
    } else {
        cr_expect_null(obstacle, "our own rights");
    }
}

Test(preload, commands_are_looked_up_as_a_shell_does)
{
    char list[PATH_MAX];
    cr_assert_eq(mkdir("a", 0700), 0);
    cr_assert_eq(mkdir("b", 0700), 0);
    write_program("a/prog", 0, PT_NOTE);
    cr_assert_eq(chmod("a/prog", 0600), 0);
    write_program("b/prog", 0, PT_INTERP);
    snprintf(list, sizeof(list), "%s/a:%s/b", home, home);
    setenv("PATH", list, 1);
    cr_expect_null(tmi_preload_obstacle("prog"), "not executable: the next one counts");
    cr_assert_eq(chmod("a/prog", 0700), 0);
    cr_expect_not_null(tmi_preload_obstacle("prog"));
    setenv("PATH", "/nowhere:", 1);
    write_program("here", 0, PT_NOTE);
    cr_expect_not_null(tmi_preload_obstacle("here"), "an empty entry is this directory");
}
