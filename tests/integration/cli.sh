#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The command line tool as a user meets it: its answers to mistakes, and whole sessions of
# `run` and `stats` on a program whose memory is known (holder.c). Every step says what it
# expects; all of them run, and the failures are listed in the end. Where libtmalloc.so is
# not built, what needs it is skipped.
. "${srcdir:-.}/tests/integration/steps.sh"

usage_is_explained()
{
    try 2 "$tmalloc"
    says "$err" 'Usage: tmalloc COMMAND'
    is "$out" ''
    try 0 "$tmalloc" --help
    is "$err" ''
    says "$out" '  run       '
    says "$out" '  stats     '
    cp "$out" "$work/all"
    try 0 "$tmalloc" help
    cmp -s "$out" "$work/all" || fail 'help is not --help'
    try 0 "$tmalloc" stats --help
    cp "$out" "$work/all"
    try 0 "$tmalloc" help stats
    cmp -s "$out" "$work/all" || fail 'help stats is not stats --help'
    try 2 "$tmalloc" help stast
    says "$err" "did you mean 'stats'?"
    try 0 "$tmalloc" --version
    grep -qE '^tmalloc [0-9]+\.[0-9]+' "$out" || fail 'no version'
    one_line "$out"
    for command in run stats diff top tree; do
        try 0 "$tmalloc" "$command" --help
        is "$err" ''
        says "$out" "Usage: tmalloc $command "
        says "$out" '--help'
    done
    try 0 "$tmalloc" stats --help
    says "$out" '--key filename|lineno|traceback|function|module|domain'
    says "$out" '(default: lineno)'
    awk 'length > 80' "$out" | grep . && fail 'a line of help is too long'
}

mistakes_are_answered()
{
    try 2 "$tmalloc" stat file
    is "$err" "tmalloc: unknown command 'stat'; did you mean 'stats'?
"
    try 2 "$tmalloc" rnu
    says "$err" "did you mean 'run'?"
    try 2 "$tmalloc" xyzzy
    is "$err" "tmalloc: unknown command 'xyzzy'; 'tmalloc --help' lists them
"
    try 2 "$tmalloc" stats
    is "$err" 'tmalloc stats: FILE is missing; usage: tmalloc stats [OPTION]... FILE
'
    try 2 "$tmalloc" stats --key line f
    is "$err" "tmalloc stats: --key: expected \
filename|lineno|traceback|function|module|domain, not 'line'
"
    try 2 "$tmalloc" stats --limit=-1 f
    is "$err" "tmalloc stats: --limit: expected a number from 0 on, not '-1'
"
    try 2 "$tmalloc" stats --fromat tsv f
    is "$err" "tmalloc stats: unknown option '--fromat'; did you mean '--format'?
"
    try 2 "$tmalloc" stats --cumulative --key traceback f
    one_line "$err"
    try 2 "$tmalloc" diff --cumulative --key domain f g
    is "$err" "tmalloc diff: --cumulative goes with --key filename, lineno, function or \
module, not with domain
"
    try 2 "$tmalloc" diff f
    is "$err" 'tmalloc diff: OLD NEW is missing; usage: tmalloc diff [OPTION]... OLD NEW
'
    try 2 "$tmalloc" stats --metric bytes f
    is "$err" "tmalloc stats: --metric: expected \
inuse-bytes|inuse-blocks|alloc-bytes|alloc-blocks|temporary, not 'bytes'
"
    try 2 "$tmalloc" run
    one_line "$err"
    try 2 "$tmalloc" run --nframe 0 true
    is "$err" "tmalloc run: --nframe: expected a number from 1 to 65535, not '0'
"
    try 2 "$tmalloc" run --nframe 65536 true
    one_line "$err"
    if [ -w /dev/full ]; then
        # shellcheck disable=SC2016
        try 1 sh -c '"$1" --help >/dev/full' sh "$tmalloc"
        is "$err" 'tmalloc: standard output: No space left on device
'
    fi
}

# bad_file NAME: stats says in one line what is wrong with it and prints nothing.
bad_file()
{
    try 1 "$tmalloc" stats "$1"
    is "$out" ''
    one_line "$err"
    says "$err" "tmalloc: $1: "
}

bad_files_are_refused()
{
    bad_file missing
    says "$err" 'No such file or directory'
    : >empty
    bad_file empty
    echo 'no profile at all' >'gar bage'
    bad_file 'gar bage'
    head -c 5000 "$tmalloc" | gzip >zipped
    bad_file zipped
    gzip -c "$tmalloc" | head -c 200 >shortened
    bad_file shortened
    mkdir directory
    bad_file directory
    files 4
}

# ---- run: everything below needs libtmalloc.so ----------------------------------------

build_holder()
{
    holder=$work/holder
    line=$(grep -n 'the line \*/' "$srcdir/tests/integration/holder.c" | cut -d: -f1)
    "${CC:-cc}" -g -O0 -o "$holder" "$srcdir/tests/integration/holder.c" || exit 99
    place=$srcdir/tests/integration/holder.c:$line
}

walked_by_libgcc()
{
    try 0 env TMALLOC_UNWIND=libgcc "$tmalloc" run -o slowly.pb.gz -- "$holder" hold
    grep -qE '^tmalloc: stacks walked by libgcc, slowly: [1-9][0-9]*$' "$err" ||
        fail 'nothing by libgcc'
    rm -f slowly.pb.gz
}

a_session()
{
    try 0 "$tmalloc" run -o 'a file.pb.gz' -- "$holder" hold
    is "$out" ''
    says "$err" "$place: size=7000 B, count=7, average=1000 B"
    grep -qE '^tmalloc: peak [0-9.]+ [KM]?i?B; at exit [0-9.]+ [KM]?i?B in [0-9]+ blocks$' \
        "$err" || fail 'no totals'
    grep -qE '^tmalloc: tracing used [0-9.]+ [KM]iB$' "$err" || fail 'no overhead'
    ! grep -q 'walked by libgcc' "$err" || fail 'libgcc walked stacks'
    next=$(sed -n 's/^tmalloc: look closer with: tmalloc //p' "$err")
    try 0 sh -c "'$tmalloc' $next"
    is "$err" ''
    says "$out" "$place: size=7000 B, count=7, average=1000 B"
    says "$out" 'Total: size='
    try 0 "$tmalloc" stats --key filename 'a file.pb.gz'
    says "$out" "$srcdir/tests/integration/holder.c:0: size=7000 B, count=7"
    try 0 "$tmalloc" stats --key traceback --limit 0 'a file.pb.gz'
    says "$out" 'size=7000 B, count=7, average=1000 B'
    says "$out" "  File \"$srcdir/tests/integration/holder.c\", line $line"
    says "$out" '    held[i] = malloc(BLOCK_BYTES); /* the line */'
    try 0 "$tmalloc" stats --cumulative --limit 0 'a file.pb.gz'
    says "$out" "$place: size=7000 B, count=7, average=1000 B"
    files 1
}

tsv_is_exact()
{
    try 0 "$tmalloc" run -q -o f -- "$holder" hold
    is "$err" ''
    try 0 "$tmalloc" stats --format tsv f
    encoded=$(printf '%s' "$srcdir/tests/integration/holder.c" | sed 's/ /%20/g')
    says "$out" "$(printf '7000\t7\t%s:%s' "$line" "$encoded")"
    [ "$(awk -F '\t' 'NF != 3' "$out" | wc -l)" -eq 0 ] || fail 'a line without 3 fields'
    all=$(awk -F '\t' '{ size += $1; count += $2 } END { print size, count }' "$out")
    try 0 "$tmalloc" stats --format tsv --key traceback f
    same=$(awk -F '\t' '{ size += $1; count += $2 } END { print size, count }' "$out")
    [ "$all" = "$same" ] || fail "sums differ by key: $all and $same"
    try 0 "$tmalloc" stats --format tsv --limit 1 f
    one_line "$out"
    files 1
}

# Who wanted the memory, not who got it for him.
wrappers_are_passed_over()
{
    cat >wrap.c <<'EOF'
#include <stdlib.h>
#include <string.h>
char *volatile kept[3];
__attribute__((noinline)) void *xmalloc(size_t size) { char *p = malloc(size); p[0] = 1; return p; }
__attribute__((noinline)) void get_name(void) { kept[0] = strdup("a name"); kept[1] = kept[0]; }
__attribute__((noinline)) void get_table(void) { kept[2] = xmalloc(500); kept[1] = kept[2]; }
int main(void) { get_name(); get_table(); exit(kept[2] == NULL); }
EOF
    "${CC:-cc}" -g -O1 -fno-inline -fno-optimize-sibling-calls -o wrap wrap.c || exit 99
    try 0 "$tmalloc" run -q -o f ./wrap
    try 0 "$tmalloc" stats --format tsv --key function f
    says "$out" "$(printf '7\t1\t0:get_name')"
    says "$out" "$(printf '500\t1\t0:xmalloc')"
    try 0 "$tmalloc" stats --format tsv --key function --wrapper 'x*alloc' f
    says "$out" "$(printf '500\t1\t0:get_table')"
    try 0 env TMALLOC_WRAPPERS=other,xmalloc "$tmalloc" stats -f tsv -k function -w main f
    says "$out" "$(printf '500\t1\t0:get_table')"
    try 0 "$tmalloc" stats --format tsv --key function --keep-wrappers f
    says_not "$out" '0:get_name'
    try 0 "$tmalloc" tree --key function f
    says_not "$out" strdup
    files 3
}

the_programs_streams_are_its_own()
{
    seq 1 20000 >"$work/numbers"
    step='run cat'
    "$tmalloc" run -o f cat <"$work/numbers" >"$out" 2>"$err" || fail "exit status $?"
    cmp -s "$out" "$work/numbers" || fail 'stdout differs'
    files 1
}

exit_statuses_pass_on()
{
    try 7 "$tmalloc" run -q -- "$holder" exit 7
    [ -f "$(echo tmalloc.holder.*.pb.gz)" ] || fail 'no file under the default name'
    files 1
    try 127 "$tmalloc" run no-such-command
    is "$err" 'tmalloc run: no-such-command: command not found
'
    try 127 "$tmalloc" run ./no-such-command
    is "$err" 'tmalloc run: ./no-such-command: No such file or directory
'
    printf '#!/no/such/interpreter\n' >script
    try 126 "$tmalloc" run ./script
    is "$err" 'tmalloc run: ./script: Permission denied
'
    chmod +x script
    try 127 "$tmalloc" run ./script
    is "$err" 'tmalloc run: ./script: the interpreter that it names does not exist
'
    files 1
}

signals_pass_on()
{
    try 137 "$tmalloc" run -o f "$holder" die 9
    says "$err" "tmalloc: no snapshot was written: $holder was killed by signal 9 (Killed)"
    try 139 "$tmalloc" run -o f "$holder" die 11
    says "$err" 'killed by signal 11'
    files 0
    step='SIGTERM is passed on'
    "$tmalloc" run -q -o f "$holder" wait "$work/ready" >"$out" 2>"$err" &
    runner=$!
    while [ ! -e "$work/ready" ]; do
        kill -0 "$runner" 2>/dev/null || break
        sleep 0.05
    done
    kill -TERM "$runner"
    wait "$runner"
    got=$?
    [ "$got" -eq 143 ] || fail "exit status $got, not 143"
    says "$err" 'killed by signal 15'
    files 0
}

no_snapshot_has_a_reason()
{
    try 0 "$tmalloc" run -o f "$holder" leave
    one_line "$err"
    says "$err" 'tmalloc: no snapshot was written: '
    says "$err" '_exit'
    echo 'of an earlier run' >f
    try 137 "$tmalloc" run -o f "$holder" die 9
    says "$err" 'no snapshot was written'
    says_not "$err" 'tmalloc stats'
    files 1
    if "${CC:-cc}" -static -o "$work/static" "$srcdir/tests/integration/holder.c" \
        2>"$work/log"; then
        try 0 "$tmalloc" run -o f "$work/static"
        is "$err" "tmalloc: no snapshot was written: $work/static is statically linked, \
so that nothing can be preloaded
"
    fi
    files 0
}

only_what_was_asked_for_is_traced()
{
    try 0 "$tmalloc" run -q -o f "$holder" parent
    try 0 "$tmalloc" stats f
    says "$out" "$place: size=7000 B, count=7, average=1000 B"
    files 1
    try 0 "$tmalloc" run -o 'f.%e.%p' "$holder" parent
    says "$err" "$place: size=7000 B, count=7, average=1000 B"
    files 2
    try 0 "$tmalloc" run -q -o f "$holder" fork
    says "$err" 'no snapshot was written'
    files 0
    try 0 "$tmalloc" run -q -o f.%p "$holder" fork
    files 1
    try 0 "$tmalloc" run -q -o f sh -c "exec '$holder' hold"
    try 0 "$tmalloc" stats f
    says "$out" "$place: size=7000 B, count=7, average=1000 B"
    files 1
    try 0 "$tmalloc" run -q -o f "$holder" move
    files 1
}

the_peak_is_a_file_of_its_own()
{
    try 0 "$tmalloc" run -o f --peak p "$holder" less
    says "$err" "$place: size=3000 B, count=3, average=1000 B"
    says "$err" 'tmalloc: who held it at the peak: tmalloc stats p'
    try 0 "$tmalloc" stats f
    says "$out" "$place: size=3000 B, count=3, average=1000 B"
    try 0 "$tmalloc" stats p
    says "$out" "$place: size=7000 B, count=7, average=1000 B"
    gzip -dc <p >p.raw
    grep -aq 'tmalloc.kind=peak' p.raw || fail 'p is not of the peak'
    rm p.raw
    files 2
    try 0 "$tmalloc" run -q -o f.%p --peak p.%p "$holder" parent
    files 4
    try 0 "$tmalloc" run -q -o f -p p.%p "$holder" parent
    files 2
    try 0 "$tmalloc" run -o f -p p "$holder" leave
    one_line "$err"
    try 1 "$tmalloc" run -p /no/such/p true
    is "$err" 'tmalloc run: cannot write /no/such/p: No such file or directory
'
    files 0
}

the_environment_is_kept()
{
    LD_PRELOAD=libm.so.6
    export LD_PRELOAD
    # shellcheck disable=SC2016
    try 0 "$tmalloc" run --nframe 3 -o f sh -c \
        'echo "$TMALLOC $LD_PRELOAD"; [ "$TMALLOC_RUN_PID" = $$ ] && echo "$TMALLOC_DUMP"'
    unset LD_PRELOAD
    grep -qE '^3 /.*/libtmalloc\.so[.0-9]*:libm\.so\.6$' "$out" || fail 'LD_PRELOAD'
    says "$out" "$work/a place/f"
    find . -mindepth 1 -delete
}

a_run_that_cannot_start_says_why()
{
    try 1 env TMALLOC_LIBRARY=/no/such.so "$tmalloc" run true
    is "$err" 'tmalloc run: TMALLOC_LIBRARY: /no/such.so: No such file or directory
'
    try 1 "$tmalloc" run -o /no/such/f true
    is "$err" 'tmalloc run: cannot write /no/such/f: No such file or directory
'
    try 1 "$tmalloc" run -o /dev/null true
    is "$err" 'tmalloc run: cannot write /dev/null: it is not a regular file
'
    files 0
}

[ -x "$tmalloc" ] || { echo "$tmalloc is not built"; exit 99; }
usage_is_explained
mistakes_are_answered
bad_files_are_refused
if [ -e "$builddir/.libs/libtmalloc.so" ]; then
    build_holder
    walked_by_libgcc
    a_session
    tsv_is_exact
    wrappers_are_passed_over
    the_programs_streams_are_its_own
    exit_statuses_pass_on
    signals_pass_on
    no_snapshot_has_a_reason
    only_what_was_asked_for_is_traced
    the_peak_is_a_file_of_its_own
    the_environment_is_kept
    a_run_that_cannot_start_says_why
fi
finish
if [ ! -e "$builddir/.libs/libtmalloc.so" ]; then
    echo 'skipped: run, for want of libtmalloc.so'
    exit 77
fi
