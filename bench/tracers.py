# SPDX-License-Identifier: Apache-2.0
"""What traces: how each tool is started around a command, or on the whole machine, and where it says what it lost."""
import dataclasses
import os
import shutil
import subprocess

HIST_URING = ("tracepoint:io_uring:io_uring_submit_{end} {{ @start[args->req] = nsecs; }} "
              "tracepoint:io_uring:io_uring_complete /@start[args->req]/ "
              "{{ @ns = hist(nsecs - @start[args->req]); delete(@start[args->req]); }}")
HIST_AIO = ("tracepoint:syscalls:sys_enter_io_submit,tracepoint:syscalls:sys_enter_io_getevents { @start[tid] = nsecs; } "
            "tracepoint:syscalls:sys_exit_io_submit,tracepoint:syscalls:sys_exit_io_getevents /@start[tid]/ "
            "{ @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }")
AIO_CALLS = "syscalls:sys_enter_io_*,syscalls:sys_exit_io_*"


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    title: str
    kind: str  # floor, ours, peer

    def start(self, place, family, output, command):
        """The command line, or None where the tool has nothing to do with the family. Empty `command`: all the machine."""
        return STARTS[self.name](place, family, output, command)


def _after(arguments, command):
    return [*arguments, "--", *command] if command else list(arguments)


def _inflight(*arguments):
    return lambda place, family, output, command: _after(
        [place.inflight, *(output if argument == "OUT" else argument for argument in arguments)], command)


def _floor(place, family, output, command):
    hooks = family
    if family != "uring":
        hooks = "aio" if place.aio_tier == "tracepoint" else "aio-fentry"
    return _after([os.path.join(place.programs, "floor"), hooks], command)


def _clock(place, family, output, command):
    return _after([os.path.join(place.programs, "floor"), "uring-clock"], command) if family == "uring" else None


def _bpftrace(place, family, output, command):
    ends = "req" if os.path.isdir("/sys/kernel/tracing/events/io_uring/io_uring_submit_req") else "sqe"
    script = HIST_URING.format(end=ends) if family == "uring" else HIST_AIO
    return ["bpftrace", "-o", output, "-e", script, *(["-c", " ".join(command)] if command else [])]


def _perf_record(place, family, output, command):
    events = "io_uring:*" if family == "uring" else AIO_CALLS
    return _after(["perf", "record", "-q", "-o", output, "-e", events, *([] if command else ["-a"])], command)


def _perf_trace(place, family, output, command):
    events = ["-e", "io_uring:*"] if family == "uring" else ["-e", "io_*"]
    return _after(["perf", "trace", "-o", output, *events, *([] if command else ["-a"])], command)


def _strace(place, family, output, command):
    return ["strace", "-f", "-o", output, *command] if command else None


def _only_without_command(start):
    return lambda place, family, output, command: None if command else start(place, family, output, command)


STARTS = {
    "floor": _floor,
    "clock": _clock,
    "stat": _inflight("stat", "--output", "OUT"),
    "stat_uring": _only_without_command(_inflight("stat", "--family", "uring", "--output", "OUT")),
    "record": _inflight("record", "-o", "OUT"),
    "json": _inflight("trace", "-o", "json", "--output", "OUT"),
    "text": _inflight("trace", "-o", "text", "--output", "OUT"),
    # Follows every request and writes none: ten minutes of JSON would fill a disk.
    "json_failed": _inflight("trace", "-o", "json", "--outcome", "failed", "--output", "OUT"),
    "bpftrace": _bpftrace,
    "perf_record": _perf_record,
    "perf_trace": _perf_trace,
    "strace": _strace,
}

ALL = (
    Tool("floor", "empty programs", "floor"),
    Tool("clock", "the same, each reading the clock", "floor"),
    Tool("stat_uring", "inflight stat --family uring", "ours"),
    Tool("stat", "inflight stat", "ours"),
    Tool("record", "inflight record", "ours"),
    Tool("json", "inflight trace -o json", "ours"),
    Tool("text", "inflight trace -o text", "ours"),
    Tool("bpftrace", "bpftrace, histogram", "peer"),
    Tool("perf_record", "perf record", "peer"),
    Tool("perf_trace", "perf trace", "peer"),
    Tool("strace", "strace", "peer"),
)

JSON_FAILED = Tool("json_failed", "inflight trace -o json --outcome failed", "ours")


def missing(tool, place):
    """Why a tool cannot be run here, or None."""
    if tool.kind == "peer":
        program = tool.name.split("_")[0]
        return None if shutil.which(program) else f"{program} is not installed"
    if tool.kind == "ours":
        command = {"json": "trace", "json_failed": "trace", "text": "trace", "stat_uring": "stat"}.get(tool.name, tool.name)
        return None if has_command(place.inflight, command) else f"this inflight has no command {command}"
    return None


def has_command(inflight, command):
    """Whether `inflight COMMAND --help` is about that command: an unknown one prints the help of all."""
    run = subprocess.run([inflight, command, "--help"], capture_output=True, text=True, timeout=20, check=False)
    return run.returncode == 0 and f"inflight {command} [OPTIONS]" in run.stdout
