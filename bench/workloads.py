# SPDX-License-Identifier: Apache-2.0
"""What is traced: each workload writes to a file how much it did in which time."""
import dataclasses
import os

import parse


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    family: str  # uring, aio, or none: then a tool watches the whole machine, and the workload is nothing to it
    load: tuple = ()
    fio: tuple = ()  # engine and where: tmpfs or disk

    def command(self, place, seconds, result):
        if not self.fio:
            return [os.path.join(place.programs, self.load[0]), *self.load[1:], "--seconds", str(seconds), "--result", result]
        engine, where = self.fio
        return ["fio", "--name=bench", f"--ioengine={engine}", "--rw=randread", "--bs=4k", "--iodepth=32", "--size=64m",
                "--time_based", f"--runtime={max(1, round(seconds))}", "--direct=1", "--randrepeat=0", "--norandommap",
                f"--filename={place.tmpfs if where == 'tmpfs' else place.disk}/fio", "--output-format=json",
                f"--output={result}"]

    def read(self, text):
        return parse.fio_result(text) if self.fio else parse.load_result(text)


ALL = (
    Workload("nop1", "io_uring NOP, depth 1", "uring", ("nops", "--depth", "1")),
    Workload("nop32", "io_uring NOP, depth 32", "uring", ("nops", "--depth", "32")),
    Workload("nop128", "io_uring NOP, depth 128", "uring", ("nops", "--depth", "128")),
    Workload("aio_poll1", "AIO poll, 1 a batch", "aio", ("aio_poll", "--depth", "1")),
    Workload("aio_poll32", "AIO poll, 32 a batch", "aio", ("aio_poll", "--depth", "32")),
    Workload("aio_cancel", "AIO poll and io_cancel", "aio", ("aio_cancel", "--depth", "1")),
    Workload("fio_aio_tmpfs", "fio libaio, 4 KiB random reads, tmpfs", "aio", fio=("libaio", "tmpfs")),
    Workload("fio_aio_disk", "fio libaio, 4 KiB random reads, disk", "aio", fio=("libaio", "disk")),
    Workload("fio_uring_tmpfs", "fio io_uring, 4 KiB random reads, tmpfs", "uring", fio=("io_uring", "tmpfs")),
    Workload("fio_uring_disk", "fio io_uring, 4 KiB random reads, disk", "uring", fio=("io_uring", "disk")),
    Workload("getppid", "getppid of a process that nobody asked about", "none", ("getppid",)),
)


def by_name(name):
    return next(workload for workload in ALL if workload.name == name)
