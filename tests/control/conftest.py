"""A real jetplaned and jetctl, a real client's handshakes, and a data plane's end of the socket."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import ipc  # noqa: E402
from daemon import Clients, Daemon  # noqa: E402


@pytest.fixture
def make_daemon(tmp_path):
    daemons = []

    def make(config="", start=True):
        directory = tmp_path / str(len(daemons))
        directory.mkdir()
        daemons.append(Daemon(directory, config))
        return daemons[-1].start() if start else daemons[-1]

    yield make
    for daemon in daemons:
        daemon.stop()


@pytest.fixture
def daemon(make_daemon):
    return make_daemon()


@pytest.fixture
def make_peer():
    peers = []

    def make(daemon, **options):
        peers.append(ipc.DataPlane(daemon.dp_socket, **options))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def peer(daemon, make_peer):
    """A data plane that `daemon` is connected to."""
    p = make_peer(daemon)
    p.connect()
    return p


@pytest.fixture
def clients():
    c = Clients()
    yield c
    c.close()
