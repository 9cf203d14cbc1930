#!/bin/sh
# SPDX-License-Identifier: MIT
#
# libtmalloc.so exports the allocation names and tm_*, and nothing else. A name is right
# when somebody else says so: libc or the C standard (the family of malloc), libstdc++ (an
# operator new or delete), libmimalloc (its own additions), or our public headers. And each
# of them must be there: a name left to another allocator would give its blocks to our free.
# At load time it needs libc and libmimalloc: each object more is paid by every process.
. "${srcdir:-.}/tests/checks/common.sh"

library=$builddir/.libs/libtmalloc.so
mimalloc=$(ldd "$library" | awk '/libmimalloc/ { print $3 }')
libc=$(ldd "$library" | awk '/libc\.so/ { print $3 }')
# shellcheck disable=SC2086
libstdcxx=$($CXX -print-file-name=libstdc++.so.6)
family='(m|c|re|v|pv)alloc|reallocarray|c?free|(posix_)?memalign|aligned_alloc|mallinfo2?|mallopt'
family="$family|malloc_(info|stats|trim|usable_size)"
map=$srcdir/src/tmalloc.map
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names of functions and variables, without the versions.
exported_by()
{
    nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

exported_by "$library" >"$work/ours"
exported_by "$libc" | grep -E "^(__libc_)?($family)\$" >"$work/libc"
grep -v '^__libc_' "$work/libc" >"$work/family"
printf '%s\n' free_sized free_aligned_sized >"$work/standard"
exported_by "$libstdcxx" | grep -E '^_Z(n|d)[wal]' >"$work/operators"
exported_by "$mimalloc" | grep -vE '^_?mi_' >"$work/mimalloc"
cat "$srcdir"/include/*.h "$srcdir"/include/tmalloc/*.h | tr '\n' ' ' |
    grep -oE 'TM_API [^;(]*\(' | grep -oE 'tm_[a-z_0-9]+\($' | tr -d '(' |
    sort -u >"$work/declared"
# Names that the map spells out; other machines have other operators.
tr '\n' ' ' <"$map" | sed 's/.*global: *//; s/local:.*//' | tr -s ' ;' '\n' |
    grep -E '^[a-z_][a-z_0-9]*$' | sort -u >"$work/mapped"
sort -u "$work/libc" "$work/standard" "$work/operators" "$work/mimalloc" \
    "$work/declared" >"$work/allowed"
sort -u "$work/family" "$work/standard" "$work/operators" "$work/mimalloc" \
    "$work/declared" "$work/mapped" >"$work/wanted"

findings=$(
    comm -23 "$work/ours" "$work/allowed" | sed 's/$/: exported, and nobody knows it/'
    comm -13 "$work/ours" "$work/wanted" | sed 's/$/: not exported/'
    readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc|libmimalloc|ld-linux-x86-64)\.so\.[0-9.]+$' |
        sed 's/$/: needed at load time/' || true
    for file in libc operators mimalloc declared mapped; do
        [ -s "$work/$file" ] || echo "no names found: $file"
    done
)
verdict "$findings" "compare with $map"
