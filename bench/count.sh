# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by loop.sh and by tests/integration/hot_path.sh: the loop of random sizes under
# one allocator or mode of ours, and how many instructions a pair of malloc and free takes
# in it. Counted with perf where the machine can, else with valgrind's callgrind.
#
# Uses $build, the build directory.

# Without debug information: valgrind does not understand that of every compiler.
library=$build/bench/libtmalloc.so
strip -g -o "$library" "$build/.libs/libtmalloc.so"
mimalloc=$(ldd "$library" | awk '/libmimalloc/ { print $3 }')

unset LD_PRELOAD TMALLOC TMALLOC_SAMPLE

# settings_of glibc | mimalloc | off | sampled | NFRAME: the variables that make the mode
settings_of()
{
    case $1 in
    glibc) ;;
    mimalloc) echo "LD_PRELOAD=$mimalloc" ;;
    off) echo "LD_PRELOAD=$library" ;;
    sampled) echo "LD_PRELOAD=$library TMALLOC=25 TMALLOC_SAMPLE=524288" ;;
    *) echo "LD_PRELOAD=$library TMALLOC=$1" ;;
    esac
}

# in_mode MODE COMMAND...
in_mode()
{
    mode=$1
    shift
    # shellcheck disable=SC2046
    env $(settings_of "$mode") "$@"
}

# The tool that counts here, or nothing.
counter()
{
    if perf stat -x, -e instructions:u true 2>&1 | grep -q '^[0-9]'; then
        echo perf
    elif command -v valgrind >/dev/null; then
        echo callgrind
    fi
}

# instructions COUNTER MODE LOOP-ARGUMENTS...: of a whole run.
instructions()
{
    with=$1
    in=$2
    shift 2
    case $with in
    perf)
        in_mode "$in" perf stat -x, -e instructions:u "$build/bench/loop" "$@" 2>&1 |
            awk -F, '/instructions/ { print $1 }'
        ;;
    callgrind)
        in_mode "$in" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
            "$build/bench/loop" "$@" 2>&1 | awk '/Collected/ { print $4 }'
        ;;
    esac
}

# instructions_a_pair COUNTER MODE DEPTH THREADS: the difference of two run lengths, so
# that whatever is done once cancels out.
instructions_a_pair()
{
    few=$(instructions "$1" "$2" 40000 "$3" "$4")
    many=$(instructions "$1" "$2" 120000 "$3" "$4")
    if [ "${few:-0}" -eq 0 ] || [ "${many:-0}" -eq 0 ]; then
        echo "$build/bench/loop: $1 counted nothing" >&2
        return 1
    fi
    awk -v few="$few" -v many="$many" -v threads="$4" \
        'BEGIN { printf "%.2f\n", (many - few) / 80000 / threads }'
}
