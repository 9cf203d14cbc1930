/* SPDX-License-Identifier: MIT */
/*
 * TMALLOC_DUMP: what a process leaves behind when it ends, and what it says when it can
 * leave nothing. The processes are scenarios of this program that hold blocks of known
 * sizes from known functions and exit with a status of their own, which must stay theirs.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/scenario.h"
#include "tmalloc.h"

#define STATUS 7
#define BYTES  12345

static void *volatile held[4];

__attribute__((noinline)) static void leave_block(int slot, size_t bytes)
{
    held[slot] = malloc(bytes);
}

/* ---- scenarios --------------------------------------------------------------------- */

static int leave_blocks(const char *unused)
{
    (void)unused;
    leave_block(0, BYTES);
    leave_block(1, BYTES);
    return STATUS;
}

/* The child ends first, by exit, and holds what its parent does not. */
static int fork_and_leave(const char *unused)
{
    int status;
    (void)unused;
    leave_block(0, BYTES);
    pid_t child = fork();
    if (child == 0) {
        leave_block(1, 1000);
        exit(STATUS + 1);
    }
    if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != STATUS + 1) {
        return 1;
    }
    leave_block(2, 500);
    return STATUS;
}

/* The child ends last: what it wrote would be what is found. */
static int fork_and_leave_first(const char *unused)
{
    (void)unused;
    leave_block(0, BYTES);
    pid_t parent = getpid();
    if (fork() == 0) {
        leave_block(1, 1000);
        while (getppid() == parent) {
            usleep(1000);
        }
        exit(STATUS);
    }
    return STATUS;
}

/* No file may grow beyond ten bytes: a full disk, as far as a process can tell. */
static int leave_on_a_full_disk(const char *unused)
{
    (void)unused;
    leave_block(0, BYTES);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
    return STATUS;
}

static int stop_and_leave(const char *unused)
{
    (void)unused;
    leave_block(0, BYTES);
    tm_stop();
    return STATUS;
}

static int free_and_leave(const char *unused)
{
    (void)unused;
    leave_block(0, BYTES);
    leave_block(1, BYTES);
    free(held[0]);
    return STATUS;
}

const struct scenario scenarios[] = {
    {"leave", leave_blocks},
    {"free", free_and_leave},
    {"fork", fork_and_leave},
    {"fork last", fork_and_leave_first},
    {"full", leave_on_a_full_disk},
    {"stop", stop_and_leave},
    {NULL, NULL},
};

/* ---- looking at what they left ----------------------------------------------------- */

struct folder {
    char path[64];
    struct outcome outcome;
};

static void make_folder(struct folder *folder)
{
    strcpy(folder->path, "/tmp/tmalloc-dump-XXXXXX");
    cr_assert_not_null(mkdtemp(folder->path));
}

static glob_t list(const struct folder *folder)
{
    char pattern[80];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", folder->path);
    int err = glob(pattern, GLOB_PERIOD, NULL, &found);
    cr_assert(err == 0 || err == GLOB_NOMATCH);
    return found;
}

/* The files of the folder, without "." and "..", in the order of their names. */
static size_t list_files(const struct folder *folder, char names[][256], size_t most)
{
    glob_t found = list(folder);
    size_t n = 0;
    for (size_t i = 0; i < found.gl_pathc && n < most; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            snprintf(names[n++], 256, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return n;
}

static void remove_folder(const struct folder *folder)
{
    char names[8][256];
    size_t n = list_files(folder, names, 8);
    for (size_t i = 0; i < n; i++) {
        unlink(names[i]);
    }
    cr_assert_eq(rmdir(folder->path), 0);
}

/* Run a scenario with TMALLOC_DUMP=FOLDER/template. */
static void run(struct folder *folder, const char *name, const char *template,
                const char *tracing)
{
    char dump[128];
    snprintf(dump, sizeof dump, "TMALLOC_DUMP=%s/%s", folder->path, template);
    scenario_run(&folder->outcome, name, "", (const char *const[]){dump, tracing, NULL});
    cr_assert_eq(folder->outcome.status, STATUS, "status %d: %s", folder->outcome.status,
                 folder->outcome.text);
}

/* Bytes and blocks that a file gives to leave_block. */
static void left_in(const char *path, uint64_t *size, uint64_t *count)
{
    *size = *count = 0;
    tm_snapshot_t *s = tm_snapshot_load(path);
    cr_assert_not_null(s, "%s", path);
    for (size_t i = 0; i < tm_snapshot_trace_count(s); i++) {
        tm_trace_t t;
        tm_frame_t f;
        cr_assert_eq(tm_snapshot_trace(s, i, &t), 0);
        size_t len = tm_traceback_len(t.traceback);
        cr_assert_eq(tm_traceback_frame(t.traceback, len - 1, &f), 0);
        if (strcmp(f.function, "leave_block") == 0) {
            *size += t.size;
            *count += t.count;
        }
    }
    tm_snapshot_free(s);
}

static void expect_left(const char *path, uint64_t size, uint64_t count)
{
    uint64_t left_size;
    uint64_t left_count;
    left_in(path, &left_size, &left_count);
    cr_assert_eq(left_size, size, "%s: %llu bytes", path, (unsigned long long)left_size);
    cr_assert_eq(left_count, count);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

/* One line that is ours and has `word` in it. */
static void expect_one_line(const char *text, const char *word)
{
    cr_assert_eq(count_lines(text), 1, "%s", text);
    cr_assert_eq(strncmp(text, "tmalloc: ", 9), 0, "%s", text);
    cr_assert_not_null(strstr(text, word), "%s", text);
}

/* ---- tests ------------------------------------------------------------------------- */

Test(dump, is_written_at_exit)
{
    struct folder folder;
    char names[8][256];
    make_folder(&folder);
    run(&folder, "leave", "plain.pb.gz", "TMALLOC=5");
    cr_assert_str_eq(folder.outcome.text, "");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    cr_assert_str_eq(strrchr(names[0], '/'), "/plain.pb.gz");
    expect_left(names[0], 2 * BYTES, 2);
    tm_snapshot_t *s = tm_snapshot_load(names[0]);
    cr_assert_eq(tm_snapshot_traceback_limit(s), 5);
    tm_snapshot_free(s);
    remove_folder(&folder);
}

Test(dump, has_program_and_process_in_its_name)
{
    struct folder folder;
    char names[8][256];
    char after[32];
    int pid = 0;
    make_folder(&folder);
    run(&folder, "leave", "100%%-%e-%p.pb.gz", "TMALLOC=1");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    const char *name = strrchr(names[0], '/');
    cr_assert_eq(sscanf(name, "/100%%-scenario-%d%31s", &pid, after), 2, "%s", name);
    cr_assert_str_eq(after, ".pb.gz");
    cr_assert_gt(pid, 1);
    cr_assert_neq(pid, (int)getpid());
    expect_left(names[0], 2 * BYTES, 2);
    remove_folder(&folder);
}

/* Each process its own file; the child's has what it inherited, too. */
Test(dump, of_a_forked_child)
{
    struct folder folder;
    char names[8][256];
    uint64_t sizes[2];
    uint64_t counts[2];
    make_folder(&folder);
    run(&folder, "fork", "%p.pb.gz", "TMALLOC=25");
    cr_assert_str_eq(folder.outcome.text, "");
    cr_assert_eq(list_files(&folder, names, 8), 2);
    left_in(names[0], &sizes[0], &counts[0]);
    left_in(names[1], &sizes[1], &counts[1]);
    cr_assert_eq(counts[0], 2);
    cr_assert_eq(counts[1], 2);
    cr_assert_eq(sizes[0] > sizes[1] ? sizes[0] : sizes[1], BYTES + 1000);
    cr_assert_eq(sizes[0] > sizes[1] ? sizes[1] : sizes[0], BYTES + 500);
    remove_folder(&folder);
}

/* Without %p the child would overwrite its parent's file. */
Test(dump, of_the_parent_alone)
{
    struct folder folder;
    char names[8][256];
    make_folder(&folder);
    run(&folder, "fork", "one.pb.gz", "TMALLOC=25");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    expect_left(names[0], BYTES + 500, 2);
    run(&folder, "fork last", "one.pb.gz", "TMALLOC=25");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    expect_left(names[0], BYTES, 1);
    remove_folder(&folder);
}

Test(dump, that_cannot_be_written_is_one_line)
{
    struct folder folder;
    char names[8][256];
    make_folder(&folder);
    run(&folder, "leave", "no/such/folder.pb.gz", "TMALLOC=5");
    expect_one_line(folder.outcome.text, "No such file or directory");
    cr_assert_eq(list_files(&folder, names, 8), 0);
    run(&folder, "leave", "", "TMALLOC=5");
    expect_one_line(folder.outcome.text, "directory");
    cr_assert_eq(list_files(&folder, names, 8), 0);
    remove_folder(&folder);
}

Test(dump, to_a_full_disk_leaves_nothing)
{
    struct folder folder;
    char names[8][256];
    make_folder(&folder);
    run(&folder, "full", "file.pb.gz", "TMALLOC=5");
    expect_one_line(folder.outcome.text, "File too large");
    cr_assert_eq(list_files(&folder, names, 8), 0);
    remove_folder(&folder);
}

Test(dump, without_traces_is_one_line)
{
    struct folder folder;
    char names[8][256];
    make_folder(&folder);
    run(&folder, "stop", "file.pb.gz", "TMALLOC=5");
    expect_one_line(folder.outcome.text, "not tracing");
    run(&folder, "leave", "file.pb.gz", "TMALLOC=0");
    expect_one_line(folder.outcome.text, "not tracing");
    cr_assert_eq(list_files(&folder, names, 8), 0);
    remove_folder(&folder);
}

Test(dump, of_the_peak)
{
    struct folder folder;
    char names[8][256];
    char peak[128];
    make_folder(&folder);
    snprintf(peak, sizeof peak, "TMALLOC_PEAK_DUMP=%s/peak.%%e", folder.path);
    scenario_run(&folder.outcome, "free", "",
                 (const char *const[]){peak, "TMALLOC=5", NULL});
    cr_assert_eq(folder.outcome.status, STATUS);
    cr_assert_str_eq(folder.outcome.text, "");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    cr_assert_str_eq(strrchr(names[0], '/'), "/peak.scenario");
    expect_left(names[0], 2 * BYTES, 2);
    unlink(names[0]);
    run(&folder, "free", "peak.gz", "TMALLOC=1");
    cr_assert_eq(list_files(&folder, names, 8), 1);
    expect_left(names[0], BYTES, 1); /* TMALLOC_DUMP is of the end */
    remove_folder(&folder);
}
