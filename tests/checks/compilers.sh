#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole tree, tests included, builds without a warning with the other compiler too:
# with clang where this build uses gcc, and the other way round.
. "${srcdir:-.}/tests/checks/common.sh"

# shellcheck disable=SC2086
case $($CC --version) in
*clang*) cc=gcc cxx=g++ ;;
*) cc=clang cxx=clang++ ;;
esac
command -v $cc >/dev/null || skip "no $cc"
command -v $cxx >/dev/null || skip "no $cxx"

scratch=$builddir/tests/checks/compilers.dir
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
# This make has no part in the job control of the one that runs the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS
"$srcdir/configure" -q --disable-dependency-tracking --enable-werror \
    ${PPROF_PROTO:+"--with-pprof-proto=$PPROF_PROTO"} CC=$cc CXX=$cxx
make -j"$(nproc)" all
make -j"$(nproc)" check TESTS=
cd "$builddir"
rm -rf "$scratch"
