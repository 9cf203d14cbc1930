#!/bin/sh
# SPDX-License-Identifier: MIT
# An hour of mixed load (soak.c), or SOAK_SECONDS of it.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -fno-builtin -O1 -g -I"$srcdir/include" -o "$work/soak" \
    "$srcdir/tests/long/soak.c" -L"$builddir/.libs" -ltmalloc -lpthread \
    -Wl,-rpath,"$builddir/.libs" || exit 99
mkdir "$work/place"
"$work/soak" "${SOAK_SECONDS:-3600}" "$work/place"
