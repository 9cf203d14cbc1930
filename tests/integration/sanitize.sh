#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The analysis (view, pprof, symbol) under ASan and UBSan: its unit tests, built once more
# in a tree of their own. It is never interposed there, so every allocation is watched. The
# runtime cannot run so, since the sanitizers replace malloc, too; its data structures are
# under TSan in races.sh.
set -u
unset MAKEFLAGS MAKELEVEL MFLAGS
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
failures=0

tests='arena build demangle diff dwfl fetch filter foreign format group input line map match
    newfile order path pprof snapshot source stat symbol text traceback utf8'
flags='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined'

mkdir -p "$builddir/sanitize" && cd "$builddir/sanitize" || exit 99
echo 'int main(void) { return 0; }' >try.c
# shellcheck disable=SC2086
${CC:-cc} $flags try.c -o try && ./try || { echo 'skipped: no sanitizers here'; exit 77; }
if [ ! -f Makefile ]; then
    "$srcdir/configure" --quiet --with-pprof-proto="${PPROF_PROTO:-}" CC="${CC:-cc}" \
        CXX="${CXX:-c++}" CFLAGS="$flags" CXXFLAGS="$flags" || exit 99
fi
programs=
for test in $tests; do
    programs="$programs tests/unit/test_$test"
done
victims=$(sed -n '/^victims =/,/[^\\]$/p' Makefile | tr -d '\\' | sed 's/^victims =//')
# shellcheck disable=SC2086
make -s -j"$(nproc)" src/pprof/profile.pb-c.h >log 2>&1 &&
    make -s -j"$(nproc)" $programs $victims >>log 2>&1 || { tail -n 20 log; exit 99; }

export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1

# Criterion forks beside a thread of its own. When that one was inside ASan's allocator the
# child waits for a lock that nobody will give back, before any test began: once more then.
run()
{
    for _ in 1 2 3; do
        builddir=. timeout 100 "$1" >log 2>&1
        status=$?
        [ "$status" -eq 124 ] || break
    done
    return "$status"
}

for program in $programs; do
    if run "$program" && ! grep -qE 'Sanitizer|runtime error' log; then
        echo "ok ${program##*/}"
    else
        failures=$((failures + 1))
        echo "FAIL ${program##*/}"
        grep -E -A 12 'Sanitizer|runtime error|\[FAIL\]' log | head -n 40
    fi
done
[ "$failures" -eq 0 ]
