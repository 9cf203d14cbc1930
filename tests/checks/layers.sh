#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Layers. A folder of src may include from itself and from those named beside it; only
# heap/backend.[ch] know mimalloc.
. "${srcdir:-.}/tests/checks/common.sh"

may_use='
base:
heap: base
trace: base heap
entry: base heap trace
view: base
pprof: base view
symbol: base view
plugin: base view pprof symbol
live: base heap trace view plugin
cli: base view pprof symbol
'

# `LAYER FILE:LINE OTHER OTHER/HEADER` for every include by one layer of one, a line each.
crossings()
{
    cd "$srcdir/src"
    grep -rnE '^# *include "[a-z]+/' --include='*.[ch]' . |
        sed -nE 's|^\./([a-z]+)/([^:]*:[0-9]+):.*"([a-z]+)/([^"]*)".*|\1 src/\1/\2 \3 \3/\4|p'
}

# Those that the table does not have.
wrong_includes()
{
    crossings | while read -r layer where target header; do
        allowed=$(printf '%s' "$may_use" | sed -n "s/^$layer://p")
        case " $layer tmalloc$allowed " in
        *" $target "*) ;;
        *) echo "$where: $layer may not include $header" ;;
        esac
    done
}

mimalloc_users()
{
    cd "$srcdir"
    grep -rnE '# *include *[<"]mimalloc' src | grep -v '^src/heap/backend\.[ch]:' || true
}

findings=$(wrong_includes; mimalloc_users)
verdict "$findings" 'see the table in tests/checks/layers.sh'
