#!/usr/bin/env python3
"""A client of an echo service by libjetplane that may be killed at any time: it visits again and again, resumes with what
it kept in FILE, which outlives it, and notes every session's keys in FILE.keys. Each visit that went well is a line.

usage: visitor.py SERVER KEY FILE"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "client/python"))
import jetplane  # noqa: E402

MESSAGES, SIZE, PATIENCE = 40, 1000, 8


class Visit(jetplane.Handler):
    def __init__(self, file):
        self.file, self.got, self.over = file, [], False
        self.sent = [os.urandom(SIZE) for _ in range(MESSAGES)]

    def speak(self, session, early=0):
        stream = session.open_stream(early=early)
        for data in self.sent:
            stream.send(data)

    def open(self, session):
        if not self.early:
            self.speak(session)

    def message(self, stream, data):
        self.got.append(data)

    def resumption(self, session, data):
        new = self.file.with_suffix(".new")
        new.write_bytes(data)
        new.rename(self.file)

    def connect_error(self, session, error):
        self.over = True

    def close(self, session, code, reason):
        self.over = True

    def run(self, server, key):
        """What was sent is what came back, or the session ended."""
        loop = jetplane.Loop()
        context = jetplane.Context(loop, self, trust=jetplane.Trust.pin(key), keylog=bytes(self.file) + b".keys")
        self.early = self.file.read_bytes() if self.file.exists() else b""
        session = context.connect(server, resumption=self.early)
        if self.early:
            self.speak(session, early=1)
        until = time.monotonic() + PATIENCE
        while not self.over and len(self.got) < MESSAGES and time.monotonic() < until:
            loop.run_once(0.1)
        assert self.got == self.sent[:len(self.got)], "something else came back"
        if len(self.got) == MESSAGES:
            print("resumed" if session.resumed else "anew", flush=True)
        if not self.over:
            session.end()
        while not self.over:
            loop.run_once(0.1)
        context.close()
        loop.close()


if __name__ == "__main__":
    _, server, key, file = sys.argv
    while True:
        Visit(pathlib.Path(file)).run(server, key)
        time.sleep(0.05)
