/* SPDX-License-Identifier: MIT */
/*
 * Which functions allocate for their callers: each family, names beside each family, the
 * user's patterns, and libcs. That the list inside is sorted shows here too: a name out
 * of its place is not found.
 */
#include "base/wrapper.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const wrappers[] = {
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "operator new(unsigned long)",
    "operator new[](unsigned long, std::nothrow_t const&)",
    "__cxa_allocate_exception",
    "__cxa_allocate_dependent_exception",
    "__cxa_vec_new",
    "__cxa_vec_new2",
    "__cxa_vec_new3",
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_reallocarray",
    "__libc_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
    "__posix_memalign",
    "strdup",
    "__strdup",
    "strndup",
    "__strndup",
    "wcsdup",
    "asprintf",
    "vasprintf",
    "__asprintf_chk",
    "__vasprintf_chk",
    "getline",
    "getdelim",
    "__getdelim",
    "realpath",
    "__realpath_chk",
    "canonicalize_file_name",
    "getcwd",
    "__getcwd_chk",
    "get_current_dir_name",
    "tempnam",
    "g_malloc",
    "g_malloc0",
    "g_malloc_n",
    "g_malloc0_n",
    "g_realloc",
    "g_realloc_n",
    "g_try_malloc",
    "g_try_malloc0",
    "g_try_malloc_n",
    "g_try_malloc0_n",
    "g_try_realloc",
    "g_try_realloc_n",
    "g_aligned_alloc",
    "g_aligned_alloc0",
    "g_slice_alloc",
    "g_slice_alloc0",
    "g_slice_copy",
    "g_memdup",
    "g_memdup2",
    "g_strdup",
    "g_strdupv",
    "g_strndup",
    "g_strnfill",
    "g_strdup_printf",
    "g_strdup_vprintf",
    "g_vasprintf",
    "g_strconcat",
    "g_strjoin",
    "g_strjoinv",
    "PyObject_Malloc",
    "PyMem_Calloc",
    "_PyMem_RawRealloc",
    "Perl_safesysmalloc",
    "Perl_savepvn",
    "std::allocator<char>::allocate(unsigned long)",
    "std::__new_allocator<std::_List_node<int> >::allocate(unsigned long, void const*)",
    "__gnu_cxx::new_allocator<int>::allocate(unsigned long, void const*)",
    "std::allocator_traits<std::allocator<int> >::allocate(std::allocator<int>&, "
    "unsigned long)",
    "__gnu_cxx::__alloc_traits<std::allocator<int>, int>::_S_select_on_copy("
    "std::allocator<int> const&)",
    "__rust_alloc",
    "__rdl_realloc",
    "alloc::alloc::exchange_malloc",
    "<alloc::alloc::Global as core::alloc::Allocator>::allocate",
};

Test(wrapper, names_of_each_family)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        cr_expect(tmi_wrapper_is_name(wrappers[i], NULL), "%s", wrappers[i]);
    }
}

Test(wrapper, what_linkers_and_compilers_add_does_not_count)
{
    static const char *const adorned[] = {
        "g_malloc.cold", "strdup@@GLIBC_2.2.5", "g_strdup.part.0", "__GI___strdup",
        "__GI_asprintf", "_Znwm.localalias.1",  "_Znwm.cold",      "__strdup@GLIBC_2.2.5",
    };
    for (size_t i = 0; i < sizeof adorned / sizeof *adorned; i++) {
        cr_expect(tmi_wrapper_is_name(adorned[i], NULL), "%s", adorned[i]);
    }
}

Test(wrapper, what_is_like_a_wrapper)
{
    static const char *const others[] = {
        "",
        "m",
        "main",
        "mallocx",
        "mallo",
        "g_mallo",
        "g_malloc1",
        "strdupa",
        "xstrdup",
        "operator ne",
        "operator delete(void*)",
        "_ZdlPv",
        "_Zn",
        "_ZN3Foo3barEv",
        "_ZN3FoonwEm", /* a class's own */
        "__cxa_vec_ne",
        "__cxa_throw",
        "__GI_",
        "__GI_main",
        ".malloc",
        "@malloc",
        "z",
        "zzz",
        "A",
        "\377",
        "g_hash_table_new",
        "PyList_New",
        "PyObject_GC_New",
        "std::vector<int, std::allocator<int> >::push_back(int const&)",
        "alloc::vec::Vec<T>::push",
        "xmalloc",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cr_expect_not(tmi_wrapper_is_name(others[i], NULL), "%s", others[i]);
    }
}

Test(wrapper, patterns_of_the_user)
{
    static const struct {
        const char *patterns, *name;
        bool fits;
    } rows[] = {
        {"xmalloc", "xmalloc", true},
        {"xmalloc", "xmallocs", false},
        {"xmalloc", "xmallo", false},
        {"xmalloc", "xmalloc.part.0", true},
        {"xmalloc", "xmalloc@@V1", true},
        {"xmalloc,xcalloc", "xcalloc", true},
        {"xmalloc,xcalloc", "xmalloc,xcalloc", false},
        {"xmalloc,xcalloc", "xmalloc", true},
        {"pool_*", "pool_get", true},
        {"pool_*", "pool_", true},
        {"pool_*", "pool", false},
        {"pool_*", "a_pool_get", false},
        {"*alloc*", "my_alloc", true},
        {"*alloc*", "allocate", true},
        {"*alloc*", "aloc", false},
        {"a*b*c", "abbc", true},
        {"a*b*c", "axxbxxcxc", true},
        {"a*b*c", "axxbxxcx", false},
        {"*aab", "aaab", true},
        {"*", "anything", true},
        {"**", "anything", true},
        {"_ZN4Pool*", "_ZN4Pool3getEv", true},
        {"main.alloc", "main.alloc", true},
        {"main", "main.alloc", true},
        {"[x]malloc", "xmalloc", false},
        {"?malloc", "xmalloc", false},
        {"Strdup", "strdup2", false},
        {"xmalloc", "strdup", true}, /* the list still counts */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(tmi_wrapper_is_name(rows[i].name, rows[i].patterns), rows[i].fits,
                     "%s against %s", rows[i].name, rows[i].patterns);
    }
}

Test(wrapper, patterns_that_are_none)
{
    cr_expect(tmi_wrapper_are_patterns("xmalloc"));
    cr_expect(tmi_wrapper_are_patterns("xmalloc,g_*,*"));
    cr_expect_not(tmi_wrapper_are_patterns(""));
    cr_expect_not(tmi_wrapper_are_patterns(","));
    cr_expect_not(tmi_wrapper_are_patterns("xmalloc,"));
    cr_expect_not(tmi_wrapper_are_patterns(",xmalloc"));
    cr_expect_not(tmi_wrapper_are_patterns("a,,b"));
    cr_expect_not(tmi_wrapper_are_patterns("a, b"));
    cr_expect_not(tmi_wrapper_are_patterns("a b"));
    cr_expect_not(tmi_wrapper_are_patterns("a\n"));
}

Test(wrapper, libcs)
{
    cr_expect(tmi_wrapper_is_library("/lib/x86_64-linux-gnu/libc.so.6"));
    cr_expect(tmi_wrapper_is_library("libc.so.6"));
    cr_expect(tmi_wrapper_is_library("/lib/x86_64-linux-gnu/libc-2.31.so"));
    cr_expect(tmi_wrapper_is_library("/lib/ld-musl-x86_64.so.1"));
    cr_expect(tmi_wrapper_is_library("/usr/lib/libc.musl-x86_64.so.1"));
    cr_expect_not(tmi_wrapper_is_library(""));
    cr_expect_not(tmi_wrapper_is_library("/lib/libc.so/other"));
    cr_expect_not(tmi_wrapper_is_library("/lib/libcrypt.so.1"));
    cr_expect_not(tmi_wrapper_is_library("/lib/libc++.so.1"));
    cr_expect_not(tmi_wrapper_is_library("/usr/bin/libc"));
}
