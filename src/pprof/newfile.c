/* SPDX-License-Identifier: MIT */
/*
 * The directory is opened once and both names are used relative to it, so that a rename
 * of some parent meanwhile does not part them. A symbolic link at the target is replaced,
 * not followed, by the rename; but a target that is, or leads to, a device or a pipe is
 * refused: root's `-o /dev/null` must not put a file there. The data is synchronised
 * before the rename: that is where a full disk or a quota shows at the latest, and after
 * a crash the name never stands for an empty file.
 */
#include "pprof/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "pprof/failure.h"

#define ATTEMPTS 8

static int fail(struct tmi_error *error, int err, const char *what)
{
    return tmi_pprof_fail(error, -err, "%s: %s", what, strerrordesc_np(err));
}

/* ".tmalloc-" and 16 hexadecimal digits. */
static void choose_name(char *name)
{
    static const char PREFIX[] = ".tmalloc-";
    uint64_t random = tmi_sys_random();
    memcpy(name, PREFIX, sizeof PREFIX - 1);
    name += sizeof PREFIX - 1;
    for (int i = 0; i < 16; i++) {
        *name++ = "0123456789abcdef"[random & 15];
        random >>= 4;
    }
    *name = '\0';
}

static int open_directory(struct tmi_newfile *file, const char *path,
                          struct tmi_error *error)
{
    char dir[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    file->name = slash == NULL ? path : slash + 1;
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= sizeof dir) {
            return fail(error, ENAMETOOLONG, "cannot open the directory");
        }
        memcpy(dir, path, len);
        dir[len] = '\0';
    }
    file->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return file->dir < 0 ? fail(error, errno, "cannot open the directory") : 0;
}

static int refuse_target(const struct tmi_newfile *file, struct tmi_error *error)
{
    struct stat st;
    if (file->name[0] == '\0') {
        return fail(error, EISDIR, "cannot write a file of that name");
    }
    if (fstatat(file->dir, file->name, &st, 0) != 0) {
        return 0;
    }
    if (S_ISDIR(st.st_mode)) {
        return fail(error, EISDIR, "cannot write a file of that name");
    }
    if (!S_ISREG(st.st_mode)) {
        return tmi_pprof_fail(error, -EINVAL, "cannot replace what is no regular file");
    }
    return 0;
}

int tmi_newfile_create(struct tmi_newfile *file, const char *path,
                       struct tmi_error *error)
{
    int err = open_directory(file, path, error);
    if (err != 0) {
        return err;
    }
    err = refuse_target(file, error);
    if (err == 0) {
        file->fd = -1;
        errno = EEXIST;
        for (int i = 0; i < ATTEMPTS && file->fd < 0 && errno == EEXIST; i++) {
            choose_name(file->temporary);
            file->fd = openat(file->dir, file->temporary,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        }
        err = file->fd < 0 ? fail(error, errno, "cannot create a file there") : 0;
    }
    if (err != 0) {
        close(file->dir);
    }
    return err;
}

/* Some file systems cannot synchronise, and say so; that loses nothing. */
static int synchronise(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOSYS ? 0 : errno;
}

int tmi_newfile_commit(struct tmi_newfile *file, struct tmi_error *error)
{
    const char *what = "cannot write";
    int err = synchronise(file->fd);
    if (close(file->fd) != 0 && err == 0 && errno != EINTR) {
        err = errno;
    }
    if (err == 0 && renameat(file->dir, file->temporary, file->dir, file->name) != 0) {
        err = errno;
        what = "cannot rename the finished file";
    }
    if (err != 0) {
        unlinkat(file->dir, file->temporary, 0);
    }
    close(file->dir);
    return err == 0 ? 0 : fail(error, err, what);
}

void tmi_newfile_abandon(struct tmi_newfile *file)
{
    close(file->fd);
    unlinkat(file->dir, file->temporary, 0);
    close(file->dir);
}
