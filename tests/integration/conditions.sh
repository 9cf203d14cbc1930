#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Conditions under which an allocator that traces has it hard (docs/conditions.md lists
# them all). Most are scenes of one program, conditions/; those that somebody else makes
# for a program are made here: no /proc, no room on the disk, little memory, setuid, other
# libcs and other allocators. What this system does not let us make is told as `skip`.
#
#     conditions.sh          short
#     conditions.sh long     10,000 forks
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_ON_ERROR LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
program=$builddir/tests/integration/conditions/conditions
library=$builddir/.libs/libtmalloc.so
CC=${CC:-gcc}
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 99
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :
[ -x "$program" ] || { echo "$program is not built"; exit 99; }

fail()
{
    failures=$((failures + 1))
    printf 'FAIL: %s: %s\n' "$1" "$2"
    sed 's/^/    /' out err | head -20
}

# expect STATUS LINES STEP COMMAND...: the exit status, and a pattern for each of the lines
# on stderr (empty: there is none), of which none comes twice. The command's standard output is in out.
expect()
{
    status=$1
    lines=$2
    step=$3
    shift 3
    "$@" >out 2>err </dev/null
    got=$?
    if [ "$got" -eq 77 ]; then
        echo "skip $step: not possible here"
    elif [ "$got" -ne "$status" ]; then
        fail "$step" "exit status $got, not $status"
    elif [ -n "$lines" ] && ! grep -qE "$lines" err; then
        fail "$step" "not said: $lines"
    elif grep -qvE "${lines:-^\$}" err; then
        fail "$step" 'something else on stderr'
    elif [ -n "$(sort err | uniq -d)" ]; then
        fail "$step" 'a line that comes twice'
    fi
}

skip()
{
    echo "skip $1: $2"
}

absent='^tmalloc: no snapshot was written: '
forks=200
[ "${1:-}" != long ] || forks=10000

# ---- scenes ---------------------------------------------------------------------------
for frames in 0 1 25 65535; do
    export TMALLOC=$frames
    for scene in work fork-handlers fork-by-signal cancel vfork-memory exit-beside \
        coroutines deep small-threads locked no-memory seccomp-kill; do
        expect 0 '' "$scene, TMALLOC=$frames" "$program" "$scene"
    done
    expect 0 'cannot load tmalloc-plugin\.so' "seccomp-errors, TMALLOC=$frames" \
        "$program" seccomp-errors
    expect 0 '' "work, LD_BIND_NOW, TMALLOC=$frames" env LD_BIND_NOW=1 "$program" work
done
for frames in 0 25; do
    TMALLOC=$frames expect 0 '' "$forks forks, TMALLOC=$frames" "$program" forks "$forks"
done
export TMALLOC=25

# ---- no /proc -------------------------------------------------------------------------
# The snapshot at exit is written all the same.
if unshare -rm true 2>/dev/null; then
    # shellcheck disable=SC2016
    expect 0 '' 'no /proc' env TMALLOC_DUMP="$work/noproc.gz" unshare -rm sh -c \
        'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec "$@"' sh "$program" work
    [ -s noproc.gz ] || fail 'no /proc' 'no snapshot'
    # A disk that is full.
    # shellcheck disable=SC2016
    expect 0 "$absent.*No space left on device" 'full disk' unshare -rm sh -c \
        'mount -t tmpfs -o size=4096 none "$1" && cd "$1" && shift &&
        { seq 9999 >filler 2>/dev/null; TMALLOC_DUMP=full.gz "$@" && [ "$(ls -A .)" = filler ]; }' \
        sh "$work" "$program" work
    # shellcheck disable=SC2016
    expect 0 "$absent.*Read-only file system" 'read-only disk' unshare -rm sh -c \
        'mount -t tmpfs -o ro none "$1" && cd "$1" && shift && TMALLOC_DUMP=ro.gz exec "$@"' \
        sh "$work" "$program" work
else
    skip 'no /proc, full disk, read-only disk' 'no namespaces'
fi

# ---- limits ---------------------------------------------------------------------------
# A file that may not grow: the signal for that must not end the program.
# shellcheck disable=SC2016
expect 0 '' 'RLIMIT_FSIZE' env TMALLOC_DUMP="$work/fsize.gz" \
    sh -c 'ulimit -f 0 && exec "$1" work' sh "$program"
[ ! -e fsize.gz ] || fail 'RLIMIT_FSIZE' 'half a file'
# shellcheck disable=SC2016
expect 0 "$absent.*File too large" 'RLIMIT_FSIZE, told' env TMALLOC_DUMP="$work/fsize.gz" \
    sh -c '{ ulimit -f 0 && exec "$1" work; } 2>&1 | cat >&2' sh "$program"
# The same for what is to be said on a pipe that nobody reads.
expect 0 '' 'no reader' env TMALLOC_ON_ERROR=warn "$program" no-reader
expect 0 "cannot load tmalloc-plugin|$absent" 'RLIMIT_NOFILE' \
    env TMALLOC_DUMP="$work/nofile.gz" "$program" no-files
[ ! -e nofile.gz ] || fail 'RLIMIT_NOFILE' 'a file'
for megabytes in 120 200 500; do
    expect 0 '' "RLIMIT_AS of $megabytes MiB" "$program" no-memory "$megabytes"
done
# A control group ends a process that takes more than it may; below that nothing changes.
group=/sys/fs/cgroup/memory/tmalloc-$$
limit=memory.limit_in_bytes
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/tmalloc-$$
    limit=memory.max
fi
if mkdir "$group" 2>/dev/null && echo 67108864 >"$group/$limit" 2>/dev/null; then
    # shellcheck disable=SC2016
    expect 0 '' 'cgroup of 64 MiB' sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" forks 20' \
        sh "$group" "$program"
else
    skip 'cgroup' 'no control group to be made'
fi
rmdir "$group" 2>/dev/null

# ---- setuid ---------------------------------------------------------------------------
# Neither traces nor writes, whatever the caller's variables say; and says nothing.
cp "$program" setuid && chown nobody setuid 2>/dev/null && chmod u+s setuid
if [ -u setuid ] && [ "$(stat -c %U setuid)" = nobody ] && [ "$(id -u)" -eq 0 ] &&
    ! findmnt -n -o OPTIONS -T "$work" 2>/dev/null | grep -q nosuid; then
    chmod 777 "$work"
    expect 0 '' 'setuid' env TMALLOC=25 TMALLOC_DUMP="$work/setuid.gz" TMALLOC_NONSENSE=1 \
        ./setuid untraced
    [ ! -e setuid.gz ] || fail 'setuid' 'a file'
else
    skip setuid 'not root, or nosuid'
fi

# ---- half an installation -------------------------------------------------------------
# A plug-in that is there and cannot be loaded is what is told, not where else it is not.
mkdir moved
cp "$library" moved/libtmalloc.so.0
echo broken >moved/tmalloc-plugin.so
expect 0 "/moved/tmalloc-plugin\.so: file too short|$absent" 'a broken plug-in' \
    env LD_LIBRARY_PATH="$work/moved" TMALLOC_DUMP="$work/moved.gz" "$program" work
[ ! -e moved.gz ] || fail 'a broken plug-in' 'a file'

# ---- preloaded into everything --------------------------------------------------------
# By /etc/ld.so.preload, which setuid programs obey too; here in an /etc of its own. sed
# reads all that sort writes: else sort may end by SIGPIPE, which leaves no snapshot.
# shellcheck disable=SC2016
everywhere='mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work &&
    mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc || exit 77
    echo "$1" >/etc/ld.so.preload
    tar cf - /etc 2>/dev/null | tar tf - | sort | sed -n 1,5p | cmp - "$2/listed"'
tar cf - /etc 2>/dev/null | tar tf - | sort | sed -n 1,5p >listed
if unshare -rm true 2>/dev/null; then
    mkdir dumps
    expect 0 '' '/etc/ld.so.preload' env TMALLOC_DUMP="$work/dumps/%e" unshare -rm sh -c \
        "$everywhere" sh "$library" "$work"
    [ -s dumps/sort ] || [ "$got" -ne 0 ] || fail '/etc/ld.so.preload' 'no snapshot of sort'
fi

# ---- other neighbours -----------------------------------------------------------------
printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' '#include <string.h>' \
    'int main(void) { char *p = NULL; for (int i = 1; i < 3000; i++) { p = realloc(p, i * 9);' \
    'p[i] = 1; free(strdup("x")); } free(p); puts("done"); return 0; }' >small.c

# neighbour STEP COMPILER...: its program runs as it would, preloaded by everybody else.
neighbour()
{
    step=$1
    shift
    if ! "$@" -o small small.c >out 2>err; then
        skip "$step" 'does not compile'
        return
    fi
    expect 0 '' "$step" env LD_PRELOAD="$library" ./small
    [ "$(cat out)" = 'done' ] || fail "$step" 'another output'
}
neighbour 'static' "$CC" -static
neighbour 'static-pie' "$CC" -static-pie
neighbour 'not a PIE' "$CC" -no-pie
if command -v musl-gcc >/dev/null; then
    neighbour 'static, musl' musl-gcc -static
else
    skip 'static, musl' 'no musl-gcc'
fi

# An application with an allocator of its own: before us, after us, and under other names.
jemalloc=$(ls /usr/lib/*/libjemalloc.so.2 2>/dev/null | head -n 1)
if [ -n "$jemalloc" ]; then
    "$CC" -o small small.c -Wl,--no-as-needed "$jemalloc"
    expect 0 '' 'linked with jemalloc' env LD_PRELOAD="$library" ./small
    expect 0 '' 'jemalloc preloaded before' env LD_PRELOAD="$jemalloc $library" ./small
    expect 0 '' 'jemalloc preloaded after' env LD_PRELOAD="$library $jemalloc" ./small
    expect 0 '' 'jemalloc preloaded, tmalloc linked' env LD_PRELOAD="$jemalloc" \
        TMALLOC=0 "$program" work
else
    skip 'jemalloc' 'no libjemalloc2'
fi

# ---- locales --------------------------------------------------------------------------
# Numbers have no commas and no groups of digits in them, whatever the country.
if localedef -i de_DE -f UTF-8 "$work/de_DE.UTF-8" >/dev/null 2>&1; then
    expect 0 '' 'a dump in a locale' env LOCPATH="$work" LC_ALL=de_DE.UTF-8 \
        TMALLOC_DUMP="$work/de.gz" "$program" work
    "$builddir/tmalloc" stats --format text de.gz >de.c 2>&1
    LOCPATH=$work LC_ALL=de_DE.UTF-8 "$builddir/tmalloc" stats --format text de.gz >de.de 2>&1
    cmp -s de.c de.de || fail 'locale' 'numbers differ'
else
    skip 'locale' 'no localedef for de_DE'
fi

[ "$failures" -eq 0 ] || exit 1
echo 'all conditions as expected'
