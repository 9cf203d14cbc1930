#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The runtime's data structures under TSan (races/races.c).
#
# A shard's counts are written by its owner with plain additions, one instruction each, and
# read by others with relaxed loads: aligned words, which no compiler of ours tears, and a
# value may be one operation old. TSan cannot know that, so these readers are spared; what
# they find through (stamp, directory, chunks) is released and acquired, and is not.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

echo 'int main(void) { return 0; }' >try.c
${CC:-cc} -fsanitize=thread try.c -o try 2>/dev/null && ./try ||
    { echo 'skipped: no TSan here'; exit 77; }

src=$srcdir/src
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE -I"$builddir" \
    -O1 -g -w -fsanitize=thread -I"$src" -I"$srcdir/include" -o races \
    "$srcdir/tests/integration/races/races.c" $src/base/*.c $src/trace/*.c -lgcc_s \
    -lmimalloc || exit 99

cat >spared <<'SPARED'
race:copy_cells
SPARED
TSAN_OPTIONS="suppressions=$work/spared" ./races >out 2>err
status=$?
if [ "$status" -ne 0 ] || [ "$(cat out)" != 'no race' ] || [ -s err ]; then
    echo "FAIL: exit status $status"
    head -n 60 err
    exit 1
fi
cat out
