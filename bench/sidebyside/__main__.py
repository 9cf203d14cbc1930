# SPDX-License-Identifier: MIT
"""tmalloc beside its peers, in one run: time and memory as ratios, as table and picture.

    python3 bench/sidebyside [--build DIR] [--turns N] [--base MODE] [--only TEXT] [--quick]
                             [-o DIR]

    modes.py     who stands side by side        work.py      what they do
    turns.py     measures, in pairs             table.py     ratios and their spread
    picture.py   the same as SVG

Writes pictures, DIR/{time,memory}-{small,real}.svg, and DIR/tables.md, where what could not
run is named. SIGINT ends it early, with what is complete by then.
"""

import argparse
import os
import platform
import sys

import modes as all_about_modes
import picture
import table
import turns
import work as all_about_work


def arguments():
    parser = argparse.ArgumentParser(prog="sidebyside", description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=".", help="the build directory")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--base", default="mimalloc", help="the mode of ratio 1")
    parser.add_argument("--only", default="", help="work whose name has this in it")
    parser.add_argument("--quick", action="store_true",
                        help="leave out what takes many times longer than the rest")
    parser.add_argument("-o", default="sidebyside-results", help="where results go")
    return parser.parse_args()


def tell(line):
    """Progress, for people who watch."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def run(chosen, works, options):
    timed = os.path.join(os.path.abspath(options.build), "bench", "timed")
    results = {}
    try:
        for work in works:
            fitting = [m for m in chosen if (work.is_python or not m.python_only) and
                       not (m.one_process and work.many_processes)]
            results[work.name] = turns.take_turns(timed, fitting, work, options.turns,
                                                  tell)
    except KeyboardInterrupt:
        for work in works:
            if work.name not in results:
                work.missing = "interrupted before its last turn"
    tell("")
    return results


def failures(results):
    return [f"{mode} on {work}: it failed, or took more than {turns.TIME_LIMIT} s" for work, samples in results.items()
            for mode, own in samples.items() if None in own]


def parts(title, results, works, base, names):
    """Tables of small loads and of real programs, time then memory."""
    for figure, of in (("time", lambda s: s.seconds), ("memory", lambda s: s.rss)):
        for kind, wanted in (("small loads", True), ("real programs", False)):
            own = {w.name: results[w.name] for w in works
                   if w.micro == wanted and not w.missing}
            if own:
                yield figure, f"{title[figure]}, {kind}, as a multiple of {base}", \
                    table.cells(own, base, of), names


def report(results, works, everyone, options):
    os.makedirs(options.o, exist_ok=True)
    ours = {m.name for m in everyone if m.ours}
    names = [m.name for m in everyone if not m.missing]
    title = {"time": "Wall time", "memory": "Peak resident memory"}
    lines = [f"{platform.machine()}, {os.cpu_count()} processors, Linux "
             f"{platform.release()}; medians of {options.turns} turns (quartiles).\n"]
    for figure, heading, cells, modes in parts(title, results, works, options.base, names):
        lines.append(table.markdown(heading, cells, modes))
        kind = "small" if "small" in heading else "real"
        with open(os.path.join(options.o, f"{figure}-{kind}.svg"), "w") as out:
            out.write(picture.svg(heading, cells, modes, ours))
    said = [f"{m.name}: {m.missing}" for m in everyone if m.missing]
    said += [f"{m.name} on {w.name}: it does not follow child processes"
             for m in everyone for w in works if m.one_process and w.many_processes]
    said += [f"{w.name}: {w.missing}" for w in works if w.missing] + failures(results)
    lines += [f"- Not shown: {line}." for line in said]
    text = "\n".join(lines) + "\n"
    with open(os.path.join(options.o, "tables.md"), "w") as out:
        out.write(text)
    print(text)


def main():
    options = arguments()
    everyone = all_about_modes.all_modes(options.build)
    works = [w for w in all_about_work.real_programs() +
             all_about_work.small_loads(options.build) if options.only in w.name]
    base = [m for m in everyone if m.name == options.base]
    if not base or base[0].missing or not works:
        sys.exit(f"sidebyside: --base has to name a mode that can run: "
                 f"{', '.join(m.name for m in everyone if not m.missing)}")
    for mode in everyone:
        if options.quick and mode.slow and not mode.missing:
            mode.missing = "left out by --quick"
    able = [m for m in everyone if not m.missing]
    results = run(able, [w for w in works if not w.missing], options)
    report(results, works, everyone, options)


main()
