"""Looks at a mix every few seconds, and writes what it sees into a CSV file: a row each time.

rss_kib, fds      of each process that stays, by its name: "rss_kib.jetplaned"
own_kib           the same memory without pools of fixed size, whose pages come when more of a pool is in use than ever before
mbufs             packet buffers in use; sessions, sessions_full, held, pooled: as in include/jetplane/counters.h
known, tcp        sessions that jetplaned knows, and its TCP connections
rx_mbit, tx_mbit  what the data plane received and sent since the row before, Mbit/s; delivered_mbit: payload of it
light_*_us        round trips of jetgen's sessions in the last second; full_*_ms: of visits.py's, over the bad wire
drop.NAME         packets dropped so far, by name"""

import csv
import json
import os
import pathlib
import re
import time

from plane import COUNTERS
from stats import Stats

# DPDK's memory, and what the data plane and libjetplane map without a reserve and keep out of core files.
POOL_FILES = re.compile("/memfd:(nohuge|memif_region_)")
POOL_FLAGS = {"nr", "dd"}


def memory_kib(pid):
    """What is resident, and how much of it belongs to no pool."""
    rss = own = 0
    file, here = "", 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        key, _, rest = line.partition(" ")
        if not key.endswith(":"):
            file = rest
        elif key == "Rss:":
            here = int(rest.split()[0])
        elif key == "VmFlags:":
            rss += here
            own += 0 if POOL_FILES.search(file) or POOL_FLAGS <= set(rest.split()) else here
    return rss, own


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def last_lines(path):
    """The whole ones, newest first."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
        return file.read().decode(errors="replace").split("\n")[-2::-1]


class Samples:
    def __init__(self, mix, path):
        self.mix, self.rows = mix, []
        self.stats = Stats.of(mix.plane.dp.pid)
        self.file, self.writer = open(path, "w", newline=""), None
        self.began = self.taken = time.monotonic()
        self.total = self.stats.total()

    def idle(self):
        """What servers hold now: to be the same when nobody is there."""
        total, (mbufs, free) = self.stats.total(), self.stats.mbufs()
        return {
            **{f"fds.{name}": fds(program.pid) for name, program in self.mix.servers().items()},
            "mbufs": mbufs - free, "sessions": total["sessions"], "sessions_full": total["sessions_full"],
            "held": total["held"], "pooled": total["pooled"], **self._control(),
        }

    def _control(self):
        status = self.mix.plane.jetctl("status")
        return {"known": status["data_plane"]["sessions_known"], "tcp": status["tcp"]["connections"]}

    def take(self):
        now, total, (mbufs, free) = time.monotonic(), self.stats.total(), self.stats.mbufs()
        memory = {name: memory_kib(program.pid) for name, program in self.mix.steady.items()}

        def mbit(name):
            return (total[name] - self.total[name]) * 8e-6 / (now - self.taken)

        row = {
            "seconds": now - self.began, "wire": self.mix.wire_is,
            **{f"rss_kib.{name}": rss for name, (rss, _) in memory.items()},
            **{f"own_kib.{name}": own for name, (_, own) in memory.items()},
            **{f"fds.{name}": fds(program.pid) for name, program in self.mix.steady.items()},
            "mbufs": mbufs - free, "sessions": total["sessions"], "sessions_full": total["sessions_full"],
            "held": total["held"], "pooled": total["pooled"], **self._control(), "rx_mbit": mbit("rx_bytes"), "tx_mbit": mbit("tx_bytes"),
            "delivered_mbit": mbit("delivered_bytes"), **self._light(), **self._full(),
            **{f"drop.{name}": total[name] for name in COUNTERS["JP_DROPS"]},
        }
        self.taken, self.total = now, total
        self._write(row)
        return row

    def _light(self):
        for line in last_lines(self.mix.steady["jetgen"].log):
            if found := re.search(r"p50 (\d+) us  p99 (\d+) us", line):
                return {"light_p50_us": int(found[1]), "light_p99_us": int(found[2])}
        return {"light_p50_us": None, "light_p99_us": None}

    def _full(self):
        lines = last_lines(self.mix.steady["visits"].log)
        last = json.loads(lines[0]) if lines else {}
        return {"full_p50_ms": last.get("p50_ms"), "full_p99_ms": last.get("p99_ms")}

    def _write(self, row):
        if not self.writer:
            self.writer = csv.DictWriter(self.file, row)
            self.writer.writeheader()
        self.rows.append(row)
        self.writer.writerow({name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()})
        self.file.flush()
