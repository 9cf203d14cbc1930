#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The loop of random sizes (loop.c) under glibc, mimalloc and tmalloc, side by side in one
# run: instructions a pair of malloc and free, exact, from callgrind (the difference of two
# run lengths, so that start-up cancels out); nanoseconds a pair, the median of RUNS turns
# in which every allocator has its go. Ratios are to mimalloc.
#
#     bench/loop.sh [DEPTH]     in the build directory; DEPTH more frames below main
set -eu

build=${builddir:-.}
depth=${1:-0}
runs=${RUNS:-5}
pairs=${PAIRS:-5000000}
library=$build/.libs/libtmalloc.so
mimalloc=$(ldd "$library" | awk '/libmimalloc/ { print $3 }')

modes='glibc mimalloc off 1 25 65535'

# The environment that makes a mode, as words for env.
environment() {
    case $1 in
    glibc) echo TMALLOC= ;;
    mimalloc) echo "LD_PRELOAD=$mimalloc" ;;
    off) echo "LD_PRELOAD=$library" ;;
    *) echo "LD_PRELOAD=$library TMALLOC=$1" ;;
    esac
}

# run MODE PAIRS: the loop itself, through whatever command comes first.
instructions() {
    # shellcheck disable=SC2046
    env $(environment "$1") valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$build/bench/loop" "$2" "$depth" 2>&1 | awk '/Collected/ { print $4 }'
}

nanoseconds() {
    # shellcheck disable=SC2046
    /usr/bin/env $(environment "$1") "$build/bench/loop" "$pairs" "$depth" time
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for turn in $(seq "$runs"); do
    for mode in $modes; do
        nanoseconds "$mode" >>"$scratch/ns.$mode"
    done
done
have_callgrind=$(command -v valgrind || true)
[ -n "$have_callgrind" ] || echo "loop.sh: valgrind is not installed: no instruction counts" >&2
for mode in $modes; do
    count=-
    if [ -n "$have_callgrind" ]; then
        few=$(instructions "$mode" 100000)
        many=$(instructions "$mode" 300000)
        count=$(awk "BEGIN { print ($many - $few) / 200000 }")
    fi
    echo "$mode $count $(median <"$scratch/ns.$mode")"
done | awk '
    { mode[NR] = $1; instr[NR] = $2; ns[NR] = $3 }
    $1 == "mimalloc" { base_instr = $2; base_ns = $3 }
    END {
        printf "%-10s %12s %7s %9s %7s\n", "mode", "instructions", "ratio", "ns", "ratio"
        for (i = 1; i <= NR; i++)
            printf "%-10s %12.1f %7.2f %9.2f %7.2f\n", mode[i], instr[i],
                (base_instr > 0 ? instr[i] / base_instr : 0), ns[i], ns[i] / base_ns
    }'
