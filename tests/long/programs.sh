#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Programs that people run, at their real work and longer than in make check: each once as
# it is and once with libtmalloc.so preloaded into it and all that it starts, tracing at 25
# frames, with a snapshot at the exit of each. What a program answers must be the same, and
# no process may speak of tmalloc. A row for docs/programs.md each: program, version, work,
# result, time and memory as multiples of the plain run. Programs that are not installed
# are skipped, and so is what cannot be done here. CPython has its own script, cpython.sh.
#
#     programs.sh [BUILD [NAME...]]
#
# Time is that of processors, of all processes of the work together, which other work on the
# machine does not change by much. Memory is the highest resident size of the largest one.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_UNWIND LD_PRELOAD
here=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-${builddir:-build}}" && pwd)
[ $# -eq 0 ] || shift
library=$build/.libs/libtmalloc.so
port=18080
failures=0

preload=${PROGRAMS_PRELOAD:-}
server=
[ -e "$library" ] || { echo "$library is not built"; exit 99; }

# Runs a command with what the mode preloads. Servers are started without a function around
# them, so that $! is theirs.
run()
{
    env $preload "$@"
}

# Waits until the command succeeds.
await()
{
    for _ in $(seq 1 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "did not come up: $*"
}

stop()
{
    kill "$1" "$server"
    wait "$server"
    echo "server: $?"
    server=
}

# ---- the work: what it prints is compared -----------------------------------------------

version_postgres() { /usr/lib/postgresql/*/bin/postgres -V; }
about_postgres='initdb, pgbench -s 5, 8 clients, 16,000 transactions'
work_postgres()
{
    bin=$(echo /usr/lib/postgresql/*/bin)
    user="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown -R postgres . && $user env $preload "$bin/initdb" -D db -A trust >/dev/null
    echo "initdb $?"
    $user env $preload "$bin/postgres" -D db -k "$PWD" -c listen_addresses= >log 2>&1 &
    server=$!
    await "$bin/pg_isready" -h "$PWD"
    $user "$bin/pgbench" -h "$PWD" -i -q -s 5 postgres >/dev/null 2>&1
    echo "pgbench -i $?"
    $user "$bin/pgbench" -h "$PWD" -c 8 -j 2 -t 2000 postgres 2>&1 |
        grep -E 'transactions actually|failed'
    $user "$bin/psql" -h "$PWD" -Atc 'select count(*) from pgbench_history' postgres
    stop -INT
    grep -iE 'terminated by signal|PANIC|tmalloc' log
}

version_nginx() { /usr/sbin/nginx -v 2>&1; }
about_nginx='2 workers, ab: 40,000 requests, 20 at a time'
work_nginx()
{
    head -c 20000 /dev/zero >page
    cat >conf <<CONF
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/log;
events { worker_connections 256; }
http { access_log off; gzip on; gzip_types *; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p;
fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
server { listen 127.0.0.1:$port; root $PWD; } }
CONF
    chmod 755 .
    env $preload /usr/sbin/nginx -c "$PWD/conf" -e "$PWD/log" &
    server=$!
    await ab -q -n 1 "http://127.0.0.1:$port/page"
    ab -q -n 40000 -c 20 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/page" |
        grep -E 'Complete requests|Failed requests|Non-2xx'
    stop -QUIT
}

version_memcached() { memcached -V; }
about_memcached='4 threads, memcslap: 8 clients, 80,000 sets and as many gets'
work_memcached()
{
    env $preload memcached -u nobody -l 127.0.0.1 -p $port -t 4 -m 64 &
    server=$!
    await memcstat --servers=127.0.0.1:$port
    for test in set get; do
        memcslap --servers=127.0.0.1:$port --concurrency=8 --execute-number=10000 \
            --test=$test >/dev/null 2>&1
        echo "$test $?"
    done
    stop -TERM
}

version_redis() { redis-server -v | cut -d ' ' -f 1-3; }
about_redis='redis-benchmark, 50,000 of each of 9 commands, beside a saving child'
work_redis()
{
    env $preload redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' \
        --appendonly yes --daemonize no >log 2>&1 &
    server=$!
    await redis-cli -s socket ping
    (sleep 1; redis-cli -s socket bgsave >/dev/null; redis-cli -s socket bgrewriteaof >/dev/null) &
    redis-benchmark -s socket -n 50000 -c 20 -r 10000 -q --csv \
        -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset 2>&1 | cut -d, -f1
    for _ in $(seq 1 100); do
        redis-cli -s socket info persistence | grep -qE 'in_progress:1' || break
        sleep 0.1
    done
    redis-cli -s socket info persistence | grep -E 'last_(bgsave|bgrewrite|write)_status'
    stop -TERM
}

version_stress() { stress-ng --version; }
about_stress='--malloc 2 (20,000), --fork 2 (2,000), --vfork 1 (500), --pthread 1 (2,000)'
work_stress()
{
    run stress-ng --quiet --verify --malloc 2 --malloc-ops 20000 --fork 2 --fork-ops 2000 \
        --vfork 1 --vfork-ops 500 --pthread 1 --pthread-ops 2000 2>&1
    echo "status $?"
}

version_gcc() { gcc --version | head -n 1; }
about_gcc='all of src/view, src/trace and src/base at -O2 -g, two at a time'
compile_all()
{
    for file in "$here"/src/view/*.c "$here"/src/trace/*.c "$here"/src/base/*.c; do
        echo "$file"
    done | run xargs -P 2 -I % sh -c "$1"' -std=c11 -D_GNU_SOURCE -DHAVE_DECL__DL_FIND_OBJECT=1 \
        -O2 -g -I'"$here/src -I$here/include -I$build"' -c % -o $(basename %).o' 2>&1
    cat ./*.o | cksum
}
work_gcc() { compile_all gcc; }
version_clang() { clang --version | head -n 1; }
about_clang=$about_gcc
work_clang() { compile_all clang; }

version_git() { git --version; }
about_git='1,500 commits by fast-import, clone, gc --aggressive, fsck, log -p'
work_git()
{
    git init -q --bare one
    awk 'BEGIN { for (i = 1; i <= 1500; i++) { printf "commit refs/heads/main\n" \
        "committer A <a@b> %d +0000\ndata 2\nc\n", 1700000000 + i;
        for (f = 0; f < 4; f++) { s = ""; for (l = 0; l < 200; l++) s = s (l * f + int(i / (l + 1))) "\n";
        printf "M 644 inline d%d/f%d\ndata %d\n%s\n", i % 20, f, length(s), s } } }' |
        run git -C one fast-import --quiet
    run git clone -q --no-local one two 2>&1 && cd two || return
    run git gc -q --aggressive 2>&1
    run git fsck --full 2>&1
    run git log -p | cksum
}

version_sqlite3() { sqlite3 --version | cut -d ' ' -f 1; }
about_sqlite3='300,000 rows, index, join, aggregate, vacuum'
work_sqlite3()
{
    run sqlite3 base.db <<'SQL'
pragma journal_mode = wal;
create table t(a integer primary key, b text, c integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
insert into t select i, printf('%08d-%s', i * 7919 % 300007, hex(i)), i % 1000 from n;
create index tb on t(b); create index tc on t(c);
select count(*), sum(length(x.b)) from t x join t y on x.c = y.a;
select c, group_concat(substr(b, 1, 2), '') from t group by c order by c limit 3;
delete from t where a % 3 = 0; vacuum; pragma integrity_check;
SQL
}

version_perl() { perl -e 'print "perl $^V\n"'; }
about_perl='hashes, regular expressions and sorts of 300,000 strings'
work_perl()
{
    PERL_HASH_SEED=0 run perl -e 'my %h; for my $i (1 .. 300000) { my $k = sprintf "%x", $i * 2654435761
        % 4294967296; $h{$k} = [$i, $k x 3]; delete $h{$k} if $k =~ /^(?:1|a.*f$)/ }
        my @s = sort { $h{$a}[1] cmp $h{$b}[1] } keys %h; print scalar(@s), " $s[0] $s[-1]\n"'
}

version_node() { echo "node $(node --version)"; }
about_node='maps, JSON and regular expressions of 300,000 objects'
work_node()
{
    run node -e 'const m = new Map(); for (let i = 0; i < 300000; i++) m.set("k" + i, { i, s:
        String(i).repeat(3) }); const j = JSON.stringify([...m]); const b = JSON.parse(j); let n = 0;
        for (const [k, v] of b) if (/7.*3/.test(v.s)) n++; console.log(j.length, b.length, n)'
}

version_npm() { echo "npm $(npm --version)"; }
about_npm='install of express with all that it needs, from the registry into an empty folder'
work_npm()
{
    run npm install --no-audit --no-fund --no-update-notifier --loglevel=error \
        express@4.18.2 >log 2>&1 || { echo 'cannot: no registry'; cat log >&2; }
    find node_modules -type f ! -name '.package-lock.json' -exec cksum {} + | LC_ALL=C sort | cksum
    run node -e 'require("express")(); console.log("loaded")'
}

version_chromium() { chromium --version 2>/dev/null; }
about_chromium='headless: a page whose script fills a map, writes and reads JSON, draws on a canvas'
work_chromium()
{
    cat >page.html <<'PAGE'
<div id="o">nothing ran</div><canvas id="c" width="600" height="600"></canvas><script>
const m = new Map(); for (let i = 0; i < 300000; i++) m.set("k" + i, { i, s: String(i).repeat(3) });
const j = JSON.stringify([...m]); let n = 0;
for (const [k, v] of JSON.parse(j)) if (/7.*3/.test(v.s)) n++;
const c = document.getElementById("c").getContext("2d");
for (let i = 0; i < 3000; i++) { c.fillStyle = "hsl(" + i % 360 + ",90%,50%)"; c.fillRect(i % 590, i * 7 % 590, 9, 9); }
document.getElementById("o").textContent = j.length + " " + n + " " + c.getImageData(5, 35, 1, 1).data;
</script>
PAGE
    run chromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/user" \
        --dump-dom "file://$PWD/page.html" | grep '<div'
}

# This script itself does the work, so that its memory can be told.
if [ "${1:-}" = --work ]; then
    trap '[ -z "$server" ] || kill "$server"' EXIT
    "work_$2"
    exit 0
fi

# ---- the comparison -------------------------------------------------------------------

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# perform MODE NAME
perform()
{
    rm -rf "$work/place"
    mkdir "$work/place"
    (cd "$work/place" && HOME=$PWD PROGRAMS_PRELOAD=$preload \
        /usr/bin/time -f '%U %S %M' -o "$work/$1.used" \
        timeout 3600 sh "$here/tests/long/programs.sh" "$build" --work "$2") \
        >"$work/$1.out" 2>"$work/$1.err" </dev/null
    eval "$(tail -n 1 "$work/$1.used" |
        awk -v mode="$1" '{ printf "time_%s=%d memory_%s=%d", mode, 1000 * ($1 + $2), mode, $3 }')"
}

ratio()
{
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / (b + 1) }'
}

check()
{
    name=$1
    for program in $2; do
        if ! command -v "$program" >/dev/null && [ ! -x "$program" ]; then
            echo "| $name | | | skipped: no $program | | |"
            return
        fi
    done
    preload='' perform plain "$name"
    if grep -q '^cannot: ' "$work/plain.out"; then
        echo "| $name | | | skipped: $(sed -n 's/^cannot: //p' "$work/plain.out") | | |"
        return
    fi
    rm -rf "$work/dumps"
    mkdir -m 777 "$work/dumps"
    preload="LD_PRELOAD=$library TMALLOC=25"
    [ "$name" = stress ] || preload="$preload TMALLOC_DUMP=$work/dumps/%e.%p" # it forks too much
    perform traced "$name"
    result=same
    if grep -q 'tmalloc:' "$work/traced.out" "$work/traced.err"; then
        result='tmalloc spoke'
    elif ! cmp -s "$work/plain.out" "$work/traced.out"; then
        result=DIFFERS
    fi
    if [ "$name" != stress ] && [ -z "$(ls "$work/dumps")" ]; then
        result='no snapshot: was it traced?'
    fi
    [ "$result" = same ] || failures=$((failures + 1))
    eval "about=\$about_$name"
    printf '| %s | %s | %s | %s | %s |\n' "$("version_$name" | head -n 1)" "$about" \
        "$result" "$(ratio $time_traced $time_plain)" "$(ratio $memory_traced $memory_plain)"
    if [ "$result" != same ]; then
        diff "$work/plain.out" "$work/traced.out" | head -n 30
        grep 'tmalloc:' "$work/traced.out" "$work/traced.err" | head
        tail -n 10 "$work/traced.err"
    fi
}

echo '| program | work | result | time | memory |'
echo '|---|---|---|---|---|'
for row in "postgres $(echo /usr/lib/postgresql/*/bin/postgres)" \
    'nginx /usr/sbin/nginx ab' 'memcached memcached memcslap' \
    'redis redis-server redis-benchmark' 'stress stress-ng' 'gcc gcc' 'clang clang' 'git git' \
    'sqlite3 sqlite3' 'perl perl' 'node node' 'npm npm' 'chromium chromium'; do
    name=${row%% *}
    if [ $# -eq 0 ]; then
        check "$name" "${row#* }"
    else
        case " $* " in *" $name "*) check "$name" "${row#* }" ;; esac
    fi
done
[ "$failures" -eq 0 ]
