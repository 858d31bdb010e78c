"""A soak: genuine sessions among garbage, for $JETPLANE_SOAK_SECONDS (60), under the sanitizers when that build is
there; beside it jetgen does the same to another Jetplane over memif. No genuine message is lost; in the end every
packet that went in is accounted for, and everything taken was given back.

Memory for streams and FEC is kept short, so that whatever is not given back runs out; a session's first nine streams
are always there."""

import collections
import os
import socket
import time

import jetwire as w
from controlplane import mac
from garbage import Garbage
from host import wait_for
from plane import BUILD, COUNTERS, SANITIZED
from stats import Pace, Stats

SECONDS = float(os.environ.get("JETPLANE_SOAK_SECONDS", 60))
SEED = 20
SHORT = {"stream_chunks": 16, "fec_blocks": 128, "fec_symbols": 2048, "confirm_timeout_ms": 1000}
PATIENT = {"reorder_timeout_us": 10000000, "fec_expire_us": 10000000}
K, R = 20, 4

# Ends that ten seconds of this garbage never miss.
PROVOKED = """
    control repair punted keepalive arp ndp icmp eth_other arp_other ip_malformed ip_checksum ip_fragment ip_not_ours
    ip_other udp_malformed port_closed too_short spi_reserved pn_mismatch hs_version hs_type unknown_spi auth_failed
    replay_seen bad_frame epoch_far
""".split()


class Genuine:
    """A session whose every message must come back, in order: streams or datagrams, with or without FEC and loss."""

    def __init__(self, plane, chance, version, suite, datagrams=False, fec=False):
        self.chance, self.datagrams, self.fec = chance, datagrams, fec
        params = w.parameters(fec_k=K, fec_r=R) if fec else b""
        self.session = plane.session(version, suites=(suite,), params=params)
        self.expected = collections.defaultdict(collections.deque)
        self.sequence = collections.Counter()
        self.block, self.count = [], 0
        self.lost = set()  # indexes of this block's packets
        self.delivered = 0
        self.recent = collections.deque(maxlen=256)

    def step(self):
        stream = None if self.datagrams else self.chance.randrange(1, 9)
        data = self.chance.randbytes(self.chance.randrange(8, 1200))
        self.expected[stream].append(data)
        if self.datagrams:
            frame = bytes([w.DATAGRAM]) + data
        else:
            frame = w.stream_frame(stream, self.sequence[stream], data)
            self.sequence[stream] += 1
        if self.fec:
            self._protect(frame)
        else:
            self.session.send(frame)
        self.read()

    def _protect(self, frame):
        if not self.block:
            self.lost = set(self.chance.sample(range(K + R), self.chance.randrange(R + 1)))
        self.session.send(w.fec_source(self.count, len(self.block), frame), lose=len(self.block) in self.lost)
        self.block.append(frame)
        if len(self.block) == K:
            self._repair()

    def _repair(self):
        for i, repair in enumerate(w.fec_repairs(self.count, R, self.block)):
            self.session.send(repair, lose=K + i in self.lost)
        self.block, self.count = [], self.count + 1

    def read(self, seconds=0):
        while self.session.poll(seconds):
            pass
        for _, fields in self.session.received:
            self._check(fields.get("stream"), fields["data"])
        self.session.received.clear()
        assert self.session.closed is None and not self.session.was_reset

    def _check(self, stream, data):
        expected = self.expected[stream]
        where = f"SPI {self.session.server['server_spi']:#x}, stream {stream}, FEC {self.fec}, {len(expected)} under way"
        assert data not in self.recent, f"delivered twice: {where}"
        assert data in expected, f"delivered what was never sent: {where}"
        assert self.datagrams or data == expected[0], f"{expected.index(data)} missing: {where}"
        expected.remove(data)
        self.recent.append(data)
        self.delivered += 1

    def finish(self):
        if self.block:
            self.lost = set()
            self._repair()

        def complete():
            self.read(0.05)
            return not any(self.expected.values())

        wait_for(complete, 10, f"echoes of stream {[k for k, v in self.expected.items() if v]}")
        self.session.close()


class Hostile:
    """A session with keys whose packets open, and whose frames nobody should send."""

    def __init__(self, plane, chance):
        self.plane, self.chance = plane, chance
        self.session = plane.session(self.chance.choice((4, 6)))

    def frames(self):
        c = self.chance
        number = lambda: c.choice((c.randrange(4), c.randrange(1 << 14), c.randrange(1 << 62)))  # noqa: E731
        return c.choice((
            lambda: c.randbytes(c.randrange(1, 200)),
            lambda: w.stream_frame(number(), number(), c.randbytes(9), offset=number(), fin=c.random() < 0.5),
            lambda: w.fec_source(number() % 300, c.randrange(70), c.randbytes(c.randrange(40))),
            lambda: bytes([w.FEC_REPAIR]) + w.varint(number() % 300) + c.randbytes(c.randrange(40)),
            lambda: w.ack_frame({number() for _ in range(3)}),
            lambda: bytes([w.PATH_CHALLENGE]) + c.randbytes(8),
            lambda: bytes([w.CLOSE, c.randrange(6), c.randrange(5)]) + c.randbytes(4),
        ))()

    def step(self):
        session = self.session
        if self.chance.random() < 0.02:
            session.number += self.chance.choice((5000, 1 << 23))
        session.send(self.frames())
        while session.socket.fileno() >= 0 and session._receive(0):
            pass  # let it pile up nowhere
        if self.chance.random() < 0.2:  # it may live or not
            session.close()
            self.session = self.plane.session(self.chance.choice((4, 6)))


def genuine_sessions(plane, chance):
    return [
        Genuine(plane, chance, 4, w.AES256_GCM), Genuine(plane, chance, 6, w.CHACHA20_POLY1305),
        Genuine(plane, chance, 6, w.AES256_GCM, datagrams=True), Genuine(plane, chance, 4, w.AES256_GCM, fec=True),
        Genuine(plane, chance, 6, w.CHACHA20_POLY1305, fec=True),
    ]


def soak(plane, garbage, pace, raw):
    genuine = genuine_sessions(plane, garbage.chance)
    hostile = Hostile(plane, garbage.chance)
    eavesdropper = Eavesdropper(raw, garbage, genuine)
    deadline = next_hostile = time.monotonic()
    deadline += SECONDS
    sent = 0
    while (now := time.monotonic()) < deadline:
        for _ in range(32):
            raw.send(garbage.frame())
            pace.packet()
            sent += 1
        for session in genuine:
            session.step()
        if now > next_hostile:
            hostile.step()
            next_hostile = now + 0.1
        eavesdropper.listen()
    for session in genuine:
        session.finish()
    hostile.session.close()
    return sent, sum(session.delivered for session in genuine)


class Eavesdropper:
    """Gives what clients send to the garbage, but not before the data plane has acknowledged it: whoever is faster than
    the genuine packet may move a session, and that is as it should be."""

    def __init__(self, raw, garbage, genuine):
        self.raw, self.garbage = raw, garbage
        self.sessions = {session.session.server["server_spi"]: session.session for session in genuine}
        self.waiting = collections.deque(maxlen=4096)

    def listen(self):
        for _ in range(64):
            try:
                frame, address = self.raw.recvfrom(2048)
            except BlockingIOError:
                break
            if address[2] == socket.PACKET_OUTGOING:  # by the kernel's sockets; not heard: what `raw` sent
                self.waiting.append(frame)
        for _ in range(len(self.waiting)):
            frame = self.waiting.popleft()
            (self.garbage.see if self._over(frame) else self.waiting.append)(frame)

    def _over(self, frame):
        payload = frame[42:] if frame[12:14] == b"\x08\x00" else frame[62:]
        session = self.sessions.get(int.from_bytes(payload[:4], "big"))
        return session is None or int.from_bytes(payload[8:16], "big") in session.acknowledged


def test_soak(make_plane, capsys):
    build = SANITIZED if (SANITIZED / "dataplane/jetplane-dp").exists() else BUILD
    plane = make_plane(build=build, queues=2, control={"idle_timeout_ms": 5000}, **SHORT, **PATIENT)
    beside = make_plane(build=build, queues=2, memif=True, **PATIENT)
    generator = beside.start_jetgen("mixed-garbage.lua", f"seconds={SECONDS:.0f}", "rate=2000", "sessions=50")
    stats = Stats.of(plane.dp.pid)
    pace = Pace(plane.client_host, stats)
    before = wait_for(lambda: stats.mbufs() if stats.mbufs()[0] else None, 5, "the first sample")
    garbage = Garbage(SEED, mac(plane.client_host), mac(plane.host), plane.kem)
    with plane.client_host.raw_socket() as raw:
        try:
            sent, echoed = soak(plane, garbage, pace, raw)
        except AssertionError as error:
            found = {name: value for name, value in stats.total().items() if value}
            raise AssertionError(f"{error}; {pace.under_way()} packets lost by the wire; {found}") from error
        wait_for(lambda: stats.total()["sessions"] == 0, 60, "all sessions to end")
    total = plane.settle()
    with capsys.disabled():
        print(f" {total['rx_packets']} packets, {sent} of them garbage, {echoed} messages echoed ", end="")
    assert pace.under_way() == 0, "what was sent was received"
    assert wait_for(lambda: stats.mbufs() == before or None, 5, f"all packet buffers: {stats.mbufs()} of {before}")
    assert [name for name in PROVOKED if total[name] == 0] == []
    assert total["delivered"] >= echoed
    assert total["sessions_installed"] == sum(
        total[name] for name in COUNTERS["JP_EVENTS"]
        if name in ("sessions_idle", "sessions_unconfirmed", "sessions_closed", "sessions_failed", "sessions_evicted",
                    "sessions_retired")
    )
    as_good_as_new(plane, garbage.chance)
    beside.all_received(beside.wait_jetgen(generator))


def as_good_as_new(plane, chance):
    """With all its memory: sessions come and go that, together, need several times what there is."""
    before = plane.total()
    for _ in range(12):
        for session in genuine_sessions(plane, chance):
            for _ in range(2 * K):
                session.step()
            session.finish()
    after = plane.settle()
    assert after["stream_limit"] == before["stream_limit"] and after["fec_lost"] == before["fec_lost"]
