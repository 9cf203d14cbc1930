# SPDX-License-Identifier: MIT
"""Work for the demo: parse some JSON and keep an index of it, for about a second.

The interpreter would give the index back as it ends; a reference that nobody drops keeps
it, so that it is still held, by the lines of C that made it, when the program is over.
"""

import ctypes
import json
import random
import re


def records(n, rng):
    """n lines of JSON: what a log of orders could look like."""
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(5000)]
    for i in range(n):
        yield json.dumps({
            "id": i,
            "customer": f"{rng.choice(words)}@example.org",
            "items": [{"sku": rng.choice(words), "n": rng.randint(1, 9)} for _ in range(5)],
            "note": " ".join(rng.choices(words, k=12)),
        })


def index_of(lines):
    """Orders by id, the orders that a word occurs in, and items by customer."""
    index = {"orders": {}, "words": {}, "customers": {}}
    for line in lines:
        order = json.loads(line)
        index["orders"][order["id"]] = order
        for word in re.findall(r"[a-z]+", order["note"]):
            index["words"].setdefault(word, set()).add(order["id"])
        bought = index["customers"].setdefault(order["customer"], [])
        bought.extend(item["sku"] for item in order["items"])
    return index


def main():
    index = index_of(records(10000, random.Random(1)))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(index))
    print(f"{len(index['orders'])} orders, {len(index['words'])} words,"
          f" {len(index['customers'])} customers")


main()
