# SPDX-License-Identifier: MIT
"""Real work for the interpreter, with the same output every time: containers, text,
regular expressions, compression, a database, threads, a fork and a child process."""

import hashlib
import json
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import threading
import zlib


def containers():
    """Lists, dictionaries and sets that grow, shrink and are thrown away."""
    index = {}
    for i in range(20000):
        index.setdefault(f"key{i % 997}", []).append(str(i) * (i % 7))
    for key in list(index)[::2]:
        del index[key]
    chosen = {value for values in index.values() for value in values}
    return len(index), len(chosen), sum(map(len, chosen))


def text():
    """JSON there and back, words by pattern, a compressed copy."""
    document = [{"id": i, "words": ["alpha", "beta", str(i)] * 3} for i in range(1500)]
    plain = json.dumps(document)
    words = re.findall(r"[a-z]+|\d+", plain)
    packed = zlib.compress(plain.encode(), 6)
    assert json.loads(zlib.decompress(packed)) == document
    return len(words), hashlib.sha256(plain.encode()).hexdigest()


def database():
    """An in-memory database, asked once."""
    base = sqlite3.connect(":memory:")
    base.execute("create table t(a integer primary key, b text)")
    base.executemany("insert into t values(?, ?)", ((i, "x" * (i % 50)) for i in range(5000)))
    return base.execute("select count(*), sum(length(b)) from t where a % 3 = 1").fetchone()


def threads():
    """What one thread allocates another frees."""
    shelf = [None] * 4

    def fill(slot):
        for round_number in range(200):
            shelf[(slot + round_number) % 4] = [bytes(n) for n in range(100)]

    running = [threading.Thread(target=fill, args=(slot,)) for slot in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(len(piece) for row in shelf for piece in row)


def square_sum(n):
    """For the forked workers."""
    return sum(i * i for i in range(n))


def processes():
    """Workers made by fork, and a child program."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        sums = pool.map(square_sum, range(0, 2000, 100))
    child = subprocess.run([sys.executable, "-c", "print(sum(range(1000)))"],
                           check=True, capture_output=True, text=True)
    return sum(sums), child.stdout.strip()


for part in containers, text, database, threads, processes:
    print(part.__name__, part())
sys.exit(3)
