#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The right lines: known/known.c, with a shared library in C++ and one that is unloaded
# again, allocates on lines that carry marks, and the tables below say how much of it is
# left. The report of it must have these lines with these bytes and blocks, and no other
# line of these files; for each way to compile it, and with the debug information in
# another file.
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY LD_PRELOAD
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
tmalloc=$builddir/tmalloc
CC=${CC:-gcc}
CXX=${CXX:-g++}
failures=0

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cp "$srcdir"/tests/integration/known/*.[ch]* "$work" || exit 99
cd "$work" || exit 99

# BYTES BLOCKS FILE MARK, by the line that called the allocator; strdup, like operator new,
# is one for whoever calls it.
by_line='
700 7 known.c plain
500 5 known.c zeroed
2000 2 known.c grown
600 3 known.c aligned
77 4 known.c inlined
33 1 known.c bottom
100 4 known.c thread
100 2 library.cc array
48 2 library.cc vector
120 3 unloaded.c gone
13 1 known.c copied
'

# The same for every marked line that stands anywhere in the stack, once for each time that
# it does: the recursion three times.
by_any_line=$by_line'
11 1 known.c inlined once
66 3 known.c inlined thrice
99 3 known.c recursion
700 7 known.c main plain
500 5 known.c main zeroed
2000 2 known.c main grown
600 3 known.c main aligned
77 4 known.c main inlined
33 1 known.c main recursion
13 1 known.c main copied
100 2 known.c main array
160 4 known.c main vector
120 3 known.c caller of gone
100 2 library.cc caller of array
112 2 library.cc doubles
'

# FILE MARK: the number of the line that ends with that mark.
line_of()
{
    grep -nE "mark: $2( \*/)?\$" "$1" | cut -d: -f1
}

# A table from standard input, with `LINE:FILE` instead of file and mark, sorted.
with_lines()
{
    while read -r bytes blocks file mark; do
        [ -z "$bytes" ] || printf '%s\t%s\t%s:%s\n' "$bytes" "$blocks" \
            "$(line_of "$file" "$mark")" "$work/$file"
    done | sort
}

# The same of each file, its lines together.
with_files()
{
    awk -v work="$work" 'NF { bytes[$3] += $1; blocks[$3] += $2 }
        END { for (f in bytes) printf "%d\t%d\t0:%s/%s\n", bytes[f], blocks[f], work, f }' |
        sort
}

# Rows of a report that are about our sources, sorted.
ours()
{
    "$tmalloc" stats --format tsv "$@" |
        grep -E "	[0-9]+:$work/(known\.c|library\.cc|unloaded\.c)\$" | sort
}

# Of rows on standard input those whose line has a mark.
marked()
{
    grep -n 'mark:' known.c library.cc unloaded.c |
        sed -E "s#^([^:]*):([0-9]+):.*#	\2:$work/\1\$#" >marks
    grep -f marks
}

# FILE:MARK of each frame, oldest first, as a traceback in tsv ends with.
frames()
{
    for frame in "$@"; do
        printf ' %s:%s' "$(line_of "${frame%%:*}" "${frame#*:}")" "$work/${frame%%:*}"
    done
}

# judge NAME WANTED GOT: two files.
judge()
{
    if cmp -s "$2" "$3"; then
        echo "ok $1"
    else
        failures=$((failures + 1))
        echo "FAIL $1: wanted is -, got is +"
        diff -u "$2" "$3" | tail -n +3
    fi
}

# compile FLAGS: program and libraries, with sources named by their full paths.
compile()
{
    # shellcheck disable=SC2086
    $CXX $1 -shared -fPIC -o liblibrary.so "$work/library.cc" &&
        $CC $1 -shared -fPIC -o unloaded.so "$work/unloaded.c" &&
        $CC $1 -pthread -o known "$work/known.c" -L. -llibrary -Wl,-rpath,"$work" -ldl
}

trace()
{
    "$tmalloc" run -q --nframe "$1" -o "$work/file" -- ./known "$work/unloaded.so" >log 2>&1
    if [ -s log ]; then
        failures=$((failures + 1))
        echo "FAIL run: $(cat log)"
    fi
}

# Every table, for what is there now.
look()
{
    trace 25
    printf '%s' "$by_line" | with_lines >wanted
    ours file >got
    judge "$1, lines" wanted got
    printf '%s' "$by_line" | with_files >wanted
    ours --key filename file >got
    judge "$1, files" wanted got
    printf '%s' "$by_any_line" | with_lines >wanted
    ours --cumulative file | marked >got
    judge "$1, lines of whole stacks" wanted got

    # shellcheck disable=SC2046
    {
        printf '33\t1\t%s\n' "$(frames known.c:'main recursion' known.c:recursion \
            known.c:recursion known.c:recursion known.c:bottom)"
        printf '66\t3\t%s\n' "$(frames known.c:'main inlined' known.c:'inlined thrice' \
            known.c:inlined)"
        printf '100\t2\t%s\n' "$(frames known.c:'main array' library.cc:'caller of array' \
            library.cc:array)"
    } | sort >wanted
    "$tmalloc" stats --format tsv --key traceback file >tracebacks
    cut -f 3 wanted | while read -r stack; do
        grep -F " $stack" tracebacks | sed -E "s#(	[0-9]+	).* $stack\$#\1 $stack#"
    done | sort >got
    judge "$1, stacks" wanted got

    trace 1
    printf '%s' "$by_line" | with_lines >wanted
    ours file >got
    judge "$1, lines with one frame" wanted got
}

# The symbols into files of their own, named by debug links.
split()
{
    mkdir -p .debug
    for file in known liblibrary.so unloaded.so; do
        objcopy --only-keep-debug "$file" ".debug/$file.debug" &&
            objcopy --strip-all --add-gnu-debuglink=".debug/$file.debug" "$file" || exit 99
    done
}

# Without any symbols the bytes are the modules'.
look_without_symbols()
{
    trace 25
    {
        printf '%s' "$by_line" | awk -v file="$work/known" '
            $3 == "known.c" { bytes += $1; blocks += $2 }
            END { printf "%d\t%d\t0:%s\n", bytes, blocks, file }'
        printf '%s' "$by_any_line" | awk -v file="$work/liblibrary.so" '
            $3 == "library.cc" && $4 != "caller" { bytes += $1; blocks += $2 }
            END { printf "%d\t%d\t0:%s\n", bytes, blocks, file }'
        printf '120\t3\t0:%s/unloaded.so\n' "$work"
    } | sort >wanted
    "$tmalloc" stats --format tsv --key filename file |
        grep -E "	0:$work/(known|liblibrary.so|unloaded.so)\$" | sort >got
    judge 'no symbols, modules' wanted got
}

[ -x "$tmalloc" ] || { echo "$tmalloc is not built"; exit 99; }
for flags in '-g -O0' '-g -O2' '-gdwarf-4 -O2' '-g -O3 -fomit-frame-pointer' \
    '-g -O2 -Wl,-z,max-page-size=0x200000'; do
    compile "$flags" || exit 99
    look "$flags"
done
compile '-g -O2' || exit 99
split
look 'separate debug information'
rm -r .debug
look_without_symbols
[ "$failures" -eq 0 ]
