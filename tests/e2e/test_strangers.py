"""What servers with libjetplane send to addresses that nobody proved: never more than three times what came from there.
jetperf and jetcat serve on the sockets of a kernel, without a data plane; bytes are counted on the wire. What data planes
do is in test_denial.py."""

import contextlib
import json
import os
import struct

import jetclient
import jetwire as w
import pytest
from controlplane import mac
from host import Host, wait_for, why_not
from jetperf import PLAN
from plane import BUILD, CLIENT, SERVER
from stranger import (
    FULL, SPI_SIZES, STRANGER, Wire, check_client_hello, check_migration, check_resume_hello, check_unknown_spi,
    resume_hello, ticket_of,
)

LISTEN = {"jetperf": ("-s", "-l", f"{SERVER[4]}:4500", "-l", f"[{SERVER[6]}]:4500"),
          "jetcat": ("-l", f"{SERVER[4]}:4500", f"[{SERVER[6]}]:4500")}
# What a client says to get megabytes: jetcat sends its standard input.
ASK = {"jetperf": json.dumps(PLAN | {"up": False, "down": True}).encode(), "jetcat": b'{"jetcat":1,"role":"pipe"}'}
EVERY_SERVER = [(name, version) for name in LISTEN for version in STRANGER]


class Server:
    """A tool that serves on a host of its own, whose kernel finds strangers where the client host is."""

    def __init__(self, name, stack, log):
        self.client_host, self.host = (stack.enter_context(contextlib.closing(Host())) for _ in range(2))
        self.client_host.wire(self.host)
        self.client_host.address(CLIENT[4] + "/24", CLIENT[6] + "/64")
        self.host.address(SERVER[4] + "/24", SERVER[6] + "/64")
        for address, _ in STRANGER.values():
            self.host.ip("neigh", "add", address, "lladdr", mac(self.client_host).hex(":"), "dev", "eth0")
        self.program = self.host.start(name, BUILD / "client/tools" / name, *LISTEN[name], log=log,
                                       stdin=stack.enter_context(open("/dev/zero")))
        stack.callback(self.program.kill)
        wait_for(lambda: self.program.said("key "), 10, name)
        self.identity = bytes.fromhex(self.program.text().split("key ")[1].split()[0])
        self.kem = w.MlKem(str(BUILD / "tests/tools/mlkem-helper"))

    def hello(self):
        return w.Handshake(self.kem, 0x1000, params=FULL).hello

    def session(self, version):
        with self.client_host:
            return jetclient.Session(self.kem, SERVER[version], params=FULL, identity=self.identity)


@pytest.fixture
def wired(tmp_path):
    """A factory of servers with a Wire."""
    if reason := why_not():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:

        def make(name="jetperf"):
            server = Server(name, stack, tmp_path / "log")
            return server, Wire(server.client_host, server.host, stack.enter_context(server.client_host.raw_socket()))

        yield make


@pytest.mark.parametrize(("name", "version"), EVERY_SERVER)
def test_client_hello_is_not_amplified(wired, name, version):
    server, wire = wired(name)
    check_client_hello(wire, server.hello(), STRANGER[version])


@pytest.mark.parametrize(("name", "version"), EVERY_SERVER)
def test_retry_is_not_amplified(wired, name, version):
    """Once there are more than 256 who said no more than hello, others are to prove their address."""
    server, wire = wired(name)
    hello = server.hello()
    for n in range(300):
        wire.send(hello[:12] + os.urandom(32) + hello[44:], (STRANGER[version][0], 7000 + n))
        if n % 50 == 49:
            wait_for(lambda: wire.listen() or wire.sent.keys() <= wire.got.keys(), 10, "answers to all")
    wire.listen(2)
    wire.check(300)
    assert {kind for source in wire.sent for kind in wire.kinds(source)} == {w.SERVER_HELLO, w.RETRY}


@pytest.mark.parametrize("version", STRANGER)
def test_resume_hello_is_not_amplified(wired, version):
    """jetcat serves one session."""
    server, wire = wired()
    hello = resume_hello(*ticket_of(server.session(version)), w.stream_frame(1, 0, ASK["jetperf"]))
    check_resume_hello(wire, hello, STRANGER[version])


@pytest.mark.parametrize(("size", "version"), SPI_SIZES)
def test_unknown_spi_is_not_amplified(wired, size, version):
    server, wire = wired()
    check_unknown_spi(wire, server.identity, size, version)


@pytest.mark.parametrize(("name", "version"), EVERY_SERVER)
def test_migration_is_not_amplified(wired, name, version):
    server, wire = wired(name)
    session = server.session(version)
    session.send(w.stream_frame(1, 0, ASK[name]))
    check_migration(wire, session, STRANGER[version])


@pytest.mark.parametrize(("name", "version"), EVERY_SERVER)
def test_address_churn(wired, name, version):
    """Every packet comes from another address, and megabytes are to go there."""
    server, wire = wired(name)
    session = server.session(version)
    session.send(w.stream_frame(1, 0, ASK[name]))
    session.collect(8, 5)
    for n in range(500):
        frames = bytes([w.PING, w.PATH_CHALLENGE]) + struct.pack("!Q", n) + bytes(100)
        source = STRANGER[version][0], 7000 + n
        wire.send(session.tx.seal(session.server["server_spi"], session.number, frames), source)
        session.number += 1
        if n % 50 == 0:
            wire.listen(0.01)
    wire.listen(2)
    wire.check()
    session.close()
