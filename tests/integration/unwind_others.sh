#!/bin/sh
# SPDX-License-Identifier: MIT
# The stacks of unwind.sh by other unwinders: libunwind, and frame pointers alone.
OTHERS=1 exec sh "${srcdir:-.}/tests/integration/unwind.sh"
