# SPDX-License-Identifier: Apache-2.0
"""Reads what the load generators, fio and inflight print."""
import json
import re


def load_result(text):
    """(requests, requests per second) of what one of our own load generators wrote."""
    said = json.loads(text)
    return said["requests"], said["requests"] / said["seconds"]


def fio_result(text):
    """The same of `fio --output-format=json`; fio may print notes before it."""
    job = json.loads(text[text.index("{"):])["jobs"][0]
    if job.get("error"):
        raise ValueError(f"fio: error {job['error']}")
    return job["read"]["total_ios"], job["read"]["iops"]


def turns(text):
    """For each way of bench/turns: its name, nanoseconds a request, rate to the first way's, standard error of that."""
    return [(way, float(ns), float(ratio), float(error)) for way, ns, ratio, error in
            (line.split("\t") for line in text.splitlines())]


def _number(text):
    return int(text.replace(",", ""))


def lost(text):
    """Losses by inflight's own account, from the end of its text or JSON; None where it says nothing of them."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record.get("type") == "summary":
                return record["lost"]
            continue
        # trace: `lost 0`; stat: `lost or unknown: nothing; ...`; record: `inflight: 9 requests, ... , lost 0; ended by ...`
        found = re.match(r"(?:\s*|inflight: .*, )lost(?: or unknown)?:? +(nothing|[\d,]+)", line)
        if found:
            return 0 if found[1] == "nothing" else _number(found[1])
    return None


def account(text):
    """Of a JSON trace's end: requests delivered, records of io_uring requests lost, and per kind the sums of all CPUs."""
    kinds, requests = {}, None
    for line in text.splitlines():
        if not line.startswith(('{"type":"loss"', '{"type":"summary"')):
            continue
        record = json.loads(line)
        if record["type"] == "summary":
            requests = record["requests"]
            continue
        for cpu in record["cpus"]:
            for kind in cpu["kinds"]:
                sums = kinds.setdefault(kind["kind"], {"generated": 0, "delivered": 0, "lost": 0})
                for key in sums:
                    sums[key] += kind[key]
    return {"requests": requests, "kinds": kinds}


def tiers(doctor):
    """Hook -> tier, from `inflight doctor`."""
    hooks = {}
    for line in doctor.splitlines():
        found = re.match(r"(\S+) +(fentry|kprobe|tracepoint|none) ", line)
        if found:
            hooks[found[1]] = found[2]
    return hooks
