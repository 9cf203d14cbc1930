#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What README.md and tmalloc.h show is what happens: the main() in it is that of tests/examples/first.c,
# which builds against the library and prints the lines that README.md has, and the other
# functions and variables that it names exist, and it names all of them,
# variables the manual page too.
set -eu
source=${srcdir:-.}
build=$(cd "${builddir:-.}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail()
{
    echo "FAIL: $*"
    exit 1
}

example=$(cd "$source/tests/examples" && pwd)/first.c
sed -n '/^int main/,/^}/p' "$example" >"$scratch/main.c"
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '/^```/d' >"$scratch/readme.c"
diff "$scratch/main.c" "$scratch/readme.c" || fail 'README.md and first.c differ'

${CC:-cc} -g -o "$scratch/first" "$example" -I"$source/include" \
    -L"$build/.libs" -ltmalloc -Wl,-rpath,"$build/.libs"
(cd "$scratch" && ./first >printed)
[ -s "$scratch/first.pb.gz" ] || fail 'first.c left no file'

# Folders differ; everything else is to the letter.
grep -E '^    (56000 bytes|/tmp/fx/first\.c:)' "$source/README.md" |
    sed 's/^    //; s|^/tmp/fx/||' >"$scratch/expected"
sed "s|^$(dirname "$example")/||" "$scratch/printed" >"$scratch/got"
diff "$scratch/expected" "$scratch/got" || fail 'first.c prints something else'

# The examples of tmalloc.h, one after the other; what stands behind a statement explains it.
{
    echo '#include <stdlib.h>'
    echo '#include <tmalloc.h>'
    echo 'static void *volatile index_, *volatile cache_;'
    echo 'static void load_index(void) { index_ = malloc(4711); }'
    echo 'static void fill_cache(void) { cache_ = malloc(1000); }'
    echo 'int main(void) {'
    sed -nE 's/^ \*     ([a-z].*;)( .*)?$/\1/p' "$source/include/tmalloc.h"
    echo 'return m.current == 4711 && m.peak >= 4711 && now == 1000 ? 0 : 1; }'
} >"$scratch/header.c"
[ "$(grep -c 'tm_' "$scratch/header.c")" -ge 9 ] || fail 'tmalloc.h has too few examples'
${CC:-cc} -o "$scratch/header" "$scratch/header.c" -I"$source/include" \
    -L"$build/.libs" -ltmalloc -Wl,-rpath,"$build/.libs"
(cd "$scratch" && ./header) || fail 'the examples of tmalloc.h do something else'
[ -s "$scratch/index.pb.gz" ] || fail 'the examples of tmalloc.h left no file'

for name in $(grep -oE '`tm_[a-z_]+' "$source/README.md" | tr -d '\140' | sort -u); do
    grep -qE "\b$name\b" "$source"/include/tmalloc.h "$source"/include/tmalloc/*.h ||
        fail "README.md names $name, which no header has"
done
for name in $(grep -ohE '^TM_API .*\b(tm_[a-z_]+)\(' "$source"/include/tmalloc.h \
    "$source"/include/tmalloc/*.h | grep -oE 'tm_[a-z_]+\(' | tr -d '('); do
    grep -q "\`$name(\|, \`$name\|$name(" "$source/README.md" ||
        fail "README.md does not have $name"
done
for name in $(grep -oE '`TMALLOC[A-Z_]*' "$source/README.md" | tr -d '\140' | sort -u); do
    grep -q "\"$name\"" "$source/src/base/option.c" || fail "there is no variable $name"
done
for name in $(grep -oE '"TMALLOC[A-Z_]*"' "$source/src/base/option.c" | tr -d '"'); do
    grep -qE "\`$name\b" "$source/README.md" || fail "README.md does not have $name"
    grep -qF "\\fB$name\\fR" "$build/tmalloc.1" || fail "tmalloc.1 does not have $name"
done
echo 'README.md holds'
