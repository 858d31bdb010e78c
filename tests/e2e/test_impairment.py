"""Ten megabytes there and back over wires that are each bad in one way (tests/tools/impair.c, af_packet), every byte
checked, in bounded time. The transfers run side by side, each with a data plane, a jetplaned and a wire of its own.

      client host                     plane host
    +-------------+    +--------+    +----------------------------+
    | jetperf    eth0--| impair |--eth0  jetplane-dp   jetplaned  |
    +-------------+    +--------+    +----------------------------+
"""

import collections
import hashlib
import os
import pathlib
import random
import sys
import time

import pytest
from badwire import BadWire
from host import Host, wait_for, why_not
from jetperf import LISTENERS, MIB, PORTS, Jetperf, books, say
from plane import BUILD, CLIENT, SERVER, Plane
from test_tcp_relay import make as make_tcp  # noqa: F401  a fixture
from test_tcp_relay import tcp

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "client/python"))
import jetplane  # noqa: E402

VOLUME = 10_000_000
LIMIT = 240  # seconds for any transfer, all of them at work on a slow machine; they need 5 to 35
ATTEMPTS = 6
CLIENTS, MESSAGE = 100, 10_000
HANDSHAKES_LOST = {"hello": 25, "delay": 20}  # 40 to 50 %, so that no run has less than 30

WIRES = {
    "rtt_0": {},
    "rtt_100_ms": {"delay": 50},
    "rtt_750_ms": {"delay": 375},
    "corruption": {"damage": 2, "delay": 5},
    "blackholes": {"dark": 2000, "every": 4000, "delay": 10, "rate": 20},
    "rebinding": {"rebind": 5000, "delay": 10, "rate": 7},
    "reordering": {"late": 5, "depth": 64, "extra": 200, "delay": 5},
    "packets_of_1400": {"mtu": 1400, "delay": 5},
}


class Transfer:
    """Under way from when it is made."""

    def __init__(self, folder, impairments):
        folder.mkdir()
        self.wire = BadWire(folder, **impairments)
        self.plane = Plane(wire=self.wire, listeners=LISTENERS, max_streams=256, idle_sleep_us=200,
                           full={"sessions": 8, "congestion": "bbr"})
        self.began = time.monotonic()
        self.attempts, self.over = 0, False

    def start(self):
        self.plane.start()
        self.attempt()

    def attempt(self):
        self.attempts += 1
        self.perf = Jetperf(self.plane, "echo", "-n", VOLUME, "-P", 4, "--size", 16000, "--congestion", "bbr")

    def end(self):
        """What jetperf counted, what the wire did and what the data plane counted. A client that was not answered for
        5 s knocks again, as people do."""
        while True:
            code, found = self.perf.exit(self.began + LIMIT - time.monotonic())
            if code != 1 or self.attempts == ATTEMPTS:
                break
            self.attempt()
        assert code == 0 and found["intact"], found
        total = books(self.plane)
        self.over = True
        self.plane.stop()
        did = self.wire.close()
        return found["local"], did, total

    def clean(self):
        if not self.over:
            self.plane.clean()
        self.wire.close()


@pytest.fixture(scope="module")
def transfers(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("wires")
    all_of_them = {}
    try:
        for name, impairments in WIRES.items():
            all_of_them[name] = Transfer(folder / name, impairments)
            all_of_them[name].start()
        yield all_of_them
    finally:
        for transfer in all_of_them.values():
            transfer.clean()


# What shows that a wire was as bad as it should be, beside its delay.
PROOF = {
    "corruption": lambda did, total: did["damaged"] > 200 and total["auth_failed"] > 0,
    "blackholes": lambda did, total: did["lost"] > 0,
    "rebinding": lambda did, total: did["rebound"] >= 2 and total["paths_changed"] >= 2,
    "reordering": lambda did, total: did["overtaken"] > 500,  # by `depth` each; the others went when `extra` was over
    "packets_of_1400": lambda did, total: did["lost"] > 0,
}


@pytest.mark.parametrize("wire", WIRES)
def test_transfer(transfers, capsys, wire):
    transfer = transfers[wire]
    local, did, total = transfer.end()
    say(capsys, f"{local['seconds']:.1f} s, {transfer.attempts} attempts, lost {did['lost']} of {did['passed']}")
    assert local["wrong"] == local["missing"] == local["given_up"] == 0, local
    assert local["sent"] == local["received"] == total["delivered_bytes"] >= VOLUME, local
    assert PROOF.get(wire, lambda did, total: True)(did, total), (did, total)
    assert local["echo_rtt_us"]["min"] >= 2000 * WIRES[wire].get("delay", 0), local


class Knocking(jetplane.Handler):
    """Until every session is open; on each, messages go there and back."""

    def __init__(self, loop, server, key):
        self.context = jetplane.Context(loop, self, trust=jetplane.Trust.pin(key))
        self.server, self.again, self.errors = server, 0, 0
        self.sent, self.got = {}, collections.defaultdict(list)  # by session

    def open(self, session):
        stream = session.open_stream()
        self.sent[session] = [os.urandom(MESSAGE) for _ in range(VOLUME // CLIENTS // MESSAGE)]
        for data in self.sent[session]:
            stream.send(data)

    def message(self, stream, data):
        self.got[stream.session].append(data)

    def connect_error(self, session, error):
        self.errors += 1
        self.again += 1

    def knock(self):
        while self.again:
            self.again -= 1
            self.context.connect(self.server)


def test_handshakes_lost_in_bursts(make_plane, tmp_path, capsys):
    """A hundred clients: more than 30 % of all handshake packets are lost, three in a row of the same client's, either
    way."""
    wire = BadWire(tmp_path, **HANDSHAKES_LOST)
    try:
        plane = make_plane(wire=wire, listeners=LISTENERS, full={"sessions": 2 * CLIENTS})
        loop = jetplane.Loop()
        knocking = Knocking(loop, f"{SERVER[4]}:{PORTS['echo']}", plane.identity().hex())
        knocking.again = CLIENTS
        began = time.monotonic()
        with plane.client_host:
            while len(knocking.sent) < CLIENTS or any(knocking.got[one] != knocking.sent[one] for one in knocking.sent):
                assert time.monotonic() < began + LIMIT, f"{len(knocking.sent)} are open"
                knocking.knock()
                loop.run_once(0.1)
        say(capsys, f"{time.monotonic() - began:.1f} s, {knocking.errors} knocked again")
        for session in knocking.sent:
            session.end()
        wait_for(lambda: loop.run_once(0.05) or plane.total()["sessions"] == 0, 20, "the sessions to end")
        knocking.context.close()
        loop.close()
        did = wire.close()
        say(capsys, str({name: did[name] for name in ("handshakes", "hellos", "hellos_lost", "bursts")}))
        assert did["handshakes"] == CLIENTS + knocking.errors
        assert did["hellos_lost"] > 0.3 * did["hellos"]
        # of a burst less is seen where a client gave up first, or had been let in by a packet it had repeated
        assert 2 * did["bursts"] <= did["hellos_lost"] <= 3 * did["bursts"], did
    finally:
        wire.close()


def narrow(*hosts):
    """Packets of 1280 bytes at most: a hello of 1344 does not fit, nor is it cut."""
    for host in hosts:
        host.ip("link", "set", "eth0", "mtu", "1280")


def narrow_wire(left, right):
    Host.wire(left, right)
    narrow(left, right)


def test_mtu_of_1280(make_tcp, capsys):  # noqa: F811
    """Where UDP's hello does not fit the client finds TCP by itself. After 15 s it tries UDP again, which answers what is
    small, and yet it stays."""
    plane = make_tcp(wire=narrow_wire)
    perf = Jetperf(plane, "echo", "-t", 20, "--rate", 100, "-P", 4, "--size", 16000)
    wait_for(lambda: tcp(plane)["connections"] == 1 or not perf.program.alive(), 20, "a connection by TCP")
    local = perf.result()
    say(capsys, f"{local['seconds']:.1f} s, {local['path']['probe_timeouts']} probes")
    assert local["sent"] == local["received"] == books(plane)["delivered_bytes"] >= VOLUME
    assert tcp(plane)["accepted"] == 1 and local["path"]["probe_timeouts"] < 10


def test_mtu_becomes_1280(make_tcp, capsys):  # noqa: F811
    """Who downloads only sends what still fits; it turns to TCP all the same, and stays there."""
    plane = make_tcp()
    perf = Jetperf(plane, "down", "-t", 25, "-i", 1)
    wait_for(lambda: plane.total()["tx_bytes"] > MIB, 20, "data by UDP")
    narrow(plane.client_host, plane.host)
    wait_for(lambda: tcp(plane)["connections"] == 1, 15, "a connection by TCP")
    code, found = perf.exit(60)
    received = [part["received"] for part in found["intervals"]]
    say(capsys, f"{received.count(0)} s without data")
    assert code == 0 and found["intact"] and all(received[-12:]), received


def test_file_over_everything(tmp_path, capsys):
    """jetcat to jetcat, by kernel sockets at both ends."""
    if reason := why_not():
        pytest.skip(reason)
    wire = BadWire(tmp_path, loss=0.3, burst=30, late=0.5, depth=64, extra=50, twice=0.5, damage=0.3, delay=10,
                   rebind=5000, dark=500, every=4000, rate=20)
    left, right = Host(), Host()
    file, inbox = tmp_path / "file", tmp_path / "inbox"
    file.write_bytes(random.Random(1).randbytes(VOLUME))
    inbox.mkdir()
    try:
        wire(left, right)
        left.address(CLIENT[4] + "/24")
        right.address(SERVER[4] + "/24")
        jetcat = BUILD / "client/tools/jetcat"
        listener = right.start("jetcat", jetcat, "-l", f"{SERVER[4]}:4500", "--receive", inbox, log=tmp_path / "listener")
        wait_for(lambda: listener.said("key "), 10, "jetcat")
        key = listener.text().split("key ")[1].split()[0]
        began = time.monotonic()
        while True:
            sender = left.start("jetcat", jetcat, f"{SERVER[4]}:4500", "--key", key, "--send", file,
                                log=tmp_path / "sender")
            wait_for(lambda: not sender.alive(), began + LIMIT - time.monotonic(), "jetcat to send")
            if sender.process.returncode == 0 or listener.process.poll() is not None:
                break  # else it was not answered for 5 s
        assert sender.process.returncode == 0, sender.text()
        wait_for(lambda: not listener.alive(), 20, "jetcat to receive")
        assert listener.process.returncode == 0, listener.text()
        say(capsys, f"{time.monotonic() - began:.1f} s, {wire.close()}")
        assert hashlib.sha256((inbox / "file").read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    finally:
        wire.close()
        for host in left, right:
            host.close()
