/* SPDX-License-Identifier: MIT */
/*
 * Linker names and the programmer's, side by side. The C++ ones are what c++filt prints,
 * the Rust ones what rustfilt prints (examples of the rustc-demangle crate).
 */
#include "symbol/demangle.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct row {
    const char *name, *written;
} rows[] = {
    {"_ZN4shop3BoxIiE4openEv", "shop::Box<int>::open()"},
    {"_Z4packIlET_S0_", "long pack<long>(long)"},
    {"_ZN1aC2Ev", "a::a()"},
    {"_ZN1a1fEv.isra.0.cold", "a::f()"},
    /* no mangled names */
    {"main", "main"},
    {"i", "i"},
    {"_Z", "_Z"},
    {"_Zebra", "_Zebra"},
    {"", ""},
    /* what optimiser and linker add */
    {"list_resize.lto_priv.0", "list_resize"},
    {"f.part.1.cold", "f"},
    {"f.constprop.12", "f"},
    {"memcpy@@GLIBC_2.14", "memcpy"},
    {"f.part.1@V", "f"},
    {"runtime.mallocgc", "runtime.mallocgc"},
    {"main.main.func1", "main.main.func1"},
    {"f.3", "f.3"},
    {".cold", ".cold"},
    {"@x", "@x"},
    /* Rust */
    {"_ZN4testE", "test"},
    {"_ZN3foo3bar17h05af221e174051e9E", "foo::bar"},
    {"_ZN3foo17h05af221e174051e9E.llvm.91369", "foo"},
    {"_ZN8$RF$testE", "$RF$test"},
    {"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
     "3bar17h930b740aa94f1d3aE",
     "<Test + 'static as foo::Bar<Test>>::bar"},
    {"_RNvC6_123foo3bar", "_RNvC6_123foo3bar"},
};

Test(demangle, rows)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *written = tmi_demangle(rows[i].name);
        cr_assert_not_null(written);
        cr_expect_str_eq(written, rows[i].written, "%s: %s, not %s", rows[i].name,
                         written, rows[i].written);
        free(written);
    }
}
