#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Programs by others do their real work on tmalloc, and nobody can tell: the same standard
# output and exit status as without it, and no word of tmalloc's on standard error.
#
#     plain    without tmalloc: what is right
#     off      libtmalloc.so preloaded, not tracing
#     1, 25    tracing that many frames; with 25 each process also writes a snapshot at
#              exit, and that of the program itself must name bytes that it held
#     check    every stack is walked in two ways, and a difference would be told
#
# Every process that a piece of work starts is preloaded too. A line for each program:
# `ok NAME`, `FAIL NAME: why`, or `skip NAME` where it is not installed.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY TMALLOC_UNWIND LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
library=$builddir/.libs/libtmalloc.so
tmalloc=$builddir/tmalloc
material=$srcdir/tests/integration/work
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || :

# ---- the work: each runs in an empty directory that is also its home --------------------

work_python()
{
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
        "$python" "$material/work.py"
}

work_sqlite3()
{
    sqlite3 -batch base.db <"$material/work.sql"
}

work_perl()
{
    PERL_HASH_SEED=0 perl "$material/work.pl"
}

work_node()
{
    node "$material/work.js"
}

work_gcc()
{
    gcc -O2 -g -c -o work.o "$material/work.c" && cksum work.o &&
        gcc -o work work.o -lm && ./work
}

work_gxx()
{
    g++ -std=c++17 -O1 -c -o work.o "$material/work.cc" && cksum work.o &&
        g++ -o work work.o && ./work | cksum
}

work_git()
{
    GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='1700000000 +0000' GIT_PAGER=cat
    GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
    export GIT_CONFIG_NOSYSTEM GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_PAGER
    git config --global user.name 'A. Tester'
    git config --global user.email tester@example.org
    git config --global init.defaultBranch main
    git init -q one && cd one || return 1
    for round in 1 2 3 4; do
        seq 1 $((round * 1000)) >numbers
        mkdir "folder$round"
        for file in 1 2 3 4 5; do
            seq $((file * round)) 3 2000 >"folder$round/file$file"
        done
        git add . && git commit -q -m "round $round" || return 1
    done
    git checkout -q -b side HEAD~2 && echo side >side && git add side &&
        git commit -q -m side && git checkout -q main && git merge -q -m merged side ||
        return 1
    git log --stat --graph
    git gc -q && git fsck --full && git clone -q --no-local . ../two && cd ../two &&
        git log --oneline && git blame numbers | cksum && git diff HEAD~1 | cksum
}

# Arguments go to redis-cli.
ask_redis()
{
    redis-cli -s "$PWD/socket" "$@"
}

# Starts a server on the present directory's dump; waits until it answers.
start_redis()
{
    redis-server --port 0 --unixsocket "$PWD/socket" --save '' --dir "$PWD" \
        --enable-debug-command yes --loglevel warning --daemonize no >log 2>&1 &
    server=$!
    for _ in $(seq 1 200); do
        [ "$(ask_redis ping 2>/dev/null)" != PONG ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat log >&2
    return 1
}

stop_redis()
{
    ask_redis shutdown nosave
    wait "$server"
    echo "server: $?"
}

work_redis()
{
    start_redis || return 1
    redis-benchmark -s "$PWD/socket" -n 4000 -c 10 --csv \
        -t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_300,mset | cut -d, -f1
    seq 1 3000 | sed 's/.*/SET key& value&/' | ask_redis --pipe | tail -n 1
    ask_redis bgsave
    for _ in $(seq 1 200); do
        ask_redis info persistence | grep -q 'rdb_bgsave_in_progress:1' || break
        sleep 0.05
    done
    ask_redis info persistence | grep 'rdb_last_bgsave_status'
    ask_redis dbsize
    ask_redis debug digest
    stop_redis
    start_redis || return 1
    ask_redis debug digest
    stop_redis
}

# ---- the comparison -------------------------------------------------------------------

# perform MODE WORK: in a fresh directory of always the same name. Preloading begins with
# the programs that the work starts.
perform()
{
    rm -rf "$work/place" "$work/dumps"
    mkdir "$work/place" "$work/dumps"
    (
        cd "$work/place" || exit 99
        HOME=$PWD
        export HOME
        case $1 in
        plain) ;;
        *) export LD_PRELOAD="$library" ;;
        esac
        case $1 in
        1) export TMALLOC=1 ;;
        25) export TMALLOC=25 TMALLOC_DUMP="$work/dumps/%e.%p" ;;
        check) export TMALLOC=65535 TMALLOC_UNWIND=check ;;
        esac
        "work_$2"
    ) >"$work/$1.out" 2>"$work/$1.err" </dev/null
    echo "exit status $?" >>"$work/$1.out"
}

# Does a snapshot of a process called $1 hold anything?
held_something()
{
    for dump in "$work/dumps/$1".*; do
        [ ! -f "$dump" ] || "$tmalloc" stats --format tsv "$dump" 2>&1 |
            grep -qE '^[1-9][0-9]*	[1-9][0-9]*	' && return 0
    done
    return 1
}

# What tmalloc said in mode $1, but for what a process whose stacks were all found right says
# at its end in the mode that checks them.
words_of()
{
    right='^(remote: )?tmalloc: [1-9][0-9]* stacks walked both ways, 0 differ; by libgcc alone: [0-9]+ *$'
    if [ "$1" != check ]; then
        grep 'tmalloc:' "$work/$1.err"
    elif ! grep -qE "$right" "$work/$1.err"; then
        echo 'no stack was checked'
    else
        grep 'tmalloc:' "$work/$1.err" | grep -vE "$right"
    fi
}

# What is wrong with the run in mode $1, if anything, and the output that shows it.
fault_of()
{
    words=$(words_of "$1" | head -n 20)
    if [ -n "$words" ]; then
        printf 'tmalloc spoke:\n%s\n' "$words"
    elif ! cmp -s "$work/plain.out" "$work/$1.out"; then
        echo 'another output:'
        diff "$work/plain.out" "$work/$1.out" | head -n 20
        tail -n 5 "$work/$1.err"
    elif [ "$1" = 25 ] && ! held_something "$2"; then
        echo "no snapshot of $2, or an empty one; there are:"
        ls "$work/dumps"
    fi
}

# check NAME WORK PROCESS PROGRAM...: PROCESS is whose snapshot is looked at, the PROGRAMs
# are those that the work needs.
check()
{
    name=$1
    task=$2
    process=$3
    shift 3
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "skip $name: no $program"
            return
        fi
    done
    perform plain "$task"
    for mode in off 1 25 check; do
        perform "$mode" "$task"
        fault=$(fault_of "$mode" "$process")
        if [ -n "$fault" ]; then
            failures=$((failures + 1))
            echo "FAIL $name, $mode: $fault"
            return
        fi
    done
    echo "ok $name"
}

if [ ! -e "$library" ]; then
    echo "$library is not built"
    exit 99
fi
for python in /usr/bin/python3.1[1-9]; do
    check "${python##*/}" python "${python##*/}" "$python"
done
check sqlite3 sqlite3 sqlite3 sqlite3
check perl perl perl perl
check node node node node
check gcc gcc cc1 gcc
check g++ gxx cc1plus g++
check git git git git
check redis redis redis-server redis-server redis-cli redis-benchmark
[ "$failures" -eq 0 ]
