# SPDX-License-Identifier: Apache-2.0
"""Where the figures come from: they mean nothing without it."""
import os
import platform
import subprocess

import parse


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _version(inflight):
    return subprocess.run([inflight, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def describe(inflight):
    doctor = subprocess.run([inflight, "doctor"], capture_output=True, text=True, check=False)
    hooks = parse.tiers(doctor.stdout)
    load = os.getloadavg()[0]
    cpus = len(os.sched_getaffinity(0))
    return {
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cpus": cpus,
        "tier_aio": hooks.get("io_submit_one", "none"),
        "tier_calls": hooks.get("io_submit", "none"),
        "tier_uring": hooks.get("io_uring_submit", "none"),
        "inflight": _version(inflight),
        "load_average": load,
        "idle": load < 0.3 * cpus,
        "pinned": cpus >= 2,
    }
