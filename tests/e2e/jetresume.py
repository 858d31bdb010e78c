"""Resuming sessions in Python, written from docs/protocol.md section 2.8 alone: both sides, bytes in and bytes out."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

import jetwire as w

RESUME_HELLO, RESUME_ACCEPT, RESUME_REFUSE = 5, 6, 7
HELLO_BYTES, ACCEPT_BYTES, CLEAR = 1344, 96, 160


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )


def exchange(secret, share):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(share))


def early_digest(hello):
    """H: all that stands in front of the sealed part, as it is without a cookie."""
    front = bytearray(hello[: CLEAR + hello[45]])
    front[46] = 0
    front[48:72] = bytes(24)
    return hashlib.sha256(front).digest()


def resume_hello(resumption, ticket, suite, spi, random, x25519, params, early, cookie=b""):
    front = (
        w.header(RESUME_HELLO)
        + struct.pack("!I", spi)
        + random
        + bytes([suite, len(ticket), len(cookie), len(params)])
        + cookie.ljust(24, b"\0")
        + public(x25519)
        + params.ljust(56, b"\0")
        + ticket
    )
    assert len(front) == CLEAR + len(ticket)
    text = (struct.pack("!H", len(early)) + early).ljust(HELLO_BYTES - 16 - len(front), b"\0")
    material = w.derive(resumption, "early", early_digest(front), 36)
    return front + w.aead_seal(suite, material, spi, 0, text)


def read_early(hello, resumption):
    """The server's: the early data of a hello, if who sent it knows the secret; else Ignore."""
    if len(hello) != HELLO_BYTES or hello[:8] != w.header(RESUME_HELLO):
        raise w.Ignore("not a ResumeHello")
    (spi,) = struct.unpack_from("!I", hello, 8)
    suite, sealed = hello[44], hello[CLEAR + hello[45] :]
    text = w.aead_open(suite, w.derive(resumption, "early", early_digest(hello), 36), spi, 0, sealed)
    (length,) = struct.unpack_from("!H", text)
    if length > len(text) - 2 or any(text[2 + length :]):
        raise w.Ignore("early data longer than its packet, or no zeros behind it")
    return text[2 : 2 + length]


class Schedule:
    """What both sides derive from a hello, the first 44 bytes of the answer, and the secrets."""

    def __init__(self, hello, share, resumption, x25519):
        (self.spi,) = struct.unpack_from("!I", hello, 8)
        self.suite = hello[44]
        self.front = w.header(RESUME_ACCEPT) + hello[8:12] + share
        self.t0 = hashlib.sha256(hello + self.front).digest()
        self.hs = w.hkdf_extract(b"jetplane1 resume", resumption + x25519)
        self.sh = w.derive(self.hs, "server hello", self.t0, 36)

    def conclude(self, server_spi):
        self.server_spi = server_spi
        self.t1 = hashlib.sha256(self.t0 + struct.pack("!I", server_spi)).digest()
        key = w.derive(self.hs, "finished", self.t1, 32)
        self.finished = hmac.new(key, self.t1, hashlib.sha256).digest()
        self.t2 = hashlib.sha256(self.t1 + self.finished).digest()
        self.c2s = w.derive(self.hs, "client to server", self.t2, 32)
        self.s2c = w.derive(self.hs, "server to client", self.t2, 32)
        self.resumption = w.derive(self.hs, "resumption", self.t2, 32)


def accept(hello, resumption, x25519, server_spi):
    """The server's answer, and the schedule it rests on."""
    s = Schedule(hello, public(x25519), resumption, exchange(x25519, hello[72:104]))
    s.conclude(server_spi)
    text = s.finished + struct.pack("!I", server_spi)
    return s.front + w.aead_seal(s.suite, s.sh, s.spi, 0, text), s


def finish(hello, message, resumption, x25519):
    """The client's: the schedule, from an answer that passes every check; else Ignore."""
    if len(message) != ACCEPT_BYTES or message[:12] != w.header(RESUME_ACCEPT) + hello[8:12]:
        raise w.Ignore("not our ResumeAccept")
    s = Schedule(hello, message[12:44], resumption, exchange(x25519, message[12:44]))
    text = w.aead_open(s.suite, s.sh, s.spi, 0, message[44:])
    s.conclude(struct.unpack("!I", text[32:])[0])
    if not hmac.compare_digest(s.finished, text[:32]):
        raise w.Ignore("bad finished")
    return s
