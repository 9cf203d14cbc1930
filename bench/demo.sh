#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh BUILD_DIR: a program by others, Debian's python3.11 with the debug info that
# python3.11-dbg has for it, does real work under `tmalloc run`; then we look at who holds
# its memory. PYTHONMALLOC=malloc makes the interpreter ask malloc for every object rather
# than carve them out of pools of its own. The snapshot stays, to be looked at further.
set -eu
build=${1:-build}
work=$(dirname "$0")/demo.py
python=/usr/bin/python3.11
file=$build/demo.pb.gz

die()
{
    echo "demo: $*" >&2
    exit 1
}

say()
{
    echo
    printf '# %s\n' "$@"
}

# A command as one would type it, and what it does.
show()
{
    printf '$ %s\n' "$*"
    "$@"
}

[ -x "$python" ] || die "no $python: install the packages python3.11 and python3.11-dbg"

say 'The interpreter reads 10,000 orders from JSON and keeps an index of them. Every malloc' \
    'of it is recorded with the ten newest frames of its stack.'
show env PYTHONMALLOC=malloc PYTHONHASHSEED=0 \
    "$build/tmalloc" run --nframe 10 -o "$file" -- "$python" "$work"

say 'Sets, strings and dictionaries hold nearly all of it. Who asked for them? The biggest' \
    'stacks, newest frame last: sets of the index, tables of dictionaries, strings that' \
    'the JSON parser made.'
show "$build/tmalloc" stats --key traceback --limit 3 "$file"

say "The file is a pprof profile; \`tmalloc stats --help\` has more ways to look at it:" \
    "$file"

# A report that does not name lines of the interpreter's own sources is none.
lines=$("$build/tmalloc" stats --key lineno --format tsv "$file")
printf '%s\n' "$lines" | grep -qE '[[:space:]][1-9][0-9]*:[^ ]*/Objects/setobject\.c$' ||
    die 'no line of Objects/setobject.c in the report: is python3.11-dbg installed?'
