"""No key is ever used twice with a nonce, whatever is killed and when: all packets of a wire, by UDP and by TCP, are captured
while either side is killed, starts anew, resumes and changes epochs, and read with both sides' key logs."""

import random
import sys
import time

import jetresume
import jetwire as w
import pytest
from crowd import Light
from host import wait_for
from jetclient import Session
from jetperf import LISTENERS, PORTS
from nonces import Capture, Nonces, TcpWay
from plane import BUILD, SERVER
from test_faults_kill import SEED, kill_both, kill_jetplane_dp, kill_jetplaned
from test_tcp_relay import TcpPackets, connect, echo, light_session
from test_tcp_relay import make as make_tcp  # noqa: F401  a fixture

ROUNDS = 6
VISITOR = __file__.replace("test_nonces", "visitor")


class Clients:
    """Light sessions that change epochs, two visitors that resume, and a jetperf at a time."""

    def __init__(self, plane, light=()):
        self.plane, self.key, self.light = plane, plane.identity().hex(), light
        self.visitors = [self._visitor(i) for i in range(2)]
        self.jetperf()

    def _visitor(self, i):
        return self.plane.client_host.start(
            "visitor", sys.executable, VISITOR, f"{SERVER[4]}:4500", self.key,
            self.plane.folder / f"kept-{i}", log=self.plane.folder / f"visitor-{i}.log",
            PYTHONDONTWRITEBYTECODE="1",
        )

    def jetperf(self):
        self.perf = self.plane.client_host.start(
            "jetperf", BUILD / "client/tools/jetperf", "-c", SERVER[4], "--key", self.key, "--service", "--echo", "-n", "500K",
            "--keylog", self.plane.folder / "jetperf.keys", log=self.plane.folder / "jetperf.log")

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for light in self.light:
                light.turn()
            time.sleep(0.005)

    def rekey(self):
        for light in self.light:
            session = light.session
            if any(n >> w.EPOCH_SHIFT == session.number >> w.EPOCH_SHIFT for n in session.acknowledged):
                session.rekey()

    def kill(self, i):
        """And start anew with what it kept."""
        self.visitors[i].kill()
        self.visitors[i] = self._visitor(i)
        self.perf.kill()
        self.jetperf()

    def lines(self):
        return [line for visitor in self.visitors for line in visitor.text().splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in *self.visitors, self.perf:
            program.kill()
        for light in self.light:
            light.session.close()


def read(plane, capture):
    nonces = Nonces(plane.folder.glob("*.keys"))
    for packet in capture.packets + capture.by_tcp:
        nonces.take(packet)
    return nonces


def check(plane, clients, capture, capsys):
    """Returns what was read."""
    assert set(clients.lines()) <= {"resumed", "anew"}, "\n".join(clients.lines())
    nonces = read(plane, capture)
    with capsys.disabled():
        print(f" {len(nonces.used)} packets of {len(nonces.keys) // 2} sessions, {len(capture.by_tcp)} by TCP, "
              f"{nonces.hellos[w.SERVER_HELLO]} ServerHellos, {nonces.hellos[jetresume.RESUME_ACCEPT]} ResumeAccepts, "
              f"{len(nonces.tickets)} tickets ", end="")
    assert nonces.unread == 0, "packets that no key of the logs opens"
    assert len({ticket[:24] for ticket in nonces.tickets}) == len(nonces.tickets), "two tickets with one nonce"
    assert max(epoch for _, epoch in nonces.epochs) >= 1
    return nonces


def test_no_nonce_twice(make_plane, capsys):
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    plane = make_plane(keylog=True, control={"idle_timeout_ms": 5000}, listeners=LISTENERS, full={"sessions": 256})
    light = [Light(plane, w.AES256_GCM, 4), Light(plane, w.CHACHA20_POLY1305, 6)]
    with Capture(plane.client_host) as capture, Clients(plane, light) as clients:
        for i in range(ROUNDS):
            clients.run(rng.uniform(0.3, 1))
            clients.rekey()
            clients.run(rng.uniform(0, 0.3))
            (kill_jetplaned, kill_jetplane_dp, kill_both)[i % 3](plane, clients, rng)
            clients.run(rng.uniform(0, 1.5))
            clients.kill(i % 2)
        clients.run(3)
    nonces = check(plane, clients, capture, capsys)
    assert nonces.hellos[jetresume.RESUME_ACCEPT] > 5 and nonces.hellos[jetresume.RESUME_REFUSE] > 0
    assert nonces.hellos[w.SERVER_HELLO] > 5 and len(nonces.used) > 1000


def wander(plane, suite):
    """A light session of two epochs goes from TCP to UDP, and on by another connection."""
    session = light_session(plane, suites=(suite,))
    by_tcp = session.socket
    echo(session)
    with plane.client_host:
        session.socket = Session._open(SERVER[4], PORTS["echo"])
    echo(session)
    wait_for(lambda: session.send(bytes([w.PING])) and session.poll(0.1) and session.acknowledged, 10, "an acknowledgement")
    session.rekey()
    echo(session)
    session.socket.close()
    session.socket = TcpPackets(connect(plane))
    echo(session)
    session.close()
    by_tcp.close()


def test_no_nonce_twice_by_tcp(make_tcp, capsys):  # noqa: F811
    """What UDP carries does not come back: clients that were on it, and new ones, turn to TCP, and return."""
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    plane = make_tcp(keylog=True, control={"idle_timeout_ms": 5000}, full={"sessions": 256})
    with Capture(plane.client_host) as capture, Clients(plane) as clients:
        for i, kill in enumerate((kill_jetplaned, kill_jetplane_dp, kill_both)):
            wander(plane, (w.AES256_GCM, w.CHACHA20_POLY1305)[i % 2])
            clients.kill(i % 2)
            clients.run(rng.uniform(0, 0.5))
            plane.udp.cut(["back"])
            clients.run(rng.uniform(1.5, 2.5))
            kill(plane, clients, rng)
            clients.run(rng.uniform(1.5, 2.5))
            plane.udp.join()
            wait_for(plane.up, 30, "jetplaned and the data plane")
        clients.run(2)
    check(plane, clients, capture, capsys)
    by_udp, by_tcp = ({packet[:4] for packet in packets} for packets in (capture.packets, capture.by_tcp))
    assert len(capture.by_tcp) > 300 and len(by_tcp) > 20
    assert len(by_udp & by_tcp) > 5, "sessions of both"


def test_tcp_is_put_together():
    """Whatever the segments: late, twice, overlapping, over the end of the sequence numbers."""
    rng = random.Random(SEED)
    packets = [rng.randbytes(rng.randrange(1, 3000)) for _ in range(100)]
    stream = b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)
    first = (1 << 32) - len(stream) // 2
    starts = [*range(0, len(stream), 1000)]
    segments = [(at, stream[at : at + rng.randrange(1000, 2500)]) for at in starts + rng.sample(starts, 30)]
    segments.sort(key=lambda segment: segment[0] + rng.randrange(20000))
    way = TcpWay(first)
    assert sum((way.take((first + at) % (1 << 32), data) for at, data in segments), []) == packets
    assert way.waiting == [] and way.bytes == b""


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_nonces_used_twice_are_noticed(make_tcp, way):  # noqa: F811
    """By a client that forgot where it was, as after a crash, but not its keys."""
    plane = make_tcp(keylog=True)
    with Capture(plane.client_host) as capture:
        session = light_session(plane) if way == "tcp" else plane.session()
        for i in range(2):
            session.number = 7
            session.send(w.stream_frame(1, i, b"something else each time"))
        wait_for(lambda: plane.total()["replay_seen"] > 0, 5, "the packets")
    with pytest.raises(AssertionError, match="packet number 7 was used twice"):
        read(plane, capture)
