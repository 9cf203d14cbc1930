#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The wrong deeds of tests/integration/damage/damage.c under several allocators, as a table
# for docs/errors.md. What happened to each program:
#
#     told      it ended by a signal, after a line that says what was wrong
#     crash     it ended by a signal, and nobody said why
#     passes    it went on, and all its memory was in order
#     harmed    it went on, and a block of its own had changed
#     -         the deed cannot be done there (no block lies right behind another)
#
#     errors.sh [BUILD]
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_ON_ERROR LD_PRELOAD
here=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-${builddir:-build}}" && pwd)
CC=${CC:-gcc}

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

"$CC" -std=c11 -D_GNU_SOURCE -O1 -fno-builtin -w -o "$work/damage" \
    "$here/tests/integration/damage/damage.c" -Wl,--no-as-needed -lstdc++ || exit 99

first_of()
{
    # shellcheck disable=SC2086
    ls $1 2>/dev/null | head -n 1
}

glibc=
tmalloc=$build/.libs/libtmalloc.so
mimalloc=$(first_of '/usr/lib/*/libmimalloc.so.2')
secure=$(first_of '/usr/lib/*/libmimalloc-secure.so.2')
scudo=$(first_of '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so')
jemalloc=$(first_of '/usr/lib/*/libjemalloc.so.2')

# verdict LIBRARY DEED [BYTES]
verdict()
{
    preload=$1
    shift
    LD_PRELOAD=$preload timeout 60 "$work/damage" "$@" >"$work/out" 2>"$work/err" </dev/null
    case $? in
    0) echo passes ;;
    3) echo harmed ;;
    2 | 77) echo - ;;
    124) echo hangs ;;
    *)
        if grep -vqE '^(Aborted|Segmentation fault|Trace/breakpoint trap)?$' "$work/err"; then
            echo told
        else
            echo crash
        fi
        ;;
    esac
}

columns=
for name in glibc mimalloc secure scudo jemalloc tmalloc; do
    eval "library=\$$name"
    if [ "$name" = glibc ] || [ -n "$library" ]; then
        columns="$columns $name"
    fi
done

printf '| deed |'
# shellcheck disable=SC2086
printf ' %s |' $columns
printf '\n|---|'
for _ in $columns; do printf -- '---|'; done
printf '\n'
while read -r deed; do
    printf '| %s |' "$deed"
    for name in $columns; do
        eval "library=\$$name"
        # shellcheck disable=SC2086
        printf ' %s |' "$(verdict "$library" $deed 2>/dev/null)"
    done
    printf '\n'
done <<'DEEDS'
none
twice
twice-aligned
twice-huge
twice-in-threads
twice-after-other
twice-after-reuse
stack
global
mapped
null-page
inside
crooked
inside-aligned
inside-huge
foreign
overflow 1
overflow 16
underflow 1
underflow 16
underflow-aligned 16
realloc-freed
realloc-inside
wrong-size
wrong-alignment
DEEDS
