#!/bin/sh
# SPDX-License-Identifier: MIT
# Headers are hermetic: each one compiles without another before it and without warnings.
# The public ones as C11 and as C++17, strict ISO, with only include/ to look in.
. "${srcdir:-.}/tests/checks/common.sh"

# alone HEADER COMPILER OPTION...: what the compiler has to say to this header
alone()
{
    header=$1
    shift
    echo 'extern int something;' |
        "$@" -Wall -Wextra -Wshadow -Werror -fsyntax-only -include "$srcdir/$header" - 2>&1 ||
        echo "^ $header alone with $*"
}

public_as_c()
{
    # shellcheck disable=SC2086
    alone "$1" $CC -std=c11 -Wpedantic -I"$srcdir/include" -x c
}

public_as_cxx()
{
    # shellcheck disable=SC2086
    alone "$1" $CXX -std=c++17 -Wpedantic -I"$srcdir/include" -x c++
}

private_as_c()
{
    # shellcheck disable=SC2086
    alone "$1" $CC -std=c11 -D_GNU_SOURCE -I"$srcdir/include" \
        -I"$srcdir/src" -I"$builddir/src/pprof" -I"$builddir" -x c
}

public=$(own '\.h$' include)
private=$(own '\.h$' src)
findings=$(
    for header in $public; do
        public_as_c "$header"
        public_as_cxx "$header"
    done
    for header in $private; do
        private_as_c "$header"
    done
)
verdict "$findings" 'a header must include what it uses'
