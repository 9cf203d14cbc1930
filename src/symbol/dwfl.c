/* SPDX-License-Identifier: MIT */
/*
 * Opening one program or library: which file on disk is the one that ran?
 *
 *     the recorded path          when its build id is the recorded one
 *     .build-id/xx/yyyy          else: the file itself, installed by its build id,
 *     .build-id/xx/yyyy.debug    or its separate debug file alone; from debuginfod too,
 *                                where DEBUGINFOD_URLS asks for it
 *
 * Never a file with another build id: no name is better than a wrong one. Without a build
 * id on record, a file that has changed since the snapshot counts as another one.
 * Separate debug info of the file, by build id or debug link (the first checked against
 * the id, the second against the checksum), is libdwfl's business from there on.
 * Paths come from files that anyone may have written, so nothing but a regular file is
 * ever opened: no device, no pipe.
 */
#include "symbol/dwfl.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What libdwfl itself can take. */
#define BUILD_ID_MIN 3
#define BUILD_ID_MAX 64

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static bool changed_after(const struct stat *status, int64_t nanos)
{
    const struct timespec *t = &status->st_ctim;
    return nanos != 0 && t->tv_sec >= nanos / 1000000000 &&
           (t->tv_sec > nanos / 1000000000 || t->tv_nsec > nanos % 1000000000);
}

/* A descriptor, or -1 and why in *result. */
static int open_regular(const char *path, struct stat *status,
                        enum tmi_dwfl_result *result)
{
    *result = TMI_DWFL_MISSING;
    if (stat(path, status) != 0 || !S_ISREG(status->st_mode)) {
        return -1;
    }
    *result = TMI_DWFL_UNREADABLE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, status) != 0 || !S_ISREG(status->st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool has_build_id(const struct tmi_dwfl *file, const struct tmi_module *record)
{
    const void *id;
    ssize_t len = dwelf_elf_gnu_build_id(file->elf, &id);
    return len > 0 && (size_t)len == record->build_id_bytes &&
           memcmp(id, record->build_id, (size_t)len) == 0;
}

/* Takes `fd` over. With no bias: Dwfl's addresses are those of the program headers. */
static bool report_file(struct tmi_dwfl *file, const char *path, int fd)
{
    GElf_Addr bias = 0;
    file->dwfl = dwfl_begin(&callbacks);
    if (file->dwfl == NULL) {
        close(fd);
        return false;
    }
    file->module = dwfl_report_elf(file->dwfl, path, path, fd, 0, true);
    if (file->module == NULL) {
        close(fd);
    } else if (dwfl_report_end(file->dwfl, NULL, NULL) == 0) {
        file->elf = dwfl_module_getelf(file->module, &bias);
    }
    if (file->module == NULL || file->elf == NULL || bias != 0) {
        tmi_dwfl_close(file);
        return false;
    }
    return true;
}

static enum tmi_dwfl_result
open_recorded(struct tmi_dwfl *file, const struct tmi_module *record, int64_t taken_nanos)
{
    struct stat status;
    enum tmi_dwfl_result result;
    int fd = open_regular(record->name, &status, &result);
    if (fd < 0) {
        return result;
    }
    if (!report_file(file, record->name, fd)) {
        return TMI_DWFL_UNREADABLE;
    }
    bool same = record->build_id_bytes > 0 ? has_build_id(file, record)
                                           : !changed_after(&status, taken_nanos);
    if (!same) {
        tmi_dwfl_close(file);
        return TMI_DWFL_CHANGED;
    }
    return TMI_DWFL_OPEN;
}

/*
 * A descriptor of what is installed under the build id, or -1. The module that libdwfl
 * wants for this serves only to carry the id.
 */
static int find_by_build_id(Dwfl *dwfl, const struct tmi_module *record, char **path)
{
    Elf *elf = NULL;
    Dwfl_Module *module = dwfl_report_module(dwfl, record->name, 0, 1);
    if (module == NULL || dwfl_module_report_build_id(module, record->build_id,
                                                      record->build_id_bytes, 0) != 0) {
        return -1;
    }
    int fd = dwfl_build_id_find_elf(module, NULL, record->name, 0, path, &elf);
    if (elf != NULL) {
        elf_end(elf);
    }
    if (fd < 0) {
        free(*path);
        *path = NULL;
        fd = dwfl_build_id_find_debuginfo(module, NULL, record->name, 0, NULL, NULL, 0,
                                          path);
    }
    return fd;
}

static bool open_by_build_id(struct tmi_dwfl *file, const struct tmi_module *record)
{
    char *path = NULL;
    if (record->build_id_bytes < BUILD_ID_MIN || record->build_id_bytes > BUILD_ID_MAX) {
        return false;
    }
    Dwfl *dwfl = dwfl_begin(&callbacks);
    int fd = dwfl != NULL ? find_by_build_id(dwfl, record, &path) : -1;
    bool found = fd >= 0 && report_file(file, path != NULL ? path : record->name, fd);
    if (found && !has_build_id(file, record)) {
        tmi_dwfl_close(file);
        found = false;
    }
    free(path);
    dwfl_end(dwfl);
    return found;
}

enum tmi_dwfl_result tmi_dwfl_open(struct tmi_dwfl *file, const struct tmi_module *record,
                                   int64_t taken_nanos)
{
    memset(file, 0, sizeof(*file));
    elf_version(EV_CURRENT);
    enum tmi_dwfl_result result = open_recorded(file, record, taken_nanos);
    if (result != TMI_DWFL_OPEN && open_by_build_id(file, record)) {
        result = TMI_DWFL_OPEN;
    }
    return result;
}

void tmi_dwfl_close(struct tmi_dwfl *file)
{
    dwfl_end(file->dwfl);
    memset(file, 0, sizeof(*file));
}

/*
 * A debug file alone keeps its original's addresses but not its offsets. With one segment
 * of code, as nearly every file has, the segment is known nonetheless.
 */
static bool vaddr_in_debug_file(const GElf_Phdr *only, uint64_t into, uint64_t *vaddr)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *vaddr = (only->p_vaddr & ~(page - 1)) + into;
    return *vaddr >= only->p_vaddr && *vaddr - only->p_vaddr < only->p_memsz;
}

bool tmi_dwfl_vaddr(const struct tmi_dwfl *file, uint64_t code_offset,
                    uint64_t segment_offset, uint64_t *vaddr)
{
    size_t count = 0;
    uint32_t code_segments = 0;
    GElf_Phdr header, only = {.p_filesz = 0};
    if (elf_getphdrnum(file->elf, &count) != 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (gelf_getphdr(file->elf, (int)i, &header) == NULL ||
            header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) {
            continue;
        }
        if (code_offset >= header.p_offset &&
            code_offset - header.p_offset < header.p_filesz) {
            *vaddr = header.p_vaddr + (code_offset - header.p_offset);
            return true;
        }
        only = header;
        code_segments++;
    }
    return code_segments == 1 && only.p_filesz < only.p_memsz &&
           vaddr_in_debug_file(&only, code_offset - segment_offset, vaddr);
}
