# SPDX-License-Identifier: Apache-2.0
"""Starts what is measured, and leaves nothing of it behind."""
import os
import signal
import subprocess
import time


class Failed(Exception):
    """A run that gave no figure; says why in one line."""


def stop(process, wait_s=20):
    """SIGINT, as a person ends a trace; SIGKILL to its group when that does not help."""
    for number, patience in ((signal.SIGINT, wait_s), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            break
        try:
            # Only the tool first: it ends its own command.
            os.kill(process.pid, number) if number == signal.SIGINT else os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def start(command, log):
    # A group of its own: ^C reaches us only, and we end it in order.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def run(command, log_path, timeout_s, watch=None):
    """Runs to the end; `watch(pid)` is called five times a second. Returns what was printed."""
    with open(log_path, "w+", encoding="utf-8", errors="replace") as log:
        process = start(command, log)
        try:
            end = time.monotonic() + timeout_s
            while True:
                try:
                    process.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    if watch:
                        watch(process.pid)
                    if time.monotonic() > end:
                        raise Failed(f"not done after {timeout_s:.0f} s") from None
        finally:
            stop(process)
        log.seek(0)
        said = log.read()
    if process.returncode:
        name = command[3] if os.path.basename(command[0]) == "taskset" else command[0]
        raise Failed(f"{os.path.basename(name)} ended with {process.returncode}: {last_line(said)}")
    return said
