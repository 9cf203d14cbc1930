#!/bin/sh
# SPDX-License-Identifier: MIT
# What make check does a selection of, at full length: each n-th call that can fail, 10,000
# forks, two rounds of each model.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-build}" && pwd)
export srcdir builddir
failed=0
for test in 'tests/integration/faults.sh all 5000' 'tests/integration/conditions.sh long' \
    'tests/model/model.sh long'; do
    echo "-- $test"
    # shellcheck disable=SC2086
    sh "$srcdir"/$test
    case $? in 0 | 77) ;; *) failed=1 ;; esac
done
exit $failed
