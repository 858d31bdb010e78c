#!/usr/bin/python3
"""Visitors of an echo service, for ever: each session is resumed where it can be, sends messages on some streams, checks
every byte that comes back, and goes. A line of JSON a second says how many there were and how long echoes took, the last
one after SIGTERM. Exits with 3 and {"error": ...} when anything came back wrong, or not at all.

usage: visits.py SERVER... --key KEY [--at-once N] [--seed N] [--empty N]"""

import argparse
import collections
import json
import pathlib
import random
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "client/python"))
import jetplane  # noqa: E402

PATIENCE = 180  # seconds, for all of a visit's messages
POCKET = 64  # tickets kept
MANY_STREAMS = 100


class Wrong(Exception):
    pass


class Visit:
    """One session. Its messages go out stream after stream, as fast as they are taken."""

    def __init__(self, chance):
        self.chance, self.began = chance, time.monotonic()
        self.session, self.resumes, self.is_open, self.is_over = None, False, False, False
        self.unsent = {}  # stream -> messages
        self.expected = {}  # stream -> what comes back, and when it was sent
        self.unordered = set()

    def messages(self):
        return [self._message() for _ in range(self.chance.randrange(1, 9))]

    def _message(self):
        """Of any size, and more or less compressible."""
        size = self.chance.choice((16, 100, 1000, 1300, 5000, 20000))
        pattern = self.chance.randbytes(self.chance.choice((7, 64, 4096)))
        return (self.chance.randbytes(8) + pattern * (size // len(pattern) + 1))[:size]

    def open_streams(self):
        for _ in range(MANY_STREAMS if self.chance.random() < 0.05 else self.chance.randrange(1, 6)):
            unordered = self.chance.random() < 0.2
            stream = self.session.open_stream(
                unordered=unordered, priority=self.chance.randrange(1, 5), protection=self.chance.randrange(3),
                compress=self.chance.random() < 0.3,
            )
            self.add(stream, self.messages(), unordered)

    def add(self, stream, messages, unordered=False):
        self.unsent[stream], self.expected[stream] = messages, collections.OrderedDict()
        if unordered:
            self.unordered.add(stream)
        self.write(stream)

    def write(self, stream):
        """Send what is taken now."""
        while self.unsent[stream]:
            try:
                stream.send(self.unsent[stream][0])
            except jetplane.WouldBlock:
                return
            self.expected[stream][self.unsent[stream].pop(0)] = time.monotonic()

    def take(self, stream, data):
        """An echo; returns how long it took."""
        expected = self.expected.get(stream, {})
        if data not in expected:
            raise Wrong(f"stream {stream.id}: {len(data)} bytes came back that were not sent, or twice")
        if stream not in self.unordered and next(iter(expected)) != data:
            raise Wrong(f"stream {stream.id}: a message overtook another")
        return time.monotonic() - expected.pop(data)

    def is_done(self):
        return self.is_open and not any(self.expected.values()) and not any(self.unsent.values())

    def leave(self):
        self.is_over = True
        if self.chance.random() < 0.5:
            self.session.finish()
        else:
            self.session.end()


class Visitors(jetplane.Handler):
    def __init__(self, servers, key, at_once, seed, empty):
        self.servers, self.at_once, self.chance, self.empty = servers, at_once, random.Random(seed), empty
        self.loop = jetplane.Loop()
        self.context = jetplane.Context(self.loop, self, trust=jetplane.Trust.pin(key))
        self.visits, self.pocket = {}, collections.deque(maxlen=POCKET)
        self.count, self.broken, self.took = collections.Counter(), collections.Counter(), []
        self.leaving = False

    # ---- what happens to sessions ----

    def open(self, session):
        visit = self.visits[session]
        visit.is_open = True
        self.count["resumed"] += session.resumed
        self.count["opened"] += 1
        if self.empty:
            visit.leave()
        else:
            visit.open_streams()

    def connect_error(self, session, error):
        del self.visits[session]
        if error.name != "JP_CONNECT_TIMEOUT":
            raise Wrong(f"connecting: {error}")
        self.count["unanswered"] += 1

    def close(self, session, code, reason):
        if not self.visits.pop(session).is_over:
            self.broken[f"{code} {reason}".strip()] += 1

    def resumption(self, session, data):
        self.pocket.append(data)

    def writable(self, stream):
        self.visits[stream.session].write(stream)

    def message(self, stream, data):
        visit = self.visits[stream.session]
        self.took.append(visit.take(stream, data))
        self.count["messages"] += 1
        self.count["bytes"] += len(data)
        if visit.is_done() and not visit.is_over:
            visit.leave()

    # ---- turns ----

    def begin(self):
        visit, ticket = Visit(self.chance), b""
        if self.pocket and not self.empty and self.chance.random() < 0.6:
            ticket = self.pocket.popleft()
        visit.session = self.context.connect(self.chance.choice(self.servers), resumption=ticket)
        self.visits[visit.session] = visit
        if ticket:
            visit.add(visit.session.open_stream(early=1), [self.chance.randbytes(self.chance.choice((30, 900, 5000)))])
        self.count["visits"] += 1
        self.leaving |= self.count["visits"] == self.empty

    def turn(self):
        while len(self.visits) < self.at_once and not self.leaving:
            self.begin()
        self.loop.run_once(0.1)
        now = time.monotonic()
        for visit in self.visits.values():
            if now > visit.began + PATIENCE:
                raise Wrong(f"a visit of {PATIENCE} s: open {visit.is_open}, over {visit.is_over}, "
                            f"{sum(map(len, visit.expected.values()))} messages under way")

    def report(self):
        took = sorted(self.took) or [0.0]
        self.took = []
        print(json.dumps({
            **self.count, "broken": self.broken, "now": len(self.visits), "p50_ms": 1000 * statistics.median(took),
            "p99_ms": 1000 * took[len(took) * 99 // 100],
        }), flush=True)

    def leave(self, *_):
        self.leaving = True

    def run(self):
        next_report = time.monotonic()
        while self.visits or not self.leaving:
            self.turn()
            if time.monotonic() > next_report:
                self.report()
                next_report += 1
        self.report()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("servers", nargs="+", metavar="SERVER")
    p.add_argument("--key", required=True)
    p.add_argument("--at-once", type=int, default=6)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--empty", type=int, default=0, metavar="N", help="N visits that say nothing, and no more")
    args = p.parse_args()
    visitors = Visitors(args.servers, args.key, args.at_once, args.seed, args.empty)
    signal.signal(signal.SIGTERM, visitors.leave)
    signal.signal(signal.SIGINT, visitors.leave)
    try:
        visitors.run()
    except Wrong as wrong:
        print(json.dumps({"error": str(wrong)}), flush=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
