"""Somebody who sends from addresses that are not his and counts, on the wire, what comes back to there; and how much that
may be, whoever serves: a data plane or a program with libjetplane."""

import os
import socket
import struct
import time

import jetresume
import jetwire as w
from controlplane import mac
from garbage import checksum
from host import wait_for
from jetperf import PORTS
from nonces import PACKET_STATISTICS, SOL_PACKET, udp_payload
from plane import SERVER

ELSEWHERE = "198.18.0.77"
STRANGER = {4: (ELSEWHERE, 7000), 6: ("fd00::77", 7000)}
FULL = w.parameters(max_data=1 << 24, max_stream_data=1 << 22)


def udp_packet(payload, source, port):
    """IPv4 or IPv6, as the source is."""
    udp = struct.pack("!HHHH", source[1], port, 8 + len(payload), 0) + payload
    if ":" in source[0]:
        addresses = socket.inet_pton(socket.AF_INET6, source[0]) + socket.inet_pton(socket.AF_INET6, SERVER[6])
        total = checksum(addresses + struct.pack("!II", len(udp), socket.IPPROTO_UDP) + udp) or 0xFFFF
        udp = udp[:6] + struct.pack("!H", total) + udp[8:]
        return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), socket.IPPROTO_UDP, 64) + addresses + udp
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
                     socket.inet_aton(source[0]), socket.inet_aton(SERVER[4]))
    return b"\x08\x00" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp


def destination(frame):
    """Of IPv4 without options or IPv6, and UDP."""
    if frame[12:14] == b"\x86\xdd":
        return socket.inet_ntop(socket.AF_INET6, frame[38:54]), int.from_bytes(frame[56:58], "big")
    return socket.inet_ntoa(frame[30:34]), int.from_bytes(frame[36:38], "big")


class Wire:
    """The client host's end of the wire: sends what it likes from where it likes, and counts what comes back to there.
    Nobody answers."""

    def __init__(self, client_host, host, raw):
        self.raw, self.eth = raw, mac(host) + mac(client_host)
        self.sent, self.got = {}, {}  # (address, port) -> UDP payloads

    def send(self, payload, source=STRANGER[4], port=PORTS["echo"]):
        self.raw.send(self.eth + udp_packet(payload, source, port))
        self.sent.setdefault(source, []).append(payload)

    def frames(self):
        """Of UDP, with whether they come from the server."""
        while True:
            try:
                frame, address = self.raw.recvfrom(65535)
            except BlockingIOError:
                return
            if udp_payload(frame) is not None:
                yield frame, address[2] != socket.PACKET_OUTGOING

    def listen(self, seconds=0.0):
        until = time.monotonic() + seconds
        while True:
            for frame, is_from_server in self.frames():
                if is_from_server:
                    self.got.setdefault(destination(frame), []).append(udp_payload(frame))
            if time.monotonic() >= until:
                return
            time.sleep(0.005)

    def check(self, answers=1):
        """Each address got at most three times what came from it, counted as RFC 9000 does: UDP payloads. Nothing that
        came was missed."""
        _, dropped = struct.unpack("=II", self.raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        assert dropped == 0, f"{dropped} packets were not counted: the test is worth nothing"
        for source, sent in self.sent.items():
            got = sum(map(len, self.got.get(source, [])))
            assert got <= 3 * sum(map(len, sent)), f"{got} bytes to {source}, which sent {sum(map(len, sent))}"
        assert sum(len(self.got.get(source, [])) for source in self.sent) >= answers

    def kinds(self, source=STRANGER[4]):
        """Handshake packets' types; 0 for data."""
        return [p[4] if p[:4] == bytes(4) else 0 for p in self.got.get(source, [])]


# ---- never more than three times ----


def check_client_hello(wire, hello, source, port=PORTS["echo"]):
    wire.send(hello, source, port)
    wire.listen(3)
    wire.check()
    assert wire.kinds(source) == [w.SERVER_HELLO], "once, and nothing behind it"
    for _ in range(5):
        wire.send(hello, source, port)
    wire.listen(1)
    wire.check(6)


def ticket_of(session):
    """A ticket and its secret; the session is over."""
    wait_for(lambda: session.poll(0.05) and session.tickets, 10, "a ticket")
    session.close()
    return session.tickets[-1], session.server["resumption"]


def resume_hello(ticket, resumption, early, spi=0x2000):
    return jetresume.resume_hello(resumption, ticket, w.AES256_GCM, spi, os.urandom(32), os.urandom(32), FULL, early)


def check_resume_hello(wire, hello, source, port=PORTS["echo"]):
    """Its early data asks for megabytes."""
    wire.send(hello, source, port)
    wire.listen(4)
    wire.check(2)
    kinds = wire.kinds(source)
    assert kinds[0] == jetresume.RESUME_ACCEPT and 0 in kinds, "it was answered, with data"
    wire.send(hello, source, port)
    wire.listen(1)
    wire.check(2)


SPI_SIZES = [(32, 4), (36, 4), (40, 4), (1400, 4), (40, 6)]  # of packets, over which IP


def check_unknown_spi(wire, identity, size, version):
    for n in range(50):
        wire.send(struct.pack("!IIQ", 0x5000 + n, n, n) + os.urandom(size - 16), (STRANGER[version][0], 7000 + n))
    wire.listen(2)
    wire.check(0)
    resets = [payload for source in wire.sent for payload in wire.got.get(source, [])]
    assert all(w.reset_quote(payload, identity) for payload in resets)
    assert (len(resets) > 0) == (size >= 40), len(resets)


def check_migration(wire, session, source, port=PORTS["echo"]):
    """A client that asked for megabytes comes from an address that is not its own."""
    session.collect(8, 5)
    assert session.received
    wire.send(session.tx.seal(session.server["server_spi"], session.number, bytes([w.PING]) + bytes(200)), source, port)
    wire.listen(4)
    wire.check()
    session.close()
