"""What is on the wire, read by a stranger: scapy parses every packet from Ethernet up, checks checksums and lengths,
and opens the data packets as plain ESP in UDP (RFC 4303, 3948) with AES-GCM or ChaCha20-Poly1305 and 64-bit sequence
numbers, knowing nothing of Jetplane but the keys."""

import collections

import jetwire as w
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.layers.l2 import Ether

PORT = 4500
ALGORITHM = {w.AES256_GCM: "AES-GCM", w.CHACHA20_POLY1305: "CHACHA20-POLY1305"}


def associations(session):
    """Both directions of epoch 0, by SPI."""
    def one(spi, keys):
        return SecurityAssociation(
            ESP, spi=spi, crypt_algo=ALGORITHM[session.server["suite"]], crypt_key=keys.material(0),
            nat_t_header=UDP(sport=PORT, dport=PORT), esn_en=True, esn=0,
        )

    return {
        session.server["server_spi"]: one(session.server["server_spi"], session.tx),
        session.client_spi: one(session.client_spi, session.rx),
    }


def whole(frame):
    """The packet of a frame, after checking every length and checksum by having scapy make them again."""
    packet = Ether(frame)
    ip = packet[1]
    again = ip.copy()
    for layer, fields in ((IP, ("len", "chksum")), (IPv6, ("plen",)), (UDP, ("len", "chksum"))):
        for field in fields if layer in again else ():
            if not (field == "chksum" and layer is UDP and IP in again and again[UDP].chksum == 0):  # none: RFC 768
                delattr(again[layer], field)
    assert bytes(again) == bytes(ip), "a length or checksum is wrong"
    return ip


def capture(raw):
    while True:
        try:
            yield raw.recv(65535)
        except BlockingIOError:
            return


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("suite", ALGORITHM)
def test_every_packet(make_plane, suite, version):
    plane = make_plane(fec_k=20, fec_r=4)
    with plane.client_host.raw_socket() as raw:
        session = plane.session(version, suites=(suite,), params=w.parameters(fec_k=20, fec_r=4))
        for i in range(100):
            session.send(w.stream_frame(1 + i % 3, i // 3, bytes([i]) * (8 * i + 1)))
        session.collect(100, 5)
        assert len(session.received) == 100
        session.close()
        plane.settle()
        packets = [whole(frame) for frame in capture(raw) if UDP in Ether(frame)]
    keys = associations(session)
    kinds = collections.Counter()
    numbers = {spi: [] for spi in keys}
    echoed = set()
    for packet in packets:
        assert PORT in (packet[UDP].sport, packet[UDP].dport)
        payload = bytes(packet[UDP].payload)
        if payload[:4] == bytes(4):
            kinds[payload[4]] += 1
            continue
        esp = ESP(payload)
        numbers[esp.spi].append(esp.seq)
        assert int.from_bytes(esp.data[:8], "big") == esp.seq, "the IV is the packet number"
        assert len(esp.data) % 4 == 0
        sa = keys[esp.spi]  # its decrypt() looks for ESP right behind IPv6: not in UDP
        opened = sa.crypt_algo.decrypt(sa, esp, sa.crypt_key, esn_en=True, esn=0)
        assert opened.nh == 253 and opened.padlen < 4
        for kind, fields in w.read_frames(opened.data):
            kinds[hex(kind)] += 1
            if esp.spi == session.client_spi and kind == w.STREAM:
                echoed.add(fields["data"])
    # where everybody waits for a CPU a hello may come twice, and is answered twice
    assert 1 <= kinds[w.SERVER_HELLO] <= kinds[w.CLIENT_HELLO] <= 4
    assert kinds[hex(w.FEC_SOURCE)] == 100 and kinds[hex(w.FEC_REPAIR)] >= 20
    assert echoed == {bytes([i]) * (8 * i + 1) for i in range(100)}
    for spi, seen in numbers.items():
        assert sorted(seen) == list(range(len(seen))), f"packet numbers of {spi:#x}"
