"""Every key and nonce that went over a wire: a capture of all packets, and what key logs let one read of it."""

import collections
import contextlib
import re
import select
import struct
import threading

import jetresume
import jetwire as w
from jetwire import EPOCH_SHIFT

SOL_PACKET, PACKET_STATISTICS = 263, 6
LINE = re.compile(r"JETPLANE1 [0-9a-f]{64} ([0-9a-f]{8}) ([0-9a-f]{8}) ([12]) ([0-9a-f]{64}) ([0-9a-f]{64})\n")


def udp_payload(frame):
    """Of IPv4 or IPv6; None: it is something else."""
    if frame[12:14] == b"\x08\x00" and frame[23] == 17:
        udp = 14 + 4 * (frame[14] & 15)
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 17:
        udp = 54
    else:
        return None
    return frame[udp + 8 : udp + int.from_bytes(frame[udp + 4 : udp + 6], "big")]


def tcp_segment(frame):
    """Its way (addresses and ports), sequence number, whether it is a SYN, and its data; None: it is something else."""
    if frame[12:14] == b"\x08\x00" and frame[23] == 6:
        tcp, end = 14 + 4 * (frame[14] & 15), 14 + int.from_bytes(frame[16:18], "big")
        addresses = frame[26:34]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 6:
        tcp, end = 54, 54 + int.from_bytes(frame[18:20], "big")
        addresses = frame[22:54]
    else:
        return None
    sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big")
    data = frame[tcp + 4 * (frame[tcp + 12] >> 4) : end]
    return addresses + frame[tcp : tcp + 4], sequence, frame[tcp + 13] & 2, data


class TcpWay:
    """What one side of a connection sends, put together from segments that may come twice, in parts and in any order."""

    def __init__(self, sequence):
        self.next, self.waiting, self.bytes = sequence, [], b""

    def take(self, sequence, data):
        """Returns the packets (docs/protocol.md section 8) that are whole now."""
        self.waiting.append((sequence, data))
        self.waiting.sort(key=lambda segment: (segment[0] - self.next + (1 << 31)) % (1 << 32))
        for sequence, data in self.waiting:
            known = (self.next - sequence) % (1 << 32)
            if known < len(data):
                self.bytes += data[known:]
                self.next = (sequence + len(data)) % (1 << 32)
        self.waiting = [segment for segment in self.waiting if (segment[0] - self.next) % (1 << 32) < 1 << 31]
        return list(self._whole())

    def _whole(self):
        while len(self.bytes) >= 2 and len(self.bytes) >= (end := 2 + int.from_bytes(self.bytes[:2], "big")):
            yield self.bytes[2:end]
            self.bytes = self.bytes[end:]


class Capture(threading.Thread):
    """All packets that pass a host's eth0 in either direction, while its `with` lasts: UDP payloads, and what went by TCP."""

    def __init__(self, host):
        super().__init__()
        self.host, self.over, self.packets, self.by_tcp, self.ways = host, False, [], [], {}
        self.fault = None

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.raw = self.stack.enter_context(self.host.raw_socket(64 << 20))
        self.start()
        return self

    def run(self):
        try:
            self._capture()
        except Exception as fault:  # what follows would be missing
            self.fault = fault

    def _capture(self):
        while not self.over:
            if select.select([self.raw], [], [], 0.1)[0]:
                frame = self.raw.recv(65535)
                if payload := udp_payload(frame):
                    self.packets.append(payload)
                elif segment := tcp_segment(frame):
                    self._take(*segment)

    def _take(self, way, sequence, is_syn, data):
        if is_syn:
            self.ways[way] = TcpWay((sequence + 1) % (1 << 32))
        elif data:
            self.by_tcp += self.ways[way].take(sequence, data)

    def __exit__(self, kind, *_):
        self.over = True
        self.join()
        _, dropped = struct.unpack("=II", self.raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.stack.close()
        if self.fault:
            raise self.fault
        assert kind or dropped == 0, f"{dropped} packets were not captured: the test is worth nothing"


def sessions_of(logs):
    """SPI -> (suite, secret of that way) of all sessions whose packets carry it: a later session may have it again."""
    found = collections.defaultdict(set)
    for log in logs:
        for client, server, suite, c2s, s2c in LINE.findall(log.read_text()):
            found[int(server, 16)].add((int(suite), bytes.fromhex(c2s)))
            found[int(client, 16)].add((int(suite), bytes.fromhex(s2c)))
    return found


class Nonces:
    """Notes what was sealed with which key and nonce. A sender never sends the same packet twice, so no pair comes twice,
    not even with the same bytes; but hellos and their answers are repeated, byte for byte."""

    def __init__(self, logs):
        self.keys = {spi: [w.Keys(*one) for one in ways] for spi, ways in sessions_of(logs).items()}
        self.used = set()  # (key, nonce)
        self.sealed = {}  # what a handshake's key comes from -> what was sealed with it
        self.epochs, self.tickets, self.unread, self.hellos = set(), set(), 0, collections.Counter()

    def take(self, packet):
        if packet[:4] == bytes(4):
            self._handshake(packet)
        elif len(packet) > 16:
            self._data(packet)

    def _data(self, packet):
        spi, _, number = struct.unpack_from("!IIQ", packet)
        for keys in self.keys.get(spi, ()):
            try:
                _, frames = keys.open(packet)
            except (w.Ignore, IndexError):
                continue
            material = keys.material(number >> EPOCH_SHIFT)
            pair = material[:32], material[32:] + packet[8:16]
            assert pair not in self.used, f"SPI {spi:08x}: packet number {number} was used twice with a key"
            self.used.add(pair)
            self.epochs.add((spi, number >> EPOCH_SHIFT))
            self.tickets |= {fields["ticket"] for kind, fields in w.read_frames(frames) if kind == w.TICKET}
            return
        self.unread += 1

    def _handshake(self, packet):
        """What stands in front of what is sealed makes the key; the packet number is 0."""
        kind = packet[4]
        self.hellos[kind] += 1
        if kind == w.SERVER_HELLO:
            front, sealed = packet[:1168], packet[1168:]
        elif kind == jetresume.RESUME_ACCEPT:
            front, sealed = packet[:44], packet[44:]
        elif kind == jetresume.RESUME_HELLO:  # in which a Retry changes the cookie, and no key
            end = 160 + packet[45]
            front, sealed = packet[:46] + packet[47:48] + packet[72:end], packet[end:]
        else:
            return
        assert self.sealed.setdefault(front, sealed) == sealed, f"one key for two handshake packets of type {kind}"
