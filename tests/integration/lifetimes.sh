#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Scenes in the life of a process (lifetimes/lifetimes.h), each with the library linked and
# preloaded, with tracing off, with one frame and with 25. And the tests of the family once
# more while it is traced.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_ON_ERROR LD_PRELOAD
builddir=$(cd "${builddir:-build}" && pwd)
folder=$builddir/tests/integration/lifetimes
library=$builddir/.libs/libtmalloc.so
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

fail()
{
    failures=$((failures + 1))
    printf 'FAIL: %s: %s\n' "$1" "$2"
    sed 's/^/    stdout: /' "$work/out" | head -20
    sed 's/^/    stderr: /' "$work/err" | head -40
}

# expect WORDS-ON-STDOUT STEP COMMAND...: it succeeds, says that, and nothing on stderr.
expect()
{
    words=$1
    step=$2
    shift 2
    env "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [ "$got" -eq 0 ] || fail "$step" "exit status $got"
    [ "$(cat "$work/out")" = "$words" ] || fail "$step" "not '$words' on stdout"
    [ ! -s "$work/err" ] || fail "$step" 'something on stderr'
}

[ -e "$library" ] || { echo "$library is not built"; exit 99; }

for frames in 0 1 25; do
    for scene in early dlopen threads keys signals altstack fork spawn exit; do
        words=
        [ "$scene" != exit ] || words='the last destructor ran'
        expect "$words" "$scene, linked, TMALLOC=$frames" TMALLOC=$frames \
            "$folder/linked" "$scene" "$folder"
        expect "$words" "$scene, preloaded, TMALLOC=$frames" TMALLOC=$frames \
            LD_PRELOAD="$library" "$folder/plain" "$scene" "$folder"
    done
    # A library whose constructor comes before ours, or after.
    expect '' "early, another library first, TMALLOC=$frames" TMALLOC=$frames \
        LD_PRELOAD="$folder/library.so $library" "$folder/plain" early "$folder"
    expect '' "early, another library last, TMALLOC=$frames" TMALLOC=$frames \
        LD_PRELOAD="$library $folder/library.so" "$folder/plain" early "$folder"
    TMALLOC=$frames LD_PRELOAD=$library "$folder/plain" closed "$folder" <&- >&- 2>&-
    got=$?
    [ "$got" -eq 0 ] || fail "closed, TMALLOC=$frames" "exit status $got"
done

# The same tests of the family's semantics that run by themselves, traced.
for frames in 1 25; do
    expect 'all hold' "operators, TMALLOC=$frames" TMALLOC=$frames \
        "$builddir/tests/integration/operators"
    for test in libc_aligned libc_inquiry libc_semantics; do
        TMALLOC=$frames "$builddir/tests/integration/$test" >"$work/out" 2>"$work/err" ||
            fail "$test, TMALLOC=$frames" "exit status $?"
    done
done

[ "$failures" -eq 0 ] || exit 1
echo 'all scenes as expected'
