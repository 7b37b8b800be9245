# SPDX-License-Identifier: Apache-2.0
"""The figures that are no rate: losses at full speed, size of a capture, speed of the report, memory over time."""
import dataclasses
import os
import time

import figures
import measure
import processes
import runtime
import tracers
import workloads

TOOL = {tool.name: tool for tool in tracers.ALL}


def _needs(place, tool):
    reason = tracers.missing(tool, place)
    if reason:
        raise processes.Failed(reason)
    return tool


def record_losses(place, seconds, _memory_s):
    """record, two producers at full speed: nothing is pinned, they have the machine."""
    tool = _needs(place, TOOL["record"])
    load = dataclasses.replace(workloads.by_name("nop32"), load=("nops", "--depth", "32", "--threads", "2"))
    free = dataclasses.replace(place, load_cpu="", tool_cpu="")
    run = measure.run_once(free, load, tool, seconds)
    return {"requests": run["requests"], "seconds": seconds, "lost": run["lost"],
            "text": f"{figures.count(run['lost'])} of {figures.count(run['requests'])} in {seconds} s"}


def json_losses(place, seconds, _memory_s):
    """trace to JSON at full speed: what the program did = what was delivered + what was counted as lost."""
    run = measure.run_once(place, workloads.by_name("nop32"), _needs(place, TOOL["json"]), seconds)
    kind = run["account"]["kinds"].get("uring_request")
    if kind is None or run["account"]["requests"] is None:
        raise processes.Failed("the trace does not end with an account of io_uring requests")
    exact = (kind["generated"] == kind["delivered"] + kind["lost"] and
             run["account"]["requests"] + kind["lost"] == run["requests"])
    return {"requests": run["requests"], "delivered": run["account"]["requests"], "lost": kind["lost"], "exact": exact,
            "text": f"{figures.count(run['requests'])} = {figures.count(run['account']['requests'])} delivered + "
                    f"{figures.count(kind['lost'])} lost: {'exact' if exact else 'NOT EXACT'}"}


def capture_size(place, seconds, _memory_s):
    """bytes a request in a capture of fio's random reads"""
    tool = _needs(place, TOOL["record"])
    run = measure.run_once(place, workloads.by_name("fio_uring_tmpfs"), tool, max(seconds, 5))
    recorded = run["requests"] - (run["lost"] or 0)
    each = run["bytes"] / max(recorded, 1)
    return {"bytes": run["bytes"], "requests": recorded, "bytes_per_request": each,
            "text": f"{each:.2f} B a request ({figures.size(run['bytes'])} of {figures.count(recorded)})"}


def report_speed(place, seconds, _memory_s):
    """report --group-by op: requests a second and core"""
    tool = _needs(place, TOOL["record"])
    if not tracers.has_command(place.inflight, "report"):
        raise processes.Failed("this inflight has no command report")
    capture, result, log = (os.path.join(place.disk, name) for name in ("capture", "result", "log"))
    load = workloads.by_name("nop32")
    try:
        processes.run(tool.start(place, load.family, capture, load.command(place, seconds, result)), log, seconds + 60)
        with open(result, encoding="utf-8") as file:
            requests = load.read(file.read())[0]
        before = os.times()
        processes.run([place.inflight, "report", capture, "--group-by", "op"], log, 300)
        after = os.times()
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    finally:
        measure.remove(capture)
    return {"requests": requests, "cpu_seconds": cpu_s, "requests_per_cpu_s": requests / cpu_s,
            "text": f"{figures.rate(requests / cpu_s)} and core ({figures.count(requests)} in {cpu_s:.2f} s of CPU)"}


def _tool_of(root, program):
    """The tool's own process: the pinning replaces itself by it, so it is the root or a child of that name."""
    with open(f"/proc/{root}/comm", encoding="utf-8") as file:
        return root if file.read().strip() == program else None


def _rss_kib(pid):
    values = {}
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("VmHWM:", "VmRSS:")):
                values[line[:5]] = int(line.split()[1])
    return values["VmRSS"], values["VmHWM"]


def memory(place, memory_s, tool):
    """memory of the tool at about 1 M requests/s: peak, and whether the second half stays with the first"""
    _needs(place, tool)
    samples, peak = [], 0
    begin = time.monotonic()

    def watch(root):
        nonlocal peak
        try:
            pid = _tool_of(root, "inflight")
            if pid and (not samples or time.monotonic() - begin - samples[-1][0] >= memory_s / 40):
                rss, peak_now = _rss_kib(pid)
                peak = max(peak, peak_now)
                samples.append((round(time.monotonic() - begin, 1), rss))
        except (OSError, KeyError):
            pass  # it has just ended

    load = dataclasses.replace(workloads.by_name("nop32"), load=("nops", "--depth", "32", "--rate", "1000000"))
    run = measure.run_once(place, load, tool, memory_s, watch)
    if len(samples) < 4:
        raise processes.Failed("too short to see its memory")
    settled = [rss for _, rss in samples[len(samples) // 4:]]
    half = len(settled) // 2
    flat = max(settled[half:]) <= 1.05 * max(settled[:half]) + 1024
    return {"rate_per_s": run["rate"], "seconds": memory_s, "peak_kib": peak, "samples_s_kib": samples, "flat": flat,
            "lost": run["lost"],
            "text": f"{figures.size(peak * 1024)} at most, {'flat' if flat else 'GROWING'}, {figures.rate(run['rate'])} for "
                    f"{memory_s} s, lost {figures.count(run['lost'])}"}


def _memory_of(tool):
    return lambda place, seconds, memory_s: memory(place, memory_s, tool)


ALL = {
    "record_losses": ("record, NOP depth 32 on 2 threads: lost", record_losses),
    "json_losses": ("trace to JSON, NOP depth 32: account", json_losses),
    "capture_size": ("size of a capture, fio random reads", capture_size),
    "report_speed": ("report --group-by op", report_speed),
    "memory_stat": ("memory of stat", _memory_of(TOOL["stat"])),
    "memory_record": ("memory of record", _memory_of(TOOL["record"])),
    "memory_trace": ("memory of trace --outcome failed", _memory_of(tracers.JSON_FAILED)),
} | runtime.ALL


def measure_one(name, place, seconds, memory_s):
    title, function = ALL[name]
    row = {"figure": name, "title": title, "again": f"bench/run --rows {name}"}
    try:
        return row | function(place, seconds, memory_s)
    except processes.Failed as error:
        return row | {"reason": str(error)}
