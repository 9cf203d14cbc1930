#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The protocols between threads, modelled and searched through by spin: every interleaving
# of a few threads for a few rounds. A model is a page next to the source that it is of; it
# speaks of sequential consistency only, weaker orders are for races.sh to find.
#
#     model.sh         one round where two take long
#     model.sh long    two: some ten million states
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
failures=0
rounds=
[ "${1:-}" != long ] || rounds=-DROUNDS=2
command -v spin >/dev/null || { echo 'skipped: no spin'; exit 77; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

for model in lock cut epoch index node; do
    # shellcheck disable=SC2086
    spin -a $rounds "$srcdir/tests/model/$model.pml" >log 2>&1 &&
        ${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000 >log 2>&1
    if grep -q 'errors: 0$' log && ! grep -q 'max search depth too small' log; then
        echo "ok $model: $(sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p' log)"
    else
        failures=$((failures + 1))
        echo "FAIL $model"
        head -n 30 log
        [ ! -f "$model.pml.trail" ] || spin -t -p $rounds "$srcdir/tests/model/$model.pml" | tail -n 60
    fi
done
[ "$failures" -eq 0 ]
