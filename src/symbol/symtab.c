/* SPDX-License-Identifier: MIT */
/*
 * Function names from a file's symbol table, for code without debug info: .symtab of the
 * file or its debug file, else .dynsym, and what .gnu_debugdata adds.
 *
 * Every symbol is read once and writes itself beside the wanted addresses inside it.
 * Where several claim one address the one that starts last wins, which is the innermost,
 * and of aliases the one meant for people (`malloc`, not `__libc_malloc`). A symbol
 * without a size claims nothing: code up to the next symbol need not be its. libdwfl's
 * own lookup reads the whole table for every address, which is too slow for a library of
 * many symbols with many wanted addresses.
 */
#include "symbol/symtab.h"

#include <gelf.h>
#include <stdbool.h>
#include <string.h>

static bool is_function(const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) &&
           symbol->st_size > 0 && symbol->st_shndx != SHN_UNDEF;
}

/* How good a name is among aliases; the lower the better. */
static uint32_t rank_of(const GElf_Sym *symbol, const char *name)
{
    uint32_t underscores = (uint32_t)strspn(name, "_");
    int binding = GELF_ST_BIND(symbol->st_info);
    uint32_t hidden = binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;
    return underscores * 3 + hidden;
}

static void offer(struct tmi_wanted *w, const char *name, uint64_t start, uint32_t rank)
{
    if (w->symbol == NULL || start > w->symbol_start ||
        (start == w->symbol_start && rank < w->rank)) {
        w->symbol = name;
        w->symbol_start = start;
        w->rank = rank;
    }
}

void tmi_symtab_find(Dwfl_Module *module, struct tmi_wanted *wanted, size_t n)
{
    int count = dwfl_module_getsymtab(module);
    for (int i = 0; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        const char *name =
            dwfl_module_getsym_info(module, i, &symbol, &start, NULL, NULL, NULL);
        if (name == NULL || name[0] == '\0' || !is_function(&symbol)) {
            continue;
        }
        uint32_t rank = rank_of(&symbol, name);
        size_t w = tmi_wanted_first(wanted, n, start);
        for (; w < n && wanted[w].pc - start < symbol.st_size; w++) {
            offer(&wanted[w], name, start, rank);
        }
    }
}
