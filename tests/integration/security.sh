#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What docs/security.md says, claim by claim. Setuid programs are in conditions.sh, the
# file that takes a name's place in tests/unit/test_newfile.c, hostile files in tests/fuzz.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_ON_ERROR LD_PRELOAD
builddir=$(cd "${builddir:-build}" && pwd)
library=$builddir/.libs/libtmalloc.so
program=$builddir/tests/integration/conditions/conditions
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
[ -x "$program" ] || { echo "$program is not built"; exit 99; }

fail()
{
    failures=$((failures + 1))
    printf 'FAIL: %s\n' "$*"
}

# ---- files ----------------------------------------------------------------------------
umask 0
TMALLOC=1 TMALLOC_DUMP=$work/open.gz "$program" work || fail 'the program'
[ "$(stat -c %a open.gz)" = 600 ] || fail "mode $(stat -c %a open.gz), not 600"

echo precious >victim
ln -s victim link.gz
TMALLOC=1 TMALLOC_DUMP=$work/link.gz "$program" work || fail 'the program'
[ "$(cat victim)" = precious ] || fail 'a symbolic link was followed'
[ ! -L link.gz ] || fail 'a symbolic link was left'

mkfifo pipe.gz
TMALLOC=1 TMALLOC_DUMP=$work/pipe.gz timeout 60 "$program" work 2>err || fail 'the program'
[ -p pipe.gz ] || fail 'a pipe was replaced'
grep -q 'no regular file' err || fail 'nothing said of the pipe'

# Names on the way to a file are opened with O_EXCL and O_NOFOLLOW and cannot be guessed;
# two runs choose two.
if command -v strace >/dev/null; then
    for run in 1 2; do
        TMALLOC=1 TMALLOC_DUMP=$work/name.gz strace -f -e trace=openat,open,creat,rename,renameat \
            -o trace.$run "$program" work || fail 'strace'
        created=$(grep O_CREAT trace.$run)
        [ "$(echo "$created" | wc -l)" -eq 1 ] || fail "not one file created: $created"
        for flag in O_EXCL O_NOFOLLOW O_CLOEXEC 0600; do
            echo "$created" | grep -q "$flag" || fail "created without $flag"
        done
        echo "$created" | sed -E 's/.*"([^"]*)".*/\1/' >name.$run
    done
    ! cmp -s name.1 name.2 || fail 'the same name twice'
    # Untraced and unasked: no file of any kind, nothing else than libraries opened.
    strace -f -e trace=openat,open,creat,socket,connect -o trace.off "$program" work
    ! grep -qE 'O_CREAT|O_WRONLY|O_RDWR|socket|connect' trace.off ||
        fail 'a file or a socket, though nobody asked'
    # Asking for symbols reads files of this machine; no network without DEBUGINFOD_URLS.
    env -u DEBUGINFOD_URLS TMALLOC=25 strace -f -e trace=socket,connect -o trace.net \
        "$program" work || fail 'strace'
    ! grep -qE 'AF_INET' trace.net || fail 'network'
else
    echo 'skip strace: not installed'
fi

# ---- the secret -----------------------------------------------------------------------
# The same block at the same address in two processes: another seal.
cat >seal.c <<'C'
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    uint64_t *p = malloc(40);
    printf("%p %llx %llx\n", (void *)p, (unsigned long long)p[-2], (unsigned long long)p[-1]);
    return 0;
}
C
${CC:-cc} -O0 -w -o seal seal.c || exit 99
for run in 1 2 3; do
    LD_PRELOAD=$library setarch -R ./seal >seal.$run 2>/dev/null
done
if [ -s seal.1 ]; then
    ! cmp -s seal.1 seal.2 && ! cmp -s seal.2 seal.3 || fail 'two processes share a secret'
else
    echo 'skip secret: no setarch here'
fi

# ---- words ----------------------------------------------------------------------------
# Nothing is printed that was not asked for: neither addresses nor anything else.
for frames in 0 25; do
    TMALLOC=$frames "$program" work >out 2>&1 || fail 'the program'
    [ ! -s out ] || fail "something printed: $(head -n 1 out)"
done

# ---- the library itself ---------------------------------------------------------------
for object in "$library" "$builddir/.libs/tmalloc-plugin.so"; do
    readelf -lW "$object" >headers && readelf -dW "$object" >>headers
    grep -q GNU_RELRO headers || fail "$object: no RELRO"
    grep -qE 'BIND_NOW|FLAGS.*NOW' headers || fail "$object: no BIND_NOW"
    ! grep -q TEXTREL headers || fail "$object: text relocations"
    ! grep -E 'LOAD|GNU_STACK' headers | grep -qE 'RWE' || fail "$object: writable code"
    ! grep -qE 'RPATH|RUNPATH' headers || fail "$object: a path of the build's"
done

[ "$failures" -eq 0 ] || exit 1
echo 'all claims hold'
