#!/bin/sh
# SPDX-License-Identifier: MIT
#
# CPython's own test suite, module by module: once as it is and once with libtmalloc.so
# preloaded into it and all that it starts, tracing at 25 frames, with a snapshot at the
# exit of each process. PYTHONMALLOC=malloc, so that every object is a block of malloc's.
# The same tests must run and the same must fail. A module that differs is tried again,
# both ways, twice at most: a test that fails by chance in either way is told as such.
#
#     cpython.sh [BUILD [MODULE...]]       all modules that libpython3.11-testsuite has
#
# A line for each module that differs, and the sums. What each printed stays in the folder
# CPYTHON_LOGS, if that is set.
set -u
LC_ALL=C.UTF-8
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_UNWIND LD_PRELOAD
unset PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONPATH
build=$(cd "${1:-${builddir:-build}}" && pwd)
[ $# -eq 0 ] || shift
library=$build/.libs/libtmalloc.so
python=${PYTHON:-/usr/bin/python3.11}
[ -e "$library" ] || { echo "$library is not built"; exit 99; }
"$python" -c 'import test.test_dict' 2>/dev/null || { echo 'skipped: no tests of CPython'; exit 77; }

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # some tests change their user
logs=${CPYTHON_LOGS:-$work/logs}
mkdir -p "$logs"
modules=0
tests=0
differ=0
failing=

# What counts of a run: how it ended, how many tests ran and were skipped, which failed.
verdict()
{
    sed -nE 's/^(Tests result: .*|status .*)$/\1/p' "$1"
    sed -nE 's/^Ran ([0-9]+) tests? in .*/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 " tests" }'
    sed -nE 's/^(OK|FAILED) \(.*skipped=([0-9]+).*/\2/p' "$1" |
        awk '{ n += $1 } END { print n + 0 " skipped" }'
    grep -E '^(FAIL|ERROR): ' "$1" | sort -u
}

# perform MODE MODULE VARIABLE...
perform()
{
    log=$logs/$2.$1
    module=$2
    shift 2
    rm -rf "$work/place"
    mkdir "$work/place"
    mkdir -m 777 "$work/place/dumps"
    (cd "$work/place" && env PYTHONMALLOC=malloc "$@" timeout -k 10 1800 "$python" -m test -v \
        --tempdir "$work/place" "$module" </dev/null >"$log" 2>&1; echo "status $?" >>"$log")
    verdict "$log" >"${log}.verdict"
}

# Both ways; 0: the same.
compare()
{
    perform plain "$1" TM_PLAIN=1
    perform traced "$1" LD_PRELOAD="$library" TMALLOC=25 TMALLOC_DUMP="$work/place/dumps/%e.%p"
    [ -n "$(ls "$work/place/dumps" 2>/dev/null)" ] || echo "$1: no snapshot: was it traced?"
    ! grep -a '^tmalloc: ' "$logs/$1.traced" &&
        cmp -s "$logs/$1.plain.verdict" "$logs/$1.traced.verdict"
}

same_at_last()
{
    for _ in 1 2 3; do
        compare "$1" && return
        echo "$1:"
        diff "$logs/$1.plain.verdict" "$logs/$1.traced.verdict"
    done
    return 1
}

[ $# -gt 0 ] || {
    # shellcheck disable=SC2046
    set -- $("$python" -m test --list-tests)
}
for module in "$@"; do
    modules=$((modules + 1))
    if ! same_at_last "$module"; then
        differ=$((differ + 1))
    elif ! grep -q '^status 0' "$logs/$module.traced.verdict"; then
        failing="$failing $module"
    fi
    ran=$(sed -nE 's/^([0-9]+) tests$/\1/p' "$logs/$module.traced.verdict")
    tests=$((tests + ran))
done
echo "$modules modules, $tests tests; $differ modules differ; these fail in both:$failing"
[ "$differ" -eq 0 ]
