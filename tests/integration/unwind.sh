#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Stacks under every condition that an unwinder may get wrong: unwind/main.c, compiled in
# several ways, brings them about one by one. With TMALLOC_UNWIND=check each stack is
# walked both ways; none may differ, and none may be left to libgcc but those that are
# meant to be. The program itself compares stacks with the names in its source, and with
# backtrace(). A line for each way to compile it, or for each failure. ONLY=CONDITION runs
# one condition, FORKS=2000 makes more of them, OTHERS=1 has libunwind and frame pointers walk
# the stacks instead.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY TMALLOC_UNWIND LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
library=$builddir/.libs/libtmalloc.so
source=$srcdir/tests/integration/unwind
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

# CONDITION STACKS LIBGCC: at least so many stacks must be compared, and so many left to
# libgcc; `any` where signals fall as they like.
conditions='
alloca 6000 0
realigned 6000 0
longjmp 4000 0
recursion 2600 2
callbacks 1000 0
signals 4000 0
alarms 900 any
stepped 1500 any
null_call 600 0
contexts 15000 0
switched 6000 150
bottom 1800 0
threads 60000 0
exits 10000 0
forks 300 0
unloads 900 0
no_tables 1500 0
written 1000 0
exceptions 20000 0
library 3000 any
'

# library_at_place CC NAME FRAME: NAME.so, which wants to be loaded where the others do.
library_at_place()
{
    $1 -shared -nostdlib -Wl,-Ttext-segment=0x700000000000 -o "$2.so" \
        -DPLACE="place_$2" -DFRAME="$3" "$source/place.S"
}

# compile CC CXX FLAGS
compile()
{
    # shellcheck disable=SC2086
    for part in main frames stacks stepped threads code guesses; do
        $1 $3 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$srcdir/include" -c -o "$part.o" \
            "$source/$part.c" || return 1
    done
    # shellcheck disable=SC2086
    $2 $3 -std=c++17 -Wall -Wextra -Werror -c -o cxx.o "$source/cxx.cc" &&
        $1 -c -o switch.o "$source/switch.s" &&
        library_at_place "$1" one 200 && library_at_place "$1" two 1000 &&
        $2 -rdynamic -pthread -o unwind ./*.o -ldl
}

fail()
{
    failures=$((failures + 1))
    echo "FAIL $*"
    head -n 60 err
}

# try FLAGS CONDITION STACKS LIBGCC
try()
{
    env TMALLOC=65535 TMALLOC_UNWIND=check LD_PRELOAD="$library" FORKS="${FORKS:-100}" \
        timeout 120 ./unwind "$2" >out 2>err
    status=$?
    # shellcheck disable=SC2046
    set -- "$@" $(sed -nE \
        's/^tmalloc: ([0-9]+) stacks walked .*, ([0-9]+) differ; .* alone: ([0-9]+)$/\1 \2 \3/p' err)
    if [ $status -ne 0 ]; then
        fail "$1, $2: exit status $status"
    elif [ $# -ne 7 ] || [ "$(wc -l <err)" -ne 1 ]; then
        fail "$1, $2: said something"
    elif [ "$5" -lt "$3" ]; then
        fail "$1, $2: $5 stacks, not $3"
    elif [ "$6" -ne 0 ]; then
        fail "$1, $2: $6 stacks differ"
    elif [ "$4" != any ] && [ "$7" -ne "$4" ]; then
        fail "$1, $2: $7 stacks by libgcc, not $4"
    fi
}

# try_all CC CXX FLAGS
try_all()
{
    before=$failures
    if ! compile "$1" "$2" "$3"; then
        failures=$((failures + 1))
        echo "FAIL $1 $3: does not compile"
        return
    fi
    while read -r condition stacks libgcc; do
        [ -z "$condition" ] || [ "${ONLY:-$condition}" != "$condition" ] ||
            try "$1 $3" "$condition" "$stacks" "$libgcc"
    done <<END
$conditions
END
    [ "$failures" -ne "$before" ] || echo "ok $1 $3"
}

# A third opinion, libunwind's: unwind/libunwind.c. Where it goes further, it guesses by rbp
# in code without tables, or has more frames than are kept. Not forks: a child may find
# libunwind's lock taken.
third=$builddir/tests/integration/unwind/libunwind.so
libunwind_goes_further='no_tables recursion written'

try_libunwind()
{
    [ -e "$third" ] || { echo 'skip libunwind: install libunwind-dev, configure again'; return; }
    before=$failures
    compared=0
    for condition in "$@"; do
        env TMALLOC=65535 COMPARE=none FORKS=20 LD_PRELOAD="libgcc_s.so.1:$third:$library" \
            timeout 120 ./unwind "$condition" >out 2>err
        status=$?
        further='0'
        case " $libunwind_goes_further " in *" $condition "*) further='[1-9][0-9]*' ;; esac
        same=$(sed -nE \
            "s/^libunwind: ([0-9]+) stacks the same, $further longer, 0 shorter, 0 other\$/\1/p" err |
            tail -n 1)
        if [ $status -ne 0 ] || [ -z "$same" ]; then
            fail "libunwind, $condition: exit status $status"
        fi
        compared=$((compared + ${same:-0}))
    done
    [ "$failures" -ne "$before" ] || echo "ok libunwind, $compared stacks the same"
}

# Frame pointers alone: whatever is in rbp, the program lives; and where each function has a
# frame of its own, the names are right. through_rbp keeps something else in rbp, and
# place.S makes no record: so not alloca, unloads and written.
by_frame_pointers='alarms bottom callbacks contexts exceptions exits forks library longjmp no_tables
null_call realigned recursion signals stepped switched threads'

# try_fp FLAGS COMPARE CONDITION...
try_fp()
{
    flags=$1
    compare=$2
    shift 2
    before=$failures
    for condition in "$@"; do
        env TMALLOC=65535 TMALLOC_UNWIND=fp COMPARE="$compare" LD_PRELOAD="$library" \
            FORKS=20 timeout 120 ./unwind "$condition" >out 2>err
        status=$?
        if [ $status -ne 0 ] || [ -s err ]; then
            fail "fp, $flags, $condition: exit status $status"
        fi
    done
    [ "$failures" -ne "$before" ] || echo "ok fp $flags, $compare"
}

# The fast way and a guess over code without tables, which goes further there alone.
conditions_with_guesses='guesses alarms contexts exceptions realigned signals switched threads unloads'

try_guess()
{
    before=$failures
    for condition in $conditions_with_guesses; do
        env TMALLOC=65535 TMALLOC_UNWIND=guess LD_PRELOAD="$library" \
            timeout 120 ./unwind "$condition" >out 2>err
        status=$?
        if [ $status -ne 0 ] || [ -s err ]; then
            fail "guess, $1, $condition: exit status $status"
        fi
    done
    [ "$failures" -ne "$before" ] || echo "ok guess $1"
}

[ -e "$library" ] || { echo "$library is not built"; exit 99; }
[ "$(uname -m)" = x86_64 ] || exit 77
cc=${CC:-gcc}
cxx=${CXX:-g++}

# The others on what is compiled without frame pointers and with them.
try_others()
{
    compile "$cc" "$cxx" '-O2' || return 1
    # shellcheck disable=SC2046
    try_libunwind $(echo "$conditions" |
        awk -v only="${ONLY:-}" '$1 != "" && $1 != "forks" && (only == "" || $1 == only) { print $1 }')
    # shellcheck disable=SC2086
    try_fp '-O2' none alloca unloads written $by_frame_pointers
    try_guess '-O2'
    compile "$cc" "$cxx" '-O2 -fno-omit-frame-pointer' || return 1
    # shellcheck disable=SC2086
    try_fp '-O2 -fno-omit-frame-pointer' names $by_frame_pointers
    try_guess '-O2 -fno-omit-frame-pointer'
}

if [ "${OTHERS:-}" ]; then
    try_others || fail 'does not compile'
else
    try_all "$cc" "$cxx" '-O2'
    try_all "$cc" "$cxx" '-O0'
    try_all "$cc" "$cxx" '-O2 -fno-omit-frame-pointer'
    if command -v clang >/dev/null && command -v clang++ >/dev/null; then
        try_all clang clang++ '-O1'
    fi
fi
[ "$failures" -eq 0 ]
