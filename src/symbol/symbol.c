/* SPDX-License-Identifier: MIT */
/*
 * The walk over a snapshot: which addresses are wanted of which file.
 *
 *     locations without lines ---> wanted[], sorted by file, then by address
 *                                  | file 0    | file 1       | file 2 |
 *     for each file: open it, functions (inline.c), symbols (symtab.c), lines (line.c),
 * close
 *
 * Modules with one name and one build id are one file, however often it was loaded, and
 * wherever. An address becomes an offset in the file through its own module, then a
 * virtual address through the file's program headers. Addresses are return addresses: one
 * less lies in the call, which is what the line is wanted of.
 * One file is open at a time. Nothing but a lack of memory ends the walk early.
 */
#include "symbol/symbol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/dwfl.h"
#include "symbol/inline.h"
#include "symbol/line.h"
#include "symbol/symtab.h"
#include "symbol/wanted.h"
#include "view/snapshot.h"

struct work {
    struct tm_snapshot *s;
    struct tmi_wanted *wanted;
    size_t count;
    uint32_t
        *file_of; /* module -> file: the first module with the same name and build id */
    tmi_symbol_note *note;
    void *context;
};

/* ---- which modules are one file
 * -------------------------------------------------------- */

/* Names are interned: equal ones are one pointer, in no order that means anything. */
static int compare_identity(const struct tmi_module *a, const struct tmi_module *b)
{
    if (a->name != b->name) {
        return (uintptr_t)a->name < (uintptr_t)b->name ? -1 : 1;
    }
    if (a->build_id_bytes != b->build_id_bytes) {
        return a->build_id_bytes < b->build_id_bytes ? -1 : 1;
    }
    return a->build_id_bytes == 0 ? 0
                                  : memcmp(a->build_id, b->build_id, a->build_id_bytes);
}

static int by_identity(const void *x, const void *y, void *modules)
{
    const struct tmi_module *all = modules;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    int order = compare_identity(&all[a], &all[b]);
    return order != 0 ? order : (a > b) - (a < b);
}

static int number_files(struct work *w)
{
    uint32_t n = w->s->module_count;
    const struct tmi_module *modules = w->s->modules;
    uint32_t *order = malloc((n + 1) * sizeof(*order));
    w->file_of = malloc((n + 1) * sizeof(*w->file_of));
    if (order == NULL || w->file_of == NULL) {
        free(order);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    qsort_r(order, n, sizeof(*order), by_identity, w->s->modules);
    for (uint32_t i = 0; i < n; i++) {
        bool same =
            i > 0 && compare_identity(&modules[order[i - 1]], &modules[order[i]]) == 0;
        w->file_of[order[i]] = same ? w->file_of[order[i - 1]] : order[i];
    }
    free(order);
    return 0;
}

/* ---- which addresses are wanted
 * -------------------------------------------------------- */

/* The kernel's own library, which has no file. */
static bool is_vdso(const char *name)
{
    return strncmp(name, "linux-vdso", 10) == 0 || strncmp(name, "linux-gate", 10) == 0;
}

/* Whether there can be a file that knows the location's address. */
static bool has_file(const struct work *w, const struct tmi_location *location)
{
    if (location->module >= w->s->module_count) {
        return false;
    }
    const struct tmi_module *module = &w->s->modules[location->module];
    bool inside = location->address > module->start && location->address <= module->limit;
    return inside && module->name[0] != '\0' && module->name[0] != '[' &&
           !is_vdso(module->name);
}

/* What a location has when nothing is known. */
static int set_unknown(const struct work *w, uint32_t location)
{
    uint32_t module = w->s->locations[location].module;
    const char *name = module < w->s->module_count ? w->s->modules[module].name : "";
    struct tmi_line line = {.filename = name[0] != '\0' ? name : "<unknown>",
                            .function = ""};
    return tmi_snapshot_set_lines(w->s, location, &line, 1);
}

static int collect(struct work *w)
{
    for (uint32_t i = 0; i < w->s->location_count; i++) {
        const struct tmi_location *location = &w->s->locations[i];
        if (location->nlines > 0) {
            continue;
        }
        if (!has_file(w, location)) {
            int error = set_unknown(w, i);
            if (error != 0) {
                return error;
            }
            continue;
        }
        w->wanted[w->count++] = (struct tmi_wanted){
            .pc = location->address - 1,
            .location = i,
            .file = w->file_of[location->module],
            .unit = TMI_NOWHERE,
            .scope = TMI_NOWHERE,
        };
    }
    return 0;
}

static int by_file(const void *x, const void *y)
{
    const struct tmi_wanted *a = x, *b = y;
    return (a->file > b->file) - (a->file < b->file);
}

static int by_pc(const void *x, const void *y)
{
    const struct tmi_wanted *a = x, *b = y;
    return (a->pc > b->pc) - (a->pc < b->pc);
}

/* ---- a file
 * ---------------------------------------------------------------------------- */

/* Hexadecimal digits, as debuginfod and eu-unstrip have them; long ones are cut. */
static const char *build_id_text(const struct tmi_module *module, char text[81])
{
    uint32_t bytes = module->build_id_bytes < 40 ? module->build_id_bytes : 40;
    for (uint32_t i = 0; i < bytes; i++) {
        snprintf(text + (size_t)2 * i, 3, "%02x", module->build_id[i]);
    }
    text[(size_t)2 * bytes] = '\0';
    return text;
}

static void tell(const struct work *w, const struct tmi_module *module,
                 enum tmi_dwfl_result result)
{
    static const char *const why[] = {
        [TMI_DWFL_MISSING] = "is not there",
        [TMI_DWFL_UNREADABLE] = "cannot be read",
        [TMI_DWFL_CHANGED] = "is not the file that ran: it has changed since",
    };
    char text[512], id[81];
    if (w->note == NULL) {
        return;
    }
    if (result == TMI_DWFL_CHANGED && module->build_id_bytes != 0) {
        snprintf(text, sizeof(text),
                 "%.300s is not the file that ran, which had the build id %s; its "
                 "functions have no names here",
                 module->name, build_id_text(module, id));
    } else {
        snprintf(text, sizeof(text), "%.400s %s; its functions have no names here",
                 module->name, why[result]);
    }
    w->note(w->context, text);
}

/*
 * From addresses in memory to those of the file, sorted. Those that lie in no code of the
 * file go behind the *known others, as unknown.
 */
static int to_file_addresses(const struct work *w, const struct tmi_dwfl *file,
                             struct tmi_wanted *wanted, size_t n, size_t *known)
{
    *known = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tmi_location *location = &w->s->locations[wanted[i].location];
        const struct tmi_module *module = &w->s->modules[location->module];
        uint64_t code = wanted[i].pc - module->start + module->offset;
        uint64_t vaddr;
        if (tmi_dwfl_vaddr(file, code, module->offset, &vaddr)) {
            struct tmi_wanted at = wanted[i];
            at.pc = vaddr;
            wanted[i] = wanted[*known];
            wanted[(*known)++] = at;
            continue;
        }
        int error = set_unknown(w, wanted[i].location);
        if (error != 0) {
            return error;
        }
    }
    qsort(wanted, *known, sizeof(*wanted), by_pc);
    return 0;
}

/* Everything that the open file says about the wanted addresses, sorted by pc. */
static int look_up(const struct work *w, const struct tmi_dwfl *file, const char *name,
                   struct tmi_wanted *wanted, size_t n)
{
    struct tmi_scopes scopes = {.scopes = NULL};
    Dwarf_Addr bias = 0;
    int error = 0;
    Dwarf *dwarf = dwfl_module_getdwarf(file->module, &bias);
    if (dwarf != NULL) {
        error = tmi_inline_find(&scopes, dwarf, bias, wanted, n);
    }
    if (error == 0) {
        tmi_symtab_find(file->module, wanted, n);
        error = tmi_line_write(w->s, name, &scopes, bias, wanted, n);
    }
    tmi_inline_release(&scopes);
    return error;
}

static int resolve_file(const struct work *w, struct tmi_wanted *wanted, size_t n)
{
    struct tmi_dwfl file;
    const struct tmi_module *module = &w->s->modules[wanted->file];
    int64_t taken_nanos = w->s->about.time_nanos;
    enum tmi_dwfl_result result = tmi_dwfl_open(&file, module, taken_nanos);
    if (result != TMI_DWFL_OPEN) {
        int error = 0;
        tell(w, module, result);
        for (size_t i = 0; i < n && error == 0; i++) {
            error = set_unknown(w, wanted[i].location);
        }
        return error;
    }
    size_t known;
    int error = to_file_addresses(w, &file, wanted, n, &known);
    if (error == 0 && known > 0) {
        error = look_up(w, &file, module->name, wanted, known);
    }
    tmi_dwfl_close(&file);
    return error;
}

static int resolve_all(struct work *w)
{
    int error = number_files(w);
    if (error == 0) {
        error = collect(w);
    }
    qsort(w->wanted, w->count, sizeof(*w->wanted), by_file);
    for (size_t i = 0, n; i < w->count && error == 0; i += n) {
        n = 1;
        while (i + n < w->count && w->wanted[i + n].file == w->wanted[i].file) {
            n++;
        }
        error = resolve_file(w, w->wanted + i, n);
    }
    return error;
}

int tmi_symbol_resolve_noting(struct tm_snapshot *s, tmi_symbol_note *note, void *context)
{
    struct work w = {.s = s, .note = note, .context = context};
    w.wanted = malloc((s->location_count + (size_t)1) * sizeof(*w.wanted));
    int error = w.wanted != NULL ? resolve_all(&w) : -ENOMEM;
    free(w.wanted);
    free(w.file_of);
    return error;
}

int tmi_symbol_resolve(struct tm_snapshot *s)
{
    return tmi_symbol_resolve_noting(s, NULL, NULL);
}
