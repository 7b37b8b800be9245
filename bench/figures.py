# SPDX-License-Identifier: Apache-2.0
"""Medians, and numbers as people read them."""


def median(values):
    ordered = sorted(values)
    if not ordered:
        raise ValueError("the median of nothing")
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def rate(per_second):
    if per_second is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if per_second >= 0.9995 * size:
            return f"{per_second / size:.3g} {unit}/s"
    return f"{per_second:.0f}/s"


def duration(ns):
    """A signed time: what was added may be less than the noise."""
    if ns is None:
        return "-"
    sign = "-" if ns < 0 else "+"
    ns = abs(ns)
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= 0.9995 * size:
            return f"{sign}{ns / size:.3g} {unit}"
    return f"{sign}{ns:.0f} ns"


def ratio(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def count(value):
    return "-" if value is None else f"{value:,}"


def size(value):
    for unit, unit_size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= unit_size:
            return f"{value / unit_size:.1f} {unit}"
    return f"{value} B"


def compare(alone, traced):
    """Rates of the same rounds, with and without: the ratio, and the time that each request takes longer."""
    ratios = [t / a for a, t in zip(alone, traced)]
    return {
        "alone_per_s": median(alone),
        "traced_per_s": median(traced),
        "ratio": spread(ratios),
        "added_ns": spread([1e9 / t - 1e9 / a for a, t in zip(alone, traced)]),
    }


def multiple(added_ns, floor_ns, noise_ns):
    """Of the floor's added time; None where the floor adds no more than the noise, because the quotient says nothing."""
    return added_ns / floor_ns if floor_ns is not None and floor_ns > max(noise_ns, 0) else None
