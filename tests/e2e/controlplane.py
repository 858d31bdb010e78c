"""The control plane's end of include/jetplane/ipc.h, for tests that install sessions by the thousand: no handshake, but
the real data plane and its real socket. Layouts are those of tests/control/ipc.py."""

import array
import hashlib
import json
import os
import random
import socket
import struct

import jetwire as w
from stats import Stats, ipc

WINDOW = 512  # installs under way
SESSION = struct.Struct("=Q64sIIQQQQQQQQQQQIIIBBBBBB6x")
SESSION_FIELDS = (
    "request", "path", "spi", "client_spi", "age_ms", "idle_ms", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
    "rx_pn", "tx_pn", "rx_epoch", "tx_epoch", "fec_recovered", "idle_timeout_ms", "held", "streams", "lcore", "alg",
    "fec_k", "fec_r", "confirmed", "sink",
)


def mac(host):
    return bytes.fromhex(json.loads(host.ip("-j", "link", "show", "eth0"))[0]["address"].replace(":", ""))


def v4_mapped(address):
    return bytes(10) + b"\xff\xff" + socket.inet_aton(address)


def secret(spi, way):
    return hashlib.sha256(b"%s %u" % (way, spi)).digest()


def random_spis(n, seed=1):
    """As a control plane would choose them, but the same every time."""
    return random.Random(seed).sample(range(256, 1 << 32), n)


class ControlPlane:
    def __init__(self, plane, client="198.18.0.2", server="198.18.0.1", port=4500):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(str(plane.socket))
        self.socket.send(ipc.message(ipc.CONTROL_HELLO, struct.pack("=II", os.getpid(), 0)))
        data, ancillary, *_ = self.socket.recvmsg(4096, 64)
        assert len(data) == ipc.SIZES[ipc.DATA_HELLO]
        (self.boot_id, self.pid, self.max_sessions, self.stats_size, self.reta_size, self.lcores, self.tier, _, _, _, _,
         _, self.key, _, *_credit, self.reta) = ipc.HELLO.unpack(data[8:])
        assert self.stats_size == ipc.STATS_SIZE
        self.stats = Stats(array.array("i", ancillary[0][2])[0])
        self.addresses = v4_mapped(client) + v4_mapped(server)
        self.our_port, self.macs = port, mac(plane.client_host) + mac(plane.host)
        self.retired = {}  # SPI -> reason

    def owner(self, spi):
        """owner(SPI) = reta[toeplitz(key, SPI) & (size - 1)], by the Toeplitz hash's definition."""
        return self.reta[ipc.toeplitz(self.key, spi) & (self.reta_size - 1)]

    # ---- messages ----

    def _next(self):
        data = self.socket.recv(4096)
        assert data, "the data plane closed the connection"
        return ipc.HEADER.unpack_from(data)[2], data[8:]

    def expect(self, *kinds):
        """The next message of these types; sessions that end meanwhile are noted."""
        while True:
            kind, body = self._next()
            if kind in kinds:
                return kind, body
            assert kind == ipc.RETIRED, kind
            self.retired.__setitem__(*struct.unpack("=II", body))

    def install(self, spis, peer_port=lambda i: 9, idle_timeout_ms=3600000, alg=w.AES256_GCM, fec=(0, 0)):
        """Install sessions; `peer_port` says from which port of the client the i-th comes. Returns SPI -> result."""
        results, sent = {}, 0
        while len(results) < len(spis):
            while sent < len(spis) and sent - len(results) < WINDOW:
                self._send_install(spis[sent], peer_port(sent), idle_timeout_ms, alg, fec)
                sent += 1
            results.__setitem__(*struct.unpack("=Ii", self.expect(ipc.INSTALLED)[1]))
        return results

    def _send_install(self, spi, peer_port, idle_timeout_ms, alg, fec):
        message = b"".join((
            ipc.HEADER.pack(ipc.MAGIC, ipc.VERSION, ipc.INSTALL), self.addresses,
            struct.pack("=HH12sHBB12x", peer_port, self.our_port, self.macs, 0, 0, 4),
            struct.pack("=II", spi, spi), secret(spi, b"c2s"), secret(spi, b"s2c"),
            struct.pack("=IHHBBB", idle_timeout_ms, 100, 1472, alg, *fec),
        ))
        self.socket.send(message.ljust(ipc.SIZES[ipc.INSTALL], b"\0"))  # light, and no reply

    def retire(self, spi, code=4):
        self.socket.send(ipc.message(ipc.RETIRE, struct.pack("=II", spi, code)))

    def list(self):
        """All sessions, page by page, as dicts."""
        cursor, request = 0, 1
        while True:
            self.socket.send(ipc.message(ipc.LIST, struct.pack("=QQII", request, cursor, 64, 0)))
            while True:
                kind, body = self.expect(ipc.SESSION, ipc.LIST_END)
                if kind == ipc.LIST_END:
                    break
                yield dict(zip(SESSION_FIELDS, SESSION.unpack_from(body)))
            answered, cursor = struct.unpack("=QQ", body)
            assert answered == request
            if cursor == 0:
                return
            request += 1

    def close(self):
        self.stats.close()
        self.socket.close()


class Peer:
    """The client's half of an installed session."""

    def __init__(self, spi, alg=w.AES256_GCM):
        self.spi = spi
        self.tx, self.rx = w.Keys(alg, secret(spi, b"c2s")), w.Keys(alg, secret(spi, b"s2c"))
        self.number = 0

    def seal(self, frames):
        self.number += 1
        return self.tx.seal(self.spi, self.number - 1, frames)
