"""A wire that loses frames, alone or in bursts, delivers them late, twice or damaged, and rebinds UDP ports as a NAT
does: tests/tools/impair.c between two hosts, since not every kernel has sch_netem."""

import json
import os
import subprocess

from host import Host, wait_for
from plane import BUILD

SEED = int(os.environ.get("JETPLANE_SEED", 1))


class BadWire:
    """Give it to a Plane as its `wire`. `close` it after the plane. What it does is in tests/tools/impair.c."""

    def __init__(self, folder, **impairments):
        self.log = folder / "impair.log"
        self.arguments = [f"{key}={value}" for key, value in impairments.items()]
        self.ends, self.program = [], None
        print(f"wire of seed {SEED}: {impairments}")  # seen when a test fails; $JETPLANE_SEED brings it back

    def __call__(self, left, right):
        self.ends = [Host(), Host()]
        for end, host in zip(self.ends, (left, right)):
            end.no_kernel_ip6()
            host.wire(end)
        self.program = self.ends[0].start(
            "impair", BUILD / "tests/tools/impair", self.ends[1].path(), SEED, *self.arguments, log=self.log,
            stdin=subprocess.PIPE,
        )
        wait_for(lambda: self.program.said("ready"), 10, "impair")

    def change(self, **impairments):
        """From now on."""
        line = " ".join(f"{key}={value}" for key, value in impairments.items()) + "\n"
        self.program.process.stdin.write(line.encode())
        self.program.process.stdin.flush()

    def close(self):
        """Returns what it did."""
        if not self.program:
            return {}
        self.program.stop()
        self.program = None
        for end in self.ends:
            end.close()
        return json.loads(self.log.read_text().splitlines()[-1])
