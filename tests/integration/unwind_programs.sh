#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Programs by others with every stack walked both ways, by tmalloc's own unwinder and by
# libgcc's, and by libunwind too where its headers were found (unwind/libunwind.c): none may
# differ, in any process that the work starts. A line for each program: `ok NAME: how many
# stacks`, `FAIL NAME: why`, or `skip NAME` where it is not installed.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY TMALLOC_UNWIND LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
library=$builddir/.libs/libtmalloc.so
third=$builddir/tests/integration/unwind/libunwind.so
material=$srcdir/tests/integration/work
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

# ---- the work ---------------------------------------------------------------------------

work_python()
{
    PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 "$python" - <<'END'
import ctypes, ctypes.util, json, re, sqlite3, threading, zlib

libc = ctypes.CDLL(None)
order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 100)(*[i * 37 % 101 for i in range(100)])
libc.qsort(numbers, 100, 4, order(lambda a, b: len(str(a[0])) * 0 + a[0] - b[0]))
assert list(numbers) == sorted(numbers)

plain = json.dumps([{"id": i, "words": ["alpha", str(i)]} for i in range(300)], indent=1)
assert len(re.findall(r"(?P<w>[a-z]+)|\d+", plain)) > 1000
assert json.loads(zlib.decompress(zlib.compress(plain.encode()))) == json.loads(plain)

base = sqlite3.connect(":memory:")
base.create_function("twice", 1, lambda x: 2 * x)
base.execute("create table t(a integer primary key, b text)")
base.executemany("insert into t values(?, ?)", ((i, "x" * (i % 50)) for i in range(500)))
assert base.execute("select sum(twice(a)) from t").fetchone() == (249500,)

def recurse(n):
    return [n] + recurse(n - 1) if n else []

threads = [threading.Thread(target=recurse, args=(n,)) for n in (10, 200, 500)]
for t in threads: t.start()
for t in threads: t.join()
try:
    recurse(10 ** 6)
except RecursionError:
    print("ok")
END
}

work_sqlite3()
{
    sqlite3 -batch base.db <"$material/work.sql"
    [ $? -eq 1 ] # there is an error in it
}

work_perl()
{
    perl -e 'my %n; my $t = join " ", map { "w" . $_ % 97 } 1 .. 2000; $n{$1}++ while $t =~ /(\w+)/g;
        print scalar keys %n, "\n"; sub deep { $_[0] ? 1 + deep($_[0] - 1) : 0 }
        no warnings; print deep(500), "\n"; my $s = join ",", sort { $a cmp $b } 1 .. 3000;
        eval { die { code => 3 } }; print $@->{code}, length($s), "\n"'
}

work_node()
{
    # shellcheck disable=SC2016
    node -e 'const m = new Map(); for (let i = 0; i < 3000; i++) m.set("k" + i, { i });
        const s = JSON.stringify([...m]); JSON.parse(s); s.replace(/k(\d+)/g, "<$1>");
        require("zlib").gunzipSync(require("zlib").gzipSync(s)); console.log(s.length)'
}

work_gcc()
{
    gcc -O2 -g -o work "$material/work.c" -lm
}

work_gxx()
{
    echo '#include <map>
#include <string>
int main() { std::map<std::string, int> m; return (int)m["a"]; }' >one.cc
    g++ -O1 -o one one.cc && ./one
}

work_git()
{
    GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
    export GIT_CONFIG_NOSYSTEM GIT_PAGER
    git init -q one && cd one && git config user.name A && git config user.email a@b || return 1
    for round in 1 2 3; do
        seq 1 $((round * 300)) >numbers
        git add . && git commit -q -m "round $round" || return 1
    done
    git log --stat && git gc -q && git fsck --full && git diff HEAD~2 | cksum
    git blame numbers | cksum
}

work_redis()
{
    redis-server --port 0 --unixsocket "$PWD/socket" --save '' --daemonize no >log &
    server=$!
    for _ in $(seq 1 200); do
        [ "$(redis-cli -s "$PWD/socket" ping)" != PONG ] || break
        sleep 0.05
    done 2>/dev/null
    redis-benchmark -s "$PWD/socket" -n 600 -c 5 --csv -t set,get,lpush,zadd,lrange_100
    redis-cli -s "$PWD/socket" eval 'local t = {} for i = 1, 200 do t[i] = "x" .. i end
        return table.concat(t)' 0 | cksum
    redis-cli -s "$PWD/socket" shutdown nosave
    wait $server
}

# ---- the comparison ---------------------------------------------------------------------

preloaded=$library
if [ -e "$third" ]; then
    preloaded=libgcc_s.so.1:$third:$library
fi

# The sum of stacks that libunwind has the same, of all processes; nothing when some differ.
# V8's builtins have no tables: there libunwind guesses by rbp, which is right, and goes on.
same_by_libunwind()
{
    further=0
    [ "$1" != node ] || further='[0-9]+'
    grep ' stacks the same, ' "$work/err" | sed -E \
        "s/^.*libunwind: ([0-9]+) stacks the same, $further longer, 0 shorter, 0 other\$/\\1/" |
        awk '/[^0-9]/ { bad = 1 } { sum += $1 } END { if (!bad) print sum + 0 }'
}

# check NAME WORK LEAST PROGRAM...: at least so many stacks, of all processes together.
check()
{
    name=$1
    task=$2
    least=$3
    shift 3
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "skip $name: no $program"
            return
        fi
    done
    rm -rf "$work/place"
    mkdir "$work/place"
    (
        cd "$work/place" || exit 99
        HOME=$PWD
        export HOME LD_PRELOAD="$preloaded" TMALLOC=65535 TMALLOC_UNWIND=check
        "work_$task"
    ) >"$work/out" 2>"$work/err" </dev/null
    status=$?
    fault=$(grep 'tmalloc:' "$work/err" | grep -v ' walked both ways, 0 differ; ')
    sum=$(sed -n 's/.*tmalloc: \([0-9]*\) stacks walked both ways.* alone: \([0-9]*\)$/\1 \2/p' \
        "$work/err" | awk '{ s += $1; l += $2 } END { print s + 0, l + 0 }')
    same=$(same_by_libunwind "$name")
    [ -e "$third" ] || same=none
    if [ $status -ne 0 ] || [ -n "$fault" ] || [ "${sum% *}" -lt "$least" ] ||
        { [ "$same" != none ] && [ "${same:-0}" -lt $((least * 9 / 10)) ]; }; then
        failures=$((failures + 1))
        echo "FAIL $name: exit status $status, stacks and those by libgcc: $sum, by libunwind: $same"
        tail -n 60 "$work/err"
    else
        echo "ok $name: ${sum% *} stacks, ${sum#* } by libgcc alone, $same by libunwind"
    fi
}

[ -e "$library" ] || { echo "$library is not built"; exit 99; }
[ "$(uname -m)" = x86_64 ] || exit 77
for python in /usr/bin/python3.1[1-9]; do
    check "${python##*/}" python 100000 "$python"
done
check sqlite3 sqlite3 5000 sqlite3
check perl perl 5000 perl
check node node 1000 node
check gcc gcc 50000 gcc
check g++ gxx 100000 g++
check git git 5000 git
check redis redis 5000 redis-server redis-cli redis-benchmark
[ "$failures" -eq 0 ]
