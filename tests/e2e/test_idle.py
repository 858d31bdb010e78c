"""What workers do while nothing comes (idle): every way carries traffic, lets timers fire, and spares the CPU what it
promises to; where it cannot be had, jetplane-dp says so and does not start. Counted are turns of the worker's loop."""

import json
import os
import subprocess
import time

import jetwire as w
import pytest
from host import wait_for, why_not
from plane import BUILD, Plane

RESTS_A_SECOND = 1000  # at most, of a worker that sleeps or waits for 1 ms
LOOKS = 1025  # turns after something came, before it rests again


class TapPlane(Plane):
    """The plane's port is a tap, bridged to the wire. The bridge must not take the port's address for its own."""

    @staticmethod
    def _device(_kind, _queues):
        return "net_tap0,iface=tap0"

    def start_dp(self):
        dp = super().start_dp()
        self.host.ip("link", "set", "tap0", "address", "02:00:00:00:00:aa")
        self.host.ip("link", "add", "br0", "type", "bridge")
        for device in "eth0", "tap0":
            self.host.ip("link", "set", device, "master", "br0")
        self.host.ip("link", "set", "br0", "up")
        return dp


@pytest.fixture
def make_tap():
    if reason := why_not() or (None if os.path.exists("/dev/net/tun") else "there is no /dev/net/tun"):
        pytest.skip(reason)
    planes = []

    def make(**data):
        planes.append(TapPlane(**{"idle_sleep_us": 0, **data}))
        return planes[-1].start()

    yield make
    for plane in planes:
        plane.stop()


def turns_while_quiet(plane, seconds=2):
    """How many the workers made in a time in which next to nothing came; how many they may have made when they rested
    all the time; and their busy share."""
    plane.settle()
    before, began = plane.total(), time.monotonic()
    time.sleep(seconds)
    after, took = plane.total(), time.monotonic() - began + 0.5  # the counters are read a while after the clock
    delta = {name: after[name] - before[name] for name in before}
    found = delta["polls_busy"] + delta["interrupts"]
    may = plane.queues * (RESTS_A_SECOND * took + LOOKS) + LOOKS * found
    return delta["polls"], may, delta["cycles_busy"] / (delta["cycles_busy"] + delta["cycles_idle"])


@pytest.mark.parametrize("idle", ["poll", "pause", "sleep", "interrupt"])
def test_ways_to_rest(make_tap, idle):
    plane = make_tap(idle=idle, idle_sleep_us=1000 if idle == "sleep" else 0)
    assert plane.run_client("--messages", 200)["echoed"] == 200
    assert plane.run_client("--messages", 50, version=6)["echoed"] == 50
    turns, may, busy = turns_while_quiet(plane)
    rests = idle in ("sleep", "interrupt")
    assert (turns <= may) == rests, (turns, may)
    assert turns > 0 and busy < 0.5
    assert (plane.total()["interrupts"] > 0) == (idle == "interrupt")


@pytest.mark.parametrize("idle", ["sleep", "interrupt"])
def test_timers_while_resting(make_tap, idle):
    """A lone packet is acknowledged by the timer; a silent session ends; none of them is woken by anybody."""
    plane = make_tap(idle=idle, idle_sleep_us=1000 if idle == "sleep" else 0)
    session = plane.session(port=4501, params=w.parameters(idle_timeout_ms=1000))
    session.send(w.stream_frame(1, session.next_sequence(1), b"alone"))
    number = session.number - 1
    wait_for(lambda: session.poll(0.05) and number in session.acknowledged, 10, "the acknowledgement")
    assert len(plane.sessions()) == 1
    wait_for(lambda: not plane.sessions(), 20, "the end of a silent session")
    assert plane.total()["sessions_idle"] == 1


def test_handed_over_to_who_rests(make_tap):
    """Packets of one session come from ever new ports, and so to any worker; they are handed to its owner, who rests."""
    plane = make_tap(queues=2, idle="interrupt")
    session, sockets = plane.session(port=4501), []
    for i in range(24):
        sockets.append(session.socket)
        with plane.client_host:
            session.socket = session._open(*session.address)
        session.send(w.stream_frame(1, session.next_sequence(1), b"from elsewhere"))
        wait_for(lambda: plane.total()["delivered"] == i + 1, 10, "its delivery")
    total = plane.total()
    assert total["handed_in"] > 0 and total["interrupts"] > 0
    session.close()
    turns, may, _ = turns_while_quiet(plane)
    assert turns <= may
    for socket in sockets:
        socket.close()


@pytest.mark.parametrize("idle, device, why", [
    ("interrupt", "net_null0", "ports[0] (net_null0): idle: interrupt: net_null has no receive interrupts"),
    ("interrupt", "net_memif0,role=server,socket={}/memif.sock,socket-abstract=no",
     "ports[0] (net_memif0): idle: interrupt: net_memif has no receive interrupts"),
    ("monitor", "net_null0", "idle: monitor: "),  # by CPU or port
])
def test_refused(tmp_path, idle, device, why):
    (tmp_path / "dp.yaml").write_text(json.dumps({
        "name": f"jetplane-idle-{os.getpid()}", "control_socket": str(tmp_path / "dp.sock"), "hugepages": False,
        "max_sessions": 64, "ports": [{"device": device.format(tmp_path), "addresses": ["198.18.0.1/24"]}], "idle": idle}))
    done = subprocess.run([BUILD / "dataplane/jetplane-dp", "--config", tmp_path / "dp.yaml"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and why in done.stderr, done.stderr
