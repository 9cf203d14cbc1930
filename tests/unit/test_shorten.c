/* SPDX-License-Identifier: MIT */
/*
 * Names as demanglers give them and as people say them.
 */
#include "cli/shorten.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *name, const char *shortened)
{
    char text[256];
    tmi_shorten_name(name, text, sizeof text);
    cr_expect_str_eq(text, shortened, "%s: %s", name, text);
}

Test(shorten, plain_names_stay)
{
    expect("main", "main");
    expect("_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault");
    expect("a::b::c", "a::b::c");
    expect("inflate.part.0", "inflate.part.0");
    expect("", "");
}

Test(shorten, arguments_and_return_types_go)
{
    expect("f(int)", "f");
    expect("ns::T::f(std::pair<int, char> const&, void (*)(int)) const", "ns::T::f");
    expect("int f<int>(int)", "f<...>");
    expect("std::vector<int, std::allocator<int> > make<int>(int&&)", "make<...>");
    expect("f(int) [clone .cold]", "f");
    expect("T::T[abi:cxx11](int)", "T::T[abi:cxx11]");
}

Test(shorten, what_templates_are_made_of_goes)
{
    expect("std::vector<int, std::allocator<int> >::push_back(int const&)",
           "std::vector<...>::push_back");
    expect("void A<B<C>, (D)1>::f<E>(A<B<C>, (D)1>*)", "A<...>::f<...>");
    expect("decltype (a->b) f<int>(int)", "f<...>");
}

Test(shorten, what_only_looks_like_brackets_stays)
{
    expect("(anonymous namespace)::f(int)", "(anonymous namespace)::f");
    expect("a::(anonymous namespace)::T<int>::f()",
           "a::(anonymous namespace)::T<...>::f");
    expect("f(int)::{lambda(char)#1}::operator()(char) const",
           "f::{lambda(char)#1}::operator()");
    expect("T::operator<(T const&) const", "T::operator<");
    expect("std::ostream& operator<< <char>(std::ostream&, char)", "operator<< <...>");
    expect("bool operator< <int>(int)", "operator< <...>");
    expect("T<int>::operator->()", "T<...>::operator->");
    expect("T::operator unsigned long() const", "T::operator unsigned long");
    expect("operator new(unsigned long)", "operator new");
    expect("operator new[](unsigned long)", "operator new[]");
    expect("T::operator[](int)", "T::operator[]");
    expect("my_operator(int)", "my_operator");
    expect("operators::f(int)", "operators::f");
}

Test(shorten, rust)
{
    expect("<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop",
           "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop");
    expect("core::ptr::drop_in_place<alloc::string::String>",
           "core::ptr::drop_in_place<...>");
    expect("demo::main::{{closure}}", "demo::main::{{closure}}");
}

Test(shorten, what_does_not_match_stays_as_it_is)
{
    expect("f(int", "f(int");
    expect("T<int", "T<int");
    expect("{x", "{x");
    expect(" ", " ");
    expect("f ", "f ");
    expect("operator", "operator");
    expect(")", ")");
}

Test(shorten, what_does_not_fit_is_cut)
{
    char text[6];
    tmi_shorten_name("abcdefgh(int)", text, sizeof text);
    cr_expect_str_eq(text, "abcde");
    tmi_shorten_name("abcdefgh", text, sizeof text);
    cr_expect_str_eq(text, "abcde");
    tmi_shorten_name("T<int>::f()", text, sizeof text);
    cr_expect_str_eq(text, "T<...");
}
