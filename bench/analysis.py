#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# The same snapshot in Python's own tracemalloc: `analysis list TRACES FRAMES` on standard
# input becomes a tracemalloc.Snapshot, is dumped to argv[1], loaded and grouped by line.
# Prints: CPU seconds to load, CPU seconds to group, the most memory it took in MiB, lines.
import gc
import resource
import sys
import time
import tracemalloc

known = {}


def frame(word):
    found = known.get(word)
    if found is None:
        line, name = word.split(":", 1)
        found = known[word] = (name, int(line))
    return found


def trace(text):
    size, *words = text.split()
    return 0, int(size), tuple(map(frame, reversed(words))), len(words)


def main():
    gc.disable()
    traces = [trace(text) for text in sys.stdin]
    snapshot = tracemalloc.Snapshot(traces, len(traces[0][2]))
    snapshot.dump(sys.argv[1])
    del snapshot, traces
    start = time.process_time()
    snapshot = tracemalloc.Snapshot.load(sys.argv[1])
    loaded = time.process_time()
    lines = snapshot.statistics("lineno")
    grouped = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{loaded - start:.2f} {grouped - loaded:.2f} {peak:.0f} {len(lines)}")


main()
