/* SPDX-License-Identifier: MIT */
/*
 * Victims of the symbol tests, loaded with dlopen and described by dl_iterate_phdr: the
 * executable segment, page by page as the loader mapped it, and the build id as it lies
 * in memory. So nothing that a test expects has gone through the code under test.
 */
#include "victim.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbol/symbol.h"
#include "view/service.h"

/* The convenience libraries leave it to the program; none here reads a snapshot lazily.
 */
const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = tmi_symbol_resolve};
    return &service;
}

const char *victim_path(const char *name, char path[PATH_MAX])
{
    char relative[PATH_MAX];
    const char *builddir = getenv("builddir");
    snprintf(relative, sizeof(relative), "%s/tests/victims/%s",
             builddir != NULL ? builddir : ".", name);
    cr_assert_not_null(realpath(relative, path), "%s is not built", relative);
    return path;
}

static void read_build_id(struct loaded *v, const char *note, const char *end)
{
    while (note + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *header = (const void *)note;
        const char *name = note + sizeof(*header);
        const char *text = name + ((header->n_namesz + 3) & ~3u);
        if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 &&
            memcmp(name, "GNU", 4) == 0) {
            cr_assert_leq(header->n_descsz, VICTIM_ID_MAX);
            memcpy(v->build_id, text, header->n_descsz);
            v->module.build_id = v->build_id;
            v->module.build_id_bytes = header->n_descsz;
        }
        note = text + ((header->n_descsz + 3) & ~3u);
    }
}

static int describe(struct dl_phdr_info *object, size_t size, void *context)
{
    struct loaded *v = context;
    char path[PATH_MAX];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    (void)size;
    if (realpath(object->dlpi_name, path) == NULL || strcmp(path, v->path) != 0) {
        return 0;
    }
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        const char *memory = (const char *)object->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_NOTE) {
            read_build_id(v, memory, memory + p->p_memsz);
        } else if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            v->module.start = (uint64_t)memory & ~(page - 1);
            v->module.limit = (uint64_t)memory + p->p_memsz;
            v->module.offset = p->p_offset & ~(page - 1);
        }
    }
    return 1;
}

void victim_load(struct loaded *v, const char *name)
{
    memset(v, 0, sizeof(*v));
    v->module.name = victim_path(name, v->path);
    void *library = dlopen(v->path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    const struct victim *victim = dlsym(library, "victim");
    cr_assert_not_null(victim);
    cr_assert_not_null(realpath(victim->file, v->source));
    v->count = (uint32_t)victim->run(v->sites);
    cr_assert_gt(v->count, 0);
    cr_assert_eq(dl_iterate_phdr(describe, v), 1);
    cr_assert_neq(v->module.start, 0);
}

struct tm_snapshot *victim_snapshot(const struct loaded *v, const char *name)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module module = v->module;
    module.name = name;
    cr_assert_not_null(s);
    cr_assert_eq(tmi_snapshot_add_module(s, &module), 0);
    for (uint32_t i = 0; i < v->count; i++) {
        uint64_t address = (uint64_t)(uintptr_t)v->sites[i].address;
        cr_assert_eq(tmi_snapshot_add_location(s, address, 0), i);
    }
    return s;
}

void victim_check_lines(const struct loaded *v, const struct tm_snapshot *s)
{
    char path[PATH_MAX];
    for (uint32_t i = 0; i < v->count; i++) {
        const struct site *site = &v->sites[i];
        const struct tmi_location *at = &s->locations[i];
        cr_assert_eq(at->nlines, (uint32_t)site->depth, "site %u: %u lines, not %d", i,
                     at->nlines, site->depth);
        for (int k = 0; k < site->depth; k++) {
            const struct tmi_line *line = &s->lines[at->first_line + (uint32_t)k];
            cr_assert_str_eq(line->function, site->chain[k].function);
            cr_assert_eq(line->lineno, (uint32_t)site->chain[k].line,
                         "%s: line %u, not %d", line->function, line->lineno,
                         site->chain[k].line);
            cr_assert_eq(line->filename[0], '/', "%s is not absolute", line->filename);
            cr_assert_not_null(realpath(line->filename, path), "%s", line->filename);
            cr_assert_str_eq(path, v->source);
        }
    }
}

void victim_check_plain(const struct tm_snapshot *s, const char *filename,
                        const char *const *functions)
{
    for (uint32_t i = 0; i < s->location_count; i++) {
        const struct tmi_location *at = &s->locations[i];
        cr_assert_eq(at->nlines, 1);
        const struct tmi_line *line = &s->lines[at->first_line];
        cr_assert_str_eq(line->filename, filename);
        cr_assert_str_eq(line->function, functions[i], "site %u: '%s', not '%s'", i,
                         line->function, functions[i]);
        cr_assert_eq(line->lineno, 0);
    }
}
