#!/usr/bin/env python3
"""A small Jetplane client over a kernel UDP socket, on jetwire.py: handshake, then send and collect messages.

usage: jetclient.py --kem HELPER --server ADDRESS [--port N] [--identity HEX] [--suite N] [--messages N] [--size N]
                    [--streams N] [--fec K,R] [--datagrams] [--lose I,...] [--rekey] [--hold SECONDS] [--seed N]

Sends messages through an echo service, checks every byte that comes back, and prints one JSON object."""

import argparse
import collections
import json
import os
import random
import select
import socket
import sys
import time

import jetwire as w

WINDOW = 4096
SO_RCVBUFFORCE = 33


class Session:
    def __init__(self, kem, server, port=4500, suites=(w.AES256_GCM,), params=b"", identity=None, timeout=5.0):
        self.socket = self._open(server, port)
        self.drop = lambda packet: False  # received packets to lose
        self.kem, self.suites, self.params, self.pinned = kem, suites, params, identity
        self.address = (server, port)
        self.retries = 0
        self.packet_log = {}  # our packet number -> its first 32 bytes
        self.connect(timeout)

    @staticmethod
    def _open(server, _port):
        udp = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
        udp.setblocking(False)
        if os.geteuid() == 0:
            udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        return udp

    def connect(self, timeout=5.0):
        handshake = w.Handshake(
            self.kem, random.randrange(256, 1 << 32), self.suites, self.params, self.pinned
        )
        self.client_spi = handshake.spi
        deadline, wait = time.monotonic() + timeout, 0.25
        done = None
        while done is None:
            self.socket.sendto(handshake.hello, self.address)
            until = min(time.monotonic() + wait, deadline)
            while done is None and (message := self._receive(until)) is not None:
                if handshake.retry(message):
                    self.retries += 1
                    self.socket.sendto(handshake.hello, self.address)
                    continue
                try:
                    done = handshake.finish(message)
                except (w.Ignore, ValueError, IndexError):
                    continue
            wait *= 2
            if done is None and time.monotonic() >= deadline:
                raise TimeoutError("no ServerHello")
        self.server = done
        self.tx = w.Keys(done["suite"], done["c2s"])
        self.rx = w.Keys(done["suite"], done["s2c"])
        self.number = 0
        self.seen, self.unacknowledged, self.acknowledged = set(), 0, set()
        self.recent = collections.deque(maxlen=1024)  # of what was seen: acknowledged again and again
        self.sequences, self.blocks = {}, {}
        self.received, self.closed, self.was_reset, self.recovered, self.tickets = [], None, False, 0, []
        self.keepalives = 0
        self.packet_log.clear()
        self.send(bytes([w.PING]))

    def _receive(self, until):
        if not select.select([self.socket], [], [], max(0, until - time.monotonic()))[0]:
            return None
        try:
            message = self.socket.recv(65535)
        except (BlockingIOError, ConnectionRefusedError):
            return b""
        return b"" if self.drop(message) else message

    def send(self, frames, lose=False):
        packet = self.tx.seal(self.server["server_spi"], self.number, frames)
        self.packet_log[self.number] = packet[:32]
        self.packet_log.pop(self.number - WINDOW, None)
        self.number += 1
        if not lose:
            self.socket.sendto(packet, self.address)
        return packet

    def rekey(self):
        """Go on in the next epoch; only after something of this one was acknowledged."""
        assert any(number >> w.EPOCH_SHIFT == self.number >> w.EPOCH_SHIFT for number in self.acknowledged)
        self.number = ((self.number >> w.EPOCH_SHIFT) + 1) << w.EPOCH_SHIFT

    def next_sequence(self, stream):
        self.sequences[stream] = self.sequences.get(stream, -1) + 1
        return self.sequences[stream]

    def close(self):
        self.send(bytes([w.CLOSE]) + w.varint(0) + b"\0")
        self.socket.close()

    def poll(self, seconds):
        """Take in what arrives within this time; True when anything did."""
        message = self._receive(time.monotonic() + seconds)
        if message is None:
            return False
        if message:
            self._take(message)
        return True

    def collect(self, count, seconds):
        """Wait for `count` data frames in all."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and not self.was_reset and self.closed is None:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.poll(left)
        return self.received

    def _take(self, message):
        if message == w.KEEPALIVE:
            self.keepalives += 1
            return
        if message[:4] == b"\0\0\0\0":
            quote = w.reset_quote(message, self.server["identity"])
            self.was_reset |= quote is not None and quote in self.packet_log.values()
            return
        try:
            number, frames = self.rx.open(message)
        except (w.Ignore, IndexError):
            return
        assert int.from_bytes(message[:4], "big") == self.client_spi
        assert number not in self.seen, "the server used a packet number twice"
        self.seen.add(number)
        self.recent.append(number)
        eliciting = False
        for kind, fields in w.read_frames(frames):
            eliciting |= kind not in (w.ACK, w.ACK_ECN, w.CLOSE)
            self._frame(kind, fields)
        if eliciting:
            self.unacknowledged += 1
        if self.unacknowledged >= 16:
            self.unacknowledged = 0
            self.send(w.ack_frame(self.recent))

    def _frame(self, kind, fields):
        if kind in (w.ACK, w.ACK_ECN):
            for first, last in fields["ranges"]:
                assert last < self.number, "acknowledged a packet that was never sent"
                self.acknowledged.update(range(max(first, last - WINDOW), last + 1))
        elif kind == w.CLOSE:
            self.closed = fields
        elif kind == w.TICKET:
            self.tickets.append(fields["ticket"])
        elif kind == w.PATH_CHALLENGE:
            self.send(bytes([w.PATH_RESPONSE]) + fields["data"])
        elif kind == w.FEC_SOURCE:
            self._block(fields["block"])[0][fields["index"]] = fields["symbol"]
        elif kind == w.FEC_REPAIR:
            sources, repairs = self._block(fields["block"])
            repairs[fields["index"]] = fields["symbol"]
            for index, lost in w.fec_recover(fields["k"], sources, repairs).items():
                sources[index] = len(lost).to_bytes(2, "big") + lost
                self.recovered += 1
                for inner, inner_fields in w.read_frames(lost):
                    self._frame(inner, inner_fields)
        elif kind in (w.STREAM, w.DATAGRAM):
            self.received.append((kind, fields))

    def _block(self, block):
        """Its sources and repairs by index; those long before are forgotten."""
        self.blocks.pop(block - 16, None)
        return self.blocks.setdefault(block, ({}, {}))


def echo(session, args):
    """Send args.messages, sealed one a packet, and check what comes back; returns the figures."""
    sent, sources, block, lost = {}, [], 0, 0
    lose = {int(i) for i in args.lose.split(",") if i}
    k, r = (int(n) for n in args.fec.split(","))

    def send_repairs():
        nonlocal block, sources
        for repair in w.fec_repairs(block, r, sources):
            session.send(repair)
        block, sources = block + 1, []

    for i in range(args.messages):
        data = i.to_bytes(4, "big") + random.randbytes(max(0, args.size - 4))
        stream = 1 + i % args.streams
        frame = (
            bytes([w.DATAGRAM]) + data
            if args.datagrams
            else w.stream_frame(stream, session.next_sequence(stream), data)
        )
        sent[data] = None if args.datagrams else stream
        lost += i in lose
        if k:
            sources.append(frame)
            session.send(w.fec_source(block, len(sources) - 1, frame), lose=i in lose)
            if len(sources) == k:
                send_repairs()
        else:
            session.send(frame, lose=i in lose)
        if args.rekey and i in (args.messages // 3, 2 * args.messages // 3):
            deadline = time.monotonic() + 5
            while not any(n >> w.EPOCH_SHIFT == session.number >> w.EPOCH_SHIFT for n in session.acknowledged):
                assert time.monotonic() < deadline, "nothing was acknowledged"
                session.poll(0.05)
            session.rekey()
        while session.poll(0):
            pass
    if sources:
        send_repairs()
    session.collect(args.messages - (0 if k else lost), 3)
    wrong = duplicates = 0
    back = set()
    for _, fields in session.received:
        data = fields["data"]
        wrong += data not in sent or fields.get("stream") != sent[data]
        duplicates += data in back
        back.add(data)
    while session.poll(0.1):
        pass
    return {"sent": len(sent), "lost": lost, "echoed": len(back), "wrong": wrong, "duplicates": duplicates}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kem", required=True, help="the mlkem-helper program")
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, default=4500)
    parser.add_argument("--identity", help="the server's, in hex; default: any")
    parser.add_argument("--suite", type=int, default=w.AES256_GCM)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--fec", default="0,0", help="K,R: protect, and ask the server to")
    parser.add_argument("--lose", default="", help="do not send these messages' packets")
    parser.add_argument("--datagrams", action="store_true")
    parser.add_argument("--rekey", action="store_true")
    parser.add_argument("--hold", type=float, default=0, help="stay this long, a PING every 100 ms")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    random.seed(args.seed)
    k, r = (int(n) for n in args.fec.split(","))
    session = Session(
        w.MlKem(args.kem), args.server, args.port, (args.suite,),
        w.parameters(idle_timeout_ms=30000, fec_k=k, fec_r=r) if k else b"",
        bytes.fromhex(args.identity) if args.identity else None,
    )
    result = echo(session, args)
    resets = 0
    deadline = time.monotonic() + args.hold
    while time.monotonic() < deadline:
        session.poll(0.1)
        if session.was_reset:
            resets += 1
            session.connect(timeout=10)
        elif session.closed is None:
            session.send(bytes([w.PING]) + bytes(4))  # padded: nothing shorter is answered by a Reset
    result |= {
        "seed": args.seed, "suite": session.server["suite"], "identity": session.server["identity"].hex(),
        "server_spi": session.server["server_spi"], "retries": session.retries, "recovered": session.recovered,
        "acknowledged": len(session.acknowledged), "resets": resets, "closed": session.closed,
        "epoch": session.number >> w.EPOCH_SHIFT,
        "server_epoch": max(session.seen, default=0) >> w.EPOCH_SHIFT,
    }
    if session.closed is None:
        session.close()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
