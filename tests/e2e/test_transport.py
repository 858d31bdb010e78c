"""Full sessions: jetperf, by libjetplane and kernel sockets, against a data plane's services, over wires good and bad.
Every byte that comes back is checked by jetperf, and every packet of the data plane has its end in the books."""

import os
import time

import pytest
from badwire import BadWire
from host import wait_for
from jetperf import LISTENERS, MIB, SERVICES, Jetperf, books, say
from plane import CLIENT

SECONDS = float(os.environ.get("JETPLANE_SOAK_SECONDS", 60))


@pytest.fixture
def make(make_plane, tmp_path, capsys):
    """A factory of planes with all services. Its keys of `impair` make the wire a bad one, plane.wire."""
    wires = []

    def make(impair=(), full=(), **options):
        if impair:
            wires.append(BadWire(tmp_path, **dict(impair)))
            options["wire"] = wires[-1]
        plane = make_plane(listeners=LISTENERS, max_streams=256, full={"sessions": 64, **dict(full)}, **options)
        plane.wire = wires[-1] if impair else None
        return plane

    yield make
    for wire in wires:
        wire.close()


def rates(way, local):
    """For people."""
    path = local["path"]
    bits = local["received_bits_per_second" if way != "up" else "sent_bits_per_second"]
    return f"{way} {bits / 1e6:.0f} Mbit/s, lost {path['packets_lost']} of {path['packets_sent']}"


# ---- a good wire ----


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("streams", [1, 100])
@pytest.mark.parametrize("way", SERVICES)
def test_bulk(make, capsys, way, streams, version):
    plane = make()
    volume = 8 * MIB if way == "echo" else 64 * MIB
    local = Jetperf(plane, way, "-n", volume, "-P", streams, version=version).result()
    say(capsys, rates(way, local))
    total = books(plane)
    assert total["transport"] > 0 and total["sessions_installed"] == total["sessions_closed"] == 1
    if way != "down":
        assert total["delivered_bytes"] == local["sent"] >= volume
    assert way == "up" or local["received"] >= volume


@pytest.mark.parametrize("size", [16, 2000, 60000])
def test_sizes_of_messages(make, size):
    """Those that fit into a packet, and those that come in many."""
    Jetperf(make(), "echo", "-n", 4 * MIB, "-P", 10, "--size", size).result()


# ---- a bad one ----

BAD = {
    "loss": {"loss": 2, "delay": 5},
    "bursts": {"loss": 0.5, "burst": 60, "delay": 5},
    "reordering": {"late": 2, "extra": 3, "delay": 5},
    "everything": {"loss": 1, "burst": 20, "late": 1, "extra": 3, "twice": 1, "damage": 0.5, "delay": 5},
}


@pytest.mark.parametrize("wire", BAD)
@pytest.mark.parametrize("way", SERVICES)
def test_bulk_over_a_bad_wire(make, capsys, way, wire):
    plane = make(impair=BAD[wire])
    volume = 4 * MIB if way == "echo" else 16 * MIB
    version = 6 if wire == "everything" else 4
    local = Jetperf(plane, way, "-n", volume, "-P", 100, "--congestion", "bbr", version=version).result()
    say(capsys, rates(way, local))
    total = books(plane)
    assert way == "down" or total["delivered_bytes"] == local["sent"] >= volume
    assert way == "up" or local["received"] >= volume
    did = plane.wire.close()
    assert did["late" if wire == "reordering" else "lost"] > 0 and did["overflowed"] == 0, did


# ---- moving ----

ELSEWHERE = {4: "198.18.0.3", 6: "fd00::3"}


def many_moves(plane):
    wait_for(lambda: plane.total()["paths_changed"] >= 4, 30, "moves")


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", SERVICES)
def test_client_moves_to_other_ports(make, way, version):
    plane = make()
    perf = Jetperf(plane, way, "-t", 5, "-P", 10, "--migrate", 0.5, version=version)
    many_moves(plane)
    perf.result()
    books(plane)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", SERVICES)
def test_client_moves_to_other_addresses(make, way, version):
    plane = make(impair={"delay": 2, "loss": 0.5})
    plane.client_host.address(ELSEWHERE[version] + ("/64" if version == 6 else "/24"))
    binds = "--bind", CLIENT[version], "--bind", ELSEWHERE[version]
    perf = Jetperf(plane, way, "-t", 5, "-P", 10, "--migrate", 0.7, *binds, version=version)
    seen = set()
    deadline = time.monotonic() + 5
    while len(seen) < 2 and time.monotonic() < deadline:
        seen |= {session["peer_ip"] for session in plane.sessions()}
    assert seen == {CLIENT[version], ELSEWHERE[version]}
    many_moves(plane)
    perf.result()
    books(plane)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", SERVICES)
def test_nat_forgets(make, way, version):
    """The client's port changes outside, without its knowledge, and what comes to the old one is lost."""
    plane = make(impair={"rebind": 700, "delay": 2})
    seconds = 13 if way == "down" else 5  # who only receives may have nothing to say until its heartbeat, 5 s
    perf = Jetperf(plane, way, "-t", seconds, "-P", 10, version=version)
    many_moves(plane)
    perf.result()
    books(plane)
    assert plane.wire.close()["rebound"] >= 4


# ---- for long ----


def test_soak(make, capsys):
    """Both ways at once, on hundreds of streams, over a bad wire."""
    plane = make(impair={"loss": 0.5, "burst": 30, "late": 0.5, "extra": 2, "twice": 0.1, "damage": 0.1, "delay": 2})
    perfs = [
        Jetperf(plane, "echo", "-t", SECONDS, "-P", 100, "--size", 4000, "--congestion", "bbr"),
        Jetperf(plane, "up", "-t", SECONDS, "-P", 100, version=6), Jetperf(plane, "down", "-t", SECONDS),
    ]
    found = {perf.way: perf.result(SECONDS + 60) for perf in perfs}
    for way, local in found.items():
        say(capsys, rates(way, local))
    total = books(plane)
    assert total["delivered_bytes"] >= found["echo"]["sent"] + found["up"]["sent"]
    assert total["packets_lost"] > 0 and total["sessions_closed"] == 3
    assert plane.wire.close()["damaged"] > 0 and total["auth_failed"] > 0


# ---- what is killed ----


def all_at_work(plane):
    total = plane.total()
    return total["sessions_full"] == len(SERVICES) and total["messages"] > 1000


def test_jetplaned_is_killed(make):
    plane = make()
    perfs = [Jetperf(plane, way, "-t", 15, "-P", 20) for way in SERVICES]
    wait_for(lambda: all_at_work(plane), 10, "data")
    plane.daemon.kill()
    time.sleep(2)
    plane.start_daemon()
    assert plane.total()["sessions_full"] == 3
    Jetperf(plane, "echo", "-n", MIB).result()
    for perf in perfs:
        perf.result()
    books(plane)


def test_jetplane_dp_is_killed(make):
    plane = make()
    perfs = [Jetperf(plane, way, "-t", 60, "-P", 20) for way in SERVICES]
    wait_for(lambda: all_at_work(plane), 10, "data")
    plane.dp.kill()
    plane.start_dp()
    for perf in perfs:
        code, found = perf.exit(20)
        assert code == 1 and "the server was restarted" in found["error"], found
    wait_for(plane.up, 20, "jetplaned and the data plane")
    Jetperf(plane, "echo", "-n", MIB, "-P", 20).result()
    assert plane.jetctl("status")["handshakes"]["resets"] >= 3
    books(plane)
