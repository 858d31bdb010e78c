"""Resumption by libjetplane against a real data plane: early data is echoed once, taken or refused."""

import os
import pathlib
import sys
import time

import pytest
from plane import SERVER

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "client/python"))
import jetplane  # noqa: E402

WAIT = 20
SIZES = (1, 900, 5000, 60000)  # in the first packet, or begun there


class Visitor(jetplane.Handler):
    """Of an echo service: its tickets, and what came back."""

    def __init__(self):
        self.kept, self.got, self.opened, self.error, self.closed = [], [], 0, None, False

    def open(self, session):
        self.opened += 1

    def connect_error(self, session, error):
        self.error = error

    def close(self, session, code, reason):
        self.closed = True

    def resumption(self, session, data):
        self.kept.append(data)

    def message(self, stream, data):
        self.got.append(data)


class Client:
    def __init__(self, plane, version):
        self.plane = plane
        self.server = f"[{SERVER[6]}]:4500" if version == 6 else f"{SERVER[4]}:4500"
        self.loop = jetplane.Loop()
        self.key = plane.identity().hex()

    def run(self, done, visitor):
        until = time.monotonic() + WAIT
        while not done():
            assert visitor.error is None, visitor.error
            assert time.monotonic() < until
            self.loop.run_once(0.1)

    def visit(self, message=b"", resumption=b""):
        """Begin a session, with this message at once if it is resumed; returns whether it was, and its tickets."""
        visitor = Visitor()
        context = jetplane.Context(self.loop, visitor, trust=jetplane.Trust.pin(self.key))
        with self.plane.client_host:
            session = context.connect(self.server, resumption=resumption)
            if resumption:
                session.open_stream(early=1).send(message)
            self.run(lambda: visitor.opened and visitor.kept and len(b"".join(visitor.got)) >= len(message), visitor)
            time.sleep(0.05)
            self.loop.run_once(0.1)
            resumed = session.resumed
            session.end()
            self.run(lambda: visitor.closed, visitor)
        assert visitor.got == ([message] if message else [])
        context.close()
        return resumed, visitor.kept[-1]


@pytest.mark.parametrize("version", [4, 6])
def test_early_data_is_echoed(make_plane, version):
    plane = make_plane()
    client = Client(plane, version)
    resumed, kept = client.visit()
    assert not resumed
    for size in SIZES:
        spent = kept
        resumed, kept = client.visit(os.urandom(size), kept)
        assert resumed, size
    resumed, kept = client.visit(b"again", spent)  # used before: a full handshake, and no message twice
    assert not resumed
    plane.daemon.stop()
    plane.start_daemon()
    resumed, kept = client.visit(b"after a restart", kept)
    assert not resumed
    resumed, kept = client.visit(b"and from there on", kept)
    assert resumed
    client.loop.close()
