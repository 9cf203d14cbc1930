/* SPDX-License-Identifier: MIT */
/*
 * The walk over a snapshot: every location gets exactly the lines that the compiler had
 * in mind, innermost first, whichever module it is of and however often that was loaded;
 * and one without symbols gets its one line all the same.
 */
#include "symbol/symbol.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../support/victim.h"

static void exact(const char *name)
{
    struct loaded v;
    victim_load(&v, name);
    struct tm_snapshot *s = victim_snapshot(&v, v.path);
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    victim_check_lines(&v, s);
    cr_assert(tmi_snapshot_check(s));
    tm_snapshot_free(s);
}

Test(symbol, c_with_inlined_chains)
{
    exact("inlined.so");
}

Test(symbol, cxx_names)
{
    exact("names.so");
}

/* Two libraries, and one of them where it lay before it was unloaded, overlapping. */
Test(symbol, modules_that_overlap)
{
    struct loaded c, cxx;
    victim_load(&c, "inlined.so");
    victim_load(&cxx, "names.so");
    struct tm_snapshot *s = victim_snapshot(&c, c.path);
    struct tmi_module other = cxx.module;
    int64_t shift = (int64_t)(c.module.start - cxx.module.start);
    other.start += (uint64_t)shift;
    other.limit += (uint64_t)shift;
    cr_assert_eq(tmi_snapshot_add_module(s, &other), 1);
    struct loaded shifted = cxx;
    for (uint32_t i = 0; i < cxx.count; i++) {
        uint64_t address = (uint64_t)(uintptr_t)cxx.sites[i].address + (uint64_t)shift;
        cr_assert_eq(tmi_snapshot_add_location(s, address, 1), c.count + i);
    }
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    victim_check_lines(&c, s);
    s->locations += c.count; /* the others, as if they were all */
    victim_check_lines(&shifted, s);
    s->locations -= c.count;
    tm_snapshot_free(s);
}

/* One file, loaded at a thousand places one after the other. */
Test(symbol, loaded_again_and_again)
{
    struct loaded v;
    victim_load(&v, "inlined.so");
    struct tm_snapshot *s = victim_snapshot(&v, v.path);
    uint64_t address = (uint64_t)(uintptr_t)v.sites[0].address;
    struct tmi_module module = v.module;
    for (uint32_t i = 1; i < 1000; i++) {
        module.start += 0x200000;
        module.limit += 0x200000;
        address += 0x200000;
        cr_assert_eq(tmi_snapshot_add_module(s, &module), i);
        cr_assert_geq(tmi_snapshot_add_location(s, address, i), 0);
    }
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    victim_check_lines(&v, s);
    for (uint32_t i = v.count; i < s->location_count; i++) {
        cr_assert_eq(s->locations[i].nlines, (uint32_t)v.sites[0].depth);
        const struct tmi_line *line = &s->lines[s->locations[i].first_line];
        cr_assert_str_eq(line->function, v.sites[0].chain[0].function);
    }
    tm_snapshot_free(s);
}

/* What a file already says is not looked up again. */
Test(symbol, lines_that_are_there_stay)
{
    struct loaded v;
    victim_load(&v, "inlined.so");
    struct tm_snapshot *s = victim_snapshot(&v, v.path);
    const struct tmi_line own = {"elsewhere.c", "other", 7};
    cr_assert_eq(tmi_snapshot_set_lines(s, 0, &own, 1), 0);
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    cr_assert_eq(s->locations[0].nlines, 1);
    cr_assert_str_eq(s->lines[s->locations[0].first_line].function, "other");
    cr_assert_gt(s->locations[1].nlines, 0);
    uint32_t lines = s->line_count;
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    cr_assert_eq(s->line_count, lines);
    tm_snapshot_free(s);
}

static void check_unknown(const char *module, uint64_t address, const char *filename)
{
    static const char *const none[] = {""};
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module record = {.name = module, .start = 0x1000, .limit = 0x2000};
    uint32_t id = TMI_NO_MODULE;
    if (module != NULL) {
        id = (uint32_t)tmi_snapshot_add_module(s, &record);
    }
    cr_assert_eq(tmi_snapshot_add_location(s, address, id), 0);
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    victim_check_plain(s, filename, none);
    tm_snapshot_free(s);
}

Test(symbol, nothing_known)
{
    check_unknown(NULL, 0x1234, "<unknown>");
    check_unknown(NULL, 0, "<unknown>");
    check_unknown("", 0x1234, "<unknown>");
    check_unknown("/nonexistent/libgone.so", 0x1234, "/nonexistent/libgone.so");
    check_unknown("linux-vdso.so.1", 0x1234, "linux-vdso.so.1");
    check_unknown("[vdso]", 0x1234, "[vdso]");
    check_unknown("relative", 0, "relative");
    check_unknown("/bin/sh", 0x1000, "/bin/sh"); /* the call lies before the module */
    check_unknown("/bin/sh", 0x2001, "/bin/sh"); /* and behind */
}

Test(symbol, empty_snapshot)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    cr_assert_eq(tmi_symbol_resolve(s), 0);
    cr_assert_eq(s->line_count, 0);
    tm_snapshot_free(s);
}

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

/* Once for a file, not for each address or each place where it lay. */
Test(symbol, notes)
{
    struct heard heard = {.count = 0};
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module gone = {.name = "/nonexistent/libgone.so"};
    for (uint32_t i = 0; i < 3; i++) {
        gone.start = 0x10000 * (i + 1);
        gone.limit = gone.start + 0x1000;
        cr_assert_eq(tmi_snapshot_add_module(s, &gone), i);
        cr_assert_geq(tmi_snapshot_add_location(s, gone.start + 16, i), 0);
        cr_assert_geq(tmi_snapshot_add_location(s, gone.start + 32, i), 0);
    }
    cr_assert_geq(tmi_snapshot_add_location(s, 0x1234, TMI_NO_MODULE), 0);
    cr_assert_eq(tmi_symbol_resolve_noting(s, listen, &heard), 0);
    cr_assert_eq(heard.count, 1);
    cr_assert_not_null(strstr(heard.last, "/nonexistent/libgone.so"));
    cr_assert_null(strchr(heard.last, '\n'));
    tm_snapshot_free(s);
}
