#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the library says when a program does something wrong to a block, and what happens
# then: abort, or with TMALLOC_ON_ERROR=warn the program's work goes on and comes out right.
# damage/damage.c does the wrong things. stdout is the program's alone.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_ON_ERROR LD_PRELOAD
builddir=$(cd "${builddir:-build}" && pwd)
victim=$builddir/tests/integration/damage/damage
failures=0
step=

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
out=$work/out
err=$work/err
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

fail()
{
    failures=$((failures + 1))
    printf 'FAIL: %s: %s\n' "$step" "$*"
    sed 's/^/    stdout: /' "$out" | head -20
    sed 's/^/    stderr: /' "$err" | head -40
}

# run STATUS DEED [BYTES]: with what TMALLOC and TMALLOC_ON_ERROR are in the environment.
run()
{
    wanted=$1
    shift
    step="$* (TMALLOC=${TMALLOC-}, ${TMALLOC_ON_ERROR-abort})"
    "$victim" "$@" >"$out" 2>"$err" </dev/null
    got=$?
    [ "$got" -eq "$wanted" ] || fail "exit status $got, not $wanted"
    [ ! -s "$out" ] || fail 'something on stdout'
}

says()
{
    grep -qE -e "$1" "$err" || fail "'$1' is missing"
}

# How many reports: each begins with the function that was called.
reports()
{
    n=$(grep -cE '^tmalloc: [a-z_]+\(0x[0-9a-f]+\): ' "$err")
    [ "$n" -eq "$1" ] || fail "$n reports, not $1"
}

# The offsets of the frames below a line that matches, in the victim itself.
frames_below()
{
    sed -nE "/$1/,/^tmalloc:   [^ ]/{s|^tmalloc:     .*/damage\\+(0x[0-9a-f]+)\$|\\1|p;}" "$err"
}

# shows LINE FUNCTION: one of those frames lies in that function, as nm says.
shows()
{
    set -- "$1" "$2" "$(nm -S "$victim" | sed -nE "s/^([0-9a-f]+) ([0-9a-f]+) [tT] $2\$/\\1 \\2/p")"
    start=$((0x${3% *}))
    end=$((start + 0x${3#* }))
    for offset in $(frames_below "$1"); do
        if [ $((offset)) -ge "$start" ] && [ $((offset)) -lt "$end" ]; then
            return
        fi
    done
    fail "no frame in $2 below '$1'"
}

# expect REPORTS WORDS DEED [BYTES]: untraced and traced, with abort and with warn.
# The last run is one with TMALLOC=10, for whoever wants to look further.
expect()
{
    count=$1
    words=$2
    shift 2
    for frames in 0 10; do
        export TMALLOC=$frames
        unset TMALLOC_ON_ERROR
        run 134 "$@"
        reports 1
        says "$words"
        says 'this call \(most recent call first\):'
        shows 'this call' main
        export TMALLOC_ON_ERROR=warn
        run 0 "$@"
        reports "$count"
        says "$words"
        if [ "$frames" -eq 0 ] && grep -q 'allocated at' "$err"; then
            fail 'an allocation stack, though nothing was traced'
        fi
    done
}

command -v nm >/dev/null || { echo 'skipped: no nm'; exit 77; }
[ -x "$victim" ] || { echo "$victim is not built"; exit 99; }

for frames in 0 1 10; do
    export TMALLOC=$frames
    # The header knows a block's size and alignment; what else is said of it is no harm.
    for deed in none wrong-size wrong-alignment; do
        run 0 $deed
        [ ! -s "$err" ] || fail 'a report, though nothing is wrong'
    done
done

twice='double free: the block was freed already'
foreign='the pointer does not come from malloc'
inside='the pointer is not the start of a block'
damaged='the header before the block was overwritten, or no block begins there'
allocated='allocated at \(most recent call first\)'

expect 1 "^tmalloc: free\\(0x[0-9a-f]+\\): $twice\$" twice
shows "$allocated" make_left
expect 1 "$twice" twice-aligned
shows "$allocated" make_aligned
expect 5 "$twice|$foreign" twice-huge
expect 1 "$twice" twice-in-threads
shows "$allocated" make_left
expect 1 "$twice" twice-after-other
shows "$allocated" make_right
expect 1 "$inside" twice-after-reuse
shows "$allocated" make_right

expect 1 "^tmalloc: free\\(0x[0-9a-f]+\\): $foreign\$" stack
expect 2 "$foreign" global
expect 3 "$foreign" mapped
expect 1 "$foreign" foreign
expect 4 "^tmalloc: free\\(0x20\\): $foreign\$" null-page

expect 1 "$inside" inside
says 'it points 16 bytes into the block of 48 bytes at 0x'
shows "$allocated" make_left
expect 1 "$inside" crooked
says 'it points 5 bytes into the block of 48 bytes at 0x'
expect 1 "$inside" inside-aligned
says 'it points 32 bytes into the block of 48 bytes at 0x'
shows "$allocated" make_aligned
expect 1 "$inside" inside-huge
says 'it points 524288 bytes into the block of 2097152 bytes at 0x'
shows "$allocated" make_left

for bytes in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    expect 1 "$damaged" overflow $bytes
    says 'written past the end of the block of 48 bytes at 0x'
    shows 'which was allocated at' make_left
    expect 1 "$damaged" underflow $bytes
    expect 1 "$damaged" underflow-aligned $bytes
done
expect 1 "$damaged" underflow 4
shows 'the block itself was allocated at' make_left

expect 1 "^tmalloc: realloc\\(0x[0-9a-f]+\\): $twice\$" realloc-freed
expect 1 "^tmalloc: realloc\\(0x[0-9a-f]+\\): $inside\$" realloc-inside
expect 1 "^tmalloc: realloc\\(0x[0-9a-f]+\\): $damaged\$" realloc-damaged
expect 1 "^tmalloc: malloc_usable_size\\(0x[0-9a-f]+\\): $foreign\$" size-of-stack
expect 1 "^tmalloc: malloc_usable_size\\(0x[0-9a-f]+\\): $twice\$" size-of-freed

# Somebody closed stderr: the program ends the same way.
unset TMALLOC_ON_ERROR
step='twice, without stderr'
"$victim" twice >"$out" 2>&- </dev/null
got=$?
[ "$got" -eq 134 ] || fail "exit status $got, not 134"

[ "$failures" -eq 0 ] || exit 1
echo 'all reports as expected'
