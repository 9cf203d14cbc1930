/* SPDX-License-Identifier: MIT */
/*
 * How long symbols take: many distinct addresses of one program, resolved at once, as the
 * first reader of a snapshot has it.
 *
 *     bench_symbol FILE [COUNT]            seconds for COUNT (20,000) addresses
 *     bench_symbol --print FILE [COUNT]    and what was found, one address a line:
 *                                          ADDRESS, then FUNCTION FILE:LINE of each line,
 *                                          separated by tabs; for a comparison with
 *                                          addr2line -i -f
 *
 * The addresses are spread evenly over .text, so that nearly every one is a function, a
 * line and a chain of inlined calls of its own, which is more than a heap profile asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "symbol/symbol.h"
#include "view/service.h"
#include "view/snapshot.h"

/* Where the program is taken to be loaded: its own addresses, and this. */
#define BIAS UINT64_C(0x7f0000000000)

/* The service of this program is the one that it measures. */
const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = tmi_symbol_resolve};
    return &service;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_symbol: %s\n", what);
    exit(1);
}

static GElf_Shdr find_text(Elf *elf)
{
    size_t names;
    GElf_Shdr header;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        die("no ELF file");
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        if (gelf_getshdr(scn, &header) != NULL &&
            strcmp(elf_strptr(elf, names, header.sh_name), ".text") == 0) {
            return header;
        }
    }
    die("no section .text");
    return header;
}

/* The executable segment around `text`, as a loader would map it. */
static struct tmi_module segment_of(Elf *elf, const char *path, const GElf_Shdr *text)
{
    size_t count = 0;
    GElf_Phdr header;
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        if (gelf_getphdr(elf, (int)i, &header) != NULL && header.p_type == PT_LOAD &&
            header.p_vaddr <= text->sh_addr &&
            text->sh_addr < header.p_vaddr + header.p_memsz) {
            uint64_t slack = header.p_vaddr & 4095;
            return (struct tmi_module){
                .name = path,
                .start = BIAS + header.p_vaddr - slack,
                .limit = BIAS + header.p_vaddr + header.p_memsz,
                .offset = header.p_offset - slack,
            };
        }
    }
    die("no segment of code");
    return (struct tmi_module){.name = NULL};
}

static struct tm_snapshot *make_snapshot(const char *path, uint64_t count)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        die(strerror(errno));
    }
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    GElf_Shdr text = find_text(elf);
    struct tmi_module module = segment_of(elf, path, &text);
    struct tm_snapshot *s = tmi_snapshot_create(1);
    if (s == NULL || tmi_snapshot_add_module(s, &module) != 0) {
        die("out of memory");
    }
    count = count < text.sh_size ? count : text.sh_size;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t vaddr = text.sh_addr + text.sh_size / count * i;
        if (tmi_snapshot_add_location(s, BIAS + vaddr + 1, 0) < 0) {
            die("out of memory");
        }
    }
    elf_end(elf);
    close(fd);
    return s;
}

static void print_lines(const struct tm_snapshot *s)
{
    for (uint32_t i = 0; i < s->location_count; i++) {
        const struct tmi_location *at = &s->locations[i];
        printf("0x%" PRIx64, at->address - 1 - BIAS);
        for (uint32_t k = 0; k < at->nlines; k++) {
            const struct tmi_line *line = &s->lines[at->first_line + k];
            printf("\t%s\t%s:%" PRIu32, line->function, line->filename, line->lineno);
        }
        putchar('\n');
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    bool print = argc > 1 && strcmp(argv[1], "--print") == 0;
    char **args = argv + (print ? 2 : 1);
    if (args[0] == NULL) {
        die("usage: bench_symbol [--print] FILE [COUNT]");
    }
    uint64_t count = args[1] != NULL ? strtoull(args[1], NULL, 10) : 20000;
    struct tm_snapshot *s = make_snapshot(args[0], count > 0 ? count : 1);
    double start = cpu_seconds();
    int error = tmi_symbol_resolve(s);
    double seconds = cpu_seconds() - start;
    if (error != 0) {
        die(strerror(-error));
    }
    if (print) {
        print_lines(s);
    }
    uint32_t named = 0;
    for (uint32_t i = 0; i < s->location_count; i++) {
        named += s->lines[s->locations[i].first_line].function[0] != '\0';
    }
    fprintf(stderr,
            "%s: %" PRIu32 " addresses, %" PRIu32 " with a function, %" PRIu32
            " lines, %.3f s\n",
            args[0], s->location_count, named, s->line_count, seconds);
    tm_snapshot_free(s);
    return 0;
}
