"""jetperf against the services of a plane, for tests."""

import json

from host import wait_for
from plane import BUILD, SERVER

PORTS = {"echo": 4500, "discard": 4501, "source": 4502}
# What a client of `jetperf -s` asks for, on stream 1.
PLAN = {"jetperf": 1, "up": True, "down": False, "echo": False, "streams": 1, "size": 1000, "time": 60_000_000,
        "bytes": 0, "priority": 0, "reliability": 0, "max_retransmissions": 0, "unordered": False, "protection": 0,
        "ttl": 0}
SERVICES = {"up": ("discard",), "down": ("source", "-R"), "echo": ("echo", "--echo")}
LISTENERS = [
    {"udp_port": PORTS["echo"], "sink": "echo"}, {"udp_port": PORTS["discard"], "sink": "discard"},
    {"udp_port": PORTS["source"], "sink": "source", "source_rate": 0, "source_size": 1000},
]
MIB = 1 << 20


class Jetperf:
    """A test under way: "up", "down" or "echo"."""

    def __init__(self, plane, way, *arguments, version=4):
        service, *options = SERVICES[way]
        host = f"[{SERVER[6]}]" if version == 6 else SERVER[4]
        self.way, self.log = way, plane._log("jetperf")
        self.program = plane.client_host.start(
            "jetperf", BUILD / "client/tools/jetperf", "-c", f"{host}:{PORTS[service]}", "--service", *options, "--key",
            plane.identity().hex(), "--json", *arguments, log=self.log,
        )

    def exit(self, seconds):
        """Wait for its end; returns its exit code and the last that it printed."""
        wait_for(lambda: not self.program.alive(), seconds, f"jetperf {self.way}")
        text = self.program.text()
        return self.program.process.returncode, json.loads(text.splitlines()[-1]) if text else {}

    def result(self, seconds=120):
        """What it counted, after all of it was right."""
        code, found = self.exit(seconds)
        assert code == 0 and found["intact"], found
        local = found["local"]
        assert local["wrong"] == local["missing"] == local["given_up"] == 0, local
        assert local["received" if self.way != "up" else "sent"] > 0, local
        return local


def say(capsys, text):
    with capsys.disabled():
        print(f" {text} ", end="", flush=True)


def books(plane):
    """At rest: every packet has its end, and no session was closed for breaking the protocol."""
    total = plane.settle()
    assert total["sessions_failed"] == total["bad_frame"] == 0, total
    return total
