# SPDX-License-Identifier: MIT
"""What a block's trace id costs in memory, by where it lies: no id, a header of 16 bytes
before the block, a tag of 8 at its end (layout.c), under the real programs of sidebyside.

    python3 bench/layout.py [--build DIR] [--turns N] [--only TEXT]

For each program: peak resident memory as measured; from the sizes that were live at the
peak, bytes a block in mimalloc's size classes, the most frequent sizes with their classes,
and for how many blocks a write of one byte, or of eight, beyond the size asked for hits a
header or a tag, so that it can be seen at all.
"""

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "sidebyside"))

import modes  # noqa: E402
import turns  # noqa: E402
import work as all_about_work  # noqa: E402

LAYOUTS = (0, 8, 16)  # bytes of id
SHOWN = 6


def arguments():
    parser = argparse.ArgumentParser(prog="layout", description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=".", help="the build directory")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", help="programs whose name has this in it")
    return parser.parse_args()


def build(directory, layout):
    path = os.path.join(os.path.abspath(directory), f"layout{layout}.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-fno-builtin", f"-DLAYOUT={layout}",
                    "-o", path, os.path.join(HERE, "layout.c"), "-lmimalloc"], check=True)
    return path


def good_size():
    """mimalloc's size class."""
    of = ctypes.CDLL("libmimalloc.so.2").mi_good_size
    of.restype = ctypes.c_size_t
    of.argtypes = [ctypes.c_size_t]
    return of


def resident(timed, path, work, count):
    mode = modes.Mode("layout", "", modes.preload(path))
    samples = [turns.measure(timed, mode, work) for _ in range(count)]
    return statistics.median(s.rss for s in samples if s is not None)


def sizes(timed, path, work):
    """{size: blocks} at the peak."""
    with tempfile.NamedTemporaryFile("r", suffix=".sizes") as out:
        settings = modes.preload(path, SIZES=out.name)
        turns.measure(timed, modes.Mode("sizes", "", settings), work)
        return {int(size): int(n) for size, n in map(str.split, out)}


def share(found, good, layout, bytes_beyond):
    """Blocks, in percent, whose overflow by so many bytes meets an id."""
    hit = sum(n for size, n in found.items()
              if good(size + layout) - layout - size < bytes_beyond)
    return 100 * hit / sum(found.values())


def report(work, rss, found, good):
    blocks = sum(found.values())
    per_block = {e: sum(good(s + e) * n for s, n in found.items()) / blocks for e in LAYOUTS}
    asked = sum(s * n for s, n in found.items()) / blocks
    print(f"{work.name}: {blocks} blocks of {asked:.1f} bytes")
    for e in LAYOUTS:
        seen = "" if e == 0 else \
            f", overflow by 1 byte met {share(found, good, e, 1):3.0f} %, by 8 " \
            f"{share(found, good, e, 8):3.0f} %"
        print(f"    {e:2} bytes: peak {rss[e] / 2**20:6.1f} MiB ({rss[e] / rss[0]:.3f}), "
              f"a block {per_block[e]:6.1f} ({per_block[e] / per_block[0]:.3f}){seen}")
    often = sorted(found.items(), key=lambda row: -row[1])[:SHOWN]
    print("    sizes: " + ", ".join(
        f"{size} x {n} -> {'/'.join(str(good(size + e)) for e in LAYOUTS)}"
        for size, n in often))


def main():
    options = arguments()
    timed = os.path.join(os.path.abspath(options.build), "bench", "timed")
    good = good_size()
    with tempfile.TemporaryDirectory() as directory:
        paths = {e: build(directory, e) for e in LAYOUTS}
        for work in all_about_work.real_programs():
            # Of many processes, each would write its own sizes.
            if work.missing or work.many_processes or options.only not in work.name:
                continue
            rss = {e: resident(timed, paths[e], work, options.turns) for e in LAYOUTS}
            report(work, rss, sizes(timed, paths[16], work), good)


main()
