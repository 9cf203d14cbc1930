#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Snapshots away from where they were taken: known/known.c and its libraries run, then they
# go away, or other builds of them come to lie at their places.
#
#     symbolized   the same report as where everything was, from the file alone; twice is as
#                  once
#     merged       three processes, each loaded elsewhere, are three times one
#     changed      another build at the same path is told by its build id, once for each
#                  file, and lends no names
#     trouble      what cannot be read or written is one line, and no file is left
set -u
LC_ALL=C
export LC_ALL
unset TMALLOC TMALLOC_DUMP TMALLOC_RUN_PID TMALLOC_LIBRARY LD_PRELOAD DEBUGINFOD_URLS
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

# ok NAME COMMAND...: the command succeeds. What it says is in log for the next one.
ok()
{
    case=$1
    shift
    if "$@" >"$work/log.new" 2>&1; then
        echo "ok $case"
    else
        failures=$((failures + 1))
        echo "FAIL $case: $*"
        head -20 "$work/log.new"
    fi
    mv "$work/log.new" "$work/log"
}

# refused NAME WORDS COMMAND...: fails with one line that has the words.
refused()
{
    name=$1
    words=$2
    shift 2
    "$@" >out 2>err
    status=$?
    ok "$name" test "$status" -eq 1
    ok "$name, in one line" test "$(wc -l <err)" -eq 1
    ok "$name, with words" grep -qF -e "$words" err
}

# compile FLAGS: program and libraries, with sources named by their full paths.
compile()
{
    # shellcheck disable=SC2086
    $CXX $1 -shared -fPIC -o liblibrary.so "$work/library.cc" &&
        $CC $1 -shared -fPIC -o unloaded.so "$work/unloaded.c" &&
        $CC $1 -pthread -o known "$work/known.c" -L. -llibrary -Wl,-rpath,"$work" -ldl
}

# report FILE: every stack with exact numbers to $1.stacks, notes to $1.notes.
report()
{
    "$tmalloc" stats --key traceback --format tsv "$1" >"$1.stacks" 2>"$1.notes"
}

# As words of `tmalloc stats`: how many stacks have a line of our sources.
stacks_with_lines()
{
    grep -cE '	.*[1-9][0-9]*:[^ ]*/(known\.c|library\.cc|unloaded\.c)' "$1.stacks"
}

about_ours()
{
    grep -cE "^tmalloc: $work/(known|liblibrary\.so|unloaded\.so) " "$1.notes"
}

symbolized()
{
    report file
    ok 'symbolize says what is known' "$tmalloc" symbolize file -o there
    ok 'in one line' grep -qxE \
        'tmalloc: there: of [0-9]+ code addresses [1-9][0-9]* have a line, .* neither' log
    ok 'the original stays' test "$(wc -c <file)" -lt "$(wc -c <there)"
    mkdir away
    mv known liblibrary.so unloaded.so away
    report there
    ok 'the same stacks from the file alone' cmp file.stacks there.stacks
    ok 'and nothing is missed' test "$(about_ours there)" -eq 0
    cp there again
    ok 'once more, in place' "$tmalloc" symbolize again
    ok 'changes nothing' cmp there again
    ok 'without the lines nothing is known' "$tmalloc" stats file
    report file
    ok 'of any of the three' test "$(stacks_with_lines file)" -eq 0
    ok 'which is said once each' test "$(about_ours file)" -eq 3
    cp file blank
    ok 'symbolize where nothing is known' "$tmalloc" symbolize blank
    mv away/* .
    rmdir away
    ok 'leaves the names open' "$tmalloc" symbolize blank
    ok 'for a machine that has them' cmp there blank
}

# Everything three times, at the same places: which the loader has put where it liked.
merged()
{
    for i in 1 2 3; do
        "$tmalloc" run -q --nframe 25 -o "$work/one$i" -- ./known "$work/unloaded.so"
    done
    ok 'merge' "$tmalloc" merge one1 one2 one3 -o three
    ok 'says what it made' grep -qE '^tmalloc: three: 3 processes held .* KiB in [0-9]+ ' log
    report one1
    report three
    awk -F '\t' '{ printf "%d\t%d\t%s\n", 3 * $1, 3 * $2, $3 }' one1.stacks >thrice
    ok 'three times one' cmp thrice three.stacks
    ok 'and there is one' test -s thrice
    ok 'merged once more with itself' "$tmalloc" merge three three one1 --output seven
    ok 'counts all processes' grep -qF 'seven: 7 processes held' log
    refused 'a file that is missing' 'nine: cannot open: No such file' \
        "$tmalloc" merge one1 nine -o ten
    ok 'and nothing is written' test ! -e ten
    "$tmalloc" merge one1 2>err
    ok 'an output has to be named' test $? -eq 2
    ok 'which is said' grep -qF -e '--output is missing' err
}

changed()
{
    id=$(readelf -n known | sed -n 's/.*Build ID: //p')
    compile '-g -O0 -DOTHER' || exit 99
    report file
    ok 'another build lends no names' test "$(stacks_with_lines file)" -eq 0
    ok 'is told once each' test "$(about_ours file)" -eq 3
    ok 'by the build id that ran' grep -qF \
        "$work/known is not the file that ran, which had the build id $id;" file.notes
    report there
    ok 'and what is embedded stays' test "$(stacks_with_lines there)" -gt 5
}

trouble()
{
    head -c 500 there >cut
    cp cut kept
    refused 'a file that is cut off' 'cut: gzip stream damaged at byte 500: the file ends' \
        "$tmalloc" symbolize cut
    ok 'stays as it was' cmp cut kept
    refused 'no file' 'nowhere: cannot open: No such file' "$tmalloc" symbolize nowhere
    mkdir folder
    refused 'a directory to read' 'folder: cannot read: Is a directory' \
        "$tmalloc" symbolize folder
    refused 'a directory to write' 'folder: ' "$tmalloc" symbolize there -o folder
    refused 'a device' '/dev/full: cannot replace' "$tmalloc" symbolize there -o /dev/full
    # Root may read and write everything; somebody else may not.
    if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
        chmod 755 "$work" folder
        somebody='setpriv --reuid=65534 --regid=65534 --clear-groups'
        # shellcheck disable=SC2086
        if $somebody "$tmalloc" --version >/dev/null 2>&1; then
            refused 'no permission to read' 'file: cannot open: Permission denied' \
                $somebody "$tmalloc" symbolize file -o folder/file
            cp there readable
            chmod 644 readable
            refused 'no permission to write' 'folder/file: cannot create a file there: Perm' \
                $somebody "$tmalloc" symbolize readable -o folder/file
            rm -f readable
        fi
    fi
    refused 'no such directory' 'no/file: ' "$tmalloc" symbolize there -o no/file
    ok 'nothing is left' test ! -e no
    # What a full disk does, a limit on the size of files does too.
    (
        trap '' XFSZ
        ulimit -f 1
        exec "$tmalloc" symbolize there -o large
    ) >out 2>err
    ok 'a full disk is an error' grep -qE '^tmalloc: large: cannot write: File too large' err
    ok 'and leaves no file' test -z "$(find . -name 'large*' -o -name '.tmalloc-*')"
}

[ -x "$tmalloc" ] || { echo "$tmalloc is not built"; exit 99; }
compile '-g -O2' || exit 99
"$tmalloc" run -q --nframe 25 -o "$work/file" -- ./known "$work/unloaded.so" || exit 99
symbolized
merged
changed
trouble
[ "$failures" -eq 0 ]
