#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the tracks of a small Perfetto trace as SVG, roughly as ui.perfetto.dev does: for docs/export.md.

usage: draw_tracks.py TRACE > PICTURE.svg
"""

import sys
from xml.sax.saxutils import escape

from perfetto_trace import COUNTER, INSTANT, SLICE_BEGIN, SLICE_END, PerfettoTrace

LEFT, WIDTH, ROW, BAR = 260, 700, 18, 13
COLOURS = ("#5b8ff9", "#61c0a8", "#d9a13b", "#c96f8a", "#8a7fd1", "#6f8796")


def tree(tracks, parent=None, depth=0):
    children = [track for track in tracks.values() if (track.parent_uuid or None) == parent]
    for track in sorted(children, key=lambda track: (track.HasField("process"), track.sibling_order_rank)):
        yield track, depth
        yield from tree(tracks, track.uuid, depth + 1)


def main():
    with open(sys.argv[1], "rb") as file:
        trace = PerfettoTrace(file.read())
    start, end = trace.events[0].time_ns, trace.events[-1].time_ns
    busy = [event.time_ns for event in trace.events if event.type in (SLICE_BEGIN, SLICE_END)]
    start, end = min(busy) - (max(busy) - min(busy)) // 50, max(busy) + (max(busy) - min(busy)) // 50
    x = lambda time_ns: LEFT + WIDTH * (min(max(time_ns, start), end) - start) / (end - start)
    rows = list(tree(trace.tracks))
    y = {track.uuid: index * ROW + 4 for index, (track, _) in enumerate(rows)}
    out, colours, open_slices, places = [], {}, {}, {}
    for track, depth in rows:
        name = f"{track.process.process_name} {track.process.pid}" if track.HasField("process") else track.name
        weight = ' font-weight="bold"' if depth < 2 and not track.HasField("counter") else ""
        out.append(f'<text x="{6 + depth * 12}" y="{y[track.uuid] + 10}"{weight}>{escape(name)}</text>')
        out.append(f'<line x1="0" y1="{y[track.uuid] - 3}" x2="{LEFT + WIDTH}" y2="{y[track.uuid] - 3}" stroke="#ddd"/>')
    samples = {}
    for event in trace.events:
        top = y[event.track]
        if event.type == SLICE_BEGIN:
            open_slices[event.track] = event
        elif event.type == SLICE_END:
            begin = open_slices.pop(event.track)
            left, wide = x(begin.time_ns), max(x(event.time_ns) - x(begin.time_ns), 1.5)
            colour = colours.setdefault(begin.name, COLOURS[len(colours) % len(COLOURS)])
            title = ", ".join(f"{name} {value}" for name, value in begin.facts.items())
            out.append(f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{BAR}" fill="{colour}"><title>{escape(begin.name)}: {escape(title)}</title></rect>')
            if wide > 8 * len(begin.name) * 0.75:
                out.append(f'<text x="{left + 3:.1f}" y="{top + 10}" fill="#fff">{escape(begin.name)}</text>')
        elif event.type == INSTANT and start <= event.time_ns <= end:
            out.append(f'<path d="M{x(event.time_ns):.1f} {top} l4 {BAR} l-8 0 z" fill="#444"/>')
        elif event.type == COUNTER:
            samples.setdefault(event.track, []).append((event.time_ns, event.value))
        for flow in event.starts + event.terminates:
            places.setdefault(flow, []).append((x(event.time_ns), top + BAR / 2))
    for track, of_track in samples.items():
        most = max(value for _, value in of_track) or 1
        height = lambda value: y[track] + BAR * (1 - value / most)
        path = f"M{LEFT} {y[track] + BAR}"
        for time_ns, value in of_track:
            path += f" H{x(time_ns):.1f} V{height(value):.1f}"
        out.append(f'<path d="{path} H{LEFT + WIDTH} V{y[track] + BAR} z" fill="#9bb7d4"/>')
        out.append(f'<text x="{LEFT - 28}" y="{y[track] + 10}" fill="#777">≤ {most}</text>')
    for ends in places.values():
        if len(ends) == 2:
            (x1, y1), (x2, y2) = ends
            out.append(f'<path d="M{x1:.1f} {y1} C{x1 + 15:.1f} {y1} {x2 - 15:.1f} {y2} {x2:.1f} {y2}" fill="none" stroke="#222" marker-end="url(#a)"/>')
    high = len(rows) * ROW + 4
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 10}" height="{high}" font-family="sans-serif" font-size="10">')
    print('<defs><marker id="a" markerWidth="7" markerHeight="6" refX="6" refY="3" orient="auto"><path d="M0 0 L7 3 L0 6 z" fill="#222"/></marker></defs>')
    print(f'<rect width="100%" height="100%" fill="#fff"/>')
    print("\n".join(out))
    print("</svg>")


if __name__ == "__main__":
    main()
