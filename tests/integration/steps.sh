# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by tests of the command line tool: where it is, a scratch place with an awkward
# name to work in, and words to say what a step expects. All steps run; finish lists the
# failures.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_PEAK_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
tmalloc=$builddir/tmalloc
failures=0
step=

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
mkdir "$work/a place"
cd "$work/a place" || exit 99
out=$work/out
err=$work/err
# No step may leave a core file, wherever the machine puts them.
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

fail()
{
    failures=$((failures + 1))
    printf 'FAIL: %s: %s\n' "$step" "$*"
    sed 's/^/    stdout: /' "$out" | head -20
    sed 's/^/    stderr: /' "$err" | head -20
}

# try STATUS COMMAND...: run it, keep its output, compare its exit status.
try()
{
    wanted=$1
    shift
    step=$*
    "$@" >"$out" 2>"$err" </dev/null
    got=$?
    [ "$got" -eq "$wanted" ] || fail "exit status $got, not $wanted"
}

# says FILE TEXT / says_not: a fixed text somewhere in the file. is: the whole of it.
says()
{
    grep -qF -e "$2" "$1" || fail "'$2' is missing"
}

says_not()
{
    ! grep -qF -e "$2" "$1" || fail "'$2' should not be there"
}

is()
{
    printf '%s' "$2" | cmp -s - "$1" || fail "expected exactly '$2'"
}

one_line()
{
    [ "$(wc -l <"$1")" -eq 1 ] || fail "expected one line"
}

# files N: how many there are in the present directory; and take them away.
files()
{
    found=$(find . -type f | wc -l)
    [ "$found" -eq "$1" ] || fail "$found files, not $1: $(find . -type f | tr '\n' ' ')"
    find . -mindepth 1 -delete
}

finish()
{
    [ "$failures" -eq 0 ] || exit 1
}
