#!/bin/sh
# SPDX-License-Identifier: MIT
# Ten million different stacks (stacks.c), or STACKS of them, with a bound on what tracing
# uses that holds a hundredth of them, one that holds a tenth, and the one that is built in.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -fno-builtin -O2 -g -I"$srcdir/include" -o "$work/stacks" \
    "$srcdir/tests/long/stacks.c" -L"$builddir/.libs" -ltmalloc \
    -Wl,-rpath,"$builddir/.libs" || exit 99
status=0
for bound in ${BOUNDS:-32M 128M 1G}; do
    echo "-- TMALLOC_MAX_MEMORY=$bound"
    TMALLOC_MAX_MEMORY=$bound "$work/stacks" "${STACKS:-10000000}" || status=1
done
exit $status
