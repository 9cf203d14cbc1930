# SPDX-License-Identifier: MIT
"""The picture of a run, as SVG: a row for each mode, a column for each load.

Bars begin at 1, the allocator compared with, on a logarithmic scale that all columns
share, and a thin line shows the spread. Our modes are set off by colour.
"""

from math import log2
from xml.sax.saxutils import escape

LABEL, COLUMN, ROW, TOP, GAP = 130, 118, 20, 64, 14
OURS, PEERS, AXIS, INK = "#1f6f8b", "#b9b4a7", "#8a8a8a", "#222222"


def text(x, y, words, anchor="start", size=11, colour=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour=AXIS, width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


class Scale:
    """Ratios to x within a column: a quarter to the right end, which is cut off."""

    LOW, HIGH = 0.5, 32

    def __init__(self, left):
        self.left = left

    def x(self, ratio):
        inside = min(max(ratio, self.LOW), self.HIGH)
        span = log2(self.HIGH / self.LOW)
        return self.left + (COLUMN - GAP) * log2(inside / self.LOW) / span


def bar(scale, y, cell, colour):
    x1, x2 = sorted((scale.x(1), scale.x(cell.median)))
    label_at = max(x2, scale.x(cell.high)) + 3
    parts = [f'<rect x="{x1:.1f}" y="{y + 4:.1f}" width="{max(x2 - x1, 1):.1f}" '
             f'height="{ROW - 8}" fill="{colour}"/>',
             line(scale.x(cell.low), y + ROW / 2, scale.x(cell.high), y + ROW / 2, INK)]
    if label_at > scale.left + COLUMN - 34:
        parts.append(text(x2 - 3, y + 14, f"{cell.median:.2f}", "end", 10,
                          "#ffffff" if colour == OURS else INK))
    else:
        parts.append(text(label_at, y + 14, f"{cell.median:.2f}", size=10))
    return parts


def svg(title, table, modes, ours):
    works = list(table)
    width = LABEL + COLUMN * len(works)
    height = TOP + ROW * len(modes) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             text(8, 20, title, size=14, weight="bold")]
    for column, work in enumerate(works):
        scale = Scale(LABEL + COLUMN * column)
        parts.append(text(scale.left, TOP - 22, work, size=11, weight="bold"))
        for tick in (1, 4, 16):
            x = scale.x(tick)
            parts.append(line(x, TOP - 4, x, TOP + ROW * len(modes), "#dddddd"))
            parts.append(text(x, TOP - 8, f"{tick}×", "middle", 9, AXIS))
        for row, mode in enumerate(modes):
            y = TOP + ROW * row
            if mode in table[work]:
                parts += bar(scale, y, table[work][mode], OURS if mode in ours else PEERS)
            else:
                parts.append(text(scale.x(1) + 3, y + 14, "–", size=10, colour=AXIS))
    for row, mode in enumerate(modes):
        parts.append(text(LABEL - 8, TOP + ROW * row + 14, mode, "end",
                          weight="bold" if mode in ours else "normal"))
    parts.append(text(8, height - 8, "Bars: medians of turns; lines: quartiles; longer is "
                      "slower or larger.", size=10, colour=AXIS))
    return "\n".join(parts + ["</svg>"]) + "\n"
