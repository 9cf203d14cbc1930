#!/bin/sh
# SPDX-License-Identifier: MIT
# What is in the tree is finished, and names say something: no marks of work left over, no
# internal or public name made of a word that would fit anything.
. "${srcdir:-.}/tests/checks/common.sh"

unfinished='TODO|FIXME|XXX|not implemented'
empty='handle|data|info|manager|util'

everything=$(own . include src tests bench docs README.md bootstrap configure.ac Makefile.am |
    grep -vE '^tests/checks/words\.sh$|\.(gz|pb|bin)$')
cd "$srcdir"
# shellcheck disable=SC2086
findings=$(
    grep -nwE "$unfinished" $everything || true
    grep -noE "\<tmi?_([a-z0-9]+_)*($empty)(_[a-z0-9]+)*\>" $everything || true
    printf '%s\n' $everything | grep -E "(^|[/_])($empty)s?\.[a-z]+\$" || true
)
verdict "$findings" 'finish it, or find the word that says what it is'
