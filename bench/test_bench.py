# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark that need no kernel: python3 -m unittest discover -s bench"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import figures  # noqa: E402
import parse  # noqa: E402
import picture  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
import tracers  # noqa: E402
import workloads  # noqa: E402

SUMMARY = """requests  746,869: completed 746,869
lost 338838: this was not seen, or not as it should be
  338,836  uring_request records on cpu 1  of 1,085,705: the buffer of that cpu was full
"""
LOSS = {"type": "loss", "cpus": [{"cpu": 0, "kinds": [{"kind": "uring_request", "generated": 7, "delivered": 5, "lost": 2}]},
                                 {"cpu": 1, "kinds": [{"kind": "uring_request", "generated": 3, "delivered": 3, "lost": 0}]}]}


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def compact(record):
    return json.dumps(record, separators=(",", ":"))


def made_results():
    spread = {"median": 150.0, "min": -20.0, "max": 170.0}
    row = {"workload": "nop32", "title": "NOP <32> & more", "kind": "ours", "tool": "json", "tool_title": "inflight trace",
           "alone_per_s": 13.5e6, "traced_per_s": 4.4e6, "ratio": {"median": 0.33, "min": 0.3, "max": 0.36}, "added_ns": spread,
           "floor_multiple": 2.0, "lost": 12345, "requests": 10**7, "runs": 3, "again": "bench/run --rows nop32", "command": "x\ty"}
    return {"machine": {"kernel": "6.18", "cpu": "CPU <&>", "cpus": 2, "tier_aio": "fentry", "tier_uring": "tracepoint",
                        "inflight": "inflight 1", "load_average": 4.0, "idle": False, "pinned": True},
            "date": "2026-01-02", "options": {"runs": 3, "seconds": 1, "memory_seconds": 60},
            "rows": [row, {"workload": "nop32", "title": "NOP <32> & more", "kind": "peer", "tool": "strace",
                           "tool_title": "strace", "reason": "not | installed"}],
            "figures": [{"title": "size", "text": "4 B", "again": "a"}, {"title": "speed", "reason": "none", "again": "b"}]}


class Figures(unittest.TestCase):
    def test_median_is_that_of_the_standard_library(self):
        for values in ([3], [3, 1], [5, 1, 4], [9, 2, 7, 1]):
            self.assertEqual(figures.median(values), statistics.median(values))
        with self.assertRaises(ValueError):
            figures.median([])

    def test_every_number_has_its_unit(self):
        self.assertEqual(figures.rate(13_500_000), "13.5 M/s")
        self.assertEqual(figures.rate(999_700), "1 M/s")
        self.assertEqual(figures.rate(42), "42/s")
        self.assertEqual(figures.duration(-12.4), "-12 ns")
        self.assertEqual(figures.duration(1773), "+1.77 µs")
        self.assertEqual(figures.duration(None), "-")
        self.assertEqual(figures.ratio(0.0034), "0.0034")
        self.assertEqual(figures.size(3 << 20), "3.0 MiB")

    def test_compares_rounds_not_medians(self):
        compared = figures.compare([100e6, 50e6], [50e6, 25e6])
        self.assertEqual(compared["ratio"], {"median": 0.5, "min": 0.5, "max": 0.5})
        self.assertAlmostEqual(compared["added_ns"]["min"], 10)
        self.assertAlmostEqual(compared["added_ns"]["max"], 20)

    def test_a_floor_within_the_noise_has_no_multiple(self):
        self.assertEqual(figures.multiple(150, 75, 5), 2)
        self.assertIsNone(figures.multiple(150, 3, 5))
        self.assertIsNone(figures.multiple(150, None, 0))


class Parsing(unittest.TestCase):
    def test_losses_of_each_output(self):
        self.assertEqual(parse.lost(SUMMARY), 338838)
        self.assertEqual(parse.lost("lost 0\n"), 0)
        self.assertEqual(parse.lost("inflight: 137068 requests, 137073 records in 190597 bytes (1.4 bytes a request), lost "
                                    "85,844; ended by: the command exited with status 0\n"), 85844)
        self.assertEqual(parse.lost("lost or unknown: nothing; with a filter, ...\n\nended: ...\n"), 0)
        self.assertEqual(parse.lost('{"type":"request","lost":9}\n{"type":"summary","lost":7}\n'), 7)
        self.assertIsNone(parse.lost("half a line {\n"))
        self.assertIsNone(parse.lost(""))

    def test_account_sums_the_cpus(self):
        account = parse.account(compact(LOSS) + "\n" + compact({"type": "summary", "requests": 8}) + "\n")
        self.assertEqual(account, {"requests": 8, "kinds": {"uring_request": {"generated": 10, "delivered": 8, "lost": 2}}})

    def test_results_of_loads(self):
        self.assertEqual(parse.load_result('{"requests": 10, "seconds": 2.0}'), (10, 5.0))
        fio = {"jobs": [{"error": 0, "read": {"total_ios": 9, "iops": 4.5}}]}
        self.assertEqual(parse.fio_result("fio: a note\n" + json.dumps(fio)), (9, 4.5))
        fio["jobs"][0]["error"] = 22
        with self.assertRaises(ValueError):
            parse.fio_result(json.dumps(fio))

    def test_turns(self):
        text = "libaio.so.1\t87653\t1.0000\t0.0000\n/a b/ours.so\t89487\t0.9924\t0.0038\n"
        self.assertEqual(parse.turns(text), [("libaio.so.1", 87653, 1, 0), ("/a b/ours.so", 89487, 0.9924, 0.0038)])
        with self.assertRaises(ValueError):
            parse.turns("turns: a read: Input/output error\n")

    def test_tiers(self):
        text = "kernel   6.18\n\nhook  tier  shows\nio_submit  tracepoint  batches\nio_wq_submit_work none   which\n"
        self.assertEqual(parse.tiers(text), {"io_submit": "tracepoint", "io_wq_submit_work": "none"})


class Results(unittest.TestCase):
    def test_the_picture_is_xml_with_a_bar_a_row(self):
        root = xml.etree.ElementTree.fromstring(picture.draw(made_results()))
        bars = [shape for shape in root.iter("{http://www.w3.org/2000/svg}rect") if shape.get("height") == str(picture.BAR)]
        self.assertEqual(len(bars), 1)
        for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
            self.assertGreaterEqual(float(shape.get("width")), 0)

    def test_a_picture_of_nothing(self):
        results = made_results()
        results["rows"] = []
        xml.etree.ElementTree.fromstring(picture.draw(results))

    def test_a_busy_machine_is_said(self):
        self.assertIn("Do not cite", report.as_markdown(made_results()))

    def test_tables_keep_their_columns(self):
        for line in report.as_tsv(made_results()).splitlines():
            self.assertEqual(line.count("\t"), len(report.COLUMNS) - 1)
        self.assertIn("not \\| installed", report.as_markdown(made_results()))

    def test_all_or_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "file")
            report.write(path, "one")
            with self.assertRaises(AttributeError):
                report.write(path, None.nothing)
            with self.assertRaises(TypeError):
                report.write(path, 5)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "one")
            self.assertEqual(os.listdir(directory), ["file"])


class Processes(unittest.TestCase):
    def test_failures_say_why_and_leave_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            with self.assertRaisesRegex(processes.Failed, "sh ended with 3: because"):
                processes.run(["sh", "-c", "echo because; exit 3"], log, 10)
            with self.assertRaisesRegex(processes.Failed, "not done"):
                processes.run(["sh", "-c", "echo $$; sleep 100 & wait"], log, 0.5)
            with open(log, encoding="utf-8") as file:
                group = file.read().strip()
            left = subprocess.run(["pgrep", "-g", group], capture_output=True, text=True, check=False).stdout.split()
            self.assertEqual([pid for pid in left if state_of(pid) != "Z"], [])


class Tables(unittest.TestCase):
    def test_names_are_unique_and_every_tool_starts(self):
        for table in (workloads.ALL, tracers.ALL):
            names = [row.name for row in table]
            self.assertEqual(len(names), len(set(names)))
        self.assertEqual({tool.name for tool in (*tracers.ALL, tracers.JSON_FAILED)}, set(tracers.STARTS))


if __name__ == "__main__":
    unittest.main()
