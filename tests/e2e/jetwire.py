"""The Jetplane protocol in Python, written from docs/protocol.md alone, with independent cryptography: packets, the key
schedule, sealing, frames and FEC. Bytes in, bytes out; jetclient.py does the talking."""

import hashlib
import hmac
import os
import struct
import subprocess

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

AES256_GCM, CHACHA20_POLY1305 = 1, 2
AEAD = {AES256_GCM: AESGCM, CHACHA20_POLY1305: ChaCha20Poly1305}
CLIENT_HELLO, SERVER_HELLO, RETRY, RESET = 1, 2, 3, 4
KEEPALIVE = b"\xff"
EPOCH_SHIFT = 22
PADDING, PING, ACK, CLOSE, PATH_CHALLENGE, PATH_RESPONSE = 0, 1, 2, 3, 4, 5
FEC_SOURCE, FEC_REPAIR, STREAM, DATAGRAM = 8, 9, 0x10, 0x20
ACK_ECN, TICKET = 6, 0x28
# Others of full sessions (section 7.1), which are nothing but varints: how many.
PATH_USE, NACK, MAX_DATA, MAX_STREAMS, MAX_STREAM_DATA, DATA_BLOCKED = 0x07, 0x0D, 0x0E, 0x0F, 0x22, 0x23
STREAM_BLOCKED, FORWARD, STREAM_END, STREAM_RESET = 0x24, 0x25, 0x26, 0x27
CONTROLS = {
    PATH_USE: 1, NACK: 1, MAX_DATA: 1, MAX_STREAMS: 1, MAX_STREAM_DATA: 2, DATA_BLOCKED: 1, STREAM_BLOCKED: 2,
    FORWARD: 3, STREAM_END: 2, STREAM_RESET: 2,
}


class Ignore(Exception):
    """A packet that this page says to drop or ignore."""


# ---- integers (RFC 9000 section 16) ----


def varint(value):
    for exponent, bits in enumerate((6, 14, 30, 62)):
        if value < 1 << bits:
            size = 1 << exponent
            return (value | exponent << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError("varint too large")


def read_varint(data, at):
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise Ignore("varint cut short")
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


def read_varints(data, at, count):
    values = []
    for _ in range(count):
        value, at = read_varint(data, at)
        values.append(value)
    return values, at


def parameters(**values):
    ids = {"idle_timeout_ms": 1, "max_streams": 2, "max_packet": 3, "fec_k": 4, "fec_r": 5, "max_data": 6,
           "max_stream_data": 7, "max_message": 8}
    return b"".join(
        varint(ids[name]) + varint(len(varint(value))) + varint(value) for name, value in values.items()
    )


def read_parameters(data):
    names = {1: "idle_timeout_ms", 2: "max_streams", 3: "max_packet", 4: "fec_k", 5: "fec_r"}
    found = {"idle_timeout_ms": 30000, "max_streams": 100, "max_packet": 1472, "fec_k": 0, "fec_r": 0}
    at = 0
    while at < len(data):
        number, at = read_varint(data, at)
        length, at = read_varint(data, at)
        if number in names:
            found[names[number]], _ = read_varint(data, at)
        at += length
    return found


# ---- ML-KEM-768: python3-cryptography has none yet, so a helper program does it ----


class MlKem:
    def __init__(self, helper):
        self.helper = helper

    def _run(self, *args, text=""):
        done = subprocess.run([self.helper, *args], input=text, capture_output=True, text=True, check=True)
        return [bytes.fromhex(line) for line in done.stdout.split()]

    def keygen(self, seed):
        return self._run("keygen", seed.hex())

    def decapsulate(self, dk, ciphertext):
        return self._run("decaps", text=f"{dk.hex()}\n{ciphertext.hex()}\n")[0]


# ---- keys ----


def derive(secret, label, context, length):
    info = b"jetplane1 " + label.encode() + b"\0" + context
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)


def hkdf_extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


class Keys:
    """One direction's ratchet; epochs are derived as they are asked for."""

    def __init__(self, suite, secret):
        self.suite = suite
        self.secrets = [secret]
        self.materials = {}

    def material(self, epoch):
        while len(self.secrets) <= epoch:
            self.secrets.append(derive(self.secrets[-1], "epoch", b"", 32))
        if epoch not in self.materials:
            self.materials[epoch] = derive(self.secrets[epoch], "key", b"", 36)
        return self.materials[epoch]

    def seal(self, spi, number, frames):
        pad = -(len(frames) + 2) % 4
        text = frames + bytes(range(1, pad + 1)) + bytes([pad, 253])
        body = aead_seal(self.suite, self.material(number >> EPOCH_SHIFT), spi, number, text)
        return struct.pack("!IIQ", spi, number & 0xFFFFFFFF, number) + body

    def open(self, packet):
        spi, low, number = struct.unpack_from("!IIQ", packet)
        if low != number & 0xFFFFFFFF:
            raise Ignore("packet number repeated wrong")
        text = aead_open(self.suite, self.material(number >> EPOCH_SHIFT), spi, number, packet[16:])
        pad, next_header = text[-2], text[-1]
        if next_header != 253 or text[-2 - pad : -2] != bytes(range(1, pad + 1)):
            raise Ignore("bad trailer")
        return number, text[: len(text) - 2 - pad]


def aead_seal(suite, material, spi, number, text):
    nonce = material[32:] + struct.pack("!Q", number)
    return AEAD[suite](material[:32]).encrypt(nonce, text, struct.pack("!IQ", spi, number))


def aead_open(suite, material, spi, number, body):
    nonce = material[32:] + struct.pack("!Q", number)
    try:
        return AEAD[suite](material[:32]).decrypt(nonce, body, struct.pack("!IQ", spi, number))
    except InvalidTag:
        raise Ignore("forged") from None


# ---- handshake, the client's side ----


class Handshake:
    """Make a hello; read what comes back. `secrets` fixes the random choices for known answers."""

    def __init__(self, kem, spi, suites=(AES256_GCM, CHACHA20_POLY1305), params=b"", pinned=None, secrets=None):
        choice = secrets or {"x25519": os.urandom(32), "mlkem": os.urandom(64), "random": os.urandom(32)}
        self.kem, self.spi, self.pinned = kem, spi, pinned
        self.x25519 = X25519PrivateKey.from_private_bytes(choice["x25519"])
        self.random = choice["random"]
        ek, self.dk = kem.keygen(choice["mlkem"])
        share = self.x25519.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self._parts = share + ek + params.ljust(56, b"\0"), bytes(suites).ljust(2, b"\0"), len(params)
        self.retries = 0
        self._hello(b"")

    def _hello(self, cookie):
        rest, suites, params_len = self._parts
        self.hello = (
            header(CLIENT_HELLO)
            + struct.pack("!I", self.spi)
            + self.random
            + suites
            + bytes([len(cookie), params_len])
            + cookie.ljust(24, b"\0")
            + rest
        )
        assert len(self.hello) == 1344

    def retry(self, message):
        """A Retry: True when the hello has a new cookie and must be sent again."""
        if len(message) != 68 or message[:44] != header(RETRY) + struct.pack("!I", self.spi) + self.random:
            return False
        self.retries += 1
        if self.retries > 3:
            return False
        self._hello(message[44:])
        return True

    def finish(self, message):
        """A ServerHello: the suite, both secrets and what the server said; Ignore when it fails any check."""
        if len(message) < 1301 + 16 or message[:12] != header(SERVER_HELLO) + struct.pack("!I", self.spi):
            raise Ignore("not our ServerHello")
        suite, share, ciphertext = message[44], message[48:80], message[80:1168]
        if suite not in AEAD:
            raise Ignore("unknown suite")
        x25519 = self.x25519.exchange(X25519PublicKey.from_public_bytes(share))
        mlkem = self.kem.decapsulate(self.dk, ciphertext)
        t0 = hashlib.sha256(self.hello + message[:1168]).digest()
        hs = hkdf_extract(b"jetplane1 handshake", mlkem + x25519)
        clear = aead_open(suite, derive(hs, "server hello", t0, 36), self.spi, 0, message[1168:])
        identity, signature, finished, tail = clear[:32], clear[32:96], clear[96:128], clear[128:]
        t1 = hashlib.sha256(t0 + identity + tail).digest()
        try:
            Ed25519PublicKey.from_public_bytes(identity).verify(
                signature, b"jetplane1 server signature\0" + t1
            )
        except InvalidSignature:
            raise Ignore("bad signature") from None
        expected = hmac.new(derive(hs, "finished", t1, 32), t1 + signature, hashlib.sha256).digest()
        if not hmac.compare_digest(expected, finished):
            raise Ignore("bad finished")
        if self.pinned and identity != self.pinned:
            raise Ignore("another identity")
        t2 = hashlib.sha256(t1 + signature + finished).digest()
        return {
            "suite": suite,
            "identity": identity,
            "server_spi": struct.unpack_from("!I", tail)[0],
            "parameters": read_parameters(tail[5 : 5 + tail[4]]),
            "c2s": derive(hs, "client to server", t2, 32),
            "s2c": derive(hs, "server to client", t2, 32),
            "resumption": derive(hs, "resumption", t2, 32),
        }


def header(kind):
    return struct.pack("!IBBH", 0, kind, 1, 0)


def reset_quote(message, identity):
    """The quoted bytes of a Reset that `identity` signed, else None."""
    if len(message) != 104 or message[:8] != header(RESET):
        return None
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(message[40:], b"jetplane1 reset\0" + message[8:40])
    except InvalidSignature:
        return None
    return message[8:40]


# ---- frames ----


def stream_frame(stream, sequence, data, offset=0, fin=True, with_length=False):
    flags = (1 if offset else 0) | (2 if fin else 0) | (4 if with_length else 0)
    return (
        bytes([STREAM | flags])
        + varint(stream)
        + varint(sequence)
        + (varint(offset) if offset else b"")
        + (varint(len(data)) if with_length else b"")
        + data
    )


def ack_frame(numbers, delay_us=0):
    """Acknowledge a set of packet numbers, at most 32 ranges."""
    ranges = []
    for number in sorted(numbers, reverse=True):
        if ranges and number == ranges[-1][0] - 1:
            ranges[-1][0] = number
        else:
            ranges.append([number, number])
    ranges = ranges[:32]
    first, largest = ranges[0]
    out = bytes([ACK]) + varint(largest) + varint(delay_us) + varint(len(ranges) - 1) + varint(largest - first)
    low = first
    for first, last in ranges[1:]:
        out += varint(low - last - 2) + varint(last - first)
        low = first
    return out


def read_frames(data):
    """Yield (type, fields) of each frame; a FEC_SOURCE is yielded with its symbol, then the frames inside follow."""
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == PADDING:
            continue
        if kind == PING:
            yield PING, {}
        elif kind in CONTROLS:
            fields, at = read_varints(data, at, CONTROLS[kind])
            yield kind, {"fields": fields}
        elif kind == TICKET:
            yield TICKET, {"ticket": data[at + 1 : at + 1 + data[at]]}
            at += 1 + data[at]
        elif kind in (ACK, ACK_ECN):
            (largest, delay), at = read_varints(data, at, 2)
            (*_, n), at = read_varints(data, at, 1 if kind == ACK else 3)
            first, at = read_varint(data, at)
            ranges = [(largest - first, largest)]
            for _ in range(n):
                gap, at = read_varint(data, at)
                length, at = read_varint(data, at)
                last = ranges[-1][0] - gap - 2
                ranges.append((last - length, last))
            yield ACK, {"ranges": ranges, "delay": delay}
        elif kind == CLOSE:
            code, at = read_varint(data, at)
            length = data[at]
            yield CLOSE, {"code": code, "reason": data[at + 1 : at + 1 + length].decode()}
            at += 1 + length
        elif kind in (PATH_CHALLENGE, PATH_RESPONSE):
            yield kind, {"data": data[at : at + 8]}
            at += 8
        elif kind == FEC_SOURCE:
            block, at = read_varint(data, at)
            index, length = data[at], struct.unpack_from("!H", data, at + 1)[0]
            symbol = data[at + 1 : at + 3 + length]
            yield FEC_SOURCE, {"block": block, "index": index, "symbol": symbol}
            yield from read_frames(symbol[2:])
            at += 3 + length
        elif kind == FEC_REPAIR:
            block, at = read_varint(data, at)
            k, r, index = data[at : at + 3]
            yield FEC_REPAIR, {"block": block, "k": k, "r": r, "index": index, "symbol": data[at + 3 :]}
            at = len(data)
        elif kind & ~0x2F == STREAM:  # flags 8 and 0x20 are full sessions'
            stream, at = read_varint(data, at)
            sequence, at = read_varint(data, at)
            offset, length = 0, None
            if kind & 1:
                offset, at = read_varint(data, at)
            if kind & 4:
                length, at = read_varint(data, at)
            end = len(data) if length is None else at + length
            yield STREAM, {
                "stream": stream, "sequence": sequence, "offset": offset, "fin": bool(kind & 2), "data": data[at:end],
            }
            at = end
        elif DATAGRAM <= kind < DATAGRAM + 2:
            length = None
            if kind & 1:
                length, at = read_varint(data, at)
            end = len(data) if length is None else at + length
            yield DATAGRAM, {"data": data[at:end]}
            at = end
        else:
            raise Ignore(f"unknown frame {kind:#x}")


# ---- FEC ----

_EXP, _LOG = [0] * 510, [0] * 256
_value = 1
for _i in range(255):
    _EXP[_i] = _EXP[_i + 255] = _value
    _LOG[_value] = _i
    _value = _value << 1 ^ (0x11D if _value & 0x80 else 0)


def gf_mul(a, b):
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def gf_inv(a):
    return _EXP[255 - _LOG[a]]


def coefficient(i, j):
    return gf_inv((64 + i) ^ j)


def _add_scaled(into, symbol, factor):
    for n, byte in enumerate(symbol):
        into[n] ^= gf_mul(byte, factor)


def fec_source(block, index, frames):
    return bytes([FEC_SOURCE]) + varint(block) + bytes([index]) + struct.pack("!H", len(frames)) + frames


def fec_repairs(block, r, sources):
    """The FEC_REPAIR frames of a block over the frames of its sources."""
    symbols = [struct.pack("!H", len(frames)) + frames for frames in sources]
    for i in range(r):
        repair = bytearray(max(map(len, symbols)))
        for j, symbol in enumerate(symbols):
            _add_scaled(repair, symbol, coefficient(i, j))
        yield bytes([FEC_REPAIR]) + varint(block) + bytes([len(symbols), r, i]) + bytes(repair)


def fec_recover(k, sources, repairs):
    """Frames of the lost sources of one block, by index: sources and repairs map index -> symbol. Empty when too
    much is missing."""
    missing = [j for j in range(k) if j not in sources]
    used = sorted(repairs)[: len(missing)]
    if not missing or len(used) < len(missing):
        return {}
    size = max(len(repairs[i]) for i in used)
    rows = []
    for i in used:
        right = bytearray(repairs[i].ljust(size, b"\0"))
        for j, symbol in sources.items():
            _add_scaled(right, symbol, coefficient(i, j))
        rows.append([[coefficient(i, j) for j in missing], right])
    for n in range(len(missing)):  # Gauss-Jordan
        pivot = next(r for r in range(n, len(rows)) if rows[r][0][n])
        rows[n], rows[pivot] = rows[pivot], rows[n]
        scale = gf_inv(rows[n][0][n])
        rows[n] = [[gf_mul(c, scale) for c in rows[n][0]], bytearray(gf_mul(b, scale) for b in rows[n][1])]
        for r, row in enumerate(rows):
            if r != n and (factor := row[0][n]):
                row[0] = [c ^ gf_mul(p, factor) for c, p in zip(row[0], rows[n][0])]
                _add_scaled(row[1], rows[n][1], factor)
    recovered = {}
    for j, (_, symbol) in zip(missing, rows):
        length = struct.unpack_from("!H", symbol)[0]
        recovered[j] = bytes(symbol[2 : 2 + length])
    return recovered
