#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The other reader: pprof, built from Debian's package of its source, reads our files and
# must see what `tmalloc stats` sees. pprof looks symbols up by itself, with binutils, so
# this compares two ways from an address to a line as well.
#
#     totals      of each kind of value: pprof's own, the sum of its samples, and ours
#     functions   of known/known.c: bytes and blocks held and ever allocated, as literals
#                 again when a symbolized file is all there is
#     merged      three files that `tmalloc merge` put together are what pprof makes of them
#     foreign     what others wrote adds up to what pprof says that it does
#     every       function of python3.11 at work, flat and cumulative, as `tmalloc top` has it
#     lines       each line's bytes and blocks, of known.c and of python3.11 at work
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
tmalloc=$builddir/tmalloc
pprof=$builddir/tests/integration/pprof
gopath=/usr/share/gocode
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
HOME=$work
export HOME PPROF_TMPDIR="$work"

build_pprof()
{
    [ ! -x "$pprof" ] || return 0
    mkdir -p "${pprof%/*}"
    GO111MODULE=off GOFLAGS='' GOPATH=$gopath GOCACHE=$work/cache CGO_ENABLED=0 \
        go build -o "$pprof.new" github.com/google/pprof && mv "$pprof.new" "$pprof"
}

# judge NAME WANTED GOT: two files; a comparison of nothing is no success.
judge()
{
    if [ -s "$2" ] && cmp -s "$2" "$3"; then
        echo "ok $1"
    else
        failures=$((failures + 1))
        echo "FAIL $1: wanted is -, got is +"
        diff -u "$2" "$3" | tail -n +3
    fi
}

# top FILE KIND GRANULARITY: pprof's table, all of it, in plain numbers.
top()
{
    "$pprof" -top "-$3" -sample_index="$2" -unit=B -nodecount=100000 -nodefraction=0 \
        -edgefraction=0 "$1" 2>>"$work/pprof.log"
}

# From such a table: the total; `VALUE FUNCTION`; and `VALUE LINE:FILE`, without folders.
total_of()
{
    sed -nE 's/^Showing nodes accounting for .* of ([0-9]+)B? total$/\1/p'
}

functions_of()
{
    sed '1,/ flat% /d' | sed -E 's/ \((partial-)?inline\)$//' |
        awk '$1 + 0 > 0 { sub(/B$/, "", $1); print $1, $6 }'
}

lines_of()
{
    sed '1,/ flat% /d' | sed -E 's/ \((partial-)?inline\)$//' | awk '$1 + 0 > 0 {
            n = split($NF, path, "/"); split(path[n], place, ":")
            if (path[n] ~ /:[1-9][0-9]*$/) sum[place[2] ":" place[1]] += $1
        } END { for (line in sum) print sum[line], line }'
}

# Ours: FILE COLUMN (1 bytes, 2 blocks), as lines_of has it.
our_lines()
{
    "$tmalloc" stats --keep-wrappers --format tsv "$1" | awk -F '\t' -v column="$2" '$column > 0 {
            n = split($3, path, "/"); split($3, place, ":")
            if (place[1] > 0) sum[place[1] ":" (n > 1 ? path[n] : place[2])] += $column
        } END { for (line in sum) print sum[line], line }'
}

our_total()
{
    "$tmalloc" stats --keep-wrappers --format tsv --key traceback "$1" |
        awk -F '\t' -v column="$2" '{ sum += $column } END { printf "%d\n", sum }'
}

# The sum of a column of the samples.
sample_sum()
{
    "$pprof" -raw -symbolize=none "$1" 2>>pprof.log | sed -n '/^Samples:/,/^Locations/p' |
        awk -v column="$2" '/^ *[0-9]+ .*:/ { sub(/:$/, "", $5); sum += $column }
            END { printf "%d\n", sum }'
}

compare_totals()
{
    {
        our_total "$1" 2
        our_total "$1" 1
        "$pprof" -raw -symbolize=none "$1" 2>>pprof.log |
            sed -n 's/^Comment: tmalloc.current=//p'
        sample_sum "$1" 3
        sample_sum "$1" 4
    } >wanted
    {
        top "$1" inuse_objects functions | total_of
        top "$1" inuse_space functions | total_of
        top "$1" inuse_space functions | total_of
        top "$1" alloc_objects functions | total_of
        top "$1" alloc_space functions | total_of
    } >got
    [ "$(grep -cE '^[1-9][0-9]*$' wanted)" -eq 5 ] || : >wanted
    judge "${1##*/}: totals" wanted got
}

# FILE MOST: the MOST biggest lines, by bytes and by blocks.
compare_lines()
{
    our_lines "$1" 1 | sort -k 1,1nr -k 2 | head -n "$2" >wanted
    top "$1" inuse_space lines | lines_of | sort -k 1,1nr -k 2 | head -n "$2" >got
    judge "${1##*/}: bytes by line" wanted got
    our_lines "$1" 2 | sort -k 1,1nr -k 2 | head -n "$2" >wanted
    top "$1" inuse_objects lines | lines_of | sort -k 1,1nr -k 2 | head -n "$2" >got
    judge "${1##*/}: blocks by line" wanted got
}

# What known.c says of its functions: bytes and blocks held, bytes and blocks allocated.
known_functions='
allocate_plainly 700 7 1000 10
allocate_zeroed 500 5 500 5
allocate_and_grow 2000 2 2020 4
allocate_aligned 600 3 600 3
fresh 77 4 77 4
descend 33 1 33 1
allocate_in_thread 100 4 100 4
allocate_and_go 120 3 120 3
'

compare_functions()
{
    column=2
    for kind in inuse_space inuse_objects alloc_space alloc_objects; do
        printf '%s' "$known_functions" |
            awk -v column=$column 'NF { print $column, $1 }' | sort >wanted
        cut -d' ' -f2 wanted >names
        top "$1" $kind functions | functions_of | grep -wFf names | sort >got
        judge "${1##*/}: $kind by function" wanted got
        column=$((column + 1))
    done
}

# FILE, which has its symbols: each function's flat and cumulative numbers, both tables whole.
compare_tops()
{
    for names in inuse_space:inuse-bytes inuse_objects:inuse-blocks alloc_space:alloc-bytes \
        alloc_objects:alloc-blocks temporary_objects:temporary; do
        top "$1" "${names%:*}" functions | sed '1,/ flat% /d' |
            sed -E 's/ \((partial-)?inline\)$//' |
            awk '$4 + 0 > 0 { sub(/B$/, "", $1); sub(/B$/, "", $4); print $1, $4, $6 }' |
            sort >wanted
        "$tmalloc" top --keep-wrappers --metric "${names#*:}" --format tsv "$1" |
            awk -F '\t' '$2 > 0 { sub(/^0:/, "", $8); print $1, $2, $8 }' | sort >got
        judge "${1##*/}: $names of every function, flat and cumulative" wanted got
    done
}

# A file that `tmalloc symbolize` made, where the program and its libraries are gone: the
# functions are as they were, from the file alone.
compare_away()
{
    mkdir away
    "$tmalloc" symbolize "$1" -o "$2" 2>>pprof.log
    mv known liblibrary.so unloaded.so away
    top "$1" inuse_space functions | functions_of | grep -c allocate_ >found
    echo 0 >none
    judge "$1: no functions without the program" none found
    compare_functions "$2"
    mv away/* .
    rmdir away
}

# What `tmalloc merge` makes of three files, and what pprof makes of them itself.
compare_merged()
{
    "$tmalloc" merge "$1" "$2" "$3" -o merged.pb.gz 2>>pprof.log
    compare_totals merged.pb.gz
    for kind in inuse_space inuse_objects alloc_space alloc_objects temporary_objects; do
        "$pprof" -top -lines -sample_index=$kind -unit=B -nodecount=100000 -nodefraction=0 \
            -edgefraction=0 "$1" "$2" "$3" 2>>pprof.log | sed '1,/ flat% /d' | sort >wanted
        top merged.pb.gz $kind lines | sed '1,/ flat% /d' | sort >got
        judge "$1 and two more: $kind, merged" wanted got
    done
}

# foreign FILE KIND COLUMN: a profile that tmalloc has not written, of which pprof's samples
# have KIND in that column. Ours must add up to the same, from the packed file and plain.
foreign()
{
    [ -s "$1" ] || { echo "FAIL $1: not made"; failures=$((failures + 1)); return; }
    sample_sum "$1" "$3" >wanted
    grep -qE '^[1-9][0-9]*$' wanted || : >wanted
    our_total "$1" 1 >got
    judge "$1: $2" wanted got
    gzip -dc "$1" >plain
    our_total plain 1 >got
    judge "$1, plain: $2" wanted got
}

# What others write, in the shapes that pprof's importers and Go give it: heap profiles of
# gperftools and of the samplers, CPU time, contention, and those of Go.
compare_foreign()
{
    cat >gperftools.heap <<'END'
heap profile:      3:      700 [    10:     2048] @ heapprofile
     2:      600 [     4:     1024] @ 0x400123 0x400456 0x400789
     1:      100 [     6:     1024] @ 0x400456

MAPPED_LIBRARIES:
00400000-00500000 r-xp 00000000 00:00 0 /no/such/program
END
    cat >sampled.heap <<'END'
heap profile:      5:  1048576 [     5:  1048576] @ heap_v2/524288
     4:   524288 [     4:   524288] @ 0x400123 0x400456
     1:   524288 [     1:   524288] @ 0x400789

MAPPED_LIBRARIES:
00400000-00500000 r-xp 00000000 00:00 0 /no/such/program
END
    cp "$gopath"/src/github.com/google/pprof/internal/driver/testdata/cppbench.* .
    for file in gperftools.heap sampled.heap cppbench.cpu cppbench.contention; do
        "$pprof" -proto -symbolize=none -output="$file.pb.gz" "$file" 2>>pprof.log
    done
    foreign gperftools.heap.pb.gz inuse_space 4
    foreign sampled.heap.pb.gz inuse_space 2
    foreign cppbench.cpu.pb.gz cpu 2
    foreign cppbench.contention.pb.gz delay 2
    cat >profiled.go <<'END'
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept [][]byte

func keep(n int) {
	for i := 0; i < n; i++ {
		block := make([]byte, 10000)
		kept = append(kept, block)
	}
}

func main() {
	runtime.MemProfileRate = 1
	cpu, _ := os.Create("go.cpu.pb.gz")
	pprof.StartCPUProfile(cpu)
	labels := pprof.Labels("domain", "a text", "bytes", "7")
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), labels))
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
	}
	keep(50)
	pprof.StopCPUProfile()
	cpu.Close()
	runtime.GC()
	heap, _ := os.Create("go.heap.pb.gz")
	pprof.WriteHeapProfile(heap)
	heap.Close()
}
END
    GO111MODULE=off GOCACHE=$work/cache CGO_ENABLED=0 go run profiled.go
    foreign go.heap.pb.gz inuse_space 4
    foreign go.cpu.pb.gz cpu 2
    "$tmalloc" stats go.heap.pb.gz >report 2>>pprof.log
    grep -n 'make(\[\]byte' profiled.go | cut -d: -f1 >wanted
    sed -nE 's/^.*profiled\.go:([0-9]+): size=.*, count=50, .*/\1/p' report >got
    judge 'go.heap.pb.gz: 50 blocks of a line' wanted got
}

trace_known()
{
    from=$srcdir/tests/integration/known
    # shellcheck disable=SC2086
    ${CXX:-g++} -g -O2 -shared -fPIC -o liblibrary.so "$from/library.cc" &&
        ${CC:-gcc} -g -O2 -shared -fPIC -o unloaded.so "$from/unloaded.c" &&
        ${CC:-gcc} -g -O2 -pthread -o known "$from/known.c" -L. -llibrary \
            -Wl,-rpath,"$work" -ldl &&
        "$tmalloc" run -q -o "$work/known.pb.gz" ./known "$work/unloaded.so" &&
        "$tmalloc" run -q -o "$work/again.pb.gz" ./known "$work/unloaded.so" &&
        "$tmalloc" run -q -n 2 -o "$work/short.pb.gz" ./known "$work/unloaded.so"
}

trace_python()
{
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 "$tmalloc" run -q -o "$work/python.pb.gz" \
        /usr/bin/python3.11 -c 'import ctypes, json
kept = json.loads(json.dumps([{"n": i, "text": "x" * i} for i in range(2000)]))
ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))'
}

[ -x "$tmalloc" ] || { echo "$tmalloc is not built"; exit 99; }
command -v go >/dev/null || { echo 'skipped: no go'; exit 77; }
[ -d $gopath/src/github.com/google/pprof/driver ] ||
    { echo 'skipped: no golang-github-google-pprof-dev'; exit 77; }
build_pprof || exit 99

trace_known || exit 99
compare_totals known.pb.gz
compare_functions known.pb.gz
compare_lines known.pb.gz 1000
compare_away known.pb.gz away.pb.gz
compare_merged known.pb.gz again.pb.gz short.pb.gz
compare_foreign
if [ -x /usr/bin/python3.11 ]; then
    trace_python || exit 99
    compare_totals python.pb.gz
    compare_lines python.pb.gz 10
    "$tmalloc" symbolize python.pb.gz -o readable.pb.gz 2>>pprof.log
    compare_tops readable.pb.gz
else
    echo 'skip python3.11: not installed'
fi
[ "$failures" -eq 0 ] || tail -n 20 pprof.log
[ "$failures" -eq 0 ]
