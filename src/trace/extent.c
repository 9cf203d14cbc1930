/* SPDX-License-Identifier: MIT */
/*
 * See trace/extent.h. A file is believed to be the loaded object when its ELF header,
 * program headers and build id are those in memory. A round over the symbols counts, so
 * that what is kept has the size that it needs; where there are many, a second one notes
 * them. Most objects have no wrapper and share one empty list.
 */
#include "trace/extent.h"

#include <string.h>

#include "base/sys.h"
#include "base/wrapper.h"
#include "trace/memory.h"

/* So many are noted in the first round, which makes a second one rare. */
#define FIRST 32u

/* A table beyond that is not read. */
#define TABLE_BYTES_MOST ((uint64_t)1 << 30)

static const struct tmi_extents none = {0};

struct symbols {
    const ElfW(Sym) * list;
    size_t count;
    const char *names; /* its last byte is 0 */
    size_t names_bytes;
};

/* A symbol's extent when it is a function of the object and a wrapper. */
static bool is_wrapper(const struct symbols *symbols, size_t i,
                       const struct tmi_object *object, const char *patterns,
                       struct tmi_extent *extent)
{
    const ElfW(Sym) *s = &symbols->list[i];
    uintptr_t start = object->bias + s->st_value;
    if ((s->st_info & 15) != STT_FUNC || s->st_shndx == SHN_UNDEF || s->st_size == 0 ||
        s->st_name >= symbols->names_bytes || start < object->start ||
        start >= object->end || s->st_size > object->end - start ||
        !tmi_wrapper_is_name(symbols->names + s->st_name, patterns)) {
        return false;
    }
    *extent = (struct tmi_extent){start, start + s->st_size};
    return true;
}

/* Shell's sort: no memory, and short lists are the rule. */
static void sort(struct tmi_extent *list, size_t n)
{
    size_t gap = 1;
    while (gap < n / 3) {
        gap = 3 * gap + 1;
    }
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < n; i++) {
            struct tmi_extent moving = list[i];
            size_t at = i;
            while (at >= gap && list[at - gap].start > moving.start) {
                list[at] = list[at - gap];
                at -= gap;
            }
            list[at] = moving;
        }
    }
}

/* Sorted extents that overlap (one function by two names) become one. */
static size_t merge(struct tmi_extent *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && list[i].start <= list[kept - 1].end) {
            struct tmi_extent *last = &list[kept - 1];
            last->end = list[i].end > last->end ? list[i].end : last->end;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

static const struct tmi_extents *gather(const struct symbols *symbols,
                                        const struct tmi_object *object,
                                        const char *patterns)
{
    struct tmi_extent first[FIRST];
    struct tmi_extent other;
    size_t n = 0;
    for (size_t i = 0; i < symbols->count; i++) {
        n += is_wrapper(symbols, i, object, patterns, n < FIRST ? &first[n] : &other);
    }
    if (n == 0) {
        return &none;
    }
    struct tmi_extents *found =
        tmi_memory_map(sizeof *found + n * sizeof(struct tmi_extent));
    if (found == NULL) {
        return NULL;
    }
    if (n <= FIRST) {
        memcpy(found->list, first, n * sizeof *first);
        found->count = n;
    }
    for (size_t i = 0; i < symbols->count && found->count < n; i++) {
        found->count +=
            is_wrapper(symbols, i, object, patterns, &found->list[found->count]);
    }
    sort(found->list, found->count);
    found->count = merge(found->list, found->count);
    return found;
}

/* ---- symbols in memory ------------------------------------------------------------ */

/* What `value` of the dynamic section points to: glibc has made addresses of offsets, but
 * not on every machine. NULL when `bytes` of the object are not there. */
static const void *pointer(const struct tmi_object *object, uintptr_t value, size_t bytes)
{
    uintptr_t at = value < object->start ? object->bias + value : value;
    bool inside = at >= object->start && at < object->end && bytes <= object->end - at;
    return inside && at % 4 == 0 ? (const void *)at : NULL;
}

/* How many symbols a DT_GNU_HASH table speaks of: up to the end of its last chain. */
static size_t count_by_gnu_hash(const struct tmi_object *object, uintptr_t value)
{
    const uint32_t *head = pointer(object, value, 4 * sizeof *head);
    if (head == NULL) {
        return 0;
    }
    size_t words = (object->end - (uintptr_t)head) / sizeof *head;
    uint64_t buckets = 4 + (uint64_t)head[2] * sizeof(ElfW(Addr)) / sizeof *head;
    uint64_t chains = buckets + head[0];
    if (chains > words) {
        return 0;
    }
    uint32_t last = 0;
    for (uint64_t i = buckets; i < chains; i++) {
        last = head[i] > last ? head[i] : last;
    }
    if (last < head[1]) {
        return head[1];
    }
    uint64_t at = chains + (last - head[1]);
    while (at < words && !(head[at] & 1)) {
        at++;
    }
    return at < words ? (size_t)(at - chains) + head[1] + 1 : 0;
}

static size_t count_by_hash(const struct tmi_object *object, uintptr_t value)
{
    const uint32_t *head = pointer(object, value, 2 * sizeof *head);
    return head == NULL ? 0 : head[1];
}

static const ElfW(Dyn) * dynamic_section(const struct tmi_object *object, size_t *count)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        if (h->p_type == PT_DYNAMIC) {
            *count = h->p_memsz / sizeof(ElfW(Dyn));
            return pointer(object, object->bias + h->p_vaddr, h->p_memsz);
        }
    }
    return NULL;
}

static bool find_exported(const struct tmi_object *object, struct symbols *symbols)
{
    size_t entries = 0;
    uintptr_t list = 0;
    uintptr_t names = 0;
    size_t by_hash = 0;
    size_t by_gnu_hash = 0;
    const ElfW(Dyn) *d = dynamic_section(object, &entries);
    *symbols = (struct symbols){0};
    for (size_t i = 0; d != NULL && i < entries && d[i].d_tag != DT_NULL; i++) {
        if (d[i].d_tag == DT_SYMTAB) {
            list = d[i].d_un.d_ptr;
        } else if (d[i].d_tag == DT_STRTAB) {
            names = d[i].d_un.d_ptr;
        } else if (d[i].d_tag == DT_STRSZ) {
            symbols->names_bytes = d[i].d_un.d_val;
        } else if (d[i].d_tag == DT_GNU_HASH) {
            by_gnu_hash = count_by_gnu_hash(object, d[i].d_un.d_ptr);
        } else if (d[i].d_tag == DT_HASH) {
            by_hash = count_by_hash(object, d[i].d_un.d_ptr);
        }
    }
    symbols->count = by_gnu_hash > by_hash ? by_gnu_hash : by_hash;
    if (symbols->count > TABLE_BYTES_MOST / sizeof *symbols->list) {
        return false;
    }
    symbols->list = pointer(object, list, symbols->count * sizeof *symbols->list);
    uintptr_t at = names < object->start ? object->bias + names : names;
    bool inside = at >= object->start && at < object->end &&
                  symbols->names_bytes - 1 < object->end - at;
    symbols->names = inside ? (const char *)at : NULL;
    return symbols->list != NULL && inside && at != 0 &&
           symbols->names[symbols->names_bytes - 1] == '\0';
}

/* ---- symbols in the file ---------------------------------------------------------- */

/* Headers mostly fit here, on the stack: pages of their own would take as long as all the
 * rest. */
struct near {
    _Alignas(8) char bytes[2048];
};

static void drop_part(void *part, uint64_t bytes, const struct near *near)
{
    if (part != NULL && part != near) {
        tmi_sys_unmap(part, bytes);
    }
}

/* A part of a file, in `near` (NULL: nowhere near) if it fits; NULL when it is not there,
 * or is too much. */
static void *read_part(int fd, uint64_t offset, uint64_t bytes, struct near *near)
{
    void *part = near;
    if (near == NULL || bytes > sizeof *near) {
        part = bytes > TABLE_BYTES_MOST ? NULL : tmi_sys_map(bytes);
    }
    if (part != NULL && (bytes == 0 || !tmi_sys_read_at(fd, part, bytes, offset))) {
        drop_part(part, bytes, near);
        part = NULL;
    }
    return part;
}

/* Does the file have, where the object has its build id, the same one? */
static bool same_build_id(int fd, const struct tmi_object *object)
{
    uint32_t bytes;
    const uint8_t *id = tmi_object_build_id(object, &bytes);
    uint8_t in_file[64];
    if (id == NULL || bytes > sizeof in_file) {
        return id == NULL;
    }
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        uintptr_t within = (uintptr_t)id - (object->bias + h->p_vaddr);
        if (h->p_type == PT_NOTE && within < h->p_filesz) {
            return tmi_sys_read_at(fd, in_file, bytes, h->p_offset + within) &&
                   memcmp(in_file, id, bytes) == 0;
        }
    }
    return false;
}

/* The file's section headers, if the file is that of the object. */
static ElfW(Shdr) * read_sections(int fd, const struct tmi_object *object, size_t *count,
                                  struct near *near)
{
    ElfW(Ehdr) elf;
    if (!tmi_sys_read_at(fd, &elf, sizeof elf, 0) ||
        memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
        elf.e_phentsize != sizeof(ElfW(Phdr)) || elf.e_phnum != object->header_count ||
        elf.e_shentsize != sizeof(ElfW(Shdr)) || elf.e_phnum == 0) {
        return NULL;
    }
    size_t bytes = elf.e_phnum * sizeof(ElfW(Phdr));
    ElfW(Phdr) *headers = read_part(fd, elf.e_phoff, bytes, near);
    bool same = headers != NULL && memcmp(headers, object->headers, bytes) == 0 &&
                same_build_id(fd, object);
    drop_part(headers, bytes, near);
    *count = elf.e_shnum;
    return same ? read_part(fd, elf.e_shoff, *count * sizeof(ElfW(Shdr)), near) : NULL;
}

static const ElfW(Shdr) * find_symtab(const ElfW(Shdr) * sections, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < count) {
            return &sections[i];
        }
    }
    return NULL;
}

/* Extents from the .symtab of the file; NULL when there is none, or no memory. */
static const struct tmi_extents *gather_in_file(int fd, const struct tmi_object *object,
                                                const char *patterns)
{
    struct near near;
    size_t count = 0;
    const struct tmi_extents *found = NULL;
    ElfW(Shdr) *sections = read_sections(fd, object, &count, &near);
    if (sections == NULL) {
        return NULL;
    }
    const ElfW(Shdr) *symtab = find_symtab(sections, count);
    if (symtab != NULL) {
        const ElfW(Shdr) *strtab = &sections[symtab->sh_link];
        void *list = read_part(fd, symtab->sh_offset, symtab->sh_size, NULL);
        char *names = read_part(fd, strtab->sh_offset, strtab->sh_size, NULL);
        if (list != NULL && names != NULL && names[strtab->sh_size - 1] == '\0') {
            size_t n = symtab->sh_size / sizeof(ElfW(Sym));
            struct symbols symbols = {list, n, names, strtab->sh_size};
            found = gather(&symbols, object, patterns);
        }
        drop_part(list, symtab->sh_size, NULL);
        drop_part(names, strtab->sh_size, NULL);
    }
    drop_part(sections, count * sizeof *sections, &near);
    return found;
}

/* ---- both ------------------------------------------------------------------------- */

static const struct tmi_extents *whole(const struct tmi_object *object)
{
    struct tmi_extents *all = tmi_memory_map(sizeof *all + sizeof(struct tmi_extent));
    if (all != NULL) {
        all->count = 1;
        all->list[0] = (struct tmi_extent){object->start, object->end};
    }
    return all;
}

const struct tmi_extents *tmi_extents_of_wrappers(const struct tmi_object *object,
                                                  const char *path, const char *patterns)
{
    if (tmi_wrapper_is_library(path)) {
        return whole(object);
    }
    const struct tmi_extents *found = NULL;
    int fd = tmi_sys_open(path);
    if (fd >= 0) {
        found = gather_in_file(fd, object, patterns);
        tmi_sys_close(fd);
    }
    struct symbols symbols;
    if (found == NULL) {
        found =
            find_exported(object, &symbols) ? gather(&symbols, object, patterns) : &none;
    }
    return found;
}

bool tmi_extents_have(const struct tmi_extents *extents, uintptr_t address)
{
    size_t low = 0;
    size_t count = extents->count;
    while (count > 0) {
        size_t half = count / 2;
        const struct tmi_extent *middle = &extents->list[low + half];
        if (address < middle->start) {
            count = half;
        } else if (address >= middle->end) {
            low += half + 1;
            count -= half + 1;
        } else {
            return true;
        }
    }
    return false;
}
