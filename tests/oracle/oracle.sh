#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The analysis against the oracle: trace sets of which Python's tracemalloc itself said
# what follows from them. gen.py makes sets and asks the tracemalloc of the python3 that
# runs it; check.py compares. Sets that were stored once are looked for in $TM_ORACLE_DIR,
# or in shared/oracle beside the source tree. Sections tagged neglimit follow tracemalloc's
# code, where tmalloc follows its documentation.
. "${srcdir:-.}/tests/checks/common.sh"

fits='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
python=
for candidate in python3 python3.11; do
    if [ -z "$python" ] && "$candidate" -c "$fits" 2>/dev/null; then
        python=$candidate
    fi
done
[ -n "$python" ] || skip 'no python of 3.10 to 3.13'
answers=$builddir/tests/tm-oracle
stored=${TM_ORACLE_DIR:-$srcdir/../shared/oracle}
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check FOLDER: all cases and vectors in it, the order of traces included; then the same
# cases through the command
check()
{
    echo 'tmalloc stats and diff:'
    "$python" "$srcdir/tests/oracle/cli.py" "$builddir/tmalloc" "$answers" "$1/cases"
    echo 'the C API:'
    "$python" "$srcdir/tests/oracle/check.py" --exact-order --skip-tag neglimit -k 5 -v \
        --batch "'$answers' batch {case}" --cmd-size "'$answers' size {file}" \
        --cmd-fnmatch "'$answers' fnmatch {file}" --cmd-env "'$answers' env {file}" \
        --cases "$1/cases" --vectors "$1/vectors"
}

# The rules were ported, not cases: any seed has to do.
echo 'sets that were made now:'
"$python" "$srcdir/tests/oracle/gen.py" -n 100 --seed "${TM_ORACLE_SEED:-77003}" \
    --out "$work/cases" --vectors "$work/vectors"
check "$work"

if [ -d "$stored/cases" ]; then
    echo 'sets that are stored:'
    check "$stored"
fi
