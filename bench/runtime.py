# SPDX-License-Identifier: Apache-2.0
"""libinflight_aio beside Debian's libaio: the same program with each, turn about, in one run."""
import os
import statistics
import subprocess

import figures
import parse
import processes

ROUNDS = 9
FILE_BYTES = 256 << 20


ROUNDS_OF_TURNS = 1500


def _library(place):
    library = os.path.join(os.path.dirname(os.path.abspath(place.programs)), "libinflight_aio.so.1")
    if not os.path.exists(library):
        raise processes.Failed(f"{library} is not built")
    return library


def _environment(place, ours):
    environment = dict(os.environ)
    environment.pop("LD_PRELOAD", None)
    environment.pop("LD_LIBRARY_PATH", None)
    if ours:
        environment["LD_LIBRARY_PATH"] = os.path.join(os.path.dirname(_library(place)), "aio")
        environment["INFLIGHT_BENCH_READS"] = "1"
    return environment


def _output(place, ours, command):
    done = subprocess.run(command, env=_environment(place, ours), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise processes.Failed(f"{command[0]}: {processes.last_line(done.stderr) or done.returncode}")
    return done.stdout


def _program(place, ours, *arguments):
    return int(_output(place, ours, [os.path.join(place.programs, "runtime"), *arguments]))


def _file(directory):
    path = os.path.join(directory, "runtime")
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(FILE_BYTES >> 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return path


def _iops(place, ours, path, depth, direct, seconds):
    text = _output(place, ours, [
        "fio", "--name=runtime", "--ioengine=libaio", "--rw=randread", "--bs=4k", f"--iodepth={depth}",
        f"--size={FILE_BYTES}", "--time_based", f"--runtime={max(1, round(seconds))}", f"--direct={direct}",
        "--randrepeat=0", "--norandommap", f"--filename={path}", "--output-format=terse", "--terse-version=3"])
    return float(text.strip().splitlines()[-1].split(";")[7])


def reads(where, depth):
    """4 KiB random reads: ours to Debian's, the median of the ratios of neighbours"""
    def measure(place, seconds, _memory_s):
        path = _file(place.tmpfs if where == "tmpfs" else place.disk)
        ratios, all_iops = [], []
        try:
            for turn in range(ROUNDS):
                pair = {}
                for ours in ((False, True) if turn % 2 == 0 else (True, False)):
                    pair[ours] = _iops(place, ours, path, depth, 0 if where == "tmpfs" else 1, seconds)
                ratios.append(pair[True] / pair[False])
                all_iops.append((pair[False], pair[True]))
        finally:
            os.remove(path)
        ratio = statistics.median(ratios)
        kernel, ours = (statistics.median(column) for column in zip(*all_iops))
        return {"ratio": ratio, "ratios": ratios, "iops_libaio": kernel, "iops_inflight": ours,
                "text": f"{ratio:.2f} of libaio ({min(ratios):.2f} to {max(ratios):.2f}; "
                        f"{figures.rate(kernel)} and {figures.rate(ours)})"}
    return measure


def turns(depth):
    """4 KiB O_DIRECT reads on disk: ours and io_uring alone to Debian's, slices of 8 ms turn about"""
    def measure(place, seconds, _memory_s):
        path = _file(place.disk)
        try:
            text = _output(place, False, [os.path.join(place.programs, "turns"), path, str(depth),
                                          str(max(10, round(ROUNDS_OF_TURNS * seconds))), "libaio.so.1", "ring", _library(place)])
        finally:
            os.remove(path)
        (_, ns, _, _), (_, _, ring, ring_error), (_, _, ours, error) = parse.turns(text)
        return {"ratio": ours, "error": error, "ratio_ring": ring, "error_ring": ring_error, "ns_libaio": ns,
                "text": f"{ours:.3f} of libaio, standard error {error:.3f} (io_uring alone {ring:.3f}, {ring_error:.3f}; "
                        f"a read takes {figures.duration(ns)})"}
    return measure


def submit_cold(place, _seconds, _memory_s):
    path = _file(place.disk)
    try:
        kernel = statistics.median(_program(place, False, "submit", path) for _ in range(ROUNDS))
        ours = statistics.median(_program(place, True, "submit", path) for _ in range(ROUNDS))
    finally:
        os.remove(path)
    return {"ns_libaio": kernel, "ns_inflight": ours, "ratio": ours / kernel,
            "text": f"{figures.duration(ours)} a request, {ours / kernel:.4f} of libaio's {figures.duration(kernel)}"}


def cancel(place, _seconds, _memory_s):
    """of a request that came 0.1 ms ago, when the worker is still awake, and of one from 2 ms ago, when it sleeps"""
    fresh, old = (statistics.median(_program(place, True, "cancel", us) for _ in range(3)) for us in ("100", "2000"))
    kernel = statistics.median(_program(place, False, "cancel", "2000") for _ in range(3))
    return {"ns_fresh": fresh, "ns_old": old, "ns_libaio_poll": kernel,
            "text": f"{figures.duration(fresh)} after 0.1 ms, {figures.duration(old)} after 2 ms (libaio, of a poll, "
                    f"without its event: {figures.duration(kernel)})"}


def idle(place, _seconds, _memory_s):
    spent = _program(place, True, "idle")
    return {"cpu_ns": spent, "text": f"{figures.duration(spent)} of CPU in 1 s with 64 requests pending"}


ALL = {
    "runtime_disk1": ("libinflight_aio, O_DIRECT reads, depth 1", turns(1)),
    "runtime_disk32": ("libinflight_aio, O_DIRECT reads, depth 32", turns(32)),
    "runtime_fio1": ("libinflight_aio, O_DIRECT reads by fio, depth 1", reads("disk", 1)),
    "runtime_fio32": ("libinflight_aio, O_DIRECT reads by fio, depth 32", reads("disk", 32)),
    "runtime_tmpfs1": ("libinflight_aio, reads on tmpfs, depth 1", reads("tmpfs", 1)),
    "runtime_tmpfs32": ("libinflight_aio, reads on tmpfs, depth 32", reads("tmpfs", 32)),
    "runtime_submit": ("libinflight_aio, time in io_submit, cold 128 KiB reads", submit_cold),
    "runtime_cancel": ("libinflight_aio, cancel of a pending pipe read", cancel),
    "runtime_idle": ("libinflight_aio, processor when idle", idle),
}
