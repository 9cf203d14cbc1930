#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the analysis costs: load a snapshot and group it by line (analysis.c), symbols of a
# program with debug info (bench_symbol.c), and what Python's own tracemalloc takes for the
# same snapshot and the same statistics. Seconds are of CPU, all of it being one thread. The
# best of RUNS turns counts, since every turn does the same work and noise only adds to it.
#
#     bench/analysis.sh [TRACES [FRAMES]]     in the build directory; 1,000,000 and 25
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${builddir:-.}
traces=${1:-1000000}
frames=${2:-25}
runs=${RUNS:-3}
python=/usr/bin/python3.11

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$build/bench/analysis" make "$scratch/snapshot" "$traces" "$frames"
for turn in $(seq "$runs"); do
    "$build/bench/analysis" read "$scratch/snapshot"
done | awk '
    # load S s, group by line S s, cumulative S s; peak M MiB, arrays M MiB, ratio R; ...
    NR == 1 || $2 + $7 < sum { sum = $2 + $7; load = $2; group = $7; all = $10 }
    { peak = $13; arrays = $16 }
    END { print load, group, all, peak, arrays }' >"$scratch/ours"
read -r load group cumulative peak arrays <"$scratch/ours"
echo "$traces traces of $frames frames, a file of $(wc -c <"$scratch/snapshot") bytes"
printf '%-12s %10s %14s %10s %12s\n' '' 'load, s' 'by line, s' 'peak, MiB' 'arrays, MiB'
printf '%-12s %10s %14s %10s %12s   peak is %.2f times the arrays\n' tmalloc "$load" \
    "$group" "$peak" "$arrays" "$(awk "BEGIN { print $peak / $arrays }")"
echo "with every frame credited: $cumulative s"

if [ -x "$python" ]; then
    "$build/bench/analysis" list "$traces" "$frames" |
        "$python" "$here/analysis.py" "$scratch/pickle" >"$scratch/theirs"
    read -r their_load their_group their_peak lines <"$scratch/theirs"
    printf '%-12s %10s %14s %10s %12s   %s lines\n' tracemalloc "$their_load" \
        "$their_group" "$their_peak" - "$lines"
    awk "BEGIN { printf \"ratio: load %.1f, by line %.1f, both %.1f, memory %.1f\\n\",
        $their_load / ($load + 0.001), $their_group / ($group + 0.001),
        ($their_load + $their_group) / ($load + $group), $their_peak / $peak }"
    for turn in $(seq "$runs"); do
        "$build/bench/bench_symbol" "$python" 20000 2>&1
    done | sort -t, -k 5 | head -n 1
else
    echo "analysis.sh: no $python: neither its tracemalloc nor its symbols" >&2
fi
