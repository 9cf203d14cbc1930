#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The oracle's questions put to the command: tmalloc stats and diff, with --format tsv,
on snapshot files that tm-oracle makes of the trace sets.

  cli.py TMALLOC TM-ORACLE CASES

Answers are compared byte for byte with what the expected lines are as tsv.  A list of
filters can be one command line when its exclusive filters speak of files or of a domain,
its inclusive ones all of domains or all of files in the same one, and when all look at
the same frames; fstat sections with other lists are counted, not asked.  Exit status: 0 when
everything agrees, 1 when something differs, 2 when too little could be asked.
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


def written(pattern, lineno):
    """PATTERN[:LINE], or None where the pattern cannot be told from one with a line."""
    if lineno is not None:
        return "%s:%d" % (pattern, lineno)
    if not re.search(r":[0-9]+\Z", pattern, re.ASCII):
        return pattern
    if "[" in pattern:
        return None
    head, _, tail = pattern.rpartition(":")
    return head + "[:]" + tail


def options(filters):
    """The command's options for a list of filters, or None."""
    out = []
    domains = [f for f in filters if f[0] == "domain"]
    files = [f for f in filters if f[0] == "filter"]
    included = [f for f in files if f[1]]
    if any(not f[1] and f[5] is not None for f in files):
        return None
    if any(f[1] for f in domains) and included or len({f[5] for f in included}) > 1:
        return None
    if len({f[4] for f in files}) > 1:
        return None
    for _, inclusive, pattern, lineno, _, _ in files:
        text = written(pattern, lineno)
        if text is None:
            return None
        out.append("--%s=%s" % ("include" if inclusive else "exclude", text))
    if files and files[0][4]:
        out.append("--all-frames")
    for _, inclusive, domain in domains:
        out.append("--%s=%d" % ("domain" if inclusive else "exclude-domain", domain))
    return out + ["--domain=%d" % f[5] for f in included[:1] if f[5] is not None]


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
        """The command line that answers a section; None when none does."""
        if op == "stat":
            words = ["stats", self.snapshot(args[0])]
        elif op == "diff":
            words = ["diff", self.snapshot(args[1]), self.snapshot(args[0])]
        else:
            filters = options(tmfmt.read_filters(os.path.join(self.folder, args[1])))
            if filters is None:
                return None
            words = ["stats", self.snapshot(args[0])] + filters
        words += ["--format", "tsv", "--key", args[-2]]
        return [self.tmalloc] + words + (["--cumulative"] if args[-1] == "1" else [])


def ask(case, section):
    """True, False or None: it agrees, it differs, it cannot be asked."""
    ident, op, args, _, lines = section
    words = case.command(op, args)
    if words is None:
        return None
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
                    counts = tally.setdefault(section[1], {True: 0, False: 0, None: 0})
                    counts[ask(case, section)] += 1
    for op, counts in sorted(tally.items()):
        print("%-6s %5d agree %5d differ %5d not asked"
              % (op, counts[True], counts[False], counts[None]))
    if any(counts[False] for counts in tally.values()):
        return 1
    return 0 if len(tally) == 3 and all(counts[True] > 20 for counts in tally.values()) else 2


if __name__ == "__main__":
    sys.exit(main())
