#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Who is named when one frame is kept: not the wrapper but its caller. wrappers/main.c goes
# by way of libc, of a library with GLib's names and without symbols but what it exports, of
# operator new from a static libstdc++, and of functions of its own; here it is built and
# stripped in several ways, walked by each unwinder, on main's stack and on a thread's. A
# line for each way, or for each failure.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY TMALLOC_UNWIND LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
source=$srcdir/tests/integration/wrappers
failures=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

# link PROGRAM FLAG...
link()
{
    program=$1
    shift
    "${CXX:-g++}" -o "$program" main.o new.o "$@" libwrap.so -L"$builddir/.libs" -ltmalloc \
        -pthread -Wl,-rpath,"$work" -Wl,-rpath,"$builddir/.libs"
}

build()
{
    "${CC:-gcc}" -O2 -fno-builtin -fPIC -shared -o libwrap.so "$source/library.c" &&
        strip libwrap.so &&
        "${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -fno-builtin -Wall -Wextra -Werror \
            -I"$srcdir/include" -c "$source/main.c" &&
        "${CXX:-g++}" -O2 -Wall -Wextra -Werror -c "$source/new.cc" &&
        link whole && link other -Wl,--build-id=0x0123456789abcdef &&
        cp whole stripped && strip stripped &&
        link static -static-libstdc++ -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic &&
        nm static | grep -q ' T _Znwm$' && cp static static_stripped && strip static_stripped
}

# try WHAT WRAPPERS PATTERNS PROGRAM ARGUMENT...: WRAPPERS are the cases, in their order,
# in which the frame is the wrapper's own.
try()
{
    what=$1
    wrappers=$2
    patterns=$3
    shift 3
    for unwind in ${UNWINDERS:-fast libgcc}; do
        env TMALLOC_WRAPPERS="$patterns" TMALLOC_UNWIND="$unwind" "$@" >out 2>err
        status=$?
        got=$(sed -n 's/ wrapper$//p' out | tr '\n' ' ')
        callers=$(grep -c ' caller$' out)
        if [ $status -ne 0 ] || [ -s err ] || [ "$got" != "$wrappers" ] ||
            [ $((callers + $(printf %s "$got" | wc -w))) -ne 17 ]; then
            failures=$((failures + 1))
            echo "FAIL $what, $unwind: exit status $status, wrappers named: $got"
            cat out err
        else
            echo "ok $what, $unwind"
        fi
    done
}

build || exit 1
try 'built-in names' 'xmalloc xstrdup pool_get by_rbx ' '' ./whole 1
try 'in a thread' 'xmalloc xstrdup pool_get by_rbx ' '' ./whole 1 thread
try 'names of the user' 'by_rbx ' 'xmalloc,xstr*,pool_get' ./whole 1
try 'a frame that rules cannot leave' '' 'x*,p*l_get,by_rbx' ./whole 1
try 'no symbols but what is exported' 'xmalloc xstrdup by_rbx ' 'x*,pool_*' ./stripped 1
try 'a static libstdc++' 'xmalloc xstrdup pool_get by_rbx ' '' ./static 1
try 'a static libstdc++ without symbols' 'xmalloc xstrdup pool_get by_rbx ' '' \
    ./static_stripped 1
# Its file is another one by now: what that has at some address means nothing.
for unwind in fast libgcc; do
    cp whole replaced && cp other "other.$unwind"
    UNWINDERS=$unwind
    try 'a file that was replaced' 'xmalloc xstrdup by_rbx ' 'x*,pool_*' ./replaced 1 \
        replaced-by "other.$unwind"
done
unset UNWINDERS
try 'two frames: all that there is' "strdup strndup wcsdup asprintf getline realpath getcwd \
fopen g_malloc g_strdup xmalloc xstrdup pool_get by_rbx " 'x*' ./whole 2
[ "$failures" -eq 0 ]
