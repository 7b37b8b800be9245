# SPDX-License-Identifier: Apache-2.0
"""The picture: time added to a request, one group of bars a workload, on a logarithmic scale."""
import math
from xml.sax.saxutils import escape

import figures
import report

WIDTH, LEFT, RIGHT, BAR, GAP = 980, 230, 215, 18, 5
LEAST_NS = 10.0
COLOURS = {"ours": "#1f6feb", "floor": "#8a94a3", "peer": "#d9a35b"}
INK, SOFT, PAPER, LINE = "#1b2430", "#5d6878", "#fbfbfd", "#e3e7ee"
FONT = "font-family=\"'Inter','Segoe UI','Helvetica Neue',Arial,sans-serif\""


def _text(x, y, text, size=12, anchor="start", colour=INK, weight="400"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(text)}</text>')


def _scale(rows):
    most = max([row["added_ns"]["median"] for row in rows] + [10 * LEAST_NS])
    decades = math.ceil(math.log10(most / LEAST_NS))
    width = WIDTH - LEFT - RIGHT

    def x_of(ns):
        return LEFT + width * min(1.0, max(0.0, math.log10(max(ns, LEAST_NS) / LEAST_NS) / decades))

    return x_of, [LEAST_NS * 10**step for step in range(decades + 1)]


def _bar(row, y, x_of):
    added = row["added_ns"]
    end = max(x_of(added["median"]), LEFT + 2)
    low, high = max(x_of(added["min"]), LEFT), x_of(added["max"])
    ours = row["kind"] == "ours"
    middle = y + BAR / 2
    parts = [_text(LEFT - 10, middle + 4, row["tool_title"], 12, "end", INK if ours else SOFT, "600" if ours else "400"),
             f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="3" fill="{COLOURS[row["kind"]]}"/>']
    if high - low > 1:
        parts.append(f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6" '
                     f'stroke="{INK}" stroke-opacity=".55" fill="none"/>')
    said = "within the noise" if added["median"] < LEAST_NS else figures.duration(added["median"])
    said += f" · {figures.ratio(row['ratio']['median'])} of the rate"
    parts.append(_text(max(end, high) + 8, middle + 4, said, 11.5, "start", INK if ours else SOFT, "600" if ours else "400"))
    return parts


def _legend(y):
    parts, x = [], LEFT
    for kind, name in (("ours", "inflight"), ("floor", "empty programs on the same hooks: the floor"), ("peer", "others")):
        parts += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="3" fill="{COLOURS[kind]}"/>',
                  _text(x + 18, y, name, 12, colour=SOFT)]
        x += 40 + 6.6 * len(name)
    return parts


def draw(results):
    rows = [row for row in results["rows"] if "added_ns" in row]
    x_of, ticks = _scale(rows)
    groups = list(dict.fromkeys(row["workload"] for row in rows))
    notes = [line.replace("*", "") for line in report.machine_lines(results)]
    parts, y = [], 40
    parts.append(_text(28, y, "What tracing adds to each request", 22, weight="700"))
    y += 20
    for note in notes:
        parts.append(_text(28, y, note if len(note) < 160 else note[:157] + "…", 11.5, colour=SOFT))
        y += 17
    y += 14
    parts += _legend(y)
    y += 24
    top = y
    for group in groups:
        mine = [row for row in rows if row["workload"] == group]
        y += 30
        parts.append(_text(28, y - 8, mine[0]["title"], 13.5, weight="700"))
        parts.append(_text(WIDTH - 28, y - 8, f"alone {figures.rate(mine[0]['alone_per_s'])}", 12, "end", SOFT))
        for row in mine:
            parts += _bar(row, y, x_of)
            y += BAR + GAP
        y += 8
    grid = []
    for tick in ticks:
        grid.append(f'<line x1="{x_of(tick):.1f}" x2="{x_of(tick):.1f}" y1="{top}" y2="{y}" stroke="{LINE}"/>')
        grid.append(_text(x_of(tick), y + 16, figures.duration(tick).lstrip("+"), 11, "middle", SOFT))
    height = y + 40
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
                      f'{FONT} role="img" aria-label="Time that each tracer adds to a request, by workload">',
                      f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{PAPER}"/>', *grid, *parts, "</svg>", ""])
