/* SPDX-License-Identifier: MIT */
/*
 * Which loaded object an address lies in, and what its program headers say. Asks libc's
 * _dl_find_object, which takes no lock; without it, dl_iterate_phdr, which does.
 * The answer is good as long as the object stays loaded.
 */
#ifndef TMI_OBJECT_H
#define TMI_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmi_object {
    const char *name;       /* as the loader has it: "" for the program itself */
    uintptr_t start, end;   /* everything of it that is mapped */
    uintptr_t bias;         /* address = bias + p_vaddr */
    uintptr_t eh_frame_hdr; /* 0: it has none */
    const ElfW(Phdr) * headers;
    size_t header_count;
};

/* False when `pc` lies in no loaded object. */
bool tmi_object_find(uintptr_t pc, struct tmi_object *object);

/* The build id, or NULL; *bytes is its length. Points into the object. */
const uint8_t *tmi_object_build_id(const struct tmi_object *object, uint32_t *bytes);

/* The executable segment that `pc` lies in, or NULL. */
const ElfW(Phdr) * tmi_object_segment(const struct tmi_object *object, uintptr_t pc);

#endif
