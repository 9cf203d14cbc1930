#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The loop of random sizes (loop.c) under glibc, mimalloc and tmalloc, side by side in one
# run: instructions a pair of malloc and free (count.sh); nanoseconds of processor time a
# pair, the median of RUNS turns in which every allocator has its go. Ratios are to mimalloc.
#
#     bench/loop.sh [DEPTH [THREADS]]     in the build directory; DEPTH more frames below
#                                         main, THREADS that do the same beside each other
set -eu

build=${builddir:-.}
depth=${1:-0}
threads=${2:-1}
runs=${RUNS:-5}
pairs=${PAIRS:-5000000}
# shellcheck source=bench/count.sh
. "$(dirname "$0")/count.sh"

modes='glibc mimalloc off 1 25 65535 sampled'

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for turn in $(seq "$runs"); do
    for mode in $modes; do
        in_mode "$mode" "$build/bench/loop" "$pairs" "$depth" "$threads" time \
            >>"$scratch/ns.$mode"
    done
done
counter=$(counter)
[ -n "$counter" ] || echo "loop.sh: neither perf nor valgrind: no instruction counts" >&2
for mode in $modes; do
    count=-
    [ -z "$counter" ] || count=$(instructions_a_pair "$counter" "$mode" "$depth" "$threads")
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
