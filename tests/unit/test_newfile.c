/* SPDX-License-Identifier: MIT */
/*
 * The promise about files: whole or absent, nothing left behind, and nothing touched that
 * was not meant. Kept through the writer of snapshots, whose files these are.
 */
#include "pprof/newfile.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pprof/dump.h"
#include "pprof/load.h"
#include "support/literal.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static char directory[64];

static void begin(void)
{
    strcpy(directory, "/tmp/tmalloc-newfile-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

static void end(void)
{
    cr_assert_eq(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(newfile, .init = begin, .fini = end);

static size_t files_here(void)
{
    size_t n = 0;
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    }
    closedir(d);
    return n;
}

static size_t read_file(const char *path, uint8_t *bytes, size_t room)
{
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    size_t len = fread(bytes, 1, room, f);
    cr_assert_lt(len, room);
    fclose(f);
    return len;
}

static struct tm_snapshot *small_snapshot(void)
{
    struct tm_snapshot *s = literal_snapshot(5);
    literal_trace(s, 0, 500, 3, "1:main.c 2:a.c");
    literal_trace(s, 7, 600, 3, "1:main.c 3:a.c<9:b.c");
    tmi_snapshot_finish(s);
    return s;
}

static void expect_failure(const char *path, int err)
{
    struct tm_snapshot *s = small_snapshot();
    struct tmi_error error = {""};
    size_t before = files_here();
    cr_assert_eq(tmi_pprof_dump(s, path, &error), err, "%s", error.text);
    cr_assert_gt(strlen(error.text), 10);
    cr_assert_null(strchr(error.text, '\n'));
    cr_assert_eq(files_here(), before, "something was left behind");
    cr_assert_eq(tmi_pprof_dump(s, path, NULL), err);
    tm_snapshot_free(s);
}

Test(newfile, places_where_no_file_can_be)
{
    mkdir("dir", 0700);
    cr_assert_eq(symlink("dir", "link-to-dir"), 0);
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    fclose(fopen("plain", "w"));
    expect_failure("dir", -EISDIR);
    expect_failure("link-to-dir", -EISDIR);
    expect_failure("dir/", -EISDIR);
    expect_failure("", -EISDIR);
    expect_failure("missing/out", -ENOENT);
    expect_failure("plain/out", -ENOTDIR);
    expect_failure("pipe", -EINVAL);
    expect_failure("/dev/null", -EINVAL);
    struct stat st;
    cr_assert(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    char deep[6000];
    memset(deep, 'x', sizeof deep);
    memcpy(deep + 5990, "/out", 5);
    expect_failure(deep, -ENAMETOOLONG);
    memset(deep, 'x', 300);
    deep[300] = '\0';
    expect_failure(deep, -ENAMETOOLONG);
}

Test(newfile, a_directory_that_cannot_be_written)
{
    mkdir("locked", 0555);
    if (geteuid() == 0) {
        cr_assert_eq(chmod(".", 0755), 0);
        cr_assert_eq(seteuid(65534), 0);
    }
    expect_failure("locked/out", -EACCES);
    if (getuid() == 0) {
        cr_assert_eq(seteuid(0), 0);
    }
}

Test(newfile, the_disk_is_full)
{
    static const char OLD[] = "what was there";
    FILE *f = fopen("out", "w");
    fputs(OLD, f);
    fclose(f);
    struct tm_snapshot *s = small_snapshot();
    struct stat whole;
    cr_assert_eq(tmi_pprof_dump(s, "whole", NULL), 0);
    cr_assert_eq(stat("whole", &whole), 0);
    tm_snapshot_free(s);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < (rlim_t)whole.st_size; room++) {
        struct rlimit tight = {room, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &tight);
        expect_failure("out", -EFBIG);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    uint8_t bytes[100];
    cr_assert_eq(read_file("out", bytes, sizeof bytes), strlen(OLD));
    cr_assert_eq(memcmp(bytes, OLD, strlen(OLD)), 0, "the old file is untouched");
}

Test(newfile, replaces_what_was_there_and_not_what_a_link_points_to)
{
    struct tm_snapshot *s = small_snapshot();
    FILE *f = fopen("precious", "w");
    fputs("precious", f);
    fclose(f);
    cr_assert_eq(symlink("precious", "out"), 0);
    umask(0);
    cr_assert_eq(tmi_pprof_dump(s, "out", NULL), 0);
    struct stat st;
    cr_assert_eq(lstat("out", &st), 0);
    cr_assert(S_ISREG(st.st_mode));
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(lstat("precious", &st), 0);
    cr_assert_eq(st.st_size, 8);
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    cr_assert_eq(tmi_pprof_dump(s, "dangling", NULL), 0);
    cr_assert_eq(access("nowhere", F_OK), -1);
    char absolute[128];
    snprintf(absolute, sizeof absolute, "%s/%s", directory, "by-absolute-path");
    cr_assert_eq(tmi_pprof_dump(s, absolute, NULL), 0);
    cr_assert_eq(tmi_pprof_dump(s, absolute, NULL), 0, "again, over itself");
    cr_assert_eq(files_here(), 4);
    tm_snapshot_free(s);
}

/* No descriptor stays open, whether it works or not. */
Test(newfile, descriptors_are_closed)
{
    struct tm_snapshot *s = small_snapshot();
    struct tm_snapshot *loaded;
    int next = dup(0);
    close(next);
    tmi_pprof_dump(s, "out", NULL);
    tmi_pprof_dump(s, "/dev/null", NULL);
    tmi_pprof_dump(s, "missing/out", NULL);
    cr_assert_eq(tmi_pprof_load("out", &loaded, NULL), 0);
    tm_snapshot_free(loaded);
    cr_assert_eq(tmi_pprof_load(".", &loaded, NULL), -EISDIR);
    int now = dup(0);
    close(now);
    cr_assert_eq(now, next);
    tm_snapshot_free(s);
}
