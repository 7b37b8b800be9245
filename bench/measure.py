# SPDX-License-Identifier: Apache-2.0
"""One workload, alone and with each tool in turn, round after round: what drifts in the machine drifts for all."""
import dataclasses
import os
import shlex
import shutil
import time

import figures
import parse
import processes
import tracers

TASKSET = shutil.which("taskset") or "taskset"  # bpftrace wants the whole path
START_S = 2.0  # a tool on the whole machine has attached by then


@dataclasses.dataclass
class Place:
    """Where things are, and on which CPUs they run."""
    inflight: str
    programs: str
    disk: str
    tmpfs: str
    aio_tier: str
    load_cpu: str = ""  # empty: not pinned
    tool_cpu: str = ""

    def pinned(self, cpu, command):
        return [TASKSET, "-c", cpu, *command] if cpu else list(command)


def tail(path, size=1 << 20):
    """The end of what a tool wrote, where it says what it lost."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - size))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def remove(path):
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def _result(workload, path):
    try:
        with open(path, encoding="utf-8") as file:
            return workload.read(file.read())
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise processes.Failed(f"{workload.name} wrote no result: {error}") from None


def run_once(place, workload, tool, seconds, watch=None):
    """One run: requests, rate, losses (None: unknown) and bytes that the tool wrote. Raises processes.Failed."""
    result, output, log = (os.path.join(place.disk, name) for name in ("result", "output", "log"))
    remove(result)
    remove(output)
    load = place.pinned(place.load_cpu, workload.command(place, seconds, result))
    timeout = seconds + 60
    try:
        if tool is None:
            processes.run(load, log, timeout)
            said = ""
        elif workload.family == "none":
            said = _beside(place, tool, load, output, log, timeout)
        else:
            said = processes.run(place.pinned(place.tool_cpu, tool.start(place, workload.family, output, load)), log, timeout,
                                 watch)
        requests, rate = _result(workload, result)
        if not rate:
            raise processes.Failed(f"{workload.name} did nothing")
        lost = None
        if tool and tool.kind == "ours":
            lost = parse.lost(said)
            lost = parse.lost(tail(output)) if lost is None else lost
        return {"requests": requests, "rate": rate, "lost": lost,
                "bytes": os.path.getsize(output) if os.path.exists(output) else 0,
                "account": parse.account(tail(output)) if tool and tool.name == "json" else None}
    finally:
        remove(output)


def _beside(place, tool, load, output, log, timeout):
    with open(log + ".tool", "w+", encoding="utf-8", errors="replace") as said:
        process = processes.start(place.pinned(place.tool_cpu, tool.start(place, "all", output, [])), said)
        try:
            time.sleep(START_S)
            if process.poll() is not None:
                said.seek(0)
                raise processes.Failed(f"{tool.title} ended at once: {processes.last_line(said.read())}")
            processes.run(load, log, timeout)
        finally:
            processes.stop(process)
        said.seek(0)
        return said.read()


def wanted_tools(place, workload, peers):
    """(tool, reason why not) of all that could watch this workload."""
    for tool in tracers.ALL:
        if tool.kind == "peer" and not peers:
            continue
        if tool.start(place, workload.family, "-", [] if workload.family == "none" else ["-"]) is not None:
            yield tool, tracers.missing(tool, place)


def shown_command(place, workload, tool, seconds):
    load = workload.command(place, seconds, "/dev/stdout")
    if workload.family == "none":
        return shlex.join(tool.start(place, "all", "OUT", [])) + " & " + shlex.join(load)
    return shlex.join(tool.start(place, workload.family, "OUT", load))


def measure(place, workload, runs, seconds, peers, say):
    """The rows of one workload. A tool that fails once is left out with the reason."""
    alone, rounds, why = [], {}, {}
    tools = []
    for tool, reason in wanted_tools(place, workload, peers):
        if reason:
            why[tool] = reason
        else:
            tools.append(tool)
        rounds[tool] = []
    for _ in range(runs):
        try:
            alone.append(run_once(place, workload, None, seconds)["rate"])
        except processes.Failed as error:
            return [{"workload": workload.name, "title": workload.title, "tool": "alone", "tool_title": "alone",
                     "kind": "none", "reason": str(error)}]
        for tool in tools:
            if tool in why:
                continue
            try:
                rounds[tool].append(run_once(place, workload, tool, seconds))
            except processes.Failed as error:
                why[tool] = str(error)
        say(".")
    return _rows(place, workload, seconds, alone, rounds, why)


def _rows(place, workload, seconds, alone, rounds, why):
    noise_ns = (1e9 / min(alone) - 1e9 / max(alone)) / 2
    rows, floor_ns = [], None
    for tool, done in rounds.items():
        row = {"workload": workload.name, "title": workload.title, "tool": tool.name, "tool_title": tool.title,
               "kind": tool.kind, "again": f"bench/run --rows {workload.name}",
               "command": shown_command(place, workload, tool, seconds)}
        if tool in why:
            row["reason"] = why[tool]
        else:
            row |= figures.compare(alone, [run["rate"] for run in done])
            row["runs"] = len(done)
            if tool.name == "floor":
                floor_ns = row["added_ns"]["median"]
            row["floor_multiple"] = figures.multiple(row["added_ns"]["median"], floor_ns, noise_ns)
            if tool.kind == "ours":
                losses = [run["lost"] for run in done]
                row["lost"] = None if None in losses else sum(losses)
                row["requests"] = sum(run["requests"] for run in done)
        rows.append(row)
    return rows
