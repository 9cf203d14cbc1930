#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What is said of the command line tool is true: every example of --help, which are those
# of the manual page, and every command line of README.md does what it says; the manual
# page is sound and has every option; the completions complete.
. "${srcdir:-.}/tests/integration/steps.sh"
PATH=$builddir:$PATH
export PATH
commands=$("$tmalloc" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')

if [ ! -e "$builddir/.libs/libtmalloc.so" ]; then
    echo 'skipped: everything here needs libtmalloc.so'
    exit 77
fi

# run_line TEXT: as a user types it; it says something, and nothing is wrong.
run_line()
{
    try 0 sh -c "$1"
    step=$1
    [ -s "$out" ] || [ -s "$err" ] || [ "${1#*-q}" != "$1" ] || fail 'it says nothing'
    says_not "$err" 'tmalloc: no '
}

examples_run()
{
    seq 3000 | sed 's/./& /g' >words.txt
    try 0 "$tmalloc" run -q -o new.pb.gz -- sort words.txt
    count=0
    for command in $commands; do
        "$tmalloc" "$command" --help | sed -n '/^Examples:/,$s/^  //p' >"$work/lines"
        [ -s "$work/lines" ] || fail "$command has no examples"
        while IFS= read -r line; do
            run_line "$line"
            count=$((count + 1))
        done <"$work/lines"
    done
    [ "$count" -ge 12 ] || fail "only $count examples"
    ls sort.*.pb.gz find.*.pb.gz elsewhere.pb.gz all.pb.gz >"$out" 2>&1 || fail 'a file is missing'
    sed -n '/^\.EX/,/^\.EE/{/^\./d;s/\\-/-/g;s/\\e/\\/g;p;}' "$builddir/tmalloc.1" >"$work/man"
    for command in $commands; do
        "$tmalloc" "$command" --help | sed -n '/^Examples:/,$s/^  //p'
    done | diff - "$work/man" >"$out" || fail 'examples of --help and of the manual page differ'
    find . -mindepth 1 -delete
}

# The lines of README.md that begin with tmalloc, in their order.
readme_runs()
{
    cat >server.c <<'EOF'
#include <stdlib.h>
int main(void) { return malloc(100) == NULL; }
EOF
    "${CC:-cc}" -O0 -g -o server server.c || exit 99
    grep -E '^    tmalloc [a-z]+ ' "$srcdir/README.md" | sed 's/ #.*//; s/^ *//' >"$work/lines"
    [ "$(wc -l <"$work/lines")" -ge 5 ] || fail 'README.md has too few command lines'
    while IFS= read -r line; do
        run_line "$line"
        for file in tmalloc.server.*.pb.gz; do
            [ "$file" = tmalloc.server.4711.pb.gz ] || mv "$file" tmalloc.server.4711.pb.gz
            cp tmalloc.server.4711.pb.gz monday.pb.gz
            cp tmalloc.server.4711.pb.gz tuesday.pb.gz
        done
    done <"$work/lines"
    line=$(sed -n 's/^    \(LD_PRELOAD=.*server\)$/\1/p' "$srcdir/README.md" |
        sed "s|/usr/local/lib|$builddir/.libs|; s|/var/tmp/||")
    try 0 sh -c "$line"
    try 0 "$tmalloc" stats server.*.pb.gz
    says "$out" 'server.c:2: size=100 B, count=1'
    find . -mindepth 1 -delete
}

# What README.md shows of first.c's snapshot, but for libc's lines and the folder.
readme_shows()
{
    cp "$srcdir/tests/examples/first.c" .
    "${CC:-cc}" -g -o first "$PWD/first.c" -I"$srcdir/include" -L"$builddir/.libs" -ltmalloc \
        -Wl,-rpath,"$builddir/.libs" || exit 99
    try 0 ./first
    line=$(sed -n 's/^    \$ \(tmalloc stats .*first\.pb\.gz\)$/\1/p' "$srcdir/README.md")
    run_line "$line"
    sed -n '/^    \$ tmalloc stats .*first\.pb\.gz$/,/^$/s/^    //p' "$srcdir/README.md" |
        sed '1d; s|/tmp/fx/||' | grep -vE 'libc|line 0' >"$work/expected"
    sed "s|$PWD/||" "$out" | grep -vE 'libc|line 0' >"$work/got"
    diff "$work/expected" "$work/got" >"$out" || fail 'README.md shows something else'
    find . -mindepth 1 -delete
}

the_manual_is_sound()
{
    for command in $commands; do
        "$tmalloc" "$command" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' |
            sed 's/.*--/--/; /^--help$/d'
    done | sort -u >"$work/options"
    [ "$(wc -l <"$work/options")" -ge 15 ] || fail 'too few options'
    while IFS= read -r option; do
        grep -qF "\\fB$(printf '%s' "$option" | sed 's/-/\\-/g')\\fR" "$builddir/tmalloc.1" ||
            fail "the manual page does not have $option"
    done <"$work/options"
    if command -v groff >/dev/null; then
        try 0 groff -man -Tutf8 -ww -z "$builddir/tmalloc.1"
        is "$err" ''
    fi
}

# completes WORDS EXPECTED: what bash offers when the last of WORDS is to be completed.
completes()
{
    step="completion of '$1'"
    # shellcheck disable=SC2016
    bash -c '. "$1"; read -ra COMP_WORDS <<<"$2"; [ "${2% }" = "$2" ] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tmalloc; echo "${COMPREPLY[*]}"' \
        bash "$builddir/completion/tmalloc" "$1" >"$out" 2>"$err"
    is "$out" "$2
"
    is "$err" ''
}

bash_completes()
{
    command -v bash >/dev/null || return
    completes 'tmalloc st' 'stats'
    completes 'tmalloc t' 'top tree'
    completes 'tmalloc --v' '--version'
    completes 'tmalloc stats --key fi' 'filename'
    completes 'tmalloc top -k ' 'function lineno filename module'
    completes 'tmalloc diff --format = j' 'json'
    completes 'tmalloc diff --metric =' \
        'inuse-bytes inuse-blocks alloc-bytes alloc-blocks temporary'
    completes 'tmalloc tree --in' '--inverted --include'
    completes 'tmalloc run --n' '--nframe --no-summary'
    completes 'tmalloc run --output ' ''
    completes 'tmalloc stats old' ''
}

zsh_completes()
{
    grep -q '^#compdef tmalloc$' "$builddir/completion/_tmalloc" || fail 'no #compdef'
    if command -v zsh >/dev/null; then
        try 0 zsh -n "$builddir/completion/_tmalloc"
        is "$err" ''
    fi
    for command in $commands; do
        grep -q "^    $command)\$" "$builddir/completion/_tmalloc" || fail "$command is missing"
    done
}

examples_run
readme_runs
readme_shows
the_manual_is_sound
bash_completes
zsh_completes
finish
