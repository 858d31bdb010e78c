"""No key is ever used twice with a nonce, whatever is killed and when: all packets of a wire are captured while either side is
killed, starts anew, resumes and changes epochs, and read with both sides' key logs."""

import random
import sys
import time

import jetresume
import jetwire as w
import pytest
from crowd import Light
from host import wait_for
from jetperf import LISTENERS
from nonces import Capture, Nonces
from plane import BUILD, SERVER
from test_faults_kill import SEED, kill_both, kill_jetplane_dp, kill_jetplaned

ROUNDS = 6
VISITOR = __file__.replace("test_nonces", "visitor")


class Clients:
    """Two light sessions that change epochs, two visitors that resume, and a jetperf at a time."""

    def __init__(self, plane):
        self.plane, self.key = plane, plane.identity().hex()
        self.light = [Light(plane, w.AES256_GCM, 4), Light(plane, w.CHACHA20_POLY1305, 6)]
        self.visitors = [self._visitor(i) for i in range(2)]
        self.jetperf()

    def _visitor(self, i):
        return self.plane.client_host.start(
            "visitor", sys.executable, VISITOR, f"{SERVER[4]}:4500", self.key,
            self.plane.folder / f"kept-{i}", log=self.plane.folder / f"visitor-{i}.log",
            JETPLANE_LIBRARY=BUILD / "client/libjetplane.so.0", PYTHONDONTWRITEBYTECODE="1",
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
    for packet in capture.packets:
        nonces.take(packet)
    return nonces


def test_no_nonce_twice(make_plane, capsys):
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    plane = make_plane(keylog=True, control={"idle_timeout_ms": 5000}, listeners=LISTENERS, full={"sessions": 256})
    with Capture(plane.client_host) as capture, Clients(plane) as clients:
        for i in range(ROUNDS):
            clients.run(rng.uniform(0.3, 1))
            clients.rekey()
            clients.run(rng.uniform(0, 0.3))
            (kill_jetplaned, kill_jetplane_dp, kill_both)[i % 3](plane, clients, rng)
            clients.run(rng.uniform(0, 1.5))
            clients.kill(i % 2)
        clients.run(3)
    assert set(clients.lines()) <= {"resumed", "anew"}, "\n".join(clients.lines())
    nonces = read(plane, capture)
    with capsys.disabled():
        print(f" {len(nonces.used)} packets of {len(nonces.keys) // 2} sessions, {nonces.hellos[w.SERVER_HELLO]} ServerHellos, "
              f"{nonces.hellos[jetresume.RESUME_ACCEPT]} ResumeAccepts, {len(nonces.tickets)} tickets ", end="")
    assert nonces.unread == 0, "packets that no key of the logs opens"
    assert len({ticket[:24] for ticket in nonces.tickets}) == len(nonces.tickets), "two tickets with one nonce"
    assert nonces.hellos[jetresume.RESUME_ACCEPT] > 5 and nonces.hellos[jetresume.RESUME_REFUSE] > 0
    assert nonces.hellos[w.SERVER_HELLO] > 5 and max(epoch for _, epoch in nonces.epochs) >= 1
    assert len(nonces.used) > 1000


def test_nonces_used_twice_are_noticed(make_plane):
    """By a client that forgot where it was, as after a crash, but not its keys."""
    plane = make_plane(keylog=True)
    with Capture(plane.client_host) as capture:
        session = plane.session()
        for i in range(2):
            session.number = 7
            session.send(w.stream_frame(1, i, b"something else each time"))
        wait_for(lambda: plane.total()["replay_seen"] > 0, 5, "the packets")
    with pytest.raises(AssertionError, match="packet number 7 was used twice"):
        read(plane, capture)
