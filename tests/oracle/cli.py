#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The oracle's questions put to the command: tmalloc stats and diff, with --format tsv,
on snapshot files that tm-oracle makes of the trace sets.

  cli.py TMALLOC TM-ORACLE CASES

Answers are compared byte for byte with what the expected lines are as tsv.  Exit status: 0
when everything agrees, 1 when something differs, 2 when nothing was asked.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import tmfmt  # noqa: E402

PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/<>-")


def encode(name):
    return "".join(chr(b) if b in PLAIN else "%%%02X" % b for b in name.encode("utf-8"))


def as_tsv(lines):
    """Expected stat and diff lines as the command prints them."""
    out = []
    for line in lines:
        word, *fields = line.split(" ")
        if word == "str":
            continue
        numbers = 2 if word == "stat" else 4
        frames = [tmfmt.parse_frame(f) for f in fields[numbers:]]
        out.append("\t".join(fields[:numbers] + [
            " ".join("%d:%s" % (lineno, encode(name)) for name, lineno in frames)]))
    return "".join(line + "\n" for line in out)


def options(filters):
    """The command's options for a list of filters: the short forms where they say it."""
    out = []
    for kind, inclusive, *fields in filters:
        sign = "include" if inclusive else "exclude"
        if kind == "domain":
            out.append("--filter=%s,domain=%d" % (sign, fields[0]))
            continue
        pattern, lineno, all_frames, domain = fields
        plain = not all_frames and domain is None
        if plain and lineno is not None:
            out.append("--%s=%s:%d" % (sign, pattern, lineno))
        elif plain and not re.search(r":[0-9]+\Z", pattern, re.ASCII):
            out.append("--%s=%s" % (sign, pattern))
        else:
            out.append("--filter=" + ",".join(
                [sign] + ["all-frames"] * bool(all_frames) +
                ["line=%s" % lineno] * (lineno is not None) +
                ["domain=%s" % domain] * (domain is not None) + ["file=" + pattern]))
    return out


class Case:
    def __init__(self, tmalloc, oracle, folder, scratch):
        self.tmalloc, self.oracle = tmalloc, oracle
        self.folder, self.scratch = folder, scratch

    def snapshot(self, name):
        path = os.path.join(self.scratch, name + ".pb.gz")
        if not os.path.exists(path):
            subprocess.run([self.oracle, "dump", os.path.join(self.folder, name), path],
                           check=True)
        return path

    def command(self, op, args):
        """The command line that answers a section."""
        if op == "stat":
            words = ["stats", self.snapshot(args[0])]
        elif op == "diff":
            words = ["diff", self.snapshot(args[1]), self.snapshot(args[0])]
        else:
            filters = tmfmt.read_filters(os.path.join(self.folder, args[1]))
            words = ["stats", self.snapshot(args[0])] + options(filters)
        words += ["--format", "tsv", "--key", args[-2]]
        return [self.tmalloc] + words + (["--cumulative"] if args[-1] == "1" else [])


def ask(case, section):
    """Does the command's answer agree?"""
    ident, op, args, _, lines = section
    words = case.command(op, args)
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    if done.returncode == 0 and done.stdout.decode("utf-8", "replace") == as_tsv(lines):
        return True
    print("FAIL %s %s: exit status %d of %r" % (case.folder, ident, done.returncode, words))
    return False


def main():
    tmalloc, oracle, cases = (os.path.abspath(word) for word in sys.argv[1:])
    tally = {}
    for name in sorted(os.listdir(cases)):
        folder = os.path.join(cases, name)
        with tempfile.TemporaryDirectory() as scratch:
            case = Case(tmalloc, oracle, folder, scratch)
            for section in tmfmt.read_expected(os.path.join(folder, "expected.txt")):
                if section[1] in ("stat", "diff", "fstat"):
                    counts = tally.setdefault(section[1], {True: 0, False: 0})
                    counts[ask(case, section)] += 1
    for op, counts in sorted(tally.items()):
        print("%-6s %5d agree %5d differ" % (op, counts[True], counts[False]))
    if any(counts[False] for counts in tally.values()):
        return 1
    return 0 if len(tally) == 3 and all(counts[True] for counts in tally.values()) else 2


if __name__ == "__main__":
    sys.exit(main())
