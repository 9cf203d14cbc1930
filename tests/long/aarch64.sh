#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The other processor: the runtime, compiled for aarch64 with warnings as errors, in programs
# that run under qemu: the conditions of tests/integration/unwind with every stack walked
# both by frame pointers and by libgcc, and wrappers. What Debian has for arm64 (mimalloc) is
# downloaded into a folder of its own; nothing is installed. A line for each condition.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY TMALLOC_UNWIND LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
cc=aarch64-linux-gnu-gcc
system=/usr/aarch64-linux-gnu
place=$builddir/tests/long/aarch64.dir
failures=0

skip()
{
    echo "skipped: $*"
    exit 77
}

# Packages of arm64 by apt, which is told that this is an arm64 machine without lists yet.
fetch()
{
    mkdir -p apt/lists/partial apt/cache/archives/partial root
    set -- -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" \
        -o APT::Sandbox::User=root
    apt-get "$@" update >/dev/null && apt-get "$@" download libmimalloc-dev libmimalloc2.0 &&
        for package in ./*.deb; do dpkg -x "$package" root || return 1; done
}

# The folders of libtmalloc.so, as Makefile.am has them.
build()
{
    # shellcheck disable=SC2086
    $cc ${RUNTIME_CFLAGS:?} -Werror -O2 -g -D_GNU_SOURCE -fno-omit-frame-pointer -fPIC -shared \
        -DTM_PKGLIBDIR='"/nowhere"' -I"$srcdir/src" -I"$srcdir/include" -I"$builddir" \
        -Iroot/usr/include "$srcdir"/src/base/*.c "$srcdir"/src/heap/*.c \
        "$srcdir"/src/trace/*.c "$srcdir"/src/view/*.c "$srcdir"/src/entry/*.c \
        "$srcdir"/src/live/*.c -o libtmalloc.so -Wl,--version-script="$srcdir/src/tmalloc.map" \
        -Wl,-z,now -Wl,-z,defs -Lroot/usr/lib/aarch64-linux-gnu -lmimalloc -lgcc_s \
        -Wl,-rpath,"$PWD/root/usr/lib/aarch64-linux-gnu"
}

build_programs()
{
    unwind=$srcdir/tests/integration/unwind
    wrappers=$srcdir/tests/integration/wrappers
    $cc -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$srcdir/include" -rdynamic \
        -o unwind "$unwind/main.c" "$unwind/frames.c" "$unwind/stacks.c" "$unwind/threads.c" \
        "$unwind/switch_aarch64.s" -pthread || return 1
    cat >new.c <<'END'
#include <stdbool.h>
void *_Znwm(unsigned long), *_Znam(unsigned long);
void *new_by_cxx(bool array) { return array ? _Znam(40) : _Znwm(16); }
END
    $cc -O2 -fno-builtin -fPIC -shared -o libwrap.so "$wrappers/library.c" &&
        $cc -O2 -std=gnu11 -D_GNU_SOURCE -fno-builtin -I"$srcdir/include" -o wrappers \
            "$wrappers/main.c" new.c libwrap.so ./libtmalloc.so -pthread -Wl,-rpath,"$PWD" \
            -Wl,-rpath-link,root/usr/lib/aarch64-linux-gnu
}

fail()
{
    failures=$((failures + 1))
    echo "FAIL $*"
    head -n 40 out
}

# emulate NAME=VALUE... PROGRAM ARGUMENT...
emulate()
{
    variables=
    while [ "${1#*=}" != "$1" ]; do
        variables="$variables -E $1"
        shift
    done
    # shellcheck disable=SC2086
    timeout 300 qemu-aarch64 -L "$system" $variables "$@"
}

# CONDITION STACKS LIBGCC: at least so many compared, and at most so many left to libgcc.
# A function without a record, other stacks and signals break the chain. Not forks: qemu 7.2
# aborts in forked children of threads.
conditions='
alloca 3000 3000
realigned 6000 0
longjmp 4000 0
recursion 2600 0
callbacks 1000 0
signals 1500 8000
alarms 1 4000
null_call 300 1000
contexts 15000 0
switched 1 6500
threads 60000 0
exits 10000 0
'

try_conditions()
{
    while read -r condition stacks libgcc; do
        [ -n "$condition" ] || continue
        emulate TMALLOC=65535 TMALLOC_UNWIND=check LD_PRELOAD="$PWD/libtmalloc.so" \
            ./unwind "$condition" >out 2>&1 </dev/null || fail "$condition: exit status $?"
        # shellcheck disable=SC2046
        set -- $(sed -nE \
            's/^tmalloc: ([0-9]+) stacks walked .*, ([0-9]+) differ; .* alone: ([0-9]+)$/\1 \2 \3/p' out)
        if [ $# -ne 3 ] || [ "$1" -lt "$stacks" ] || [ "$2" -ne 0 ] || [ "$3" -gt "$libgcc" ]; then
            fail "$condition: stacks, differences, by libgcc: $*"
        else
            echo "ok $condition: $1 stacks the same, $3 by libgcc"
        fi
    done <<END
$conditions
END
}

try_wrappers()
{
    for way in fast fp libgcc; do
        emulate TMALLOC_UNWIND=$way ./wrappers 1 >out 2>&1 || fail "wrappers: exit status $?"
        named=$(sed -n 's/ wrapper$//p' out | tr '\n' ' ')
        if [ "$named" = 'xmalloc xstrdup pool_get by_rbx ' ]; then
            echo "ok wrappers, $way"
        else
            fail "wrappers, $way: named $named"
        fi
    done
}

command -v $cc >/dev/null || skip "no $cc: install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross"
command -v qemu-aarch64 >/dev/null || skip 'no qemu-aarch64: install qemu-user'
command -v apt-get >/dev/null || skip 'no apt-get to fetch mimalloc with'
rm -rf "$place"
mkdir -p "$place"
cd "$place" || exit 99
fetch || skip 'no packages of arm64: no network?'
build || { echo 'FAIL the library does not compile'; exit 1; }
build_programs || { echo 'FAIL the programs do not compile'; exit 1; }
try_conditions
try_wrappers
[ "$failures" -ne 0 ] || rm -rf "$place"
[ "$failures" -eq 0 ]
