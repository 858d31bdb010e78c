"""TCP where UDP does not get through, served by jetplaned for the data plane: the same clients, the same services, with
the client host's UDP going nowhere. Every byte is checked, and every packet of the data plane has its end in the books.

      client host                              plane host
    +---------------------------+          +-------------------------------------+
    |  UDP: hole0 -> nowhere    |          |  jetplane-dp: UDP of 198.18.0.1     |
    |       (while it is cut)   |   veth   |     | relay                         |
    |  TCP: eth0 ------------------------ eth0  jetplaned: TCP of 198.18.0.1,    |
    |                           |          |             by the kernel           |
    +---------------------------+          +-------------------------------------+
"""

import json
import os
import pathlib
import socket
import struct
import time

import jetwire as w
import pytest
from host import wait_for
from plane import CLIENT, SERVER
from test_transport import BUILD, LISTENERS, MIB, PORTS, Jetperf, books

HELLO = 1168  # bytes


class Udp:
    """The way of UDP from the client host, to be cut and to be joined again."""

    def __init__(self, plane):
        self.host = plane.client_host
        self.host.ip("link", "add", "hole0", "type", "veth", "peer", "name", "hole1")
        for device in "hole0", "hole1":
            self.host.ip("link", "set", device, "up")
        for version in SERVER:
            self.host.ip("neigh", "add", SERVER[version], "lladdr", "02:00:00:00:00:02", "dev", "hole0")
            self._ip(version, "route", "add", SERVER[version], "dev", "hole0", "table", "100")

    def _ip(self, version, *arguments):
        self.host.ip(f"-{version}", *arguments)

    def cut(self):
        for version in SERVER:
            self._ip(version, "rule", "add", "ipproto", "udp", "priority", "1", "lookup", "100")

    def join(self):
        for version in SERVER:
            self._ip(version, "rule", "del", "priority", "1")


@pytest.fixture
def make(make_plane):
    """A factory of planes whose jetplaned takes TCP, as `tcp` says, and whose UDP can be cut: plane.udp."""

    def make(tcp=(), control=(), full=(), **options):
        listen = [f"{SERVER[4]}:{port}" for port in PORTS.values()] + [f"[{SERVER[6]}]:{PORTS['echo']}"]
        control = {"tcp": {"listen": listen, **dict(tcp)}, **dict(control)}
        plane = make_plane(control=None, listeners=LISTENERS, max_streams=256, full={"sessions": 64, **dict(full)},
                           **options)
        with plane.host:  # the kernel has the address, too, for TCP; its UDP is the data plane's alone
            pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("0")
        plane.host.address(SERVER[4] + "/24", SERVER[6] + "/64")
        for version in SERVER:
            plane.host.ip(f"-{version}", "rule", "add", "iif", "eth0", "ipproto", "udp", "priority", "1", "blackhole")
        plane.control = {
            "data_plane_socket": str(plane.socket), "control_socket": str(plane.ctl_socket),
            "identity_file": str(plane.folder / "identity.key"), "log_level": "debug", **control,
        }
        plane.start_daemon()
        plane.udp = Udp(plane)
        return plane

    return make


def tcp(plane):
    return plane.jetctl("status")["tcp"]


def connect(plane, source=None):
    with plane.client_host:
        return socket.create_connection((SERVER[4], PORTS["echo"]), timeout=20, source_address=source)


def is_closed(connection):
    """Whether the other end has closed it by now."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


# ---- transfers ----


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", ["up", "down", "echo"])
def test_bulk(make, way, version):
    if version == 6 and way != "echo":
        pytest.skip("the same way")
    plane = make()
    plane.udp.cut()
    volume = 4 * MIB if way == "echo" else 16 * MIB
    local = Jetperf(plane, way, "-n", volume, "-P", 10, version=version).result()
    assert way == "up" or local["received"] >= volume
    total = books(plane)
    assert total["relay_rx"] > 0 and total["relay_tx"] > 0 and total["punted"] == 0, total
    assert total["transport"] == total["relay_rx"] - total["unknown_spi"], total
    if way != "down":
        assert total["delivered_bytes"] == local["sent"] >= volume
    said = tcp(plane)
    assert said["hellos"] == 1 and said["accepted"] == 1 and said["violations"] == said["refused"] == 0, said
