# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by the checks. A check gathers its findings as lines of text and hands them to
# verdict: none is a pass. Exit status as automake has it: 0 pass, 1 fail, 77 skip.
set -eu
LC_ALL=C
export LC_ALL
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
CC=${CC:-gcc}
CXX=${CXX:-g++}
export CC CXX

skip()
{
    echo "skipped: $*"
    exit 77
}

# verdict FINDINGS HINT
verdict()
{
    if [ -n "$1" ]; then
        printf '%s\n%s\n' "$1" "$2"
        exit 1
    fi
}

# own REGEX DIRECTORY...: our files whose path below srcdir matches, one a line, sorted.
# A check that has nothing to look at would be a check that cannot fail.
own()
{
    regex=$1
    shift
    found=$(cd "$srcdir" && for dir in "$@"; do
        [ ! -e "$dir" ] || find "$dir" -type f
    done | grep -E "$regex" | sort)
    [ -n "$found" ] || verdict "no file matches $regex in $*" "the check is out of date"
    printf '%s\n' "$found"
}
