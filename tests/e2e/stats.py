"""The statistics of a data plane (include/jetplane/stats.h), read from its memory: no process in between."""

import mmap
import os
import pathlib
import struct
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[1] / "control"))
import ipc  # noqa: E402

from host import wait_for  # noqa: E402

LCORES_AT = 6  # a byte of the header
MBUFS_AT = 312  # two words behind the workers' CPUs


class Stats:
    def __init__(self, descriptor):
        """Takes the descriptor."""
        self.memory = mmap.mmap(descriptor, ipc.STATS_SIZE, prot=mmap.PROT_READ)
        os.close(descriptor)
        self.lcores = self.memory[LCORES_AT]

    @classmethod
    def of(cls, pid):
        """Of a running data plane."""
        for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(entry).startswith("/memfd:jetplane-stats"):
                return cls(os.open(entry, os.O_RDONLY))
        raise FileNotFoundError(f"process {pid} shares no statistics")

    def counters(self, lcore):
        values = struct.unpack_from(
            f"={len(ipc.COUNTERS)}Q", self.memory, ipc.STATS_LCORES_AT + lcore * ipc.STATS_LCORE
        )
        return dict(zip(ipc.COUNTERS, values))

    def total(self):
        each = [self.counters(lcore) for lcore in range(self.lcores)]
        return {name: sum(counters[name] for counters in each) for name in ipc.COUNTERS}

    def mbufs(self):
        """How many there are, and how many of them are free."""
        return struct.unpack_from("=II", self.memory, MBUFS_AT)

    def close(self):
        self.memory.close()


class Pace:
    """Watches the wire from a host to the data plane, and holds a sender back until most of what he sent was received,
    so that no queue overflows."""

    def __init__(self, host, stats, most=128):
        self.host, self.stats, self.most = host, stats, most
        self.calls = 0
        self.missed = 0  # what was sent before the data plane was there
        wait_for(self._settled, 10, "a quiet wire")
        self.missed = self.under_way()

    def _settled(self):
        before = self.under_way()
        time.sleep(0.05)
        return self.under_way() == before

    def under_way(self):
        """Packets that the host has sent and the data plane has not received."""
        return self.host.sent() - self.missed - self.stats.total()["rx_packets"]

    def packet(self):
        """One was sent; True now and then, when it is a good time to look for answers."""
        self.calls += 1
        if self.calls % (self.most // 2) != 0:
            return False
        wait_for(lambda: self.under_way() < self.most, 10, "the data plane to catch up")
        return True
