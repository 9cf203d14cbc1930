/* SPDX-License-Identifier: MIT */
/*
 * The pattern goes to the program in TMALLOC_DUMP and is expanded there when the program
 * ends: %p the process, %e its name, %% a percent sign. By then it may have changed its
 * directory, so the pattern is absolute; and it may have become another program by exec,
 * so that %e is looked for as anything.
 *
 *     FILE, NAME --plan--> /dir/tmalloc.NAME.%p.pb.gz --runtime-->
 * /dir/tmalloc.NAME.7.pb.gz find(7): glob /dir/tmalloc.NAME.7.pb.gz ------^
 *
 * A mark tells the file of this run from one that an earlier run left under the same
 * name: the runtime renames a new file over the old one, so it is another file.
 */
#include "cli/output.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Text that grows in a buffer of fixed size; what does not fit is noticed at the end. */
struct piece {
    char *text;
    size_t len;
};

static void add(struct piece *to, const char *text, size_t len)
{
    if (to->len + len < PATH_MAX) {
        memcpy(to->text + to->len, text, len);
        to->text[to->len + len] = '\0';
    }
    to->len += len;
}

/* A name that stands for itself in a pattern. */
static void add_literal(struct piece *to, const char *name)
{
    for (; *name != '\0'; name++) {
        add(to, *name == '%' ? "%%" : name, *name == '%' ? 2 : 1);
    }
}

static bool mentions_process(const char *file)
{
    for (const char *p = strchr(file, '%'); p != NULL && p[1] != '\0';
         p = strchr(p + 2, '%')) {
        if (p[1] == 'p') {
            return true;
        }
    }
    return false;
}

/* The user's FILE; %e becomes the command's name where one process alone writes it. */
static void add_file(struct piece *to, const char *file, const char *name,
                     bool keep_program)
{
    while (*file != '\0') {
        size_t len = *file == '%' && file[1] != '\0' ? 2 : 1;
        if (len == 2 && file[1] == 'e' && !keep_program) {
            add_literal(to, name);
        } else {
            add(to, file, len);
        }
        file += len;
    }
}

/* The path that a pattern stands for; false when it has %p or %e, which nobody knows yet.
 */
static bool read_literal(const char *pattern, char path[PATH_MAX])
{
    struct piece plain = {path, 0};
    path[0] = '\0';
    for (; *pattern != '\0'; pattern++) {
        char next = *pattern == '%' ? pattern[1] : '\0';
        if (next == 'p' || next == 'e') {
            return false;
        }
        add(&plain, pattern, 1);
        pattern += next == '%';
    }
    return plain.len < PATH_MAX;
}

/* What can be known now should not be found out after hours of running. */
static int check_writable(const char *pattern)
{
    char directory[PATH_MAX];
    char path[PATH_MAX];
    struct stat status;
    strcpy(directory, pattern);
    char *slash = strrchr(directory, '/');
    if (slash[1] == '\0') {
        return -EISDIR;
    }
    if (read_literal(pattern, path) && stat(path, &status) == 0 &&
        !S_ISREG(status.st_mode)) {
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL; /* never replace /dev/null */
    }
    strcpy(slash, "/."); /* also finds out whether it is a directory */
    if (!read_literal(directory, path)) {
        return 0;
    }
    return access(path, W_OK | X_OK) == 0 ? 0 : -errno;
}

int tmi_output_plan(struct tmi_output *output, const char *file, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    struct piece pattern = {output->pattern, 0};
    *output = (struct tmi_output){0};
    if (file == NULL || *file != '/') {
        char here[PATH_MAX];
        if (getcwd(here, sizeof(here)) == NULL) {
            return -errno;
        }
        add_literal(&pattern, here);
        add(&pattern, "/", strcmp(here, "/") == 0 ? 0 : 1);
        output->directory_len = pattern.len;
    }
    if (file != NULL) {
        output->every_process = mentions_process(file);
        add_file(&pattern, file, name, output->every_process);
    } else {
        add(&pattern, "tmalloc.", 8);
        add_literal(&pattern, name);
        add(&pattern, ".%p.pb.gz", 9);
    }
    return pattern.len < PATH_MAX ? check_writable(output->pattern) : -ENAMETOOLONG;
}

/* The pattern for one process as glob(3) wants it. */
static void add_glob(struct piece *to, const char *pattern, pid_t pid)
{
    char number[16];
    int digits = snprintf(number, sizeof(number), "%d", (int)pid);
    for (; *pattern != '\0'; pattern++) {
        char next = *pattern == '%' ? pattern[1] : '\0';
        if (next == 'p') {
            add(to, number, (size_t)digits);
        } else if (next == 'e') {
            add(to, "*", 1);
        } else if (next == '%') {
            add(to, "%", 1);
        } else {
            add(to, "\\", strchr("*?[\\", *pattern) != NULL);
            add(to, pattern, 1);
            continue;
        }
        pattern++;
    }
}

static bool look(const char *path, struct tmi_output_mark *mark)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
        return false;
    }
    *mark = (struct tmi_output_mark){true, status.st_dev, status.st_ino, status.st_mtim};
    return true;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

bool tmi_output_find(const struct tmi_output *output, pid_t pid, char path[PATH_MAX],
                     struct tmi_output_mark *mark)
{
    char text[PATH_MAX];
    struct piece pattern = {text, 0};
    add_glob(&pattern, output->pattern + output->directory_len, pid);
    *mark = (struct tmi_output_mark){0};
    glob_t found;
    if (pattern.len >= PATH_MAX || glob(text, GLOB_NOSORT, NULL, &found) != 0) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct tmi_output_mark other;
        if (look(found.gl_pathv[i], &other) &&
            (!mark->exists || is_newer(&other.modified, &mark->modified))) {
            *mark = other;
            snprintf(path, PATH_MAX, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return mark->exists;
}

bool tmi_output_same(const struct tmi_output_mark *a, const struct tmi_output_mark *b)
{
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
           a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec;
}
