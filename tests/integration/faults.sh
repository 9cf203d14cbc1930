#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A program that uses the whole API (faults/faults.c) while calls of the system, of libc
# and of mimalloc fail: the n-th of a kind alone, and every n-th. The program itself looks
# at what must hold; here each line on stderr must be a known one and come once, and
# nothing may hang or crash.
#
#     faults.sh            some n for every kind
#     faults.sh all MOST   each n from 1 until there is no such call, or to MOST
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_ON_ERROR LD_PRELOAD FAULT
builddir=$(cd "${builddir:-build}" && pwd)
program=$builddir/tests/integration/faults/faults
kinds='mmap os munmap open read write thread alloc random'
failures=0
runs=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :
[ -x "$program" ] || { echo "$program is not built"; exit 99; }

# Lines that may be said of a failure.
known='^tmalloc: (no memory for tracing: .*|cannot load tmalloc-plugin\.so: .*)$'

# run KIND FIRST STEP: 4 when there was no FIRST-th call.
run()
{
    runs=$((runs + 1))
    mkdir "$work/place"
    FAULT=$1:$2:$3 "$program" "$work/place" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    rm -rf "$work/place"
    wrong=
    [ "$status" -eq 0 ] || [ "$status" -eq 4 ] || wrong="exit status $status"
    [ "$2 $status" != '1 4' ] || wrong='no call of that kind at all'
    [ ! -s "$work/out" ] || wrong='something on stdout'
    if grep -qvE "$known" "$work/err"; then
        wrong="${wrong:+$wrong, }an unknown line"
    elif [ -n "$(sort "$work/err" | uniq -d)" ]; then
        wrong="${wrong:+$wrong, }a line that comes twice"
    fi
    if [ -n "$wrong" ]; then
        failures=$((failures + 1))
        printf 'FAIL: FAULT=%s:%s:%s TMALLOC=%s: %s\n' "$1" "$2" "$3" "${TMALLOC:-}" "$wrong"
        sed 's/^/    /' "$work/err" | head -10
    fi
    return "$status"
}

some()
{
    for kind in $kinds; do
        for n in 1 2 3 5 8 13 21 34 144 987; do
            run "$kind" "$n" 0
            [ $? -ne 4 ] || break
        done
        for n in 1 2 7 50; do
            run "$kind" "$n" "$n"
        done
    done
    # Failures before main, where tracing starts by itself.
    export TMALLOC=25
    for n in 1 2 3 4 6 9; do
        run mmap "$n" 0
        run os "$n" 0
    done
    run thread 1 1
    run random 1 1
    run mmap 1 1
}

all()
{
    for kind in $kinds; do
        n=1
        while [ "$n" -le "$1" ]; do
            run "$kind" "$n" 0
            [ $? -ne 4 ] || break
            n=$((n + 1))
        done
        echo "$kind: every n from 1 to $((n - 1))"
        every=1
        while [ "$every" -lt "$n" ] && [ "$every" -le 200 ]; do
            run "$kind" "$every" "$every"
            every=$((every + 1))
        done
    done
}

case ${1:-some} in
all) all "${2:-5000}" ;;
*) some ;;
esac
echo "$runs runs, $failures failed"
[ "$failures" -eq 0 ]
