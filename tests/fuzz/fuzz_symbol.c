/* SPDX-License-Identifier: MIT */
/*
 * The reader of debug info against files that are broken or hostile: whatever is in an
 * ELF file, each address gets at least one line, and inlined calls are no deeper than
 * what is walked. Input: the file, which is said to be code all over.
 *
 * Most of what runs is libdw's, which is not built with sanitizers: what is found here
 * may be its business.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "symbol/symbol.h"
#include "view/service.h"
#include "view/snapshot.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

#define BIAS UINT64_C(0x7f0000000000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("program", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_need(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module module = {.name = path, .start = BIAS, .limit = BIAS + 0x1000};
    fuzz_need(s != NULL && tmi_snapshot_add_module(s, &module) == 0);
    for (uint64_t at = 0x200; at < 0x400; at += 5) {
        fuzz_need(tmi_snapshot_add_location(s, BIAS + at, 0) >= 0);
    }
    fuzz_need(tmi_symbol_resolve(s) == 0);
    for (uint32_t i = 0; i < s->location_count; i++) {
        fuzz_need(s->locations[i].nlines >= 1 && s->locations[i].nlines <= 512);
    }
    fuzz_need(tmi_snapshot_check(s));
    tm_snapshot_free(s);
    return 0;
}
