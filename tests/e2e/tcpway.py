"""TCP beside UDP for a plane's clients, and a way of UDP that can be cut: in the client host it then leads nowhere.

      client host                              plane host
    +---------------------------+          +-------------------------------------+
    |  UDP: hole0 -> nowhere    |          |  jetplane-dp: UDP of 198.18.0.1     |
    |       (while it is cut)   |   veth   |     | relay                         |
    |  TCP: eth0 ------------------------ eth0  jetplaned: TCP of 198.18.0.1,    |
    |                           |          |             by the kernel           |
    +---------------------------+          +-------------------------------------+
"""

from jetperf import PORTS
from plane import SERVER


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
            rules_before_local(self.host, version)

    def _ip(self, version, *arguments):
        self.host.ip(f"-{version}", *arguments)

    def cut(self, ways=("there", "back"), protocol="udp"):
        rule = {"back": ("priority", "1", "iif", "eth0", "blackhole"), "there": ("priority", "2", "lookup", "100")}
        self.is_cut = ways
        for version in SERVER:
            for way in ways:
                self._ip(version, "rule", "add", "ipproto", protocol, *rule[way])

    def join(self):
        for version in SERVER:
            for way in self.is_cut:
                self._ip(version, "rule", "del", "priority", "1" if way == "back" else "2")


def rules_before_local(host, version):
    """What comes to an address of the host's obeys rules of a priority below 10, too."""
    host.ip(f"-{version}", "rule", "add", "priority", "10", "lookup", "local")
    host.ip(f"-{version}", "rule", "del", "priority", "0")


def offer_tcp(plane, tcp=(), **control):
    """Start the jetplaned of a plane made without, so that it takes TCP: `tcp` and `control` are its configuration's."""
    plane.host.kernel_ip6_again()  # the kernel has the address, too, for TCP; its UDP is the data plane's alone
    plane.host.address(SERVER[4] + "/24", SERVER[6] + "/64")
    for version in SERVER:
        rules_before_local(plane.host, version)
        plane.host.ip(f"-{version}", "rule", "add", "iif", "eth0", "ipproto", "udp", "priority", "1", "blackhole")
    listen = [address.format(port) for port in PORTS.values() for address in (SERVER[4] + ":{}", f"[{SERVER[6]}]:{{}}")]
    plane.control = {
        "data_plane_socket": str(plane.socket), "control_socket": str(plane.ctl_socket),
        "identity_file": str(plane.folder / "identity.key"), "log_level": "debug",
        "tcp": {"listen": listen, **dict(tcp)}, **control,
    }
    plane.start_daemon()
    plane.udp = Udp(plane)


def tcp(plane):
    return plane.jetctl("status")["tcp"]
