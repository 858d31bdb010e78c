"""A data plane that speaks wrongly: jetplaned closes the connection, lives on, and serves a right one."""

import os
import random
import struct
import time

import ipc
import pytest
from daemon import wait_for


def recovers(daemon, peer):
    """jetplaned lives, comes back, and is served."""
    assert daemon.alive()
    peer.connect(timeout=5)
    wait_for(lambda: daemon.status()["data_plane"]["state"] == "up")


@pytest.mark.parametrize("data", [
    b"x",
    bytes(8),
    os.urandom(620),
    ipc.message(ipc.DATA_HELLO, bytes(612), version=2),
    ipc.message(ipc.DATA_HELLO, bytes(612), magic=1),
    ipc.message(ipc.DATA_HELLO, bytes(611)),
    ipc.message(ipc.DATA_HELLO, bytes(613)),
    ipc.message(ipc.DATA_HELLO, bytes(612)),
    ipc.message(ipc.PUNT, bytes(1472)),
    ipc.message(ipc.LIST_END, bytes(16)),
    ipc.message(ipc.CONTROL_HELLO, bytes(8)),
    bytes(5000),
], ids=lambda data: f"{len(data)}-{data[:8].hex()}")
def test_wrong_first_message(daemon, make_peer, data):
    peer = make_peer(daemon)
    peer.accept()
    peer.send(data)
    assert peer.closed()
    recovers(daemon, peer)
    assert daemon.status()["data_plane"]["violations"] == 1


@pytest.mark.parametrize("changed", [
    dict(lcores=0), dict(lcores=33), dict(reta_size=0), dict(reta_size=3), dict(reta_size=1024),
    dict(reta=bytes([4]) * 512), dict(tier=0), dict(tier=4), dict(max_sessions=0),
    dict(max_sessions=2**32 - 1), dict(max_packet=100), dict(max_packet=65535),
    dict(max_streams=0), dict(fec_k=65), dict(fec_r=17), dict(fec_k=0), dict(stats_size=0),
    dict(credit=(1, 0, 65536)), dict(credit=(0, 0, 1)),
    dict(idle_timeout_max_ms=0), dict(idle_timeout_max_ms=999),
    dict(stats_size=ipc.STATS_SIZE + 1), dict(boot_id=bytes(16)),
], ids=str)
def test_wrong_hello(daemon, make_peer, changed):
    peer = make_peer(daemon)
    peer.accept()
    peer.send(peer.hello(**changed), [peer.stats])
    assert peer.closed()
    recovers(daemon, peer)


@pytest.mark.parametrize("changed", [
    dict(seal=False), dict(size=100), dict(size=ipc.STATS_SIZE - 1), dict(magic=0),
    dict(version=9),
], ids=str)
def test_wrong_statistics(daemon, make_peer, changed):
    peer = make_peer(daemon)
    fd = ipc.stats_file(peer.boot_id, peer.lcores, **changed)
    peer.accept()
    peer.send(peer.hello(), [fd])
    assert peer.closed()
    os.close(fd)
    recovers(daemon, peer)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_descriptors_do_not_leak(daemon, make_peer):
    """Whatever comes with a hello or a message is closed, wanted or not."""
    peer = make_peer(daemon)
    other = os.memfd_create("other")
    peer.connect()
    time.sleep(0.1)
    before = descriptors(daemon)
    peer.hang_up()
    for wrong in ([], [other], [peer.stats] * 20):
        peer.accept(3)
        peer.send(peer.hello(), wrong)
        assert peer.closed()
    peer.accept(3)
    peer.send(peer.hello(), [peer.stats, other, other])  # the first one is the right one
    peer.serve(0.05)
    peer.send(ipc.message(ipc.INSTALLED, bytes(8)), [other])
    assert peer.closed()
    os.close(other)
    recovers(daemon, peer)
    wait_for(lambda: descriptors(daemon) == before)


def test_silent_data_plane_is_left(daemon, make_peer):
    peer = make_peer(daemon)
    peer.accept()
    assert peer.closed(timeout=3)
    recovers(daemon, peer)


@pytest.mark.parametrize("kind", [ipc.DATA_HELLO, ipc.INSTALL, 0, 99, 65535])
def test_message_out_of_turn(daemon, peer, kind):
    peer.send(ipc.message(kind, bytes(ipc.SIZES.get(kind, 16) - 8)))
    assert peer.closed()
    recovers(daemon, peer)


@pytest.mark.parametrize("kind", [ipc.PUNT, ipc.UNKNOWN_SPI, ipc.INSTALLED, ipc.RETIRED,
                                  ipc.SESSION, ipc.LIST_END])
@pytest.mark.parametrize("more", [-1, 1])
def test_wrong_size(daemon, peer, kind, more):
    peer.send(ipc.message(kind, bytes(ipc.SIZES[kind] - 8 + more)))
    assert peer.closed()
    recovers(daemon, peer)


def test_random_messages(daemon, make_peer):
    """Well-sized messages with random contents, and some of random size."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    peer = make_peer(daemon)
    peer.connect()
    kinds = [ipc.PUNT, ipc.UNKNOWN_SPI, ipc.INSTALLED, ipc.RETIRED, ipc.SESSION, ipc.LIST_END]
    for _ in range(2000):
        kind = rng.choice(kinds)
        peer.send(ipc.message(kind, rng.randbytes(ipc.SIZES[kind] - 8)))
        peer.serve(0)
    assert daemon.alive() and daemon.status()["data_plane"]["state"] == "up"
    for _ in range(5):
        peer.send(rng.randbytes(rng.randrange(1, 2000)))
        assert peer.closed()
        peer.connect(3)
    recovers(daemon, peer)


def test_list_answers_without_end(daemon, make_peer):
    """A LIST answered by too many sessions, or never, costs bounded memory and ends."""
    peer = make_peer(daemon)
    peer.accept()
    peer.send(peer.hello(), [peer.stats])
    kind, body = peer.recv_raw()
    assert kind == ipc.LIST
    request, = struct.unpack_from("=Q", body)
    for spi in range(1000):
        peer.send(peer.session(request, 1000 + spi))
    wait_for(lambda: daemon.status()["data_plane"]["sessions_known"] == 64)
    wait_for(lambda: "resynchronising stopped" in daemon.log.read_text())
    peer.serve(1.5)  # it asks again
    wait_for(lambda: daemon.status()["data_plane"]["resyncs"] == 1)


def test_full_socket_does_not_stall(daemon, make_peer):
    """A data plane that does not read: the control socket answers all the same, and nothing grows."""
    peer = make_peer(daemon)
    peer.connect()
    peer.patience = 0
    sent = 0
    try:
        for sent in range(100000):
            peer.unknown_spi(os.urandom(32), ip=f"198.{18 + sent % 2}.{sent % 250}.1")
    except BlockingIOError:
        pass
    assert 100 < sent < 99999
    peer.patience = 5
    assert daemon.status()["data_plane"]["state"] == "up"
    assert len(peer.serve(0.3)) > 50
    assert daemon.status()["data_plane"]["state"] == "up"
