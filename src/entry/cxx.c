/* SPDX-License-Identifier: MIT */
/*
 * C++'s operator new and delete, all 20 of them, from C: under their mangled names, so
 * that the library needs no C++ runtime and the caller recorded is the program's own
 * code.
 *
 *     new            loops: allocate, or call the new-handler, or throw std::bad_alloc
 *     nothrow new    the same, and gives NULL where the other throws
 *     delete         free; sizes and alignments are what the program believes
 *
 * What belongs to the C++ runtime is reached through weak names. A new-handler may throw,
 * and C cannot catch: for nothrow new with a handler installed, libstdc++'s own form is
 * called, which calls our operator new within its try block.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/report.h"
#include "entry/family.h"
#include "tmalloc/attr.h"

#if __SIZEOF_SIZE_T__ == 8
#define MANGLED_SIZE "m"
#else
#define MANGLED_SIZE "j"
#endif

#define MANGLED(before, after) __asm__(before MANGLED_SIZE after)
#define NOTHROW                "RKSt9nothrow_t"
#define ALIGN                  "St11align_val_t"

typedef void (*new_handler)(void);

extern new_handler get_new_handler(void) __asm__("_ZSt15get_new_handlerv")
    __attribute__((weak));
extern void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv")
    __attribute__((weak, noreturn));

static new_handler current_handler(void)
{
    return get_new_handler == NULL ? NULL : get_new_handler();
}

TMI_COLD static void give_up(void)
{
    if (throw_bad_alloc != NULL) {
        throw_bad_alloc();
    }
    tmi_report_text("operator new: no memory, and no C++ runtime to throw bad_alloc",
                    NULL, NULL);
    abort();
}

/* operator new after the first attempt failed. */
TMI_COLD static void *new_again(size_t size, size_t align, uintptr_t caller)
{
    for (;;) {
        new_handler handler = current_handler();
        if (handler == NULL) {
            give_up();
        }
        handler();
        void *p = tmi_family_alloc_aligned(size, align, caller);
        if (p != NULL) {
            return p;
        }
    }
}

/* A form of operator new as the C++ runtime itself defines it, or NULL. */
static void *runtime_form(const char *name)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++.so.1"};
    void *form = NULL;
    for (size_t i = 0; form == NULL && i < TMI_ARRAY_LEN(runtimes); i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        if (runtime != NULL) {
            form = dlsym(runtime, name);
            dlclose(runtime);
        }
    }
    return form;
}

TMI_INLINE void *new_aligned(size_t size, size_t align, uintptr_t caller)
{
    if (TMI_UNLIKELY(!tmi_is_pow2(align))) {
        give_up();
    }
    void *p = tmi_family_alloc_aligned(size, align, caller);
    return TMI_LIKELY(p != NULL) ? p : new_again(size, align, caller);
}

TMI_INLINE void *new_plain(size_t size)
{
    void *p = tmi_family_alloc(size, false);
    return TMI_LIKELY(p != NULL) ? p : new_again(size, TMI_BLOCK_ALIGN, TMI_CALLER());
}

TM_API void *tmi_new(size_t size) MANGLED("_Znw", "");
void *tmi_new(size_t size)
{
    return new_plain(size);
}

TM_API void *tmi_new_array(size_t size) MANGLED("_Zna", "");
void *tmi_new_array(size_t size)
{
    return new_plain(size);
}

TM_API void *tmi_new_aligned(size_t size, size_t align) MANGLED("_Znw", ALIGN);
void *tmi_new_aligned(size_t size, size_t align)
{
    return new_aligned(size, align, TMI_CALLER());
}

TM_API void *tmi_new_array_aligned(size_t size, size_t align) MANGLED("_Zna", ALIGN);
void *tmi_new_array_aligned(size_t size, size_t align)
{
    return new_aligned(size, align, TMI_CALLER());
}

TMI_COLD static void *new_nothrow_again(size_t size, const void *tag, const char *name)
{
    void *(*form)(size_t, const void *) = NULL;
    if (current_handler() != NULL) {
        *(void **)&form = runtime_form(name);
    }
    return form == NULL ? NULL : form(size, tag);
}

TM_API void *tmi_new_nothrow(size_t size, const void *tag) MANGLED("_Znw", NOTHROW);
void *tmi_new_nothrow(size_t size, const void *tag)
{
    void *p = tmi_family_alloc_any(size, false, TMI_CALLER());
    return TMI_LIKELY(p != NULL)
               ? p
               : new_nothrow_again(size, tag, "_Znw" MANGLED_SIZE NOTHROW);
}

TM_API void *tmi_new_array_nothrow(size_t size, const void *tag) MANGLED("_Zna", NOTHROW);
void *tmi_new_array_nothrow(size_t size, const void *tag)
{
    void *p = tmi_family_alloc_any(size, false, TMI_CALLER());
    return TMI_LIKELY(p != NULL)
               ? p
               : new_nothrow_again(size, tag, "_Zna" MANGLED_SIZE NOTHROW);
}

TMI_COLD static void *new_aligned_nothrow_again(size_t size, size_t align,
                                                const void *tag, const char *name)
{
    void *(*form)(size_t, size_t, const void *) = NULL;
    if (current_handler() != NULL) {
        *(void **)&form = runtime_form(name);
    }
    return form == NULL ? NULL : form(size, align, tag);
}

TMI_INLINE void *new_aligned_nothrow(size_t size, size_t align, const void *tag,
                                     const char *name, uintptr_t caller)
{
    if (!tmi_is_pow2(align)) {
        return NULL;
    }
    void *p = tmi_family_alloc_aligned(size, align, caller);
    return TMI_LIKELY(p != NULL) ? p : new_aligned_nothrow_again(size, align, tag, name);
}

TM_API void *tmi_new_aligned_nothrow(size_t size, size_t align, const void *tag)
    MANGLED("_Znw", ALIGN NOTHROW);
void *tmi_new_aligned_nothrow(size_t size, size_t align, const void *tag)
{
    return new_aligned_nothrow(size, align, tag, "_Znw" MANGLED_SIZE ALIGN NOTHROW,
                               TMI_CALLER());
}

TM_API void *tmi_new_array_aligned_nothrow(size_t size, size_t align, const void *tag)
    MANGLED("_Zna", ALIGN NOTHROW);
void *tmi_new_array_aligned_nothrow(size_t size, size_t align, const void *tag)
{
    return new_aligned_nothrow(size, align, tag, "_Zna" MANGLED_SIZE ALIGN NOTHROW,
                               TMI_CALLER());
}

TM_API void tmi_delete(void *p) __asm__("_ZdlPv");
void tmi_delete(void *p)
{
    tmi_family_free(p);
}

/* The other forms of delete differ in arguments that are not needed. */
#define SAME_AS_DELETE __attribute__((alias("_ZdlPv")))

TM_API void tmi_delete_array(void *p) __asm__("_ZdaPv") SAME_AS_DELETE;
TM_API void tmi_delete_sized(void *p) MANGLED("_ZdlPv", "") SAME_AS_DELETE;
TM_API void tmi_delete_array_sized(void *p) MANGLED("_ZdaPv", "") SAME_AS_DELETE;
TM_API void tmi_delete_nothrow(void *p) __asm__("_ZdlPv" NOTHROW) SAME_AS_DELETE;
TM_API void tmi_delete_array_nothrow(void *p) __asm__("_ZdaPv" NOTHROW) SAME_AS_DELETE;
TM_API void tmi_delete_aligned(void *p) __asm__("_ZdlPv" ALIGN) SAME_AS_DELETE;
TM_API void tmi_delete_array_aligned(void *p) __asm__("_ZdaPv" ALIGN) SAME_AS_DELETE;
TM_API void tmi_delete_sized_aligned(void *p) MANGLED("_ZdlPv", ALIGN) SAME_AS_DELETE;
TM_API void tmi_delete_array_sized_aligned(void *p)
    MANGLED("_ZdaPv", ALIGN) SAME_AS_DELETE;
TM_API void
tmi_delete_aligned_nothrow(void *p) __asm__("_ZdlPv" ALIGN NOTHROW) SAME_AS_DELETE;
TM_API void
tmi_delete_array_aligned_nothrow(void *p) __asm__("_ZdaPv" ALIGN NOTHROW) SAME_AS_DELETE;
