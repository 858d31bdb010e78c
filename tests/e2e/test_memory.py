"""A million light sessions in 4 GiB: installed, measured, some of them used, listed, retired. Full ones, at both ends."""

import contextlib
import json
import socket

import jetwire as w
import pytest
from controlplane import ControlPlane, Peer, random_spis
from host import wait_for
from jetperf import LISTENERS, PORTS, books, say
from memory import free_memory, memory
from plane import BUILD, SERVER, sanitized, settled

SESSIONS, FULL = 1_000_000, 100_000
KIB_A_FULL_ONE = 10
GIB = 1 << 30


def test_a_million_sessions(make_plane, capsys):
    if free_memory() < 6 * GIB:
        pytest.skip("needs 6 GiB of free memory")
    plane = make_plane(control=None, queues=2, max_sessions=SESSIONS, confirm_timeout_ms=600000)
    control = ControlPlane(plane)
    spis = random_spis(SESSIONS)
    with contextlib.closing(control), plane.client_host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("198.18.0.2", 0))
        client.settimeout(5)
        empty = memory(plane.dp.pid)
        results = control.install(spis, peer_port=lambda i: client.getsockname()[1])
        assert len(results) == SESSIONS and set(results.values()) == {0}
        assert control.stats.total()["sessions"] == SESSIONS
        some = spis[:: SESSIONS // 500]
        use(client, [Peer(spi) for spi in some])
        full = memory(plane.dp.pid)
        with capsys.disabled():
            print(f" {full / GIB:.2f} GiB, {(full - empty) / SESSIONS:.0f} bytes a session ", end="")
        assert full <= 4 * GIB
        check_list(control, spis, some)
        retire(control, some)
        assert settled(control.stats.total)["sessions"] == SESSIONS - len(some)


def use(client, peers):
    """Every one of these sessions carries a message there and back."""
    for i, peer in enumerate(peers):
        client.sendto(peer.seal(w.stream_frame(1, 0, b"message %u" % i)), (SERVER[4], 4500))
        while True:
            packet = client.recv(2000)
            assert int.from_bytes(packet[:4], "big") in {peer.spi for peer in peers[: i + 1]}
            if packet[:4] != peer.spi.to_bytes(4, "big"):
                continue  # a late ACK
            (kind, fields), *_ = w.read_frames(peer.rx.open(packet)[1])
            if kind == w.STREAM:
                break
        assert fields["data"] == b"message %u" % i


def check_list(control, spis, used):
    """Paging shows each session exactly once."""
    listed = {}
    for session in control.list():
        assert session["spi"] not in listed
        listed[session["spi"]] = session["rx_packets"]
    assert set(listed) == set(spis)
    assert {spi for spi, packets in listed.items() if packets} == set(used)


def retire(control, spis):
    for spi in spis:
        control.retire(spi)
    wait_for(lambda: control.stats.total()["sessions_retired"] == len(spis), 10, "the sessions to end")


def test_idle_sessions(make_plane, capsys):
    """They have sent and received, and rest."""
    if free_memory() < 6 * GIB:
        pytest.skip("needs 6 GiB of free memory")
    if sanitized(BUILD / "client/libjetplane.so"):
        pytest.skip("a sanitizer puts each piece of memory between others of its own")
    full = {"sessions": FULL + 5000, "heartbeat_ms": 0, "streams_mb": 384}
    plane = make_plane(listeners=LISTENERS, max_sessions=FULL + 5000, max_streams=256, punt_rate=0, full=full,
                       control={"idle_timeout_ms": 3600000})
    before = memory(plane.dp.pid)
    client = plane.client_host.start(
        "idle-sessions", BUILD / "tests/tools/idle-sessions", f"{SERVER[4]}:{PORTS['echo']}", plane.identity().hex(),
        FULL, log=plane.folder / "idle.log",
    )
    wait_for(lambda: client.said("bytes"), 400, "sessions")
    found = {
        "data plane": (memory(plane.dp.pid) - before) / FULL, "library": json.loads(client.text())["bytes"],
    }
    assert plane.total()["sessions_full"] == FULL
    for name, size in found.items():
        say(capsys, f"{name}: {size:.0f} bytes a session")
    assert max(found.values()) <= 1024 * KIB_A_FULL_ONE
    client.kill()
    books(plane)
