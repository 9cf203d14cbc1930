#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a stack costs (capture.c): tmalloc beside unw_backtrace(), backtrace() and a walk by
# frame pointers, at three depths and in three patterns, net of the calls. Instructions are
# exact, from callgrind, the difference of two run lengths; nanoseconds are the median of RUNS
# turns in which every method has its go. Ratios are to tmalloc. Then what a program costs that
# has only just begun: python3 -c pass with every stack, to plain mimalloc.
#
#     bench/capture.sh     in the build directory
set -eu
build=$(cd "${builddir:-.}" && pwd)
runs=${RUNS:-5}
captures=${CAPTURES:-200000}
library=$build/.libs/libtmalloc.so
mimalloc=$(ldd "$library" | awk '/libmimalloc/ { print $3 }')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
have_callgrind=$(command -v valgrind || true)

# METHOD PROGRAM as one word; glibc's way is slow and gets a tenth of the captures.
methods='none:capture tmalloc:capture libunwind:capture glibc:capture none:capture-fp
tmalloc:capture-fp walk:capture-fp'

captures_of() {
    case $1 in glibc:*) echo $((captures / 10)) ;; *) echo "$captures" ;; esac
}

# run METHOD:PROGRAM PATTERN FRAMES CAPTURES [time]
run() {
    method=$1
    shift
    "$build/bench/${method#*:}" "${method%:*}" "$@"
}

instructions_of() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 |
        awk '/Collected/ { print $4 }'
}

instructions() {
    few=$(instructions_of "$build/bench/${1#*:}" "${1%:*}" "$2" "$3" 800)
    many=$(instructions_of "$build/bench/${1#*:}" "${1%:*}" "$2" "$3" 2400)
    awk "BEGIN { print ($many - $few) / 1600 }"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# A line METHOD NS INSTRUCTIONS for each method.
measure() {
    for _ in $(seq "$runs"); do
        for method in $methods; do
            run "$method" "$1" "$2" "$(captures_of "$method")" time >>"$scratch/$method.$1.$2" ||
                echo 0 >>"$scratch/$method.$1.$2"
        done
    done 2>/dev/null
    for method in $methods; do
        count=0
        [ -z "$have_callgrind" ] || count=$(instructions "$method" "$1" "$2")
        echo "$method $(median <"$scratch/$method.$1.$2") $count"
    done
}

printf '%-22s %-7s %6s %9s %7s %13s %7s\n' method pattern frames ns ratio instructions ratio
for frames in 8 20 60; do
    for pattern in same inner middle; do
        [ "$frames$pattern" != 8middle ] || continue
        measure "$pattern" "$frames" | awk -v pattern="$pattern" -v frames="$frames" '
            { split($1, m, ":") }
            m[1] == "none" { base_ns = $2; base_count = $3; next }
            m[1] == "tmalloc" { ns = $2 - base_ns; count = $3 - base_count }
            {
                printf "%-22s %-7s %6d %9.1f %7.1f %13.0f %7.1f\n",
                    m[1] (m[2] == "capture" ? "" : ", with fp"), pattern, frames, $2 - base_ns,
                    (ns > 0 ? ($2 - base_ns) / ns : 0), $3 - base_count,
                    (count > 0 ? ($3 - base_count) / count : 0)
            }'
    done
done

# The start of a program: instructions, then milliseconds, the median of turns side by side.
python=/usr/bin/python3 # the program itself: others are scripts that start it
[ -x "$python" ] || exit 0
printf '\n%-22s %13s %7s %9s %7s\n' "python3 -c pass" instructions ratio ms ratio
modes='mimalloc off 1 512'
start() {
    mode=$1
    shift
    case $mode in
    mimalloc) env LD_PRELOAD="$mimalloc" "$@" ;;
    off) env LD_PRELOAD="$library" "$@" ;;
    *) env LD_PRELOAD="$library" TMALLOC="$mode" "$@" ;;
    esac
}
for _ in $(seq $((runs * 4))); do
    for mode in $modes; do
        begin=$(date +%s%N)
        start "$mode" "$python" -c pass
        end=$(date +%s%N)
        echo $(((end - begin) / 1000)) >>"$scratch/start.$mode"
    done
done
for mode in $modes; do
    count=0
    [ -z "$have_callgrind" ] || count=$(start "$mode" valgrind --tool=callgrind \
        --callgrind-out-file=/dev/null "$python" -c pass 2>&1 | awk '/Collected/ { print $4 }')
    echo "$mode $count $(median <"$scratch/start.$mode")"
done | awk '
    $1 == "mimalloc" { count = $2; us = $3 }
    { printf "%-22s %13d %7.2f %9.2f %7.2f\n", $1, $2, (count > 0 ? $2 / count : 0), $3 / 1000, $3 / us }'
