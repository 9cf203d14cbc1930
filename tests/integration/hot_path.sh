#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The hot path under guard: instructions that malloc and free take together in the loop of
# random sizes (bench/loop.c), with tracing off, with one frame, 25 and all of them, and
# with 25 for a sample, held against the figures beside this script, hot_path.tsv. More
# than 3 % above is a failure; more than 3 % below is the time to renew the figures, with
#
#     builddir=BUILD tests/integration/hot_path.sh renew
#
# after `make check`, or `make bench/loop`. The figures depend on the compiler and on
# mimalloc, so each line says for which it was measured; a build that has none is skipped,
# and can be given some in the same way.
. "${srcdir:-.}/tests/checks/common.sh"
build=$builddir
. "$srcdir/bench/count.sh"

figures=$srcdir/tests/integration/hot_path.tsv
modes='off 1 25 65535 sampled'
most=1.03

compiler()
{
    # shellcheck disable=SC2086
    version=$($CC -dumpversion)
    # shellcheck disable=SC2086
    case $($CC --version) in
    *clang*) echo "clang-${version%%.*}" ;;
    *) echo "gcc-${version%%.*}" ;;
    esac
}

mimalloc_version()
{
    # shellcheck disable=SC2086
    printf '#include <mimalloc.h>\nMI_MALLOC_VERSION\n' | $CC -E -P - | tail -n 1
}

grep -q '^CFLAGS = .*-O2' "$build/Makefile" ||
    skip 'the figures are of builds with -O2'
grep -q '^#define TMI_CHECKS' "$build/config.h" &&
    skip 'the figures are of builds without --enable-checks'
counter=$(counter)
[ -n "$counter" ] ||
    skip 'nothing counts instructions here: install the package valgrind'
key=$(printf '%s\t%s\t%s' "$(compiler)" "$(uname -m)" "$(mimalloc_version)")

if [ "${1:-}" = renew ]; then
    others=$(grep -v "^$key	" "$figures")
    for mode in $modes; do
        printf '%s\t%s\t%s\n' "$key" "$mode" \
            "$(instructions_a_pair "$counter" "$mode" 0 1)"
    done | { printf '%s\n' "$others"; cat; } >"$figures.new"
    mv "$figures.new" "$figures"
    exit
fi

known=$(grep "^$key	" "$figures" || true)
[ -n "$known" ] ||
    skip "no figures for $key: see tests/integration/hot_path.sh"

findings=
for mode in $modes; do
    figure=$(printf '%s\n' "$known" | awk -F '\t' -v mode="$mode" '$4 == mode { print $5 }')
    count=$(instructions_a_pair "$counter" "$mode" 0 1)
    ratio=$(awk -v count="$count" -v figure="${figure:-0}" \
        'BEGIN { printf "%.3f", (figure > 0 ? count / figure : 0) }')
    echo "TMALLOC=$mode: $count instructions, $figure in the table, ratio $ratio"
    if [ "$(awk -v r="$ratio" -v most="$most" 'BEGIN { print (r > most || r == 0) }')" = 1 ]; then
        findings="$findings
TMALLOC=$mode takes $count instructions for malloc and free, not $figure"
    fi
done
verdict "$findings" 'find out why (docs/hot-path.md); if it is worth it, renew the figures'
