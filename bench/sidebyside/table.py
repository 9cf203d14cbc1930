# SPDX-License-Identifier: MIT
"""Ratios of samples, and the table that shows them.

A cell is the median over turns of a mode's figure divided by that of the mode compared
with, in the same turn; its spread are the quartiles. A mode that ran in the first turn
only has no spread.
"""

from statistics import geometric_mean, median, quantiles


class Cell:
    def __init__(self, ratios):
        self.median = median(ratios)
        self.low, _, self.high = quantiles(ratios, n=4) if len(ratios) > 2 else \
            (min(ratios), 0, max(ratios))

    def text(self):
        if self.low == self.high:
            return f"{self.median:.2f}"
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratios(samples, base, of):
    """Of each turn in which both ran; slow modes have fewer turns than their base."""
    return [of(mine) / of(theirs) for mine, theirs in zip(samples, base)
            if mine is not None and theirs is not None and of(theirs) > 0]


def cells(results, base, of):
    """{work: {mode: Cell}}, without what failed."""
    table = {}
    for work, samples in results.items():
        row = {}
        for mode, own in samples.items():
            quotients = ratios(own, samples[base], of)
            if quotients:
                row[mode] = Cell(quotients)
        table[work] = row
    return table


def mean_row(table, modes):
    """The geometric mean of each mode's medians, where it has one for every work."""
    row = {}
    for mode in modes:
        if all(mode in cells_of for cells_of in table.values()):
            row[mode] = geometric_mean([c[mode].median for c in table.values()])
    return row


def markdown(title, table, modes):
    works = list(table)
    means = mean_row(table, modes)
    lines = [f"**{title}**", "",
             "| |" + "".join(f" {work} |" for work in works) + " mean |",
             "|---|" + "---|" * (len(works) + 1)]
    for mode in modes:
        row = [table[work][mode].text() if mode in table[work] else "–" for work in works]
        mean = f"{means[mode]:.2f}" if mode in means else "–"
        lines.append(f"| {mode} |" + "".join(f" {cell} |" for cell in row) + f" {mean} |")
    return "\n".join(lines) + "\n"
