/* SPDX-License-Identifier: MIT */
/*
 * Call instructions as the processor's manual writes them, and all those of a library as
 * objdump reads it.
 */
#include "trace/callsite.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "trace/object.h"

#define BYTES(...)                                                                       \
    {                                                                                    \
        sizeof((uint8_t[]){__VA_ARGS__}),                                                \
        {                                                                                \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }

struct code {
    size_t n;
    uint8_t at[8];
};

static const struct code calls[] = {
    BYTES(0xe8, 1, 2, 3, 4),             /* call f */
    BYTES(0xff, 0xd0),                   /* call *%rax */
    BYTES(0xff, 0xd7),                   /* call *%rdi */
    BYTES(0x41, 0xff, 0xd4),             /* call *%r12 */
    BYTES(0xff, 0x10),                   /* call *(%rax) */
    BYTES(0x41, 0xff, 0x55, 0x00),       /* call *0(%r13) */
    BYTES(0xff, 0x14, 0xc8),             /* call *(%rax,%rcx,8) */
    BYTES(0xff, 0x50, 0x18),             /* call *24(%rax) */
    BYTES(0xff, 0x54, 0x24, 0x08),       /* call *8(%rsp) */
    BYTES(0xff, 0x15, 1, 2, 3, 4),       /* call *f(%rip) */
    BYTES(0xff, 0x90, 1, 2, 3, 4),       /* call *disp32(%rax) */
    BYTES(0xff, 0x94, 0xc8, 1, 2, 3, 4), /* call *disp32(%rax,%rcx,8) */
    BYTES(0xff, 0x14, 0xc5, 1, 2, 3, 4), /* call *table(,%rax,8) */
};

static const struct code others[] = {
    BYTES(0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90),       /* nop */
    BYTES(0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0),       /* jmp *%rax */
    BYTES(0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xc0),       /* inc %eax */
    BYTES(0x90, 0xff, 0x35, 0, 0, 0, 0),                   /* push f(%rip) */
    BYTES(0x90, 0x90, 0xe9, 0, 0, 0, 0),                   /* jmp f */
    BYTES(0x90, 0x90, 0x90, 0x90, 0xff, 0x55, 0x90, 0x90), /* one byte behind a call */
    BYTES(0xc3),
};

Test(callsite, each_form)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct code *c = &calls[i];
        cr_assert(tmi_callsite_ends_at(c->at + c->n, c->n), "%zu", i);
        size_t without_prefix = c->at[0] == 0x41;
        for (size_t n = 0; n < c->n - without_prefix;
             n++) { /* its beginning is not read */
            cr_assert_not(tmi_callsite_ends_at(c->at + c->n, n), "%zu: %zu", i, n);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct code *c = &others[i];
        cr_assert_not(tmi_callsite_ends_at(c->at + c->n, c->n), "%zu", i);
    }
}

/* The line before tells the instruction, this one where it ends. */
Test(callsite, all_calls_of_libc)
{
    struct tmi_object libc;
    cr_assert(tmi_object_find((uintptr_t)dlsym(RTLD_DEFAULT, "puts"), &libc));
    char command[400];
    snprintf(command, sizeof command, "objdump -d --no-show-raw-insn '%s'", libc.name);
    FILE *lines = popen(command, "r");
    char line[400];
    bool is_call = false;
    size_t count = 0;
    while (fgets(line, sizeof line, lines) != NULL) {
        unsigned long at;
        if (sscanf(line, " %lx:", &at) != 1) {
            continue;
        }
        if (is_call) {
            cr_assert(tmi_callsite_ends_at((const uint8_t *)(libc.bias + at), 16), "%lx",
                      at);
            count++;
        }
        is_call = strstr(line, "\tcall ") != NULL;
    }
    cr_assert_eq(pclose(lines), 0);
    cr_assert_gt(count, 5000);
}
