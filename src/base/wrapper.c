/* SPDX-License-Identifier: MIT */
/*
 * See base/wrapper.h. The names are sorted, so that a symbol table of ten thousands costs
 * seven comparisons a name; one that ends in `*` stands for all names that begin so, and
 * is equal to each of them. None is the beginning of what another one stands for.
 */
#include "base/wrapper.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    "<alloc::alloc::Global*",
    "Perl_safesyscalloc",
    "Perl_safesysmalloc",
    "Perl_safesysrealloc",
    "Perl_savepv",
    "Perl_savepvn",
    "PyMem_Calloc",
    "PyMem_Malloc",
    "PyMem_RawCalloc",
    "PyMem_RawMalloc",
    "PyMem_RawRealloc",
    "PyMem_Realloc",
    "PyObject_Calloc",
    "PyObject_Malloc",
    "PyObject_Realloc",
    "_PyMem_RawCalloc",
    "_PyMem_RawMalloc",
    "_PyMem_RawRealloc",
    "_PyMem_RawStrdup",
    "_PyMem_RawWcsdup",
    "_PyMem_Strdup",
    "_PyObject_Calloc",
    "_PyObject_Malloc",
    "_PyObject_Realloc",
    "_Zna*", /* operator new[], also those of a program's own */
    "_Znw*", /* operator new */
    "__asprintf_chk",
    "__cxa_allocate_dependent_exception",
    "__cxa_allocate_exception",
    "__cxa_vec_new*",
    "__getcwd_chk",
    "__getdelim",
    "__gnu_cxx::__alloc_traits<*",
    "__gnu_cxx::new_allocator<*",
    "__libc_calloc",
    "__libc_malloc",
    "__libc_memalign",
    "__libc_pvalloc",
    "__libc_realloc",
    "__libc_reallocarray",
    "__libc_valloc",
    "__posix_memalign",
    "__rdl_alloc",
    "__rdl_alloc_zeroed",
    "__rdl_realloc",
    "__realpath_chk",
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "__rust_realloc",
    "__strdup",
    "__strndup",
    "__vasprintf_chk",
    "aligned_alloc",
    "alloc::alloc::*",
    "asprintf",
    "calloc",
    "canonicalize_file_name",
    "g_aligned_alloc",
    "g_aligned_alloc0",
    "g_malloc",
    "g_malloc0",
    "g_malloc0_n",
    "g_malloc_n",
    "g_memdup",
    "g_memdup2",
    "g_realloc",
    "g_realloc_n",
    "g_slice_alloc",
    "g_slice_alloc0",
    "g_slice_copy",
    "g_strconcat",
    "g_strdup",
    "g_strdup_printf",
    "g_strdup_vprintf",
    "g_strdupv",
    "g_strjoin",
    "g_strjoinv",
    "g_strndup",
    "g_strnfill",
    "g_try_malloc",
    "g_try_malloc0",
    "g_try_malloc0_n",
    "g_try_malloc_n",
    "g_try_realloc",
    "g_try_realloc_n",
    "g_vasprintf",
    "get_current_dir_name",
    "getcwd",
    "getdelim",
    "getline",
    "malloc",
    "memalign",
    "operator new*",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "reallocarray",
    "realpath",
    "std::__new_allocator<*",
    "std::allocator<*",
    "std::allocator_traits<*",
    "strdup",
    "strndup",
    "tempnam",
    "valloc",
    "vasprintf",
    "wcsdup",
};

/*
 * A name up to its '.' or '@', and a listed one: < 0, 0 or > 0, as strcmp has it. Mostly
 * the first characters decide.
 */
static int compare(const char *name, const char *listed)
{
    for (;; name++, listed++) {
        unsigned char c = (unsigned char)*name;
        unsigned char wanted = (unsigned char)*listed;
        c = c == '.' || c == '@' ? 0 : c;
        if (wanted == '*') {
            return 0;
        }
        if (c != wanted || c == 0) {
            return c - wanted;
        }
    }
}

static bool is_listed(const char *name)
{
    size_t low = 0;
    size_t count = sizeof names / sizeof *names;
    while (count > 0) {
        size_t half = count / 2;
        int order = compare(name, names[low + half]);
        if (order == 0) {
            return true;
        }
        if (order > 0) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

/* Only the last `*` can be the one that took too little: what it gives, it can take. */
static bool fits(const char *pattern, const char *pattern_end, const char *name,
                 const char *name_end)
{
    const char *after_star = NULL;
    const char *retry = NULL;
    while (name < name_end) {
        if (pattern < pattern_end && *pattern == '*') {
            after_star = ++pattern;
            retry = name;
        } else if (pattern < pattern_end && *pattern == *name) {
            pattern++;
            name++;
        } else if (after_star != NULL) {
            pattern = after_star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (pattern < pattern_end && *pattern == '*') {
        pattern++;
    }
    return pattern == pattern_end;
}

static bool fits_any(const char *patterns, const char *name, size_t len)
{
    while (*patterns != '\0') {
        size_t n = strcspn(patterns, ",");
        if (fits(patterns, patterns + n, name, name + len)) {
            return true;
        }
        patterns += n + (patterns[n] == ',');
    }
    return false;
}

bool tmi_wrapper_is_name(const char *name, const char *patterns)
{
    if (strncmp(name, "__GI_", 5) == 0) { /* glibc's own name for its own use */
        name += 5;
    }
    if (is_listed(name)) {
        return true;
    }
    if (patterns == NULL || *name == '\0') {
        return false;
    }
    size_t plain = 1 + strcspn(name + 1, ".@");
    return fits_any(patterns, name, plain) || fits_any(patterns, name, strlen(name));
}

bool tmi_wrapper_is_library(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash == NULL ? path : slash + 1;
    return strncmp(file, "libc.so", 7) == 0 || strncmp(file, "libc-2.", 7) == 0 ||
           strncmp(file, "libc.musl-", 10) == 0 || strncmp(file, "ld-musl-", 8) == 0;
}

bool tmi_wrapper_are_patterns(const char *patterns)
{
    for (;;) {
        size_t n = strcspn(patterns, ", \t\n\r\v\f");
        if (n == 0 || (patterns[n] != ',' && patterns[n] != '\0')) {
            return false;
        }
        if (patterns[n] == '\0') {
            return true;
        }
        patterns += n + 1;
    }
}
