/* SPDX-License-Identifier: MIT */
/*
 * Which file is the one that ran: stripped ones with their debug info elsewhere, those
 * that keep only symbols or not even them, and those that are other files by now, which
 * must give no name at all. All have the code of one victim, so that a name from the
 * wrong one would even look right.
 */
#include "symbol/dwfl.h"

#include <criterion/criterion.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../support/victim.h"
#include "symbol/symbol.h"

/* What the symbol table says for the sites of inlined.so, and what stripping leaves. */
static const char *const symbols[] = {"chain_outer", "twice", "twice", "never_returns",
                                      "victim_exported"};
static const char *const exported[] = {"", "", "", "", "victim_exported"};
static const char *const none[] = {"", "", "", "", ""};

struct heard {
    int count;
    char last[512];
};

static void listen(void *context, const char *text)
{
    struct heard *heard = context;
    heard->count++;
    snprintf(heard->last, sizeof(heard->last), "%s", text);
}

static struct tm_snapshot *resolve_in(const struct loaded *v, const char *file,
                                      struct heard *heard)
{
    struct tm_snapshot *s = victim_snapshot(v, file);
    heard->count = 0;
    cr_assert_eq(tmi_symbol_resolve_noting(s, listen, heard), 0);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

static void expect_plain(const char *file, const char *const *functions, int notes)
{
    struct loaded v;
    struct heard heard;
    char path[PATH_MAX];
    victim_load(&v, "inlined.so");
    cr_assert_eq(v.count, 5);
    struct tm_snapshot *s = resolve_in(&v, victim_path(file, path), &heard);
    victim_check_plain(s, path, functions);
    cr_assert_eq(heard.count, notes, "%d notes: %s", heard.count, heard.last);
    tm_snapshot_free(s);
}

Test(dwfl, debug_link)
{
    struct loaded v;
    struct heard heard;
    char path[PATH_MAX];
    victim_load(&v, "inlined.so");
    struct tm_snapshot *s = resolve_in(&v, victim_path("linked.so", path), &heard);
    victim_check_lines(&v, s);
    cr_assert_eq(heard.count, 0);
    tm_snapshot_free(s);
}

/* A link to a debug file with another checksum is none. */
Test(dwfl, debug_link_that_does_not_fit)
{
    expect_plain("mislinked.so", exported, 0);
}

Test(dwfl, symbol_table_only)
{
    expect_plain("symtab.so", symbols, 0);
}

Test(dwfl, stripped)
{
    expect_plain("stripped.so", exported, 0);
}

/* A compressed symbol table, as Fedora's packages have it. */
Test(dwfl, mini_debug_info)
{
    expect_plain("mini.so", symbols, 0);
}

Test(dwfl, another_build_id)
{
    expect_plain("changed.so", none, 1);
}

/* The build id went away, or came: another file as well. */
Test(dwfl, build_id_lost)
{
    expect_plain("noid.so", none, 1);
}

Test(dwfl, no_build_id_on_record)
{
    struct loaded v;
    struct heard heard;
    victim_load(&v, "noid.so");
    cr_assert_eq(v.module.build_id_bytes, 0);
    struct tm_snapshot *s = resolve_in(&v, v.path, &heard);
    victim_check_lines(&v, s);
    tm_snapshot_free(s);

    s = victim_snapshot(&v, v.path);
    s->about.time_nanos = INT64_C(1000000000) * (time(NULL) + 60);
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    victim_check_lines(&v, s);
    tm_snapshot_free(s);
}

/* Without a build id, a file that is younger than the snapshot is not trusted. */
Test(dwfl, younger_than_the_snapshot)
{
    struct loaded v;
    struct heard heard = {.count = 0};
    struct stat status;
    victim_load(&v, "noid.so");
    struct tm_snapshot *s = victim_snapshot(&v, v.path);
    cr_assert_eq(stat(v.path, &status), 0);
    s->about.time_nanos =
        status.st_ctim.tv_sec * INT64_C(1000000000) + status.st_ctim.tv_nsec - 1;
    cr_assert_eq(tmi_symbol_resolve_noting(s, listen, &heard), 0);
    victim_check_plain(s, v.path, none);
    cr_assert_eq(heard.count, 1);
    tm_snapshot_free(s);
}

/* ---- by build id alone
 * ----------------------------------------------------------------- */

#define PYTHON       "/usr/bin/python3.11"
#define PYTHON_CALLS 200

/* The code of python, or what is on record of it when its file has another name. */
static struct tm_snapshot *python_snapshot(const struct tmi_module *code,
                                           const char *name)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module module = *code;
    module.name = name;
    cr_assert_eq(tmi_snapshot_add_module(s, &module), 0);
    for (uint64_t i = 1; i <= PYTHON_CALLS; i++) {
        uint64_t address = code->start + (code->limit - code->start) / PYTHON_CALLS * i;
        cr_assert_geq(tmi_snapshot_add_location(s, address, 0), 0);
    }
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    return s;
}

/* Its executable segment, as if loaded at its own addresses; `elf` holds the build id. */
static void describe_python(Elf *elf, struct tmi_module *code)
{
    GElf_Phdr header;
    size_t count = 0;
    const void *id;
    cr_assert_eq(elf_getphdrnum(elf, &count), 0);
    for (size_t i = 0; i < count; i++) {
        cr_assert_not_null(gelf_getphdr(elf, (int)i, &header));
        if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
            code->start = header.p_vaddr;
            code->limit = header.p_vaddr + header.p_memsz;
            code->offset = header.p_offset;
        }
    }
    ssize_t len = dwelf_elf_gnu_build_id(elf, &id);
    cr_assert_gt(len, 1);
    code->build_id = id;
    code->build_id_bytes = (uint32_t)len;
}

static bool debug_file_installed(const struct tmi_module *code)
{
    char path[128] = "/usr/lib/debug/.build-id/";
    size_t len = strlen(path);
    for (uint32_t i = 0; i < code->build_id_bytes && len < sizeof(path) - 16; i++) {
        len += (size_t)snprintf(path + len, sizeof(path) - len, i == 0 ? "%02x/" : "%02x",
                                code->build_id[i]);
    }
    snprintf(path + len, sizeof(path) - len, ".debug");
    return access(path, R_OK) == 0;
}

static void same_but_for_module(const struct tm_snapshot *a, const struct tm_snapshot *b)
{
    uint32_t named = 0;
    cr_assert_eq(a->line_count, b->line_count);
    for (uint32_t i = 0; i < a->line_count; i++) {
        cr_assert_str_eq(a->lines[i].function, b->lines[i].function);
        cr_assert_eq(a->lines[i].lineno, b->lines[i].lineno);
        if (a->lines[i].lineno != 0) {
            cr_assert_str_eq(a->lines[i].filename, b->lines[i].filename);
            named++;
        }
    }
    cr_assert_gt(named, PYTHON_CALLS / 2);
}

/* The file is gone, or replaced by an upgrade; its debug file is still there. */
Test(dwfl, by_build_id_alone)
{
    struct tmi_module code = {.name = PYTHON};
    int fd = open(PYTHON, O_RDONLY);
    elf_version(EV_CURRENT);
    Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    if (elf != NULL) {
        describe_python(elf, &code);
    }
    if (elf == NULL || !debug_file_installed(&code)) {
        cr_skip_test("no " PYTHON " with its debug info");
    }
    struct tm_snapshot *s = python_snapshot(&code, PYTHON);
    struct tm_snapshot *gone = python_snapshot(&code, "/nonexistent/python3.11");
    struct tm_snapshot *replaced = python_snapshot(&code, "/bin/sh");
    same_but_for_module(s, gone);
    same_but_for_module(s, replaced);
    tm_snapshot_free(s);
    tm_snapshot_free(gone);
    tm_snapshot_free(replaced);
    elf_end(elf);
    close(fd);
}

/* ---- no files at all
 * ------------------------------------------------------------------- */

static void expect_none(const struct loaded *v, const char *path, const char *why)
{
    struct heard heard;
    struct tm_snapshot *s = resolve_in(v, path, &heard);
    victim_check_plain(s, path, none);
    cr_assert_eq(heard.count, 1);
    cr_assert_not_null(strstr(heard.last, why), "%s", heard.last);
    tm_snapshot_free(s);
}

Test(dwfl, no_elf_file)
{
    struct loaded v;
    char dir[] = "/tmp/test_dwfl.XXXXXX", path[64];
    victim_load(&v, "inlined.so");
    cr_assert_not_null(mkdtemp(dir));
    expect_none(&v, dir, "is not there");
    snprintf(path, sizeof(path), "%s/pipe", dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_none(&v, path, "is not there"); /* and does not wait for a writer */
    unlink(path);
    snprintf(path, sizeof(path), "%s/text", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    expect_none(&v, path, "cannot be read");
    cr_assert_eq(write(fd, "#!/bin/sh\n", 10), 10);
    close(fd);
    expect_none(&v, path, "cannot be read");
    unlink(path);
    rmdir(dir);
    expect_none(&v, "/dev/null", "is not there");
}

static char *read_whole(const char *path, size_t *len)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    cr_assert_eq(fstat(fd, &status), 0);
    *len = (size_t)status.st_size;
    char *bytes = malloc(*len);
    cr_assert_eq(read(fd, bytes, *len), (ssize_t)*len);
    close(fd);
    return bytes;
}

/* Whatever is in the file: every location has its line, and the program goes on. */
static void survive(const struct loaded *v, const char *path, const char *bytes,
                    size_t len)
{
    struct heard heard;
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    struct tm_snapshot *s = resolve_in(v, path, &heard);
    for (uint32_t i = 0; i < s->location_count; i++) {
        cr_assert_gt(s->locations[i].nlines, 0);
    }
    tm_snapshot_free(s);
}

Test(dwfl, damaged_files)
{
    struct loaded v;
    size_t len;
    char path[] = "/tmp/test_dwfl.XXXXXX";
    victim_load(&v, "inlined.so");
    char *bytes = read_whole(v.path, &len);
    close(mkstemp(path));
    for (size_t cut = 1; cut < len; cut += len / 97) {
        survive(&v, path, bytes, cut);
    }
    srand(1);
    for (int i = 0; i < 500; i++) {
        size_t at = (size_t)rand() % len;
        char old = bytes[at];
        bytes[at] = (char)rand();
        survive(&v, path, bytes, len);
        bytes[at] = old;
    }
    unlink(path);
    free(bytes);
}
