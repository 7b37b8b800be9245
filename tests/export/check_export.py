#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds exports of one trace together with its json export. Nothing printed and status 0: they agree.

usage: check_export.py JSON [--perfetto FILE] [--chrome FILE] [--csv FILE]
"""

import argparse
import collections
import csv
import json
import re
import sys

import perfetto_trace
from perfetto_trace import COUNTER, INSTANT, SLICE_BEGIN, SLICE_END

LATEST_NS = 2**63 - 1

Slice = collections.namedtuple("Slice", "track start end category name facts")


def expect(condition, message):
    if not condition:
        sys.exit(f"check_export: {message}")


def equal(got, wanted, what):
    expect(got == wanted, f"{what}: {got!r} instead of {wanted!r}")


class Wanted:
    """What the lines of the json export say there must be."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        of = lambda kind: [line for line in lines if line["type"] == kind]
        self.requests, self.cancels, self.findings = of("request"), of("cancel"), of("finding")
        self.loss, self.start_ns = of("loss")[0], of("trace")[0]["start_ns"]
        self.summary = of("summary")[0]
        self.in_flight = sum(request["outcome"] == "in-flight" for request in self.requests)

    def ends(self):
        """(start, end) of each request whose both times are known, None for an end that has not come."""
        spans = []
        for request in self.requests:
            if request["submit_ns"] is None:
                continue
            if request["outcome"] == "in-flight":
                spans.append((request["submit_ns"], None))
            elif request["complete_ns"] is not None and request["complete_ns"] >= request["submit_ns"]:
                spans.append((request["submit_ns"], min(request["complete_ns"], LATEST_NS)))
        return collections.Counter(spans)


def check_slices(slices, wanted, what, exact=True):
    requests = [each for each in slices if each.category in ("aio", "uring")]
    cancels = [each for each in slices if each.category == "cancel"]
    equal(len(requests), len(wanted.requests), f"{what}: slices of requests")
    equal(len(cancels), len(wanted.cancels), f"{what}: slices of cancels")
    equal(sum(each.end is None for each in requests), wanted.in_flight, f"{what}: slices without an end")
    for each in requests:
        if each.end is None:
            equal(each.facts["ended"], "in flight at the end of the trace", f"{what}: an open slice")
    if exact:
        missing = wanted.ends() - collections.Counter((each.start, each.end) for each in requests)
        expect(not missing, f"{what}: no slice from and to {list(missing)[:3]}")
    equal(
        collections.Counter(each.facts["outcome"] for each in requests),
        collections.Counter(request["outcome"] for request in wanted.requests),
        f"{what}: outcomes",
    )
    equal(
        collections.Counter(each.facts["verdict"] for each in cancels),
        collections.Counter(cancel["verdict"] for cancel in wanted.cancels),
        f"{what}: verdicts",
    )
    equal(
        sum(each.facts.get("submitted") == "before the trace" for each in requests),
        sum(each["submit_ns"] is None and each["existed"] for each in wanted.requests),
        f"{what}: requests from before the trace",
    )
    by_track = collections.defaultdict(list)
    for each in slices:
        by_track[each.track].append(each)
    for track, of_track in by_track.items():
        of_track.sort(key=lambda each: (each.start, each.end is None, each.end))
        for before, after in zip(of_track, of_track[1:]):
            expect(before.end is not None and before.end <= after.start, f"{what}: slices overlap on track {track}")


def check_counts(samples, wanted, what):
    """samples: (track, name, value) in order of time."""
    last = {}
    for track, name, value in samples:
        expect(value >= 0, f"{what}: a count of {value} requests")
        if name == "in flight" or name.startswith("in flight, kioctx") or name.startswith("in flight, ring"):
            last[track, name] = value
        if name == "in flight, context not known":
            last[track, name] = value
    equal(sum(last.values()), wanted.in_flight, f"{what}: in flight at the end by the counters")


def check_arrows(starts, ends, slices, wanted, what):
    """starts and ends: flow id to slice."""
    equal(sorted(starts), sorted(ends), f"{what}: arrows that start and that end")
    for flow, start in starts.items():
        cancel, target = (start, ends[flow]) if start.category == "cancel" else (ends[flow], start)
        equal(cancel.category, "cancel", f"{what}: one end of an arrow")
        expect(target.category in ("aio", "uring"), f"{what}: an arrow to {target.category}")
        expect(start is cancel or target.end <= cancel.start, f"{what}: an arrow from a target that had not ended")
    known = {(request["address"], request["user_data"], request["submit_ns"]) for request in wanted.requests}
    targets = [
        target
        for cancel in wanted.cancels
        for target in [cancel["target"], *cancel["more_targets"]]
        if target and (target["address"], target["user_data"], target["submit_ns"]) in known
    ]
    equal(len(starts), len(targets), f"{what}: arrows")


def check_perfetto(path, wanted):
    with open(path, "rb") as file:
        trace = perfetto_trace.PerfettoTrace(file.read())
    expect(trace.in_order, "perfetto: events are not in order of time")
    equal(trace.clocks[perfetto_trace.MONOTONIC], wanted.start_ns, "perfetto: the clock at the start")
    slices, open_slices, instants, samples, starts, ends = [], {}, [], [], {}, {}
    for event in trace.events:
        if event.type == SLICE_BEGIN:
            expect(event.track not in open_slices, "perfetto: slices nest on a track")
            open_slices[event.track] = len(slices)
            slices.append(Slice(event.track, event.time_ns, None, event.categories[0], event.name, event.facts))
        elif event.type == SLICE_END:
            index = open_slices.pop(event.track)
            slices[index] = slices[index]._replace(end=event.time_ns)
        elif event.type == INSTANT:
            instants.append(event)
        elif event.type == COUNTER:
            samples.append((event.track, trace.tracks[event.track].name, event.value))
            expect(trace.tracks[event.track].HasField("counter"), "perfetto: a count on a track of slices")
        for flow in event.starts + event.terminates:
            index = open_slices.get(event.track) if event.type != SLICE_END else index
            expect(index is not None, "perfetto: an arrow to no slice")
            ends_here = flow in event.terminates
            expect(flow in starts or not ends_here, "perfetto: an arrow ends before it starts")
            (ends if ends_here else starts)[flow] = index
    check_slices(slices, wanted, "perfetto")
    check_counts(samples, wanted, "perfetto")
    at = lambda flows: {flow: slices[index] for flow, index in flows.items()}
    check_arrows(at(starts), at(ends), slices, wanted, "perfetto")
    findings = [each for each in instants if each.categories == ["finding"]]
    equal(len(findings), len(wanted.findings), "perfetto: findings")
    last = [each for each in instants if each.categories == ["inflight"]][-1]
    equal(last.facts["lost"], wanted.loss["total"], "perfetto: losses")
    equal(last.facts["requests"], wanted.summary["requests"], "perfetto: requests by the summary")
    for track in trace.tracks.values():
        if track.name.startswith("slot "):
            expect(trace.tracks[track.parent_uuid].parent_uuid in trace.tracks, "perfetto: a slot outside a context")


def check_chrome(path, wanted):
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    start_ns = min([wanted.start_ns, *(r["submit_ns"] for r in wanted.requests if r["submit_ns"] is not None)])
    slices, samples, starts, ends, findings, names = [], [], {}, {}, 0, {}
    to_ns = lambda us: start_ns + round(us * 1000)
    for event in trace["traceEvents"]:
        track = (event["pid"], event.get("tid"))
        if event["ph"] in ("X", "B"):
            begin = to_ns(event["ts"])
            end = begin + round(event["dur"] * 1000) if event["ph"] == "X" else None
            slices.append(Slice(track, begin, end, event["cat"], event["name"], event["args"]))
            expect(track in names, "chrome: a slice on a thread without a name")
        elif event["ph"] == "C":
            samples.append((event["pid"], event["name"], event["args"]["requests"]))
        elif event["ph"] == "M":
            names[track] = event
        elif event["ph"] == "i":
            findings += event["cat"] == "finding"
        elif event["ph"] in "sf":
            time_ns = to_ns(event["ts"])
            inside = [s for s in slices if s.track == track and s.start <= time_ns and (s.end is None or time_ns <= s.end)]
            expect(inside, f"chrome: an arrow to no slice: {event}")
            (starts if event["ph"] == "s" else ends)[event["id"]] = inside[-1]
        else:
            expect(False, f"chrome: an event {event['ph']}")
    precise = all(each.end is None or each.end - start_ns < 2**52 for each in slices)
    check_slices(slices, wanted, "chrome", precise)
    check_counts(samples, wanted, "chrome")
    check_arrows(starts, ends, slices, wanted, "chrome")
    equal(findings, len(wanted.findings), "chrome: findings")
    equal(trace["otherData"]["lost"], wanted.loss["total"], "chrome: losses")


def unescaped(field):
    """The name as the json export has it, which writes a byte that is not UTF-8 as the text \\xNN."""
    letters = {"n": b"\n", "t": b"\t", "r": b"\r", "\\": b"\\"}
    whole = re.sub(
        rb"\\(x([0-9a-f]{2})|.)",
        lambda found: bytes([int(found[2], 16)]) if found[2] else letters[found[1].decode()],
        field.encode(),
    )
    return whole.decode(errors="backslashreplace")


def check_csv(path, wanted):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    equal(len(rows), len(wanted.requests), "csv: rows")
    text = lambda value: "" if value is None else str(value)
    for row, request in zip(rows, wanted.requests):
        expect(None not in row and None not in row.values(), f"csv: a row with other columns: {row}")
        for name in ("family", "comm", "op", "file", "file_kind", "offset", "length", "user_data", "outcome", "result"):
            equal(unescaped(row[name]), text(request[name]), f"csv: {name}")
            expect(all(c.isprintable() or c == " " for c in row[name]), f"csv: a control character in {name}")
        for name in ("pid", "tid", "uid", "error", "submit_ns", "complete_ns", "complete_bound", "reap_ns", "latency_ns"):
            equal(row[name], text(request[name]), f"csv: {name}")
        for name in ("existed", "unpaired"):
            equal(row[name], str(int(request[name])), f"csv: {name}")
        equal(row["fd"] or row["fixed_file"], text(request["fd"]), "csv: fd")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("json")
    for name in ("perfetto", "chrome", "csv"):
        parser.add_argument("--" + name)
    options = parser.parse_args()
    wanted = Wanted(options.json)
    for name, check in (("perfetto", check_perfetto), ("chrome", check_chrome), ("csv", check_csv)):
        if getattr(options, name):
            check(getattr(options, name), wanted)


if __name__ == "__main__":
    main()
