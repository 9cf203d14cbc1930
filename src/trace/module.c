/* SPDX-License-Identifier: MIT */
/*
 * See trace/module.h. Records live in pages of their own and are linked by id through a
 * directory of fixed size; a cache by address makes the common question one comparison
 * of what the loader says now with what it said when the record was made.
 */
#include "trace/module.h"

#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/option.h"
#include "base/sys.h"
#include "trace/extent.h"
#include "trace/memory.h"
#include "trace/object.h"

#define PAGE_ENTRIES 16
#define PAGES        4096 /* 65,536 modules, dlopen cycles at ever new addresses included */
#define CACHE_SLOTS  256

struct entry {
    struct tmi_module_record record;
    struct tmi_cfi_reader reader; /* TMI_LOCK_STEPS */
};

static struct {
    struct entry *pages[PAGES];  /* atomic, grown under TMI_LOCK_MODULES */
    uint32_t count;              /* atomic, grown under TMI_LOCK_MODULES */
    uint32_t cache[CACHE_SLOTS]; /* atomic: ids by address */
    char *text;                  /* TMI_LOCK_MODULES: free room for paths */
    size_t text_bytes;
} modules;

static struct {
    uintptr_t start, end;
} own;

struct tmi_module_range tmi_module_loader;

void tmi_module_init(void)
{
    struct tmi_object object;
    if (tmi_object_find((uintptr_t)tmi_module_init, &object)) {
        own.start = object.start;
        own.end = object.end;
    }
    uintptr_t base = getauxval(AT_BASE);
    if (base != 0 && tmi_object_find(base, &object)) {
        tmi_module_loader.start = object.start;
        tmi_module_loader.bytes = object.end - object.start;
    }
}

bool tmi_module_is_own(uintptr_t pc)
{
    return pc - own.start < own.end - own.start;
}

const char *tmi_module_own_path(void)
{
    uint32_t id = tmi_module_find((uintptr_t)tmi_module_own_path);
    return id == 0 ? "" : tmi_module_get(id)->path;
}

static struct entry *entry_at(uint32_t id)
{
    struct entry *page = tmi_load_acquire(&modules.pages[(id - 1) / PAGE_ENTRIES]);
    return &page[(id - 1) % PAGE_ENTRIES];
}

static struct tmi_module_record *record_at(uint32_t id)
{
    return &entry_at(id)->record;
}

struct tmi_cfi_reader *tmi_module_reader(uint32_t id)
{
    return &entry_at(id)->reader;
}

const struct tmi_module_record *tmi_module_get(uint32_t id)
{
    return record_at(id);
}

uint32_t tmi_module_count(void)
{
    return tmi_load_acquire(&modules.count);
}

/* What tells two objects without build ids apart: one may come where the other was. */
static uint64_t name_hash_of(const struct tmi_object *o)
{
    return tmi_hash_bytes(o->name, strlen(o->name));
}

/* Is the loader's object `o`, seen at `pc`, still what `r` was made of? */
static bool is_same(const struct tmi_module_record *r, const struct tmi_object *o,
                    uintptr_t pc)
{
    if (r->map_start != o->start || r->map_end != o->end || pc < r->start ||
        pc >= r->limit || r->tables.eh_frame_hdr != o->eh_frame_hdr) {
        return false;
    }
    if (r->build_id_near != NULL &&
        memcmp(r->build_id_near, r->build_id, r->build_id_bytes) == 0) {
        return true;
    }
    uint32_t bytes;
    const uint8_t *id = tmi_object_build_id(o, &bytes);
    bytes = bytes < TMI_BUILD_ID_MOST ? bytes : TMI_BUILD_ID_MOST;
    return bytes == r->build_id_bytes &&
           (bytes == 0 ? name_hash_of(o) == r->name_hash
                       : memcmp(id, r->build_id, bytes) == 0);
}

/* A copy of `len` bytes of text that is never freed; "" when there is no memory. */
static char *keep_text_locked(const char *text, size_t len)
{
    if (modules.text_bytes < len + 1) {
        size_t bytes = len + 1 > 4096 ? len + 1 : 4096;
        modules.text = tmi_memory_map(bytes);
        modules.text_bytes = modules.text == NULL ? 0 : bytes;
    }
    static char none[1];
    if (modules.text == NULL) {
        return none;
    }
    char *copy = modules.text;
    memcpy(copy, text, len);
    copy[len] = '\0';
    modules.text += len + 1;
    modules.text_bytes -= len + 1;
    return copy;
}

/* The path of an object: absolute, for whoever reads it elsewhere. */
static const char *keep_path_locked(const char *name)
{
    char path[1024];
    size_t len = 0;
    if (*name == '\0') {
        ssize_t n = readlink("/proc/self/exe", path, sizeof path);
        if (n <= 0) {
            const char *started_as = (const char *)getauxval(AT_EXECFN);
            name = started_as == NULL ? "" : started_as;
            return keep_text_locked(name, strlen(name));
        }
        return keep_text_locked(path, (size_t)n);
    }
    bool relative = strchr(name, '/') != NULL && *name != '/';
    if (relative && getcwd(path, sizeof path / 2) != NULL) {
        len = strlen(path);
        path[len++] = '/';
    }
    size_t room = sizeof path - len;
    size_t name_len = strlen(name);
    if (len == 0 || name_len >= room) {
        return keep_text_locked(name, name_len);
    }
    memcpy(path + len, name, name_len);
    return keep_text_locked(path, len + name_len);
}

/* The part of an object that `address` is in: there may be gaps between segments. */
static void part_with(const struct tmi_object *o, uintptr_t address, uintptr_t *start,
                      uintptr_t *end)
{
    *start = *end = 0;
    for (size_t i = 0; i < o->header_count; i++) {
        const ElfW(Phdr) *h = &o->headers[i];
        uintptr_t from = o->bias + h->p_vaddr;
        if (h->p_type == PT_LOAD && address >= from && address - from < h->p_memsz) {
            *start = from;
            *end = from + h->p_memsz;
        }
    }
}

static void fill_locked(struct tmi_module_record *r, const struct tmi_object *o,
                        const ElfW(Phdr) * segment)
{
    size_t page = tmi_sys_page_bytes();
    r->map_start = o->start;
    r->map_end = o->end;
    r->start = (o->bias + segment->p_vaddr) & ~(page - 1);
    r->limit = tmi_align_up(o->bias + segment->p_vaddr + segment->p_memsz, page);
    r->offset = segment->p_offset & ~(uint64_t)(page - 1);
    const uint8_t *id = tmi_object_build_id(o, &r->build_id_bytes);
    if (r->build_id_bytes > TMI_BUILD_ID_MOST) {
        r->build_id_bytes = TMI_BUILD_ID_MOST;
    }
    if (id != NULL) {
        bool is_near = (uintptr_t)id + r->build_id_bytes - r->map_start <= page;
        memcpy(r->build_id, id, r->build_id_bytes);
        r->build_id_near = is_near ? id : NULL;
    } else {
        r->name_hash = name_hash_of(o);
    }
    r->tables.eh_frame_hdr = o->eh_frame_hdr;
    part_with(o, o->eh_frame_hdr, &r->tables.start, &r->tables.end);
    r->tables.code_start = o->bias + segment->p_vaddr;
    r->tables.code_end = r->tables.code_start + segment->p_memsz;
    r->path = keep_path_locked(o->name);
}

bool tmi_module_refresh(void)
{
    bool newly_gone = false;
    uint32_t count = tmi_module_count();
    for (uint32_t id = 1; id <= count; id++) {
        struct tmi_module_record *r = record_at(id);
        struct tmi_object object;
        if (!tmi_load_relaxed(&r->gone) &&
            !(tmi_object_find(r->start, &object) && is_same(r, &object, r->start))) {
            tmi_store_relaxed(&r->gone, 1);
            newly_gone = true;
        }
    }
    return newly_gone;
}

/* It is loaded (again). */
static uint32_t present(uint32_t id)
{
    struct tmi_module_record *r = record_at(id);
    if (TMI_UNLIKELY(tmi_load_relaxed(&r->gone))) {
        tmi_store_relaxed(&r->gone, 0);
    }
    return id;
}

static uint32_t find_locked(const struct tmi_object *o, uintptr_t pc)
{
    for (uint32_t id = modules.count; id > 0; id--) {
        if (is_same(record_at(id), o, pc)) {
            return present(id);
        }
    }
    return 0;
}

static uint32_t add_locked(const struct tmi_object *o, const ElfW(Phdr) * segment)
{
    uint32_t page = modules.count / PAGE_ENTRIES;
    if (page >= PAGES) {
        return 0;
    }
    if (modules.pages[page] == NULL) {
        struct entry *entries = tmi_memory_map(PAGE_ENTRIES * sizeof *entries);
        if (entries == NULL) {
            return 0;
        }
        tmi_store_release(&modules.pages[page], entries);
    }
    uint32_t id = modules.count + 1;
    fill_locked(record_at(id), o, segment);
    tmi_store_release(&modules.count, id);
    return id;
}

uint32_t tmi_module_find(uintptr_t pc)
{
    struct tmi_object object;
    if (!tmi_object_find(pc, &object)) {
        return 0;
    }
    uint32_t *slot = &modules.cache[tmi_hash_u64(object.start) % CACHE_SLOTS];
    uint32_t id = tmi_load_acquire(slot);
    if (id != 0 && is_same(record_at(id), &object, pc)) {
        return present(id);
    }
    const ElfW(Phdr) *segment = tmi_object_segment(&object, pc);
    if (segment == NULL) {
        return 0;
    }
    tmi_lock(TMI_LOCK_MODULES);
    id = find_locked(&object, pc);
    if (id == 0) {
        id = add_locked(&object, segment);
    }
    tmi_unlock(TMI_LOCK_MODULES);
    tmi_store_release(slot, id);
    return id;
}

bool tmi_module_is_wrapper(uintptr_t pc)
{
    struct tmi_object object;
    uint32_t id = tmi_module_find(pc - 1);
    if (id == 0) {
        return false;
    }
    struct tmi_module_record *r = record_at(id);
    const struct tmi_extents *found = tmi_load_acquire(&r->wrappers);
    if (found == NULL && tmi_object_find(pc - 1, &object)) {
        found = tmi_extents_of_wrappers(&object, r->path,
                                        tmi_option_text(TMI_OPTION_WRAPPERS));
        if (found != NULL) { /* of two threads at once, one leaves its list to nobody */
            tmi_store_release(&r->wrappers, found);
        }
    }
    return found != NULL && tmi_extents_have(found, pc - 1);
}
