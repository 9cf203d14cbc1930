/* SPDX-License-Identifier: MIT */
/*
 * Modules: the executable segments that code addresses were seen in, loaded now or once.
 *
 *     address -> _dl_find_object -> (loaded object) -> module id, for ever
 *
 * A module is told by path, build id and address, so a library that is unloaded and
 * replaced by another at the same place makes a new one, and frames of the old one keep
 * their names. _dl_find_object takes no lock and does not allocate; where libc has no
 * such function dl_iterate_phdr stands in, which takes the loader's lock. Locking: the
 * list grows under TMI_LOCK_MODULES; reading needs no lock.
 */
#ifndef TMI_MODULE_H
#define TMI_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "trace/cfi.h"

#define TMI_BUILD_ID_MOST 32

struct tmi_module_record {
    const char *path; /* as the loader opened it; "" when it has none */
    uint8_t build_id[TMI_BUILD_ID_MOST];
    uint32_t build_id_bytes;
    const uint8_t *build_id_near; /* in memory, on the page of `map_start`; or NULL */
    uint64_t name_hash;     /* of the loader's name for it, where there is no build id */
    uintptr_t start, limit; /* of the executable segment in memory, page aligned */
    uint64_t offset;        /* of `start` in the file */
    uintptr_t map_start, map_end; /* of all that the loader mapped of it */
    uint32_t gone; /* atomic: it was unloaded, and not loaded again since */
    const struct tmi_extents *wrappers; /* atomic; NULL: not looked for yet */
    struct tmi_cfi_image tables;
};

/* The module that `pc` lies in now, 1, 2, ...; 0 for none (JIT code) or no memory. */
uint32_t tmi_module_find(uintptr_t pc);

/*
 * Look whether modules were unloaded; true when at least one is newly gone. Cheap enough
 * for each allocation that the dynamic loader makes: one question for each module.
 */
bool tmi_module_refresh(void);

/* A module by id. Stays valid and unchanged for ever. */
const struct tmi_module_record *tmi_module_get(uint32_t id);
uint32_t tmi_module_count(void);

/* What was read of its tables. TMI_LOCK_STEPS: it is trace/step.c's. */
struct tmi_cfi_reader *tmi_module_reader(uint32_t id);

/*
 * True when the call that returns to `pc` is in an allocation wrapper. Looks for all
 * wrappers of a module when it is first asked for one.
 */
bool tmi_module_is_wrapper(uintptr_t pc);

/* True when `pc` lies in this library: the tracer's own frames. */
bool tmi_module_is_own(uintptr_t pc);

/* Where this library was loaded from; "" when that is not known. */
const char *tmi_module_own_path(void);

extern TMI_HIDDEN struct tmi_module_range {
    uintptr_t start, bytes;
} tmi_module_loader; /* set by tmi_module_init() */

/* True when `pc` lies in the dynamic loader, whose allocations tell of modules loaded. */
TMI_INLINE bool tmi_module_is_loader(uintptr_t pc)
{
    return pc - tmi_module_loader.start < tmi_module_loader.bytes;
}

/* Learn the two ranges above. Before the first capture. */
void tmi_module_init(void);

#endif
