/* SPDX-License-Identifier: MIT */
/*
 * See libc.h. A look-up in libc's own scope finds libc's own functions.
 */
#include "libc.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

static void expect_from(const void *function, const char *library)
{
    Dl_info where;
    cr_assert_neq(dladdr(function, &where), 0);
    cr_assert_not_null(strstr(where.dli_fname, library), "%s is of %s, not of %s",
                       where.dli_sname, where.dli_fname, library);
}

static void *own_function(const char *name)
{
    void *scope = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    cr_assert_not_null(scope);
    void *function = dlsym(scope, name);
    cr_assert_not_null(function, "libc has no %s", name);
    expect_from(function, "libc.so");
    expect_from(dlsym(RTLD_DEFAULT, name), "libtmalloc.so");
    return function;
}

const struct libc *real_libc(void)
{
    static struct libc libc;
    *(void **)&libc.malloc = own_function("malloc");
    *(void **)&libc.calloc = own_function("calloc");
    *(void **)&libc.realloc = own_function("realloc");
    *(void **)&libc.reallocarray = own_function("reallocarray");
    *(void **)&libc.free = own_function("free");
    *(void **)&libc.memalign = own_function("memalign");
    *(void **)&libc.aligned_alloc = own_function("aligned_alloc");
    *(void **)&libc.posix_memalign = own_function("posix_memalign");
    *(void **)&libc.valloc = own_function("valloc");
    *(void **)&libc.pvalloc = own_function("pvalloc");
    *(void **)&libc.malloc_usable_size = own_function("malloc_usable_size");
    return &libc;
}
