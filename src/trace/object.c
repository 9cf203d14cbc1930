/* SPDX-License-Identifier: MIT */
/*
 * See trace/object.h. _dl_find_object does not tell where the program headers are; they
 * are found through the ELF header, which lies at the start of the first segment. Of a
 * program with gaps between its segments it tells only the one that was asked for; there
 * the kernel's word for the program's headers helps.
 */
#include "trace/object.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/bits.h"
#include "config.h"

/* From the program headers: where the object begins and ends. */
static void measure(struct tmi_object *object)
{
    object->start = UINTPTR_MAX;
    object->end = 0;
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        uintptr_t from = object->bias + h->p_vaddr;
        if (h->p_type == PT_GNU_EH_FRAME) {
            object->eh_frame_hdr = from;
        }
        if (h->p_type == PT_LOAD) {
            object->start = from < object->start ? from : object->start;
            object->end =
                from + h->p_memsz > object->end ? from + h->p_memsz : object->end;
        }
    }
}

#if HAVE__DL_FIND_OBJECT && HAVE_DECL__DL_FIND_OBJECT

/* The program itself by the headers that the kernel passed on, if they are its own. */
static void describe_program(struct tmi_object *object)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    if (headers != NULL && headers->p_type == PT_PHDR &&
        object->bias + headers->p_vaddr == (uintptr_t)headers) {
        object->headers = headers;
        object->header_count = getauxval(AT_PHNUM);
        measure(object);
    }
}

bool tmi_object_find(uintptr_t pc, struct tmi_object *object)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)pc, &found) != 0) {
        return false;
    }
    const ElfW(Ehdr) *elf = found.dlfo_map_start;
    *object = (struct tmi_object){
        .name = found.dlfo_link_map->l_name,
        .start = (uintptr_t)found.dlfo_map_start,
        .end = (uintptr_t)found.dlfo_map_end,
        .bias = found.dlfo_link_map->l_addr,
        .eh_frame_hdr = (uintptr_t)found.dlfo_eh_frame,
    };
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 &&
        elf->e_phentsize == sizeof(ElfW(Phdr))) {
        object->headers = (const void *)((const char *)elf + elf->e_phoff);
        object->header_count = elf->e_phnum;
    } else if (*object->name == '\0') {
        describe_program(object);
    }
    return true;
}

#else

struct search {
    uintptr_t pc;
    struct tmi_object *object;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct search *search = arg;
    struct tmi_object object = {
        .name = info->dlpi_name,
        .start = UINTPTR_MAX,
        .bias = info->dlpi_addr,
        .headers = info->dlpi_phdr,
        .header_count = info->dlpi_phnum,
    };
    measure(&object);
    if (search->pc < object.start || search->pc >= object.end) {
        return 0;
    }
    *search->object = object;
    return 1;
}

bool tmi_object_find(uintptr_t pc, struct tmi_object *object)
{
    struct search search = {pc, object};
    return dl_iterate_phdr(look_at, &search) == 1;
}

#endif

const ElfW(Phdr) * tmi_object_segment(const struct tmi_object *object, uintptr_t pc)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        uintptr_t from = object->bias + h->p_vaddr;
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) && pc >= from &&
            pc - from < h->p_memsz) {
            return h;
        }
    }
    return NULL;
}

/* The build id among the notes of one segment, or NULL. */
static const uint8_t *find_build_id(const char *notes, size_t bytes, uint32_t *id_bytes)
{
    while (bytes >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)notes;
        size_t name_bytes = tmi_align_up(note->n_namesz, 4);
        size_t total = sizeof *note + name_bytes + tmi_align_up(note->n_descsz, 4);
        if (total > bytes) {
            break;
        }
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof "GNU" &&
            memcmp(note + 1, "GNU", sizeof "GNU") == 0) {
            *id_bytes = note->n_descsz;
            return (const uint8_t *)(note + 1) + name_bytes;
        }
        notes += total;
        bytes -= total;
    }
    return NULL;
}

const uint8_t *tmi_object_build_id(const struct tmi_object *object, uint32_t *bytes)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        if (h->p_type == PT_NOTE) {
            const char *notes = (const char *)(object->bias + h->p_vaddr);
            const uint8_t *id = find_build_id(notes, h->p_memsz, bytes);
            if (id != NULL) {
                return id;
            }
        }
    }
    *bytes = 0;
    return NULL;
}
