"""The data plane's end of include/jetplane/ipc.h and stats.h, enough of it to test jetplaned alone."""

import array
import fcntl
import os
import pathlib
import re
import select
import socket
import struct
import time

MAGIC = 0x4A504950
VERSION = 2
CONTROL_HELLO, INSTALL, RETIRE, SEND, LIST, QUERY, STOP = range(1, 8)
DATA_HELLO, PUNT, UNKNOWN_SPI, INSTALLED, RETIRED, SESSION, LIST_END = range(64, 71)

HEADER = struct.Struct("=IHH")
PATH = struct.Struct("=16s16sHH6s6sHBB12s")
HELLO = struct.Struct("=16sIIIHBBHHBB6s52sI3I512s")
IPC_PATH = struct.Struct("=64sQQQQQQIIHBBB3s")
PATHS = 4
SIZES = {
    CONTROL_HELLO: 16, INSTALL: 1720, RETIRE: 16, SEND: 1480, LIST: 32, QUERY: 24, STOP: 8,
    DATA_HELLO: 632, PUNT: 1480, UNKNOWN_SPI: 104, INSTALLED: 16, RETIRED: 16, SESSION: 800,
    LIST_END: 24,
}

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNTERS = re.findall(r"^\s*X\((\w+),", (ROOT / "include/jetplane/counters.h").read_text(), re.M)
STATS_LCORE = (8 * len(COUNTERS) + 127) // 128 * 128
STATS_LCORES_AT = 4480
STATS_SIZE = STATS_LCORES_AT + 32 * STATS_LCORE

# The key of Microsoft's RSS verification suite, repeated to 52 bytes: any key does.
TOEPLITZ_KEY = (bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa") * 2)[:52]


def toeplitz(key, spi):
    """The Toeplitz hash of a 4-byte SPI, bit by bit from its definition."""
    key_bits = int.from_bytes(key, "big")
    result = 0
    for i in range(32):
        if spi >> (31 - i) & 1:
            result ^= key_bits >> (len(key) * 8 - 32 - i) & 0xFFFFFFFF
    return result


def path(ip="198.18.0.1", port=4500):
    """A struct jp_path for a packet from there."""
    if ":" in ip:
        packed, version = socket.inet_pton(socket.AF_INET6, ip), 6
    else:
        packed, version = bytes(10) + b"\xff\xff" + socket.inet_aton(ip), 4
    ours = bytes(10) + b"\xff\xff" + socket.inet_aton("198.18.0.254")
    return PATH.pack(packed, ours, port, 4500, b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", 0, 0, version,
                     bytes(12))


def message(kind, body=b"", version=VERSION, magic=MAGIC):
    return HEADER.pack(magic, version, kind) + body


def stats_file(boot_id, lcores, seal=True, size=STATS_SIZE, magic=0x4A505331, version=6):
    """A statistics file as a data plane shares it."""
    fd = os.memfd_create("stats", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    head = struct.pack("=IHBBBBBBI16sQQQQQ16s32s", magic, version, lcores, 1, 3, 1, 0, 0,
                       os.getpid(), boot_id, 10**9, int(time.time()), time.monotonic_ns(), 10000,
                       1 << 20, b"0.0-test", b"none")
    head = head + struct.pack("=HBB", 4500, 1, 0)
    port = struct.pack("=64s32s64s6sBBHHI", b"net_memif0", b"net_memif", b"no rte_flow",
                       b"\2\0\0\0\0\2", 1, 3, 1500, lcores, 100000)
    os.pwrite(fd, head[:size], 0)
    if size == STATS_SIZE:
        os.pwrite(fd, port, 320)
    if seal:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


class DataPlane:
    """Listens like jetplane-dp; the test says what it answers. Lists `sessions` when asked."""

    def __init__(self, socket_path, lcores=4, max_sessions=10000, reta_size=128):
        self.path = str(socket_path)
        self.lcores = lcores
        self.max_sessions = max_sessions
        self.reta = bytes(i % lcores for i in range(reta_size)) if lcores else bytes(reta_size)
        self.boot_id = os.urandom(16)
        self.sessions = []
        self.full_paths = {}  # of those sessions that are full
        self.patience = 5  # seconds for room to send
        self.stats = stats_file(self.boot_id, lcores)
        self.peer = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(8)

    def close(self):
        self.hang_up()
        self.listener.close()
        os.close(self.stats)

    def hang_up(self):
        if self.peer:
            self.peer.close()
            self.peer = None

    def hello(self, **changed):
        f = dict(boot_id=self.boot_id, pid=os.getpid(), max_sessions=self.max_sessions,
                 stats_size=STATS_SIZE, reta_size=len(self.reta), lcores=self.lcores, tier=3,
                 max_packet=1472, max_streams=256, fec_k=20, fec_r=4,
                 idle_timeout_max_ms=3600000, credit=(0, 0, 65536), reta=self.reta)
        f.update(changed)
        return message(DATA_HELLO, HELLO.pack(
            f["boot_id"], f["pid"], f["max_sessions"], f["stats_size"], f["reta_size"],
            f["lcores"], f["tier"], f["max_packet"], f["max_streams"], f["fec_k"], f["fec_r"],
            bytes(6), TOEPLITZ_KEY, f["idle_timeout_max_ms"], *f["credit"], f["reta"]))

    def accept(self, timeout=5):
        """Take jetplaned's connection and its hello, and say nothing yet."""
        self.hang_up()
        self.listener.settimeout(timeout)
        self.peer, _ = self.listener.accept()
        kind, body = self.recv_raw(timeout)
        assert kind == CONTROL_HELLO, kind

    def send(self, data, fds=()):
        self.peer.settimeout(self.patience)  # receiving may have set another
        self.peer.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                          if fds else [])

    def connect(self, timeout=5):
        """The whole greeting, up to the end of the resynchronisation."""
        self.accept(timeout)
        self.send(self.hello(), [self.stats])
        self.serve(0.05)

    def recv_raw(self, timeout=2):
        """The next message as (type, body), or (None, None) at the end of the connection."""
        self.peer.settimeout(timeout)
        try:
            data = self.peer.recv(4096)
        except ConnectionResetError:
            data = b""
        if not data:
            return None, None
        magic, version, kind = HEADER.unpack_from(data)
        assert (magic, version) == (MAGIC, VERSION)
        assert len(data) == SIZES[kind], (kind, len(data))
        return kind, data[8:]

    def recv(self, timeout=2):
        """The next message but LIST and QUERY, which it answers."""
        deadline = time.monotonic() + timeout
        while True:
            kind, body = self.recv_raw(max(0.001, deadline - time.monotonic()))
            if kind == LIST:
                request, cursor, most = struct.unpack_from("=QQI", body)
                page = self.sessions[cursor:cursor + most]
                after = cursor + len(page)
                for spi in page:
                    self.send(self.session(request, spi))
                self.send(message(LIST_END, struct.pack(
                    "=QQ", request, after if after < len(self.sessions) else 0)))
            elif kind == QUERY:
                request, spi = struct.unpack_from("=QI", body)
                if spi in self.sessions:
                    self.send(self.session(request, spi))
                self.send(message(LIST_END, struct.pack("=QQ", request, 0)))
            else:
                return kind, body

    def expect(self, kind, timeout=2):
        got, body = self.recv(timeout)
        assert got == kind, f"got {got}, not {kind}"
        return body

    def serve(self, seconds):
        """Answer LIST and QUERY until nothing came for a while; other messages are returned."""
        others = []
        while select.select([self.peer], [], [], seconds)[0]:
            try:
                got = self.recv(seconds)
            except socket.timeout:
                break
            if got[0] is None:
                break
            others.append(got)
        return others

    def closed(self, timeout=2):
        """Did jetplaned close the connection?"""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if self.recv_raw(max(0.001, deadline - time.monotonic()))[0] is None:
                    return True
            except socket.timeout:
                return False
        return False

    def owner(self, spi):
        return self.reta[toeplitz(TOEPLITZ_KEY, spi) & (len(self.reta) - 1)]

    def session(self, request, spi):
        paths = self.full_paths.get(spi, [])
        body = struct.pack("=Q", request) + path() + struct.pack(
            "=IIQQQQQQQQQQQIIIBBBBBBBB4s", spi, 256, 5000, 10, 1, 2, 3, 4, 5, 6, 0, 0, 7, 30000, 0, 1,
            self.owner(spi), 1, 20, 4, 1, 1, spi in self.full_paths, len(paths), bytes(4))
        body += struct.pack("=11Q", *range(100, 111))
        for p in paths:
            body += IPC_PATH.pack(p, 20000, 15000, 1250000, 200, 190, 4, 64000, 3000, 1452, 2, 1, 1,
                                  bytes(3))
        return message(SESSION, body.ljust(SIZES[SESSION] - 8, b"\0"))

    def punt(self, packet, ip="198.18.0.1", port=4500, length=None):
        body = struct.pack("=H6s1400s", len(packet) if length is None else length, bytes(6), packet)
        self.send(message(PUNT, path(ip, port) + body))

    def unknown_spi(self, quote, ip="198.18.0.1", port=4500):
        self.send(message(UNKNOWN_SPI, path(ip, port) + quote))

    def installed(self, spi, result=0):
        self.send(message(INSTALLED, struct.pack("=Ii", spi, result)))

    def count_sessions(self, n):
        at = STATS_LCORES_AT + 8 * COUNTERS.index("sessions")
        os.pwrite(self.stats, struct.pack("=Q", n), at)

    def retired(self, spi, reason=2):
        self.send(message(RETIRED, struct.pack("=II", spi, reason)))


class Install:
    """A parsed INSTALL."""

    def __init__(self, body):
        self.path = body[:64]
        (self.server_spi, self.client_spi, self.c2s, self.s2c, self.idle_timeout_ms,
         self.max_streams, self.max_packet, self.alg, self.fec_k, self.fec_r, self.our_max_streams,
         n) = struct.unpack_from("=II32s32sIHHBBBxHH", body, 64)
        self.ours = struct.unpack_from("=III", body, 64 + 88)
        self.theirs = struct.unpack_from("=III", body, 64 + 100)
        early, ticket = struct.unpack_from("=HB", body, 64 + 112)
        self.ticket = body[64 + 120:64 + 120 + ticket]
        self.reply = body[64 + 248:64 + 248 + n]
        self.early = body[64 + 248 + n:64 + 248 + n + early]


def sent_packet(body):
    """The bytes of a SEND, and the address they go to."""
    n, = struct.unpack_from("=H", body, 64)
    return body[72:72 + n], body[:64]
