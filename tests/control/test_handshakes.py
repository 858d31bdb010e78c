"""Handshakes through jetplaned: a real client's hellos go in as PUNT, sessions come out as INSTALL."""

import errno
import os
import struct
import time

import ipc
import pytest
from daemon import wait_for


def handshake(peer, clients, result=0, **source):
    """One whole handshake; returns the Install."""
    number, hello = clients.hello()
    peer.punt(hello, **source)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert clients.input(number, install.reply)[:2] == ["done", str(install.server_spi)]
    peer.installed(install.server_spi, result)
    return install


def cookie_exchange(peer, clients, **source):
    """A hello that gets a Retry; returns the client's number and its hello with the cookie."""
    number, hello = clients.hello()
    peer.punt(hello, **source)
    retry, to = ipc.sent_packet(peer.expect(ipc.SEND))
    assert len(retry) == 68 and to == ipc.path(**source)
    answer = clients.input(number, retry)
    assert answer[0] == "send"
    return number, bytes.fromhex(answer[1])


def test_session_is_installed(daemon, peer, clients):
    number, hello = clients.hello()
    peer.punt(hello, ip="fd00::1", port=7)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert install.path == ipc.path("fd00::1", 7)
    assert install.client_spi == 256 and install.server_spi >= 256
    assert install.alg == 1
    assert install.c2s != install.s2c and install.c2s != bytes(32)
    assert (install.idle_timeout_ms, install.max_streams, install.max_packet) == (30000, 100, 1472)
    assert (install.fec_k, install.fec_r) == (0, 0)
    assert (install.our_max_streams, install.ours) == (256, (0, 0, 65536))
    assert install.theirs == (1000000, 100000, 1 << 24)
    identity = daemon.status()["jetplaned"]["identity"]
    assert clients.input(number, install.reply) == \
        ["done", str(install.server_spi), "1", "30000", identity]
    peer.installed(install.server_spi)
    wait_for(lambda: daemon.count("ok") == 1)
    assert daemon.status()["handshakes"]["installing"] == 0


def test_credit_is_announced_as_the_data_plane_says(daemon, make_peer, clients):
    peer = make_peer(daemon)
    peer.accept()
    peer.send(peer.hello(credit=(1 << 20, 1 << 18, 4096), max_streams=50), [peer.stats])
    peer.serve(0.05)
    _, hello = clients.hello()
    peer.punt(hello)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert (install.our_max_streams, install.ours) == (50, (1 << 20, 1 << 18, 4096))


@pytest.mark.parametrize("cap, idle", [(1000, 1000), (19999, 19999), (20000, 20000), (86400000, 20000)])
def test_idle_timeout_is_what_the_data_plane_allows(make_daemon, make_peer, clients, cap, idle):
    """Client and data plane are told the same."""
    daemon = make_daemon("idle_timeout_ms: 20000")
    peer = make_peer(daemon)
    peer.accept()
    peer.send(peer.hello(idle_timeout_max_ms=cap), [peer.stats])
    number, hello = clients.hello()
    peer.punt(hello)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert install.idle_timeout_ms == idle
    assert clients.input(number, install.reply)[3] == str(idle)


def test_server_prefers_its_suite(make_daemon, make_peer, clients):
    daemon = make_daemon("suites: [chacha20-poly1305, aes-256-gcm]")
    peer = make_peer(daemon)
    peer.connect()
    assert handshake(peer, clients).alg == 2


def test_repeated_hello_gets_the_same_answer(daemon, peer, clients):
    number, hello = clients.hello()
    peer.punt(hello)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    peer.punt(hello)  # while the session is being installed: the data plane will answer
    assert peer.serve(0.1) == []
    peer.installed(install.server_spi)
    peer.punt(hello)
    reply, to = ipc.sent_packet(peer.expect(ipc.SEND))
    assert reply == install.reply and to == ipc.path()
    peer.punt(hello, port=4501)  # from elsewhere it is another handshake
    assert ipc.Install(peer.expect(ipc.INSTALL)).server_spi != install.server_spi
    assert daemon.count("repeated") == 2


def test_spi_taken_leads_to_another(daemon, peer, clients):
    number, hello = clients.hello()
    peer.punt(hello)
    first = ipc.Install(peer.expect(ipc.INSTALL))
    peer.installed(first.server_spi, -errno.EEXIST)
    second = ipc.Install(peer.expect(ipc.INSTALL))
    assert second.server_spi != first.server_spi
    assert clients.input(number, second.reply)[:2] == ["done", str(second.server_spi)]
    peer.installed(second.server_spi)
    wait_for(lambda: daemon.count("ok") == 1)
    assert daemon.count("spi_taken") == 1


def test_spi_always_taken_is_given_up(daemon, peer, clients):
    peer.punt(clients.hello()[1])
    for _ in range(4):
        peer.installed(ipc.Install(peer.expect(ipc.INSTALL)).server_spi, -errno.EEXIST)
    assert peer.serve(0.2) == []
    assert daemon.count("refused") == 1 and daemon.count("spi_taken") == 3


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EINVAL, errno.EAGAIN])
def test_refused_install_is_forgotten(daemon, peer, clients, error):
    number, hello = clients.hello()
    for _ in range(2):  # the repeated hello starts afresh
        peer.punt(hello)
        install = ipc.Install(peer.expect(ipc.INSTALL))
        peer.installed(install.server_spi, -error)
    wait_for(lambda: daemon.count("refused") == 2)
    assert daemon.status()["data_plane"]["sessions_known"] == 0


def test_install_without_answer_is_given_up(daemon, peer, clients):
    peer.punt(clients.hello()[1])
    peer.expect(ipc.INSTALL)
    wait_for(lambda: daemon.count("lost") == 1)
    assert daemon.status()["handshakes"]["installing"] == 0


def test_cookie_is_demanded_always(make_daemon, make_peer, clients):
    daemon = make_daemon("cookie: always")
    peer = make_peer(daemon)
    peer.connect()
    number, hello = cookie_exchange(peer, clients)
    peer.punt(hello)
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert clients.input(number, install.reply)[0] == "done"
    assert daemon.count("retries") == 1


def test_cookie_holds_for_its_address_only(make_daemon, make_peer, clients):
    daemon = make_daemon("cookie: always")
    peer = make_peer(daemon)
    peer.connect()
    _, hello = cookie_exchange(peer, clients)
    peer.punt(hello, ip="198.18.0.2")
    assert len(ipc.sent_packet(peer.expect(ipc.SEND))[0]) == 68
    peer.punt(hello, port=4501)
    assert len(ipc.sent_packet(peer.expect(ipc.SEND))[0]) == 68
    damaged = bytearray(hello)
    damaged[60] ^= 1
    peer.punt(bytes(damaged))
    assert len(ipc.sent_packet(peer.expect(ipc.SEND))[0]) == 68
    assert daemon.count("ok") == 0 and daemon.status()["handshakes"]["installing"] == 0


def test_load_demands_cookies(make_daemon, make_peer, clients):
    """Half of the rate is for hellos without a cookie; who shows one gets the rest."""
    daemon = make_daemon("handshakes: {per_second: 1, burst: 8}")
    peer = make_peer(daemon)
    peer.connect()
    for i in range(4):
        handshake(peer, clients, ip=f"198.18.{i}.1")
    number, hello = cookie_exchange(peer, clients, ip="198.18.9.1")
    peer.punt(hello, ip="198.18.9.1")
    assert clients.input(number, ipc.Install(peer.expect(ipc.INSTALL)).reply)[0] == "done"


def test_prefix_above_its_rate_is_refused(make_daemon, make_peer, clients):
    daemon = make_daemon("cookie: never\nhandshakes_per_prefix: {per_second: 1, burst: 5}")
    peer = make_peer(daemon)
    peer.connect()
    for i in range(5):
        handshake(peer, clients, ip=f"198.18.0.{i}")
    peer.punt(clients.hello()[1], ip="198.18.0.77")
    assert peer.serve(0.1) == []
    assert daemon.count("limited") == 1
    handshake(peer, clients, ip="198.18.1.1")
    for i in range(5):
        handshake(peer, clients, ip=f"fd00:0:0:ff{i:02x}::1")  # one /56
    peer.punt(clients.hello()[1], ip="fd00:0:0:ff99::1")
    assert peer.serve(0.1) == []
    handshake(peer, clients, ip="fd00:0:0:fe00::1")


def test_spoofed_hellos_do_not_use_up_a_prefix(make_daemon, make_peer, clients):
    daemon = make_daemon("handshakes_per_prefix: {per_second: 1, burst: 3}")
    peer = make_peer(daemon)
    peer.connect()
    for _ in range(3):
        handshake(peer, clients)
    for _ in range(3):  # a cookie opens a bucket of its own
        number, hello = cookie_exchange(peer, clients)
        peer.punt(hello)
        install = ipc.Install(peer.expect(ipc.INSTALL))
        peer.installed(install.server_spi)
    number, hello = cookie_exchange(peer, clients)
    peer.punt(hello)
    assert peer.serve(0.1) == []
    assert daemon.count("limited") == 1


@pytest.mark.parametrize("damage", ["short", "long", "version", "spi", "params", "share"])
def test_bad_hellos_are_counted(daemon, peer, clients, damage):
    hello = bytearray(clients.hello()[1])
    length = None
    if damage == "short":
        length = len(hello) - 1
    elif damage == "long":
        length = 1401
    elif damage == "version":
        hello[5] = 2
    elif damage == "spi":
        hello[8:12] = struct.pack(">I", 255)
    elif damage == "params":
        hello[47] = 57
    elif damage == "share":
        hello[72:104] = bytes(32)
    peer.punt(bytes(hello), length=length)
    name = "bad_share" if damage == "share" else "malformed"
    wait_for(lambda: daemon.count(name) == 1)
    assert peer.serve(0.05) == []


def test_no_suite_in_common(make_daemon, make_peer, clients):
    daemon = make_daemon("suites: [chacha20-poly1305]")
    peer = make_peer(daemon)
    peer.connect()
    hello = bytearray(clients.hello()[1])
    hello[44:46] = b"\1\0"
    peer.punt(bytes(hello))
    wait_for(lambda: daemon.count("no_suite") == 1)


def test_unknown_spi_gets_a_reset(daemon, peer, clients):
    quote = struct.pack(">IIQ", 0x12345678, 5, 5) + os.urandom(16)
    peer.unknown_spi(quote, ip="198.18.7.7", port=99)
    reset, to = ipc.sent_packet(peer.expect(ipc.SEND))
    assert to == ipc.path("198.18.7.7", 99) and len(reset) == 104
    identity = daemon.status()["jetplaned"]["identity"]
    assert clients.reset(identity, reset) == ["quote", quote.hex()]
    assert clients.reset("00" * 32, reset) == ["ignore"]


def test_resets_are_limited(make_daemon, make_peer):
    daemon = make_daemon("resets_per_prefix: {per_second: 1, burst: 3}")
    peer = make_peer(daemon)
    peer.connect()
    for _ in range(10):
        peer.unknown_spi(os.urandom(32))
    assert len(peer.serve(0.2)) == 3
    assert daemon.count("resets_limited") == 7


def test_owners_are_balanced(daemon, peer, clients):
    owned = [0] * peer.lcores
    for _ in range(100):
        owned[peer.owner(handshake(peer, clients).server_spi)] += 1
    assert owned == [25] * 4


def test_new_sessions_go_where_the_fewest_are(daemon, make_peer, clients):
    """After connecting, jetplaned knows the sessions of the data plane: here none is on lcore 3."""
    peer = make_peer(daemon)
    spis = iter(range(1000, 100000))
    while len(peer.sessions) < 300:
        spi = next(spis)
        if peer.owner(spi) != 3:
            peer.sessions.append(spi)
    peer.connect()
    wait_for(lambda: daemon.status()["data_plane"]["resyncs"] == 1)
    assert daemon.status()["data_plane"]["sessions_known"] == 300
    for _ in range(20):
        assert peer.owner(handshake(peer, clients).server_spi) == 3
    for spi in peer.sessions:
        if peer.owner(spi) == 0:
            peer.retired(spi)
    wait_for(lambda: daemon.status()["data_plane"]["sessions_known"] < 250)
    assert peer.owner(handshake(peer, clients).server_spi) == 0


def test_owner_that_the_reta_leaves_out_gets_nothing(daemon, make_peer, clients):
    peer = make_peer(daemon)
    peer.reta = bytes(i % 2 for i in range(128))
    peer.connect()
    owned = [peer.owner(handshake(peer, clients).server_spi) for _ in range(10)]
    assert sorted(owned) == [0] * 5 + [1] * 5


def test_killed_and_back_within_two_seconds(daemon, make_peer, clients):
    peer = make_peer(daemon)
    peer.connect()
    before = handshake(peer, clients)
    peer.sessions.append(before.server_spi)
    daemon.kill()
    daemon.start(wait=False)
    peer.connect(timeout=2)
    handshake(peer, clients)
    wait_for(lambda: daemon.status()["data_plane"]["sessions_known"] == 2)


def test_data_plane_comes_back(daemon, make_peer, clients):
    peer = make_peer(daemon)
    peer.connect()
    number, hello = clients.hello()
    peer.punt(hello)
    peer.expect(ipc.INSTALL)
    peer.hang_up()  # with an install under way
    wait_for(lambda: daemon.status()["data_plane"]["state"] == "away")
    assert daemon.count("lost") == 1
    peer.connect(timeout=2)
    peer.punt(hello)  # its session is gone, so the repeated hello gets a new one
    peer.expect(ipc.INSTALL)
    assert daemon.status()["data_plane"]["connects"] == 2


def come_and_go(daemon, peer, times):
    """Greet, answer all that was asked, hang up."""
    def settled():
        peer.serve(0.02)
        return daemon.status()["data_plane"].get("resyncs") == times

    peer.connect()
    wait_for(settled)
    peer.hang_up()


def test_data_plane_that_another_jetplaned_takes(daemon, make_peer):
    """Each of the two takes the place of the other, and loses it again: ever less often, and said once."""
    peer = make_peer(daemon)
    began = time.monotonic()
    times = 5
    for i in range(times):
        come_and_go(daemon, peer, i + 1)
    peer.connect()
    # at least 0.1 + 0.2 + ... s were waited; a machine may be slower, but not faster
    assert time.monotonic() - began >= 0.1 * (2**times - 1)
    log = daemon.log.read_text()
    assert log.count("does another jetplaned use it?") == 1
    assert log.count("connection closed") == log.count(": connected, pid") == 3
    assert daemon.status()["data_plane"]["connects"] == times + 1


def test_data_plane_that_restarts_often(daemon, make_peer):
    """While it is away nobody else uses it."""
    for i in range(5):
        peer = make_peer(daemon)
        come_and_go(daemon, peer, i + 1)
        peer.listener.close()
        time.sleep(0.7)  # for jetplaned to try
    log = daemon.log.read_text()
    assert "does another jetplaned use it?" not in log
    assert log.count("connection closed") == log.count(": connected, pid") == 5


def test_full_data_plane_costs_no_handshake(make_daemon, make_peer, clients):
    daemon = make_daemon("cookie: never")
    peer = make_peer(daemon, max_sessions=5)
    peer.connect()
    peer.count_sessions(5)
    peer.punt(clients.hello()[1])
    wait_for(lambda: daemon.count("full") == 1)
    assert peer.serve(0.05) == []


def test_spoofed_hellos_take_half_of_the_sessions_at_most(daemon, make_peer, clients):
    """A flood from everywhere, below every rate, that never confirms its sessions: who shows a cookie still gets
    one, until all are taken."""
    peer = make_peer(daemon, max_sessions=40)
    peer.connect()
    taken = 0
    for i in range(60):
        peer.punt(clients.hello()[1], ip=f"198.18.{i}.1")
        kind, body = peer.recv()
        if kind == ipc.INSTALL:
            taken += 1
            peer.count_sessions(taken)
            peer.installed(ipc.Install(body).server_spi)
    assert taken == 21 and daemon.count("retries") == 39
    for i in range(19):
        number, hello = cookie_exchange(peer, clients, ip=f"198.19.{i}.1")
        peer.punt(hello, ip=f"198.19.{i}.1")
        install = ipc.Install(peer.expect(ipc.INSTALL))
        assert clients.input(number, install.reply)[0] == "done"
        taken += 1
        peer.count_sessions(taken)
        peer.installed(install.server_spi)
    number, hello = cookie_exchange(peer, clients)
    peer.punt(hello)
    wait_for(lambda: daemon.count("full") == 1)


def test_sessions_on_their_way_count_as_taken(daemon, make_peer, clients):
    peer = make_peer(daemon, max_sessions=40)
    peer.connect()
    for i in range(21):
        peer.punt(clients.hello()[1], ip=f"198.18.{i}.1")
        peer.expect(ipc.INSTALL)
    cookie_exchange(peer, clients, ip="198.19.0.1")
