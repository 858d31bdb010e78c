"""TCP where UDP does not get through, served by jetplaned for the data plane: the same clients, the same services, with
the client host's UDP going nowhere (tcpway.py). Every byte is checked, and every packet of the data plane has its end in
the books."""

import os
import socket
import struct
import threading
import time

import jetwire as w
import pytest
from host import wait_for
from jetclient import Session
from jetperf import LISTENERS, MIB, PORTS, Jetperf, books
from plane import CLIENT, SERVER
from tcpway import offer_tcp, tcp
from test_resumption import Client


@pytest.fixture
def make(make_plane):
    """A factory of planes whose jetplaned takes TCP, as `tcp` says, and whose UDP can be cut: plane.udp."""

    def make(tcp=(), control=(), full=(), **options):
        plane = make_plane(control=None, listeners=LISTENERS, max_streams=256, full={"sessions": 64, **dict(full)},
                           **options)
        offer_tcp(plane, tcp, **dict(control))
        return plane

    return make


def connect(plane, source=None):
    with plane.client_host:
        return socket.create_connection((SERVER[4], PORTS["echo"]), timeout=20, source_address=source)


def is_closed(connection):
    """Whether the other end has closed it by now."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


# ---- transfers ----


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", ["up", "down", "echo"])
def test_bulk(make, way, version):
    if version == 6 and way != "echo":
        pytest.skip("the same way")
    plane = make()
    plane.udp.cut()
    volume = 4 * MIB if way == "echo" else 16 * MIB
    local = Jetperf(plane, way, "-n", volume, "-P", 10, version=version).result()
    assert way == "up" or local["received"] >= volume
    total = books(plane)
    assert total["relay_rx"] > 0 and total["relay_tx"] > 0 and total["punted"] == 0, total
    assert total["transport"] == total["relay_rx"] - total["unknown_spi"], total
    if way != "down":
        assert total["delivered_bytes"] == local["sent"] >= volume
    said = tcp(plane)
    assert said["hellos"] == 1 and said["violations"] == said["refused"] == 0, said


class Tunnel:
    """A client's UDP to a port of its own host, on one connection, whatever the client thinks of TCP."""

    def __init__(self, plane):
        with plane.client_host:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
        self.tcp = TcpPackets(connect(plane))
        self.address = "127.0.0.1:%u" % self.udp.getsockname()[1]
        self.peer = None
        for run in self._there, self._back:
            threading.Thread(target=run, daemon=True).start()

    def _there(self):
        while True:
            packet, self.peer = self.udp.recvfrom(65535)
            self.tcp.sendto(packet)

    def _back(self):
        while packet := self.tcp.recv(65535):
            self.udp.sendto(packet, self.peer)


def test_resumption(make):
    """Hellos with early data by TCP. A client that turns to it makes a full handshake: the data may have arrived."""
    plane = make()
    client = Client(plane, 4)
    server, client.server = client.server, Tunnel(plane).address
    resumed, kept = client.visit()
    assert not resumed
    for size in 1, 900, 60000:
        client.server = Tunnel(plane).address
        resumed, kept = client.visit(os.urandom(size), kept)
        assert resumed, size
    assert plane.total()["punted"] == 0 and plane.jetctl("status")["handshakes"]["resumed"] == 3
    plane.udp.cut()
    client.server = server
    resumed, kept = client.visit(b"by TCP", kept)
    assert not resumed
    client.loop.close()
    books(plane)


class TcpPackets:
    """What a UDP socket offers, on a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.setblocking(True)
        # a CLOSE must not wait for an ACK of the kernel: closing with unread bytes drops what waits
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self):
        return self.connection.fileno()

    def close(self):
        self.connection.close()

    def sendto(self, packet, _address=None):
        self.connection.sendall(struct.pack(">H", len(packet)) + packet)

    def recv(self, _size):
        def part(n):
            return self.connection.recv(n, socket.MSG_WAITALL)

        size = part(2)
        return part(struct.unpack(">H", size)[0]) if size else b""


class TcpSession(Session):
    """A light session that begins by TCP."""

    @staticmethod
    def _open(server, port):
        return TcpPackets(socket.create_connection((server, port), timeout=20))


def light_session(plane, **options):
    with plane.client_host:
        return TcpSession(plane.kem, SERVER[4], **options)


def echo(session, n=20, size=1000):
    """Messages there and back, every byte of them."""
    before = len(session.received)
    sent = [os.urandom(size) for _ in range(n)]
    for data in sent:
        session.send(w.stream_frame(1, session.next_sequence(1), data))
    session.collect(before + n, 10)
    assert [fields["data"] for _, fields in session.received[before:]] == sent


def described(plane, session):
    return plane.jetctl("session", session.server["server_spi"])


def test_light_session_moves(make):
    """From TCP to UDP, to another connection, and back to the first one."""
    plane = make()
    session = light_session(plane, identity=plane.identity())
    echo(session)
    found = described(plane, session)
    assert found["tcp"] and found["peer_ip"] == CLIENT[4] and found["mode"] == "light" and found["confirmed"]
    by_tcp = session.socket
    with plane.client_host:
        by_udp = Session._open(SERVER[4], PORTS["echo"])
    ways = {by_tcp: True, by_udp: False, TcpPackets(connect(plane)): True}
    for way, is_tcp in [*ways.items(), *ways.items()]:
        session.socket = way
        echo(session)
        assert described(plane, session)["tcp"] == is_tcp
    session.close()
    for way in ways:
        way.close()
    total = books(plane)
    assert total["relay_rx"] >= 80 and total["sessions_closed"] == 1 and total["relay_tx_lost"] == 0


def test_cookies_are_not_asked_for(make):
    """The address is proven by the connection."""
    plane = make(control={"cookie": "always"})
    session = light_session(plane)
    assert session.retries == 0
    echo(session)
    session.close()
    by_udp = plane.session()
    assert by_udp.retries == 1
    by_udp.close()


def test_keys_of_packets(make):
    """Both suites, FEC and the next epoch, as by UDP."""
    plane = make(fec_k=4, fec_r=2)
    session = light_session(plane, suites=(w.CHACHA20_POLY1305,), params=w.parameters(fec_k=4, fec_r=2))
    echo(session, 16)
    session.send(bytes([w.PING]))
    wait_for(lambda: session.poll(0.1) and session.acknowledged, 10, "an acknowledgement")
    session.rekey()
    echo(session, 16)
    session.close()
    assert books(plane)["rekeys"] > 0


# ---- from one to the other ----


def relayed(plane):
    total = plane.total()
    return total["relay_rx"] + total["relay_tx"]


def ways(plane):
    """Of the only session: by TCP, by which ways it is sent to."""
    session, = plane.sessions()
    return {path["tcp"] for path in session["transport"]["paths"] if path["active"]}


def by_udp(plane):
    """Whether most of the next packets come by UDP."""
    before = plane.total()
    wait_for(lambda: plane.total()["transport"] > before["transport"] + 100, 20, "data")
    after = plane.total()
    return after["relay_rx"] - before["relay_rx"] < (after["transport"] - before["transport"]) / 2


@pytest.mark.parametrize("way", ["up", "down"])
def test_turn_to_tcp_and_back(make, way):
    """UDP works, is cut in the middle, and comes back: the session goes on."""
    plane = make()
    perf = Jetperf(plane, way, "-t", 40, "-P", 10)
    wait_for(lambda: plane.total()["transport"] > 500, 20, "data")
    assert ways(plane) == {False}
    plane.udp.cut()
    wait_for(lambda: relayed(plane) > 500 and ways(plane) == {True}, 20, "TCP")
    plane.udp.join()
    wait_for(lambda: ways(plane) == {False} and by_udp(plane), 40, "UDP")
    perf.result()
    assert books(plane)["sessions_installed"] == 1


@pytest.mark.parametrize(("way", "cut"), [("up", "back"), ("down", "there")])
def test_udp_goes_one_way_only(make, way, cut):
    """That is not enough to return to it, however often that is tried."""
    plane = make()
    perf = Jetperf(plane, way, "-t", 36, "-P", 10)
    wait_for(lambda: plane.total()["transport"] > 500, 20, "data")
    plane.udp.cut([cut])
    wait_for(lambda: relayed(plane) > 500, 20, "TCP")
    for _ in range(5):
        before = plane.total()["delivered_bytes"] + plane.total()["relay_tx"] + plane.total()["tx_packets"]
        time.sleep(5)
        now = plane.total()["delivered_bytes"] + plane.total()["relay_tx"] + plane.total()["tx_packets"]
        assert now > before + 100
    assert tcp(plane)["connections"] == 1
    perf.result()
    assert books(plane)["sessions_installed"] == 1


def test_tcp_leads_nowhere(make):
    """UDP comes back, and no connection is refused or made any more: the session finds UDP all the same."""
    plane = make()
    plane.udp.cut()
    perf = Jetperf(plane, "echo", "-t", 25, "-P", 10)
    wait_for(lambda: relayed(plane) > 500, 20, "data")
    plane.udp.join()
    plane.udp.cut(["there"], "tcp")
    wait_for(lambda: ways(plane) == {False} and by_udp(plane), 20, "UDP")
    perf.result()
    assert books(plane)["sessions_installed"] == 1


# ---- what is killed ----


@pytest.mark.parametrize("way", ["up", "echo"])
def test_jetplaned_is_killed(make, way):
    """The connections end with it, the sessions do not: clients connect again."""
    plane = make()
    plane.udp.cut()
    perf = Jetperf(plane, way, "-t", 20, "-P", 10)
    wait_for(lambda: relayed(plane) > 500, 20, "data")
    plane.daemon.kill()
    time.sleep(1)
    plane.start_daemon()
    assert plane.total()["sessions_full"] == 1
    before = relayed(plane)
    wait_for(lambda: relayed(plane) > before + 500, 5, "data")
    Jetperf(plane, "echo", "-n", MIB).result()
    perf.result()
    assert books(plane)["sessions_installed"] == 2


def test_connection_is_cut(make):
    """It ends under the session, which gets another."""
    plane = make()
    plane.udp.cut()
    perf = Jetperf(plane, "echo", "-t", 25, "-P", 10)
    wait_for(lambda: relayed(plane) > 500, 20, "data")
    plane.client_host.run("ss", "-K", "dst", SERVER[4])
    wait_for(lambda: tcp(plane)["accepted"] == 2, 20, "another connection")
    before = relayed(plane)
    wait_for(lambda: relayed(plane) > before + 500, 20, "data")
    perf.result()
    books(plane)


# ---- strangers ----


def test_connections_are_bounded(make):
    """In all, per network, and in time."""
    plane = make(tcp={"connections": 6, "connections_per_prefix": 4})
    plane.client_host.address("198.18.7.1/32")
    plane.host.ip("route", "add", "198.18.7.0/24", "dev", "eth0")

    def count(connections):
        return sum(not is_closed(connection) for connection in connections)

    own = light_session(plane)
    here = [connect(plane) for _ in range(5)]
    wait_for(lambda: count(here) == 3, 5, "the network's limit")
    there = [connect(plane, ("198.18.7.1", 0)) for _ in range(4)]
    wait_for(lambda: count(there) == 2, 5, "the limit")
    assert tcp(plane)["refused"] == 4 and tcp(plane)["connections"] == 6
    next(connection for connection in here if not is_closed(connection)).close()
    wait_for(lambda: tcp(plane)["connections"] == 5, 5, "the end of one")
    here.append(connect(plane))
    time.sleep(0.2)
    assert tcp(plane)["connections"] == 6 and count(here[-1:]) == 1
    wait_for(lambda: tcp(plane)["connections"] == 1, 20, "the end of all without a session")
    assert tcp(plane)["overdue"] == 5
    wait_for(lambda: own.poll(0.1) and own.keepalives, 20, "a keepalive")
    echo(own)
    own.close()
    wait_for(lambda: tcp(plane)["connections"] == 0, 20, "the end of that one, too")


def test_half_packets(make):
    """A connection with a session, too, is closed when it leaves a packet unfinished."""
    plane = make()
    session = light_session(plane)
    echo(session)
    session.socket.connection.sendall(b"\x00")
    time.sleep(1)
    session.socket.connection.sendall(b"\x64" + bytes(50))
    wait_for(lambda: tcp(plane)["connections"] == 0, 20, "its end")
    assert tcp(plane)["overdue"] == 1
    assert described(plane, session)["tcp"]  # it lives on, and takes another
    session.socket = TcpPackets(connect(plane))
    echo(session)
    session.close()
    books(plane)


GARBAGE = {
    "no length": b"\0\0",
    "too long": struct.pack(">H", 9217) + bytes(9217),
    "requests": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100,
}


@pytest.mark.parametrize("bytes_", GARBAGE.values(), ids=GARBAGE)
def test_no_lengths(make, bytes_):
    plane = make()
    session = light_session(plane)
    stranger = connect(plane)
    stranger.sendall(bytes_)
    wait_for(lambda: is_closed(stranger), 5, "its end")
    assert tcp(plane)["violations"] == 1
    echo(session)
    session.close()
    books(plane)


def test_garbage_in_packets(make):
    """What no packet is goes nowhere; what only looks like one has its named end; sessions do not notice."""
    plane = make()
    session = light_session(plane)
    echo(session)
    spi = session.server["server_spi"].to_bytes(4, "big")
    hello = len(w.Handshake(plane.kem, 256, (w.AES256_GCM,), b"", None).hello)
    packets = [os.urandom(n) for n in range(1, 400)]
    packets += [n.to_bytes(4, "big") + bytes(60) for n in (1, 255)]  # reserved
    packets += [bytes(4) + bytes([kind, 1, 0, 0]) + bytes(size) for kind in range(9) for size in (0, 100, hello - 8, 9000)]
    packets += [spi + number.to_bytes(4, "big") + number.to_bytes(8, "big") + os.urandom(100) for number in range(100, 200)]
    packets += [spi + (200).to_bytes(4, "big") + (200).to_bytes(8, "big") + bytes(5000)]
    packets += [b"\xff"] * 10
    stranger = connect(plane)
    stranger.sendall(b"".join(struct.pack(">H", len(packet)) + packet for packet in packets))
    wait_for(lambda: plane.total()["auth_failed"] >= 100, 10, "forged packets")
    stranger.close()
    found = tcp(plane)
    assert found["violations"] == 0 and found["useless"] > 300 and found["hellos"] == 1 + 8, found
    assert plane.jetctl("status")["handshakes"]["malformed"] == 8
    echo(session)
    assert described(plane, session)["tcp"]
    session.close()
    total = books(plane)
    assert {name: total[name] for name in ("sessions_installed", "sessions_closed", "relay_long")} == dict(
        sessions_installed=1, sessions_closed=1, relay_long=1)


def test_flood_does_not_starve_others(make):
    """Forged data packets by TCP as fast as they go: handshakes, statistics and UDP go on."""
    plane = make()
    program = ("import socket, struct, sys; c = socket.create_connection((sys.argv[1], 4500));"
               "p = bytes.fromhex('0001f400') + bytes(12) + bytes(1384); p = p[:4] + bytes(12) + p[16:];"
               "b = (struct.pack('>H', len(p)) + p) * 100\nwhile True: c.sendall(b)")
    floods = [
        plane.client_host.start("flood", "/usr/bin/python3", "-c", program, SERVER[4], log=plane.folder / "flood.log")
        for _ in range(2)
    ]
    wait_for(lambda: plane.total()["relay_rx"] > 20000, 30, "the flood")
    for _ in range(20):
        with_udp, with_tcp = plane.session(timeout=20), light_session(plane, timeout=20)
        assert plane.sessions()
        with_udp.close()
        with_tcp.close()
    Jetperf(plane, "up", "-n", MIB).result()
    assert plane.jetctl("status")["handshakes"]["ok"] >= 41
    for flood in floods:
        flood.kill()
    total = plane.settle()
    assert total["relay_rx"] > 20000 and total["unknown_spi"] + total["relay_full"] > 20000
