#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source is as clang-format would write it. The version is pinned: others differ.
. "${srcdir:-.}/tests/checks/common.sh"

formatter=$(command -v clang-format-14 || command -v clang-format) ||
    skip 'no clang-format'
case $("$formatter" --version) in
*'version 14.'*) ;;
*) skip 'clang-format is not version 14' ;;
esac

files=$(own '\.(c|h|cc|cpp)$' include src tests bench)
cd "$srcdir"
# shellcheck disable=SC2086
findings=$("$formatter" --dry-run -Werror $files 2>&1 |
    sed -nE 's/^([^:]*:[0-9]+):[0-9]+: (error|warning):.*/\1: not as clang-format has it/p' |
    uniq)
verdict "$findings" 'run: clang-format -i FILE...'
