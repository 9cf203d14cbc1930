#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every reader of what others wrote, against inputs that are made to break it, under ASan
# and UBSan. A harness is a row of the table: what it is built of, how long inputs get, and
# how many of them make a short run of some seconds, which is the same each time.
#
#     fuzz.sh            the short run, from tests/fuzz/corpus/NAME
#     fuzz.sh SECONDS    each harness for that long, with what it finds kept in fuzz.dir;
#                        make fuzz FUZZ_SECONDS=N
#
# With clang's libFuzzer, where it is; else the corpus is replayed and changed by replay.c.
set -eu
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
seconds=${1:-0}
here=$srcdir/tests/fuzz
out=$builddir/tests/fuzz.dir
failures=0
mkdir -p "$out"
cd "$out"

# NAME RUNS MAX_LEN SOURCES, these below src or the build's src; -l are libraries.
harnesses() {
    cat <<'ROWS'
load 10000 8192 pprof/*.c view/*.c profile.pb-c.c base/arena.c base/sys.c -lprotobuf-c -lz
cfi 100000 256 trace/cfi.c trace/cfi_row.c trace/cursor.c
option 50000 1024 base/option.c base/wrapper.c base/report.c base/writer.c
wrapper 50000 256 base/wrapper.c
path 50000 1024 symbol/path.c symbol/demangle.c -lstdc++
match 50000 256 view/match.c view/utf8.c
symbol 2000 8192 symbol/*.c view/*.c base/arena.c base/sys.c base/wrapper.c -ldw -lelf -lstdc++
ROWS
}

flags='-std=c11 -g -O1 -D_GNU_SOURCE -fno-strict-aliasing -fno-omit-frame-pointer
    -fsanitize=address,undefined -fno-sanitize-recover=all'

libfuzzer() {
    echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n);
        int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return !b && n; }' |
        clang -fsanitize=fuzzer,address -x c - -o probe 2>/dev/null
}

if libfuzzer; then
    compiler='clang -fsanitize=fuzzer'
    driver=
else
    echo 'no libFuzzer: the corpus is replayed'
    compiler=${CC:-gcc}
    driver=$here/replay.c
fi

# build NAME SOURCE...
build() {
    name=$1
    shift
    files=
    for source in "$@"; do
        case $source in
        -l*) files="$files $source" ;;
        profile.pb-c.c) files="$files $builddir/src/pprof/profile.pb-c.c" ;;
        *) files="$files $(echo "$srcdir/src/"$source)" ;;
        esac
    done
    # shellcheck disable=SC2086
    $compiler $flags -I"$srcdir/src" -I"$srcdir/include" -I"$srcdir/tests" -I"$here" \
        -I"$builddir/src/pprof" "$here/fuzz_$name.c" $driver $files -o "fuzz_$name"
}

# run NAME RUNS MAX_LEN: findings are files in out, and the end of the log.
run() {
    mkdir -p "found_$1"
    if [ "$seconds" -gt 0 ]; then
        set -- "$1" "-max_total_time=$seconds" "$3" "found_$1"
    else
        rm -rf "scratch_$1"
        mkdir "scratch_$1"
        set -- "$1" "-runs=$2" "$3" "scratch_$1"
    fi
    UBSAN_OPTIONS=print_stacktrace=1 "./fuzz_$1" "$2" -seed=1 -max_len="$3" -timeout=60 \
        -artifact_prefix="$out/$1-" -print_final_stats=1 "$4" "$here/corpus/$1" \
        >"$1.log" 2>&1
}

set -f
harnesses >rows
while read -r name runs max_len sources; do
    set +f
    # shellcheck disable=SC2086
    build "$name" $sources
    set -f
    if run "$name" "$runs" "$max_len"; then
        echo "ok $name: $(grep -hE '^(Done|stat::number_of_executed_units|stat::average)' \
            "$name.log" | tr -s ' \n' ' ')"
    else
        failures=$((failures + 1))
        echo "FAIL $name"
        tail -n 40 "$name.log"
    fi
done <rows
[ "$failures" -eq 0 ]
