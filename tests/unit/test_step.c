/* SPDX-License-Identifier: MIT */
/*
 * Steps against the rules that they were packed from, for every return address of a
 * library's code, by one thread and by several; and what becomes of them when the library
 * makes way for another.
 */
#include "trace/step.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../support/random.h"
#include "trace/module.h"
#include "trace/object.h"
#include "trace/tree.h"

#define PLACES 30000

/* Does a step say what the rule says? Written from step.h's picture of a step. */
static void expect_step(tmi_step step, const struct tmi_rule *rule, uintptr_t pc)
{
    bool fits = rule->cfa_offset % 8 == 0 && rule->rbp_offset >= -64 * 8 &&
                (rule->rbp_offset % 8 == 0 || rule->rbp_offset == 1) &&
                labs(rule->cfa_offset) < 4 << 20;
    enum tmi_rule_kind kind = rule->kind == TMI_RULE_NO_TABLE ? TMI_RULE_END : rule->kind;
    cr_assert_eq(step & 7, fits ? kind : TMI_RULE_OTHER, "%lx", (long)pc);
    cr_assert_eq(tmi_location_address(step >> 32), pc);
    if ((step & 7) < TMI_RULE_SIGNAL) {
        cr_assert_eq(tmi_step_cfa(step), rule->cfa_offset);
        cr_assert_eq(tmi_step_rbp(step),
                     rule->rbp_offset == 1 ? 1 : rule->rbp_offset / 8);
    }
}

static void expect_right(uintptr_t pc)
{
    struct tmi_object o;
    cr_assert(tmi_object_find(pc - 1, &o));
    struct tmi_cfi_image image = {o.start, o.end, o.eh_frame_hdr, o.start, o.end};
    struct tmi_cfi_reader fresh = {0};
    struct tmi_rule rule = tmi_cfi_rule(&fresh, &image, pc);
    tmi_step step = tmi_step_find(pc);
    expect_step(step, &rule, pc);
    cr_assert_eq(tmi_step_find(pc), step);
}

static uintptr_t some_code(uint64_t *seed)
{
    struct tmi_object o;
    cr_assert(tmi_object_find((uintptr_t)dlsym(RTLD_DEFAULT, "puts"), &o));
    const ElfW(Phdr) *segment = tmi_object_segment(&o, (uintptr_t)dlsym(NULL, "puts"));
    cr_assert_not_null(segment);
    return o.bias + segment->p_vaddr + 1 + random_below(seed, segment->p_memsz - 1);
}

Test(step, steps_are_rules)
{
    uint64_t seed = 1;
    for (int i = 0; i < PLACES; i++) {
        expect_right(some_code(&seed));
    }
    cr_assert_gt(tmi_step_table->used, PLACES * 9 / 10);
    cr_assert_leq(4 * tmi_step_table->used,
                  tmi_step_table->bits / TMI_STEP_CODE_BYTES + 1);
}

/* While the table grows under them. */
static void *find_all(void *failures)
{
    uint64_t seed = 2;
    for (int i = 0; i < PLACES; i++) {
        uintptr_t pc = some_code(&seed);
        tmi_step step = tmi_step_find(pc);
        *(int *)failures += tmi_location_address(tmi_step_location(step)) != pc;
        *(int *)failures += tmi_step_kind(step) == TMI_RULE_NONE;
    }
    return NULL;
}

Test(step, threads_together)
{
    pthread_t threads[4];
    int failures[4] = {0};
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, find_all, &failures[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(failures[i], 0);
    }
    uint64_t seed = 2;
    for (int i = 0; i < PLACES; i++) {
        expect_right(some_code(&seed));
    }
}

/* Who is still in a table that was superseded finds nothing there, and then the step. */
Test(step, superseded_tables_are_given_back)
{
    uint64_t seed = 5;
    tmi_step_find(some_code(&seed));
    const struct tmi_step_table *first = tmi_step_table;
    size_t entries = (first->bits / TMI_STEP_CODE_BYTES + 1) * sizeof *first->entries;
    uintptr_t from = ((uintptr_t)first + 4095) & ~(uintptr_t)4095;
    uintptr_t to = ((uintptr_t)first + entries) & ~(uintptr_t)4095;
    cr_assert_lt(from, to);
    uintptr_t pc = some_code(&seed);
    while ((uintptr_t)tmi_step_place(first, pc) - from >= to - from) {
        pc = some_code(&seed); /* one in a page that is the table's alone */
    }
    tmi_step step = tmi_step_find(pc);
    cr_assert_eq(tmi_step_table, first);
    cr_assert_eq(tmi_step_look_up(first, pc), step);
    while (tmi_step_table == first) {
        expect_right(some_code(&seed));
    }
    unsigned char resident[64];
    cr_assert_eq(mincore((void *)from, to - from, resident), 0);
    for (size_t i = 0; i < (to - from) / 4096; i++) {
        cr_assert_eq(resident[i] & 1, 0, "page %zu", i);
    }
    cr_assert_eq(tmi_step_look_up(first, pc), 0);
    cr_assert_eq(tmi_step_decode(pc), step);
    size_t used = tmi_step_table->used;
    cr_assert_eq(tmi_step_decode(pc), step);
    cr_assert_eq(tmi_step_table->used, used, "it was there");
}

/* Frames too large for a step, right at the limits. */
extern const char words_524287[], words_524288[], odd_frame[], saved_64[], saved_65[];

__asm__(".text\n"
        ".cfi_startproc\n"
        ".cfi_def_cfa_offset 4194296\n"
        "nop\n"
        "words_524287:\n"
        ".cfi_def_cfa_offset 4194304\n"
        "nop\n"
        "words_524288:\n"
        ".cfi_def_cfa_offset 20\n"
        "nop\n"
        "odd_frame:\n"
        ".cfi_def_cfa_offset 8192\n"
        ".cfi_offset rbp, -512\n"
        "nop\n"
        "saved_64:\n"
        ".cfi_offset rbp, -520\n"
        "nop\n"
        "saved_65:\n"
        ".cfi_endproc\n");

Test(step, what_does_not_fit)
{
    tmi_step step = tmi_step_find((uintptr_t)words_524287);
    cr_assert_eq(tmi_step_kind(step), TMI_RULE_RSP);
    cr_assert_eq(tmi_step_cfa(step), 4194296);
    cr_assert_eq(tmi_step_kind(tmi_step_find((uintptr_t)words_524288)), TMI_RULE_OTHER);
    cr_assert_eq(tmi_step_kind(tmi_step_find((uintptr_t)odd_frame)), TMI_RULE_OTHER);
    step = tmi_step_find((uintptr_t)saved_64);
    cr_assert_eq(tmi_step_kind(step), TMI_RULE_RSP);
    cr_assert_eq(tmi_step_rbp(step), -64);
    cr_assert_eq(tmi_step_kind(tmi_step_find((uintptr_t)saved_65)), TMI_RULE_OTHER);
}

/* ---- code that makes way ---------------------------------------------------------- */

static char folder[] = "/tmp/tmalloc-step-XXXXXX";

/* A library with nothing but `place`: a byte, and from its address on a frame of n bytes.
 */
static void *load_with(const char *name, int frame, const char *extra)
{
    char path[100];
    char command[600];
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    snprintf(command, sizeof command,
             "printf '.text\\n.cfi_startproc\\n.cfi_def_cfa_offset %d\\nnop\\n"
             ".globl place\\nplace: nop\\n.cfi_endproc\\n' | "
             "cc -shared -nostdlib %s -x assembler -o '%s' -",
             frame, extra, path);
    cr_assert_eq(system(command), 0);
    void *library = dlopen(path, RTLD_NOW);
    cr_assert_not_null(library, "%s", dlerror());
    return library;
}

static void *load(const char *name, int frame)
{
    return load_with(name, frame, "");
}

static void unload(void *library, const char *name)
{
    char path[100];
    dlclose(library);
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    remove(path);
}

Test(step, another_library_at_the_same_address)
{
    cr_assert_not_null(mkdtemp(folder));
    void *library = load("one", 4000);
    uintptr_t place = (uintptr_t)dlsym(library, "place");
    tmi_step one = tmi_step_find(place);
    cr_assert_eq(tmi_step_cfa(one), 4000);
    uint64_t seed = 3;
    uintptr_t stays = some_code(&seed);
    tmi_step kept = tmi_step_find(stays);
    size_t used = tmi_step_table->used;

    unload(library, "one");
    cr_assert(tmi_module_refresh());
    tmi_step_forget_gone();
    cr_assert_eq(tmi_step_kind(tmi_step_find(place)), TMI_RULE_END, "nothing is there");
    cr_assert_eq(tmi_step_table->used, used, "what has no module is not kept");

    library = load("two", 64);
    cr_assert_eq((uintptr_t)dlsym(library, "place"), place, "nothing was tested");
    tmi_step two = tmi_step_find(place);
    cr_assert_eq(tmi_step_cfa(two), 64);
    cr_assert_neq(tmi_step_location(two), tmi_step_location(one));
    cr_assert_eq(tmi_step_table->used, used, "it has the place of the first");
    cr_assert_eq(tmi_step_find(stays), kept);
    unload(library, "two");
    remove(folder);
}

/* Nothing tells it from the first but that it was noticed to be gone. */
Test(step, another_library_of_the_same_name_without_build_id)
{
    cr_assert_not_null(mkdtemp(folder));
    void *library = load_with("one", 4000, "-Wl,--build-id=none");
    uintptr_t place = (uintptr_t)dlsym(library, "place");
    cr_assert_eq(tmi_step_cfa(tmi_step_find(place)), 4000);
    unload(library, "one");
    cr_assert(tmi_module_refresh());
    tmi_step_forget_gone();
    library = load_with("one", 4800, "-Wl,--build-id=none");
    cr_assert_eq((uintptr_t)dlsym(library, "place"), place, "nothing was tested");
    cr_assert_eq(tmi_step_cfa(tmi_step_find(place)), 4800);
    unload(library, "one");
    remove(folder);
}

/* Code that a program writes ends a stack until a library comes to where it was. */
Test(step, code_without_a_module_is_not_kept)
{
    cr_assert_not_null(mkdtemp(folder));
    uint64_t seed = 4;
    tmi_step_find(some_code(&seed)); /* maps what is mapped but once */
    void *library = load("one", 4000);
    uintptr_t place = (uintptr_t)dlsym(library, "place");
    uintptr_t page = place & ~4095ul;
    unload(library, "one");
    void *jit = mmap((void *)page, 4096, PROT_READ | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    cr_assert_eq(jit, (void *)page);
    tmi_step step = tmi_step_find(place);
    cr_assert_eq(tmi_step_kind(step), TMI_RULE_END);
    cr_assert_eq(tmi_location_module(tmi_step_location(step)), 0);
    munmap(jit, 4096);
    library = load("two", 64);
    cr_assert_eq((uintptr_t)dlsym(library, "place"), place, "nothing was tested");
    cr_assert_not(tmi_module_refresh());
    cr_assert_eq(tmi_step_cfa(tmi_step_find(place)), 64);
    unload(library, "two");
    remove(folder);
}
