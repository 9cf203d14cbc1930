#!/bin/sh
# SPDX-License-Identifier: MIT
# Ten million different stacks (stacks.c), or STACKS of them, with a narrow bound on what
# tracing uses, a wide one, and the one that is built in.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -fno-builtin -O2 -g -I"$srcdir/include" -o "$work/stacks" \
    "$srcdir/tests/long/stacks.c" -L"$builddir/.libs" -ltmalloc \
    -Wl,-rpath,"$builddir/.libs" || exit 99
status=0
for bound in ${BOUNDS:-64M 256M 1G}; do
    echo "-- TMALLOC_MAX_MEMORY=$bound"
    TMALLOC_MAX_MEMORY=$bound "$work/stacks" "${STACKS:-10000000}" || status=1
done
exit $status
