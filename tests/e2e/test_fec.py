"""FEC 20+4 through the real data plane, nothing sent twice: random loss leaves what the binomial distribution says,
bursts of up to 4 packets leave nothing."""

import contextlib
import math
import random
import socket

import jetwire as w
import pytest
from controlplane import ControlPlane, Peer
from host import wait_for
from plane import SERVER, settled
from stats import Pace

K, R = 20, 4
BLOCKS = 2000
CONFIDENCE = 0.99
SPI = 0x12345678
PATIENT = {"fec_expire_us": 10000000, "reorder_timeout_us": 10000000}  # a slow machine changes nothing


# ---- what must come of it ----


def block_loss(p):
    """P[i of a block's sources stay lost]: none of up to R lost packets, all the sources among more."""
    n, distribution = K + R, [0.0] * (K + 1)
    for m in range(n + 1):
        weight = math.comb(n, m) * p**m * (1 - p) ** (n - m)
        for lost in range(max(0, m - R), min(K, m) + 1):
            share = math.comb(K, lost) * math.comb(R, m - lost) / math.comb(n, m)
            distribution[lost if m > R else 0] += weight * share
    return distribution


def total_loss(p, blocks):
    """The same of the sum over independent blocks, by convolution; tails of no weight are left out."""
    def add(a, b):
        out = [0.0] * (len(a) + len(b) - 1)
        for i, x in enumerate(a):
            for j, y in enumerate(b if x > 1e-18 else ()):
                out[i + j] += x * y
        while out[-1] < 1e-18:
            out.pop()
        return out

    total, power = [1.0], block_loss(p)
    while blocks:
        if blocks & 1:
            total = add(total, power)
        blocks >>= 1
        if blocks:
            power = add(power, power)
    return total


def quantile(distribution, share):
    below = 0.0
    for i, weight in enumerate(distribution):
        below += weight
        if below >= share:
            return i
    return len(distribution)


def survivors(lost):
    """Which messages arrive when these packets, numbered through all blocks, do not."""
    arrive = []
    for block in range(BLOCKS):
        missing = [i for i in range(K + R) if block * (K + R) + i in lost]
        arrive += [block * K + i for i in range(K) if len(missing) <= R or i not in missing]
    return arrive


def recovered_for_good(total):
    """A kernel that moves the sender to another CPU may let a repair overtake a source, which comes too late then."""
    return total["fec_recovered"] - total["fec_duplicate"]


# ---- doing it ----


class Sender:
    """One installed session that sends whole blocks, leaving out what is lost, and collects the echoes."""

    def __init__(self, plane, control, client):
        self.control, self.client, self.pace = control, client, Pace(plane.client_host, control.stats)
        client.setblocking(False)
        assert control.install([SPI], peer_port=lambda i: client.getsockname()[1]) == {SPI: 0}
        self.peer = Peer(SPI)
        self.echoed = []
        self.packets = self.block = 0

    def send_block(self, frames, lost):
        sources = [w.fec_source(self.block, i, frame) for i, frame in enumerate(frames)]
        for packet in [*sources, *w.fec_repairs(self.block, R, frames)]:
            sealed = self.peer.seal(packet)
            if self.packets not in lost:
                self.client.sendto(sealed, (SERVER[4], 4500))
                if self.pace.packet():
                    self.drain()
            self.packets += 1
        self.block += 1

    def drain(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                for kind, fields in w.read_frames(self.peer.rx.open(self.client.recv(2000))[1]):
                    if kind in (w.STREAM, w.DATAGRAM):
                        self.echoed.append(fields["data"])

    def finish(self, expected):
        """Wait until so many were delivered, and their echoes are here."""
        wait_for(lambda: self.control.stats.total()["delivered"] >= expected, 15, "deliveries")

        def complete():
            self.drain()
            return len(self.echoed) >= expected

        wait_for(complete, 10, "echoes")
        total = settled(self.control.stats.total)
        assert self.pace.under_way() == 0, "the wire itself lost something"
        assert total["delivered"] == expected
        return total


@pytest.fixture
def sender(make_plane):
    plane = make_plane(control=None, **PATIENT)
    control = ControlPlane(plane)
    with contextlib.closing(control), plane.client_host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("198.18.0.2", 0))
        yield Sender(plane, control, client)


@pytest.mark.parametrize("percent,seed", [(1, 11), (5, 12), (10, 13)])
def test_random_loss(sender, percent, seed):
    p, chance = percent / 100, random.Random(seed)
    lost = {i for i in range(BLOCKS * (K + R)) if chance.random() < p}
    expected = survivors(lost)
    for block in range(BLOCKS):
        sender.send_block([bytes([w.DATAGRAM]) + (block * K + i).to_bytes(4, "big") * 2 for i in range(K)], lost)
    total = sender.finish(len(expected))
    assert sorted(sender.echoed) == [i.to_bytes(4, "big") * 2 for i in expected]
    sources_lost = sum(i % (K + R) < K for i in lost)
    gone = BLOCKS * K - len(expected)
    assert recovered_for_good(total) == sources_lost - gone
    distribution = total_loss(p, BLOCKS)
    low, high = (quantile(distribution, (1 + side * CONFIDENCE) / 2) for side in (-1, 1))
    assert low <= gone <= high, f"seed {seed}: {gone} of {BLOCKS * K} lost, predicted {low} to {high}"


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_bursts(sender, length):
    """At every place of a block, across its end too; on a stream, so that order is seen as well."""
    blocks = 2 * (K + R)
    lost = {start * (2 * (K + R)) + start + i for start in range(K + R) for i in range(length)}
    for block in range(blocks):
        frames = [w.stream_frame(1, block * K + i, b"%u" % (block * K + i)) for i in range(K)]
        sender.send_block(frames, lost)
    total = sender.finish(blocks * K)
    assert sender.echoed == [b"%u" % i for i in range(blocks * K)]
    assert recovered_for_good(total) == sum(i % (K + R) < K for i in lost)
    assert total["gaps_skipped"] == total["fec_lost"] == 0


def test_longer_bursts_are_too_long(sender):
    sender.send_block([bytes([w.DATAGRAM, i]) for i in range(K)], set(range(3, 8)))
    total = sender.finish(K - 5)
    assert sorted(sender.echoed) == [bytes([i]) for i in range(K) if i not in range(3, 8)]
    assert total["fec_recovered"] == 0
