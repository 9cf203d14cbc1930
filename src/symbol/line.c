/* SPDX-License-Identifier: MIT */
/*
 * From what was found about an address to the lines that people read. An address in h,
 * inlined into g, inlined into f, has three, the innermost first:
 *
 *     function   file and line
 *     h          what the line table says for the address itself
 *     g          where g called h: call_file and call_line of h's entry
 *     f          where f called g: call_file and call_line of g's entry
 *
 * Names come from the debug info, mangled ones demangled, else from the symbol table.
 * What is missing gets the module's name for a file, 0 for a line, "" for a function.
 */
#include "symbol/line.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/demangle.h"
#include "symbol/path.h"

struct writer {
    struct tm_snapshot *s;
    const char *module_name;
    struct tmi_scopes *scopes;
    Dwarf_Addr bias;
    struct tmi_line *lines; /* of the address in work */
    size_t room;
};

/* ---- texts, as the snapshot's own; NULL when there is no memory
 * ------------------------ */

static const char *text_of(const struct writer *w, const char *text)
{
    return tmi_snapshot_text(w->s, text, strlen(text));
}

/* What the linker calls `name` as the programmer does. */
static const char *name_of_linker(const struct writer *w, const char *name)
{
    char *written = tmi_demangle(name);
    const char *text = written != NULL ? text_of(w, written) : NULL;
    free(written);
    return text;
}

static const char *linkage_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) == NULL &&
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute) == NULL) {
        return NULL;
    }
    return dwarf_formstring(&attribute);
}

/*
 * Whether the symbol table's name is the better one for what the debug info calls
 * `plain`: the same, with the namespaces and parameters that a local class's method lacks
 * there.
 */
static bool is_fuller(const char *symbol, const char *plain)
{
    char *written = tmi_demangle(symbol);
    char *base = strndup(plain, strcspn(plain, "<"));
    bool fuller = strncmp(symbol, "_Z", 2) == 0 && written != NULL && base != NULL &&
                  strstr(written, base) != NULL;
    free(written);
    free(base);
    return fuller;
}

/* `symbol`: the symbol table's name for the code; NULL for inlined calls and unknown. */
static const char *find_name(const struct writer *w, Dwarf_Die *die, const char *symbol)
{
    const char *linkage = linkage_name(die);
    if (linkage != NULL) {
        return name_of_linker(w, linkage);
    }
    const char *plain = dwarf_diename(die);
    if (symbol != NULL && (plain == NULL || is_fuller(symbol, plain))) {
        return name_of_linker(w, symbol);
    }
    return text_of(w, plain != NULL ? plain : "");
}

static const char *name_of_scope(const struct writer *w, struct tmi_scope *scope,
                                 const char *symbol)
{
    if (scope->name == NULL) {
        bool inlined = scope->parent != TMI_NOWHERE;
        scope->name = find_name(w, &scope->die, inlined ? NULL : symbol);
    }
    return scope->name;
}

static const char *source_file(const struct writer *w, Dwarf_Die *unit, const char *name)
{
    Dwarf_Attribute attribute;
    const char *dir = NULL;
    if (name == NULL || name[0] == '\0') {
        return text_of(w, w->module_name);
    }
    if (dwarf_attr(unit, DW_AT_comp_dir, &attribute) != NULL) {
        dir = dwarf_formstring(&attribute);
    }
    char *path = tmi_path_of_source(dir, name);
    const char *text = path != NULL ? text_of(w, path) : NULL;
    free(path);
    return text;
}

/* ---- places
 * ---------------------------------------------------------------------------- */

/* The place of the address itself. */
static void place_of_address(const struct writer *w, const struct tmi_wanted *wanted,
                             struct tmi_line *line)
{
    const char *name = NULL;
    int lineno = 0;
    Dwarf_Die *unit = NULL;
    if (wanted->unit != TMI_NOWHERE) {
        unit = &w->scopes->units[wanted->unit];
        Dwarf_Line *row = dwarf_getsrc_die(unit, wanted->pc - w->bias);
        name = row != NULL ? dwarf_linesrc(row, NULL, NULL) : NULL;
        if (name == NULL || dwarf_lineno(row, &lineno) != 0) {
            lineno = 0;
        }
    }
    line->filename = source_file(w, unit, name);
    line->lineno = (uint32_t)lineno;
}

static Dwarf_Word number(Dwarf_Die *die, unsigned int name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_attr(die, name, &attribute) == NULL ||
        dwarf_formudata(&attribute, &value) != 0) {
        return 0;
    }
    return value;
}

/* The place from which the inlined function `callee` was called. */
static void place_of_call(const struct writer *w, Dwarf_Die *unit, Dwarf_Die *callee,
                          struct tmi_line *line)
{
    Dwarf_Files *files;
    size_t count;
    const char *name = NULL;
    Dwarf_Word lineno = number(callee, DW_AT_call_line);
    if (dwarf_hasattr(callee, DW_AT_call_file) &&
        dwarf_getsrcfiles(unit, &files, &count) == 0) {
        name = dwarf_filesrc(files, number(callee, DW_AT_call_file), NULL, NULL);
    }
    line->filename = source_file(w, unit, name);
    line->lineno = name != NULL && lineno <= INT32_MAX ? (uint32_t)lineno : 0;
}

/* ---- an address
 * ------------------------------------------------------------------------ */

static int make_lines(struct writer *w, size_t count)
{
    if (count > w->room) {
        struct tmi_line *lines = realloc(w->lines, count * sizeof(*lines));
        if (lines == NULL) {
            return -ENOMEM;
        }
        w->lines = lines;
        w->room = count;
    }
    return 0;
}

/* Fills w->lines from the innermost scope out. */
static void write_chain(struct writer *w, const struct tmi_wanted *wanted, size_t count)
{
    struct tmi_scope *all = w->scopes->scopes;
    Dwarf_Die *unit = &w->scopes->units[wanted->unit];
    uint32_t scope = wanted->scope;
    place_of_address(w, wanted, &w->lines[0]);
    for (size_t i = 0; i < count; i++) {
        w->lines[i].function = name_of_scope(w, &all[scope], wanted->symbol);
        if (i + 1 < count) {
            place_of_call(w, unit, &all[scope].die, &w->lines[i + 1]);
        }
        scope = all[scope].parent;
    }
}

static int write_address(struct writer *w, const struct tmi_wanted *wanted)
{
    bool in_scope = wanted->scope != TMI_NOWHERE;
    uint32_t count = in_scope ? w->scopes->scopes[wanted->scope].depth : 1;
    int error = make_lines(w, count);
    if (error != 0) {
        return error;
    }
    if (in_scope) {
        write_chain(w, wanted, count);
    } else {
        place_of_address(w, wanted, &w->lines[0]);
        w->lines[0].function =
            wanted->symbol != NULL ? name_of_linker(w, wanted->symbol) : text_of(w, "");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (w->lines[i].filename == NULL || w->lines[i].function == NULL) {
            return -ENOMEM;
        }
    }
    return tmi_snapshot_set_lines(w->s, wanted->location, w->lines, count);
}

int tmi_line_write(struct tm_snapshot *s, const char *module_name,
                   struct tmi_scopes *scopes, Dwarf_Addr bias,
                   const struct tmi_wanted *wanted, size_t n)
{
    struct writer w = {
        .s = s, .module_name = module_name, .scopes = scopes, .bias = bias};
    int error = 0;
    for (size_t i = 0; i < n && error == 0; i++) {
        error = write_address(&w, &wanted[i]);
    }
    free(w.lines);
    return error;
}
