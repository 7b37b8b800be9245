# SPDX-License-Identifier: Apache-2.0
"""The results as JSON, as tab-separated values and as a page."""
import json
import os
import tempfile

import figures

COLUMNS = ("workload", "tool", "alone_per_s", "traced_per_s", "ratio", "ratio_min", "ratio_max", "added_ns", "added_ns_min",
           "added_ns_max", "floor_multiple", "lost", "requests", "runs", "reason", "command")


def write(path, text):
    """All of it or nothing: a reader never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def as_json(results):
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def as_tsv(results):
    lines = ["\t".join(COLUMNS)]
    for row in results["rows"]:
        flat = dict(row)
        for name in ("ratio", "added_ns"):
            if name in row:
                flat |= {name: row[name]["median"], f"{name}_min": row[name]["min"], f"{name}_max": row[name]["max"]}
        lines.append("\t".join(_cell(flat.get(column)) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def _cell(value):
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("\t", " ").replace("\n", " ")


def _plain(text):
    return text.replace("|", "\\|")


def machine_lines(results):
    machine, options = results["machine"], results["options"]
    yield (f"Linux {machine['kernel']}, {machine['cpus']} CPUs, {machine['cpu']}; hooks: io_uring by {machine['tier_uring']}, "
           f"AIO by {machine['tier_aio']}; {machine['inflight'] or 'inflight'}; {results['date']}.")
    yield (f"Medians (lowest to highest) of {options['runs']} round{'' if options['runs'] == 1 else 's'} of {options['seconds']:g} s, alone and each tool in turn. " +
           ("The workload has one CPU, the tool's reader another." if machine["pinned"] else "One CPU for all."))
    if not machine["idle"]:
        yield f"**The machine was not idle: load average {machine['load_average']:.1f} at the start. Do not cite these figures.**"


def as_markdown(results):
    lines = ["# What tracing costs", ""]
    for line in machine_lines(results):
        lines += [line, ""]
    for workload in dict.fromkeys(row["workload"] for row in results["rows"]):
        rows = [row for row in results["rows"] if row["workload"] == workload]
        alone = next((row["alone_per_s"] for row in rows if "alone_per_s" in row), None)
        lines += [f"## {rows[0]['title']}", "", f"Alone {figures.rate(alone)}. Again: `bench/run --rows {workload}`", "",
                  "| tool | rate | of the rate alone | added to each | times the floor | lost |",
                  "| --- | ---: | ---: | ---: | ---: | ---: |"]
        lines += [_markdown_row(row) for row in rows]
        lines.append("")
    if results["figures"]:
        lines += ["## Other figures", "", "| figure | measured | again |", "| --- | --- | --- |"]
        lines += [f"| {row['title']} | {_plain(row.get('text') or 'left out: ' + row['reason'])} | `{row['again']}` |"
                  for row in results["figures"]]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(row):
    if "reason" in row:
        return f"| {row['tool_title']} | left out: {_plain(row['reason'])} | | | | |"
    ratio, added = row["ratio"], row["added_ns"]
    multiple = row.get("floor_multiple")
    name = f"**{row['tool_title']}**" if row["kind"] == "ours" else row["tool_title"]
    return (f"| {name} | {figures.rate(row['traced_per_s'])} | {figures.ratio(ratio['median'])} "
            f"({figures.ratio(ratio['min'])} to {figures.ratio(ratio['max'])}) | {figures.duration(added['median'])} "
            f"({figures.duration(added['min'])} to {figures.duration(added['max'])}) | "
            f"{'-' if multiple is None else f'{multiple:.1f}'} | {figures.count(row.get('lost'))} |")
