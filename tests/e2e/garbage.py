"""Frames that nobody should send, for ever and from a seed: random bytes, malformed headers, and what can be done to
genuine frames seen on the wire (cut, flip bits, repeat, give them another SPI, let them come from elsewhere)."""

import collections
import random
import struct

from scapy.all import (
    ARP, ICMP, IP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPOption_NOP, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Raw, TCP, fuzz,
)

import jetwire as w
from plane import CLIENT, SERVER

PORT = 4500


def kernel_keeps(frame):
    """Whether a frame never gets from a veth to an AF_PACKET socket: a tag cut short, or IPv4 fragments, which the
    kernel collects when sockets share an interface."""
    kind, ip = frame[12:14], frame[14:]
    if kind in (b"\x81\x00", b"\x88\xa8"):
        return len(ip) < 46
    return kind == b"\x08\x00" and len(ip) >= 20 and ip[0] >> 4 == 4 and int.from_bytes(ip[6:8], "big") & 0x3FFF != 0


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Garbage:
    def __init__(self, seed, client_mac, server_mac, kem):
        self.chance = random.Random(seed)
        self.eth = {4: server_mac + client_mac + b"\x08\x00", 6: server_mac + client_mac + b"\x86\xdd"}
        self.genuine = collections.deque(maxlen=512)
        self.hello = w.Handshake(kem, 0x1000).hello
        random.seed(seed)
        self.malformed = [bytes(packet) for packet in self._malformed(Ether(src=client_mac, dst=server_mac))]
        self.kinds = (
            self.random_payload, self.random_ip, self.random_frame, self.cut, self.flip, self.repeat, self.move,
            self.spoofed_hello, self.odd_data, self.odd_handshake, lambda: self.chance.choice(self.malformed),
        )

    def see(self, frame):
        """A genuine frame, to be abused later."""
        self.genuine.append(frame)

    def frame(self):
        frame = self.chance.choice(self.kinds)()[:1514].ljust(14, b"\0")
        return self.frame() if kernel_keeps(frame) else frame

    # ---- from nothing ----

    def udp(self, payload, source=None, version=4):
        """The payload from a client to the server; IPv4's UDP checksum may be left out."""
        port = self.chance.randrange(1024, 65536)
        length = 8 + len(payload)
        if version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0)
            ends = bytes(map(int, (source or CLIENT[4]).split("."))) + bytes(map(int, SERVER[4].split(".")))
            ip = head[:10] + struct.pack("!H", checksum(head + ends)) + ends
            return self.eth[4] + ip + struct.pack("!HHHH", port, PORT, length, 0) + payload
        packet = IPv6(src=CLIENT[6], dst=SERVER[6]) / UDP(sport=port, dport=PORT) / Raw(payload)
        return self.eth[6] + bytes(packet)

    def source(self):
        return f"198.{self.chance.choice((18, 19))}.{self.chance.randrange(256)}.{self.chance.randrange(1, 255)}"

    def bytes(self, most):
        return self.chance.randbytes(self.chance.randrange(most + 1))

    def random_payload(self):
        return self.udp(self.bytes(self.chance.choice((4, 40, 200, 1472))), self.source())

    def random_ip(self):
        return self.eth[self.chance.choice((4, 6))] + self.bytes(200)

    def random_frame(self):
        return self.eth[4][:12] + self.bytes(200)

    def spoofed_hello(self):
        """Well-formed, from anywhere."""
        hello = bytearray(self.hello)
        hello[8:44] = self.chance.randrange(256, 1 << 32).to_bytes(4, "big") + self.chance.randbytes(32)
        if self.chance.random() < 0.5:
            hello[46], hello[48:72] = 24, self.chance.randbytes(24)
        return self.udp(bytes(hello), self.source())

    def odd_data(self):
        number = self.chance.choice((self.chance.randrange(1 << 10), self.chance.randrange(1 << 62)))
        low = number if self.chance.random() < 0.8 else number + 1
        spi = self.chance.choice((
            self.chance.randrange(1, 256), self.chance.randrange(256, 1 << 32), self._known_spi(),
        ))
        payload = struct.pack("!IIQ", spi, low & 0xFFFFFFFF, number) + self.bytes(300)
        return self.udp(payload, version=self.chance.choice((4, 4, 4, 6)))

    def odd_handshake(self):
        kind, version = self.chance.choice((1, 1, 1, 2, 3, 4, 0, 77)), self.chance.choice((1, 1, 1, 0, 2, 255))
        size = self.chance.choice((0, 1, 4, 8, 43, 1343, 1344, 1345, 1400))
        payload = struct.pack("!IBBH", 0, kind, version, 0)[:size] + self.chance.randbytes(max(0, size - 8))
        return self.udp(payload, self.source())

    # ---- from what is genuine ----

    def _known_spi(self):
        data = [frame for frame in self.genuine if frame[12:14] == b"\x08\x00" and frame[42:46] != bytes(4)]
        return int.from_bytes(self.chance.choice(data)[42:46], "big") if data else 256

    def _any(self):
        return self.chance.choice(self.genuine) if self.genuine else self.udp(b"\xff")

    def cut(self):
        frame = self._any()
        return frame[: self.chance.randrange(14, len(frame))]

    def flip(self):
        frame = bytearray(self._any())
        for _ in range(self.chance.choice((1, 1, 2, 8))):
            frame[self.chance.randrange(len(frame))] ^= 1 << self.chance.randrange(8)
        return bytes(frame)

    def repeat(self):
        return self._any()

    def move(self):
        """The same from another address: a replay that must not move the session."""
        frame = self._any()
        return self.udp(frame[42:], self.source()) if frame[12:14] == b"\x08\x00" else frame

    # ---- malformed ----

    @staticmethod
    def _malformed(eth):
        ip, ip6 = IP(src=CLIENT[4], dst=SERVER[4]), IPv6(src=CLIENT[6], dst=SERVER[6])
        udp, data = UDP(sport=9, dport=PORT), Raw(bytes(100))
        for field in {"ihl": 3}, {"ihl": 15}, {"len": 10}, {"len": 2000}, {"version": 5}, {"chksum": 1}, {"frag": 5}, \
                {"flags": "MF"}, {"proto": 6}, {"proto": 253}, {"dst": "198.18.0.77"}, {"dst": "255.255.255.255"}, \
                {"src": "0.0.0.0"}, {"src": SERVER[4]}, {"src": "224.0.0.1"}, {"options": [IPOption_NOP()] * 4}:
            changed = ip.copy()
            for name, value in field.items():
                setattr(changed, name, value)
            yield eth / changed / udp / data
        for field in {"len": 3}, {"len": 7}, {"len": 9999}, {"len": 50}, {"chksum": 1}, {"dport": 9}, {"sport": 0}:
            for under in ip, ip6:
                yield eth / under / UDP(**{"sport": 9, "dport": PORT, **field}) / data
        for field in {"plen": 0}, {"plen": 7}, {"plen": 60000}, {"version": 4}, {"nh": 59}, {"nh": 6}, \
                {"src": "ff02::1"}, {"src": "::"}, {"dst": "fd00::77"}, {"src": SERVER[6]}, {"hlim": 0}:
            yield eth / IPv6(**{"src": CLIENT[6], "dst": SERVER[6], **field}) / udp / data
        fragments = IPv6ExtHdrFragment(offset=0, m=1), IPv6ExtHdrFragment(offset=9)
        for header in IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), *fragments:
            yield eth / ip6 / header / udp / data
        yield from Garbage._odd_icmp(eth, ip, ip6)
        yield from Garbage._odd_arp(eth)
        for payload in b"", b"\xff", b"\xff\xff", b"\0", bytes(4), bytes(8), bytes(16), b"\0\0\0\1" + bytes(60):
            yield eth / ip / udp / Raw(payload)
            yield eth / ip6 / udp / Raw(payload)
        for vlan in 0, 1, 42, 4095:
            yield eth / Dot1Q(vlan=vlan) / ip / udp / data
            yield eth / Dot1Q(vlan=vlan) / Dot1Q(vlan=7) / ip / udp / data
        yield eth / ip / TCP(dport=PORT)
        for _ in range(40):
            yield eth / fuzz(IP(dst=SERVER[4])) / UDP(sport=9, dport=PORT) / data
            yield eth / ip / fuzz(UDP(dport=PORT)) / data
            yield eth / fuzz(IPv6(dst=SERVER[6])) / udp / data

    @staticmethod
    def _odd_icmp(eth, ip, ip6):
        for kind in 0, 3, 5, 8, 13, 255:
            yield eth / ip / ICMP(type=kind) / Raw(bytes(20))
        yield eth / ip / ICMP(chksum=1) / Raw(bytes(20))
        yield eth / ip / ICMP() / Raw(bytes(1400))
        yield eth / ip6 / ICMPv6EchoRequest(data=bytes(1400))
        yield eth / ip6 / ICMPv6EchoRequest(cksum=1)
        group = "ff02::1:ff00:1"
        for source, target, hlim in (CLIENT[6], group, 255), (CLIENT[6], SERVER[6], 64), ("::", group, 255):
            under = IPv6(src=source, dst=target, hlim=hlim)
            for target in SERVER[6], "fd00::77", "ff02::1":
                yield eth / under / ICMPv6ND_NS(tgt=target)
                yield eth / under / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")
                yield eth / under / ICMPv6ND_NS(tgt=target) / Raw(b"\1\0" + bytes(6))
                yield eth / under / ICMPv6ND_NS(tgt=target) / Raw(b"\1\7" + bytes(6))

    @staticmethod
    def _odd_arp(eth):
        good = {"psrc": CLIENT[4], "pdst": SERVER[4], "hwsrc": "02:00:00:00:00:01"}
        for field in {}, {"op": 2}, {"op": 9}, {"hwlen": 8}, {"plen": 16}, {"ptype": 5}, {"hwtype": 7}, \
                {"psrc": SERVER[4]}, {"pdst": CLIENT[4]}, {"hwsrc": "ff:ff:ff:ff:ff:ff"}:
            yield eth / ARP(**{**good, **field})
        yield eth / Raw(b"\0\1\x08\0\6\4\0\1" + bytes(4))
