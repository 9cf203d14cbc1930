#!/bin/sh
# SPDX-License-Identifier: MIT
# Files have at most 500 lines, functions at most 60 (from the line with the name to the
# brace that closes the body; .clang-format puts both braces into column 1). A comment
# above with the words 'Long on purpose:' and the reason makes an exception.
. "${srcdir:-.}/tests/checks/common.sh"

sources=$(own '\.(c|h|cc|cpp|go|sh|py)$' include src tests bench)
cd "$srcdir"
# shellcheck disable=SC2086
findings=$(awk -v file_max=500 -v function_max=60 '
function close_file() {
    if (lines > file_max && !file_excused) {
        printf "%s: %d lines\n", name, lines
    }
}
FNR == 1 {
    close_file()
    name = FILENAME
    file_excused = excused = start = body = 0
}
{ lines = FNR }
/Long on purpose:/ {
    excused = 1
    if (FNR <= 30) {
        file_excused = 1
    }
}
/^[A-Za-z_].*\(/ && !body { start = FNR; head = $0 }
/^\{/ { body = 1 }
/^\}/ {
    if (body && FNR - start + 1 > function_max && !excused) {
        printf "%s:%d: %d lines: %s\n", FILENAME, start, FNR - start + 1, head
    }
    excused = body = 0
}
END { close_file() }' $sources bootstrap)
verdict "$findings" 'split it where it has two ideas'
