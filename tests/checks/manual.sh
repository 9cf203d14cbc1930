#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The manual of the functions: every tm_ name that libtmalloc.so exports has a page; pages
# have a name line that apropos understands, no mistake that groff would tell, what the
# header says, and no reference to a page that is not there.
. "${srcdir:-.}/tests/checks/common.sh"

pages=$builddir/man3
library=$builddir/.libs/libtmalloc.so
[ -s "$pages/pages" ] || verdict 'no pages' 'make all'
command -v groff >/dev/null || skip 'no groff'

exported()
{
    nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' |
        grep '^tm_' | sort
}

without_page()
{
    exported | while read -r name; do
        [ -s "$pages/$name.3" ] || echo "$name: no page"
    done
}

# A link's target, and else all that a page has to have.
mistakes()
{
    while read -r page; do
        if target=$(sed -n 's|^\.so man3/||p' "$pages/$page") && [ -n "$target" ]; then
            grep -q "${page%.3}\b" "$pages/$target" || echo "$page: not in $target"
            continue
        fi
        groff -man -ww -z -K utf8 "$pages/$page" 2>&1 | sed "s/^/$page: /"
        sed -n '/^\.SH NAME$/{n;p;}' "$pages/$page" |
            grep -qxE '[a-z_, 0-9]+ \\- .{8,90}' || echo "$page: no name line"
        case $page in
        tm_*) grep -q "${page%.3}(" "$pages/$page" || echo "$page: no synopsis" ;;
        esac
    done <"$pages/pages"
}

# What pages refer to as tm_NAME().
dangling()
{
    sed 's/\\//g' "$pages"/*.3 | grep -ohE 'tm_[a-z_0-9]+\(' | tr -d '(' | sort -u |
        while read -r name; do
            [ -s "$pages/$name.3" ] || echo "$name(): named, and has no page"
        done
}

findings=$(
    [ "$(exported | wc -l)" -gt 20 ] || echo 'the library exports hardly anything'
    without_page
    mistakes
    dangling
    # A sentence of a header, to see that pages have what headers say.
    grep -q 'Bytes held by traced blocks now and at most' "$pages/tm_get_traced_memory.3" ||
        echo 'tm_get_traced_memory.3: not what the header says'
    grep -q '^\.SH ERRORS' "$pages/tm_start.3" || echo 'tm_start.3: no errors'
)
verdict "$findings" 'see docs/man3.awk'
