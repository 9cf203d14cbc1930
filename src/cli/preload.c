/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD is a list separated by spaces and colons, without quoting: a library whose
 * path has either cannot be named there, and that is said rather than tried.
 *
 * The loader preloads nothing into a program that has no loader (static: no PT_INTERP in
 * its ELF header), that is built for another machine, or that runs with other rights than
 * its caller's (setuid, setgid, file capabilities). Those are looked for only afterwards,
 * when no snapshot came: before, they would cost time and prove nothing (a script may run
 * anything).
 */
#include "cli/preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/compiler.h"

#define LIBRARY "libtmalloc.so"

/* Where the file of this program is, without the slash; "" when that is not known. */
static void find_own_directory(char directory[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    directory[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(directory, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

/* 0 with the library's absolute path, or -ENOENT. */
static int search(char path[PATH_MAX])
{
    char own[PATH_MAX];
    find_own_directory(own);
    const char *const places[][2] = {
        {own, "/" LIBRARY}, {own, "/.libs/" LIBRARY}, {TM_LIBDIR, "/" LIBRARY}};
    for (size_t i = 0; i < TMI_ARRAY_LEN(places); i++) {
        char candidate[PATH_MAX + 32];
        snprintf(candidate, sizeof(candidate), "%s%s", places[i][0], places[i][1]);
        if (realpath(candidate, path) != NULL) {
            return 0;
        }
    }
    return -ENOENT;
}

int tmi_preload_find(char path[PATH_MAX], char error[TMI_PRELOAD_ERROR])
{
    const char *named = getenv("TMALLOC_LIBRARY");
    if (named != NULL && *named != '\0') {
        if (realpath(named, path) == NULL) {
            int reason = errno;
            snprintf(error, TMI_PRELOAD_ERROR, "TMALLOC_LIBRARY: %s: %s", named,
                     strerror(reason));
            return -reason;
        }
    } else if (search(path) < 0) {
        snprintf(error, TMI_PRELOAD_ERROR,
                 LIBRARY " is neither beside this program nor in " TM_LIBDIR
                         "; TMALLOC_LIBRARY=FILE can name it");
        return -ENOENT;
    }
    if (strpbrk(path, " :") != NULL) {
        snprintf(error, TMI_PRELOAD_ERROR,
                 "%s: the loader preloads no path with a space or colon in it", path);
        return -EINVAL;
    }
    return 0;
}

int tmi_preload_set(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    if (before == NULL || *before == '\0') {
        return setenv("LD_PRELOAD", library, 1) == 0 ? 0 : -errno;
    }
    char *list;
    if (asprintf(&list, "%s:%s", library, before) < 0) {
        return -ENOMEM;
    }
    int status = setenv("LD_PRELOAD", list, 1) == 0 ? 0 : -errno;
    free(list);
    return status;
}

/* ---- obstacles -------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool find_program(const char *command, char path[PATH_MAX])
{
    const char *list = getenv("PATH");
    if (strchr(command, '/') != NULL || list == NULL) {
        return snprintf(path, PATH_MAX, "%s", command) < PATH_MAX && is_program(path);
    }
    for (;;) {
        size_t len = strcspn(list, ":");
        int wanted = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, list,
                              len == 0 ? "" : "/", command);
        if (wanted < PATH_MAX && is_program(path)) {
            return true;
        }
        if (list[len] == '\0') {
            return false;
        }
        list += len + 1;
    }
}

/* Looks at the program headers only; a file that is not as it should be has no obstacle.
 */
static const char *inspect(int fd)
{
    Elf64_Ehdr own, head;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool known = self >= 0 && pread(self, &own, sizeof(own), 0) == sizeof(own) &&
                 pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
                 memcmp(head.e_ident, ELFMAG, SELFMAG) == 0;
    close(self);
    if (!known) {
        return NULL;
    }
    if (head.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
        head.e_machine != own.e_machine) {
        return "is built for another machine than libtmalloc.so";
    }
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(head.e_phoff + (uint64_t)i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment) ||
            segment.p_type == PT_INTERP) {
            return NULL;
        }
    }
    return "is statically linked, so that nothing can be preloaded";
}

const char *tmi_preload_obstacle(const char *command)
{
    char path[PATH_MAX];
    struct stat status;
    if (!find_program(command, path) || stat(path, &status) != 0) {
        return NULL;
    }
    if (((status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid()) ||
        ((status.st_mode & S_ISGID) != 0 && status.st_gid != getegid())) {
        return "is setuid or setgid, and the loader preloads nothing there";
    }
    if (geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        return "has file capabilities, and the loader preloads nothing there";
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    const char *obstacle = inspect(fd);
    close(fd);
    return obstacle;
}
