"""Four workers, ten thousand sessions: every session's traffic is processed by the worker that owns its SPI, whichever
queue it came in by, and all four have their even share."""

import collections
import contextlib
import socket
import time

import jetwire as w
from controlplane import ControlPlane, Peer, random_spis
from host import wait_for
from plane import SERVER, settled
from stats import Pace

LCORES, SESSIONS, PACKETS, SOCKETS = 4, 10000, 4, 64
EVEN = 1.25


class Sender:
    """UDP sockets of the client host."""

    def __init__(self, plane, control, stack):
        self.pace = Pace(plane.client_host, control.stats)
        with plane.client_host:
            self.sockets = [
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(SOCKETS)
            ]
        for sock in self.sockets:
            sock.setblocking(False)
            sock.connect((SERVER[4], 4500))
        self.ports = [sock.getsockname()[1] for sock in self.sockets]
        self.received = []

    def send(self, i, packet):
        self.sockets[i % SOCKETS].send(packet)
        if self.pace.packet():
            self.drain()

    def drain(self):
        for sock in self.sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.received.append(sock.recv(2000))


def test_owners(make_plane):
    plane = make_plane(control=None, queues=LCORES, max_sessions=SESSIONS)
    control = ControlPlane(plane)
    assert (control.lcores, control.tier) == (LCORES, 3)
    spis = random_spis(SESSIONS)
    peers = [Peer(spi) for spi in spis]
    with contextlib.ExitStack() as stack, contextlib.closing(control):
        sender = Sender(plane, control, stack)
        results = control.install(spis, peer_port=lambda i: sender.ports[i % SOCKETS])
        assert set(results.values()) == {0}
        for message in range(PACKETS):
            for i, peer in enumerate(peers):
                sender.send(i, peer.seal(w.stream_frame(1, message, b"%u %u" % (i, message))))
        wait_for(lambda: control.stats.total()["delivered"] == SESSIONS * PACKETS, 10, "all packets")
        time.sleep(0.1)  # for the ACKs
        sender.drain()
        check_owners(control, spis)
        check_echoes(peers, sender.received)
        settled(control.stats.total)


def check_owners(control, spis):
    owned = collections.Counter(control.owner(spi) for spi in spis)
    assert max(owned.values()) <= EVEN * min(owned.values()), owned
    listed = {session["spi"]: session for session in control.list()}
    assert set(listed) == set(spis)
    for spi, session in listed.items():
        assert session["lcore"] == control.owner(spi), f"{spi:#x}"
        assert session["rx_packets"] == PACKETS
    counters = [control.stats.counters(lcore) for lcore in range(LCORES)]
    for lcore, counter in enumerate(counters):
        assert counter["delivered"] == PACKETS * owned[lcore], f"worker {lcore} did not do exactly its own work"
        assert counter["sessions"] == owned[lcore]
        assert counter["steer_full"] == counter["unknown_spi"] == 0
    misdirected = sum(counter["misdirected"] for counter in counters)
    assert misdirected == sum(counter["handed_in"] for counter in counters)
    assert misdirected > SESSIONS * PACKETS / 2, "this port knows nothing of SPIs: 3 of 4 packets arrive elsewhere"


def check_echoes(peers, packets):
    """Every message has come back to its own client."""
    by_spi = {peer.spi: (i, peer) for i, peer in enumerate(peers)}
    echoed = collections.Counter()
    for packet in packets:
        i, peer = by_spi[int.from_bytes(packet[:4], "big")]
        for kind, fields in w.read_frames(peer.rx.open(packet)[1]):
            if kind == w.STREAM:
                assert fields["data"] == b"%u %u" % (i, fields["sequence"])
                echoed[i, fields["sequence"]] += 1
    assert len(echoed) == SESSIONS * PACKETS and set(echoed.values()) == {1}
