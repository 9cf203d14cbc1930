#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What starting and ending a process takes, in microseconds of wall time, side by side in
# one run: RUNS turns in which every mode has its go; the median and the quartiles.
#
#     bench/start.sh [COMMAND...]     in the build directory; without one, git --version
set -eu

build=${builddir:-.}
runs=${RUNS:-300}
# shellcheck source=bench/count.sh
. "$(dirname "$0")/count.sh"
[ $# -gt 0 ] || set -- git --version

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

modes='glibc mimalloc off 1 65535'
for turn in $(seq "$runs"); do
    for mode in $modes; do
        # shellcheck disable=SC2046
        "$build/bench/timed" $(settings_of "$mode") -- "$@" >>"$scratch/$mode"
    done
done
printf '%-10s %8s   %s\n' mode us quartiles
for mode in $modes; do
    sort -n "$scratch/$mode" | awk -v mode="$mode" '
        { v[NR] = $1 * 1000000 }
        END {
            printf "%-10s %8.0f   %.0f to %.0f\n", mode, v[int((NR + 1) / 2)],
                v[int((NR + 3) / 4)], v[int((3 * NR + 1) / 4)]
        }'
done
