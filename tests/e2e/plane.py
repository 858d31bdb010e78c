"""A whole Jetplane for tests: jetplane-dp and jetplaned with configurations, sockets and an identity of their own.

      client host                         plane host
    +------------------+              +-------------------------------+
    |  kernel sockets  |     veth     |  jetplane-dp                  |
    |  198.18.0.2/24   eth0 ------ eth0  198.18.0.1/24  (af_packet or |
    |  fd00::2/64      |              |  fd00::1/64      af_xdp)      |
    +------------------+              |     |                         |
             jetgen - - - memif - - - -  198.18.1.1/24                |
                                      |     | Unix socket             |
                                      |  jetplaned --- jetctl         |
                                      +-------------------------------+
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import jetclient
import jetwire as w
from host import Host, wait_for
from vlan import VlanInterface

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("JETPLANE_BUILD", ROOT / "build"))
THREADS = os.environ.get("JETPLANE_THREADS")
SANITIZED = pathlib.Path(os.environ.get("JETPLANE_SANITIZE", ROOT / "build/sanitize"))
# For Python; that of another build where BUILD is a sanitizer's, which Python cannot load.
os.environ.setdefault("JETPLANE_LIBRARY", str(BUILD / "client/libjetplane.so.0"))
SERVER = {4: "198.18.0.1", 6: "fd00::1"}
CLIENT = {4: "198.18.0.2", 6: "fd00::2"}
MEMIF_SERVER = "198.18.{}.1"


def _counters():
    text = (ROOT / "include/jetplane/counters.h").read_text()
    lists = re.split(r"#define (JP_\w+)\(X\)", text)[1:]
    return {name: re.findall(r"\bX\((\w+),", body) for name, body in zip(lists[::2], lists[1::2])}


def sanitized(program):
    return b"__asan_init" in program.read_bytes() or b"__tsan_init" in program.read_bytes()


COUNTERS = _counters()
SOURCES = COUNTERS["JP_SOURCES"]
ENDS = COUNTERS["JP_FATES"] + COUNTERS["JP_DROPS"] + ["held"]


def settled(read_total, seconds=20):
    """What `read_total` says once nothing is under way any more, not even between its reading of one counter and of the
    next; every packet must have exactly one end then, or soon, where a worker waits for its CPU."""
    until = time.monotonic() + seconds
    total = read_total()
    while True:
        time.sleep(0.2)
        before, total = total, read_total()
        moved = {name: total[name] - before[name] for name in (*SOURCES, *ENDS, "tx_packets") if total[name] != before[name]}
        lost = sum(total[name] for name in SOURCES) - sum(total[name] for name in ENDS)
        if not moved and total["held"] == lost == 0:
            return total
        assert time.monotonic() < until, (f"waited {seconds} s in vain for silence: {moved}, {lost} without an end", {
            name: value for name, value in total.items() if value})


class Plane:
    """Started by start(). `data` and `control` are keys for the two configurations, over the ones here. Without
    `control` (None) there is no jetplaned: the test is the control plane. With `memif` jetgen() can be used; there are so
    many such ports. `wire` joins the two hosts."""

    def __init__(self, control=(), build=BUILD, queues=1, device="af_packet", vlan=0, memif=False, wire=Host.wire,
                 keylog=False, **data):
        self.build = pathlib.Path(build)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jetplane-e2e-"))
        self.folder.chmod(0o711)  # for programs that become other users
        self.lives = collections.Counter()
        self.socket, self.ctl_socket = self.folder / "dp.sock", self.folder / "ctl.sock"
        self.client_host, self.host = Host(), Host()
        self.host.no_kernel_ip6()
        wire(self.client_host, self.host)
        self._give_addresses(vlan)
        self.device = device
        self.data = {
            "name": self.folder.name, "control_socket": str(self.socket),
            "ports": [{
                "device": self._device(device, queues), "vlan": vlan,
                "addresses": [SERVER[4] + "/24", SERVER[6] + "/64"],
            }],
            "lcores": queues, "hugepages": False, "idle_sleep_us": 50, "max_sessions": 1024, **data,
        }
        self.queues = queues
        if memif:
            self.client_host.no_kernel_ip6()  # so that jetgen is the only one to be heard
            for port in range(memif):
                address = MEMIF_SERVER.format(port + 1)
                self.data["ports"].append({"device": self._memif("server", port), "addresses": [address + "/24"]})
        self.control = None if control is None else {
            "data_plane_socket": str(self.socket), "control_socket": str(self.ctl_socket),
            "identity_file": str(self.folder / "identity.key"), "log_level": "debug", **dict(control),
        }
        self.keylog = ("--keylog", self.folder / "jetplaned.keys") if keylog else ()
        self.dp = self.daemon = self.generator = None
        self.kem = w.MlKem(str(BUILD / "tests/tools/mlkem-helper"))

    @staticmethod
    def _device(kind, queues):
        if kind == "af_xdp":
            return f"net_af_xdp0,iface=eth0,force_copy=1,queue_count={queues}"
        return f"net_af_packet0,iface=eth0,qpairs={queues}"

    def _memif(self, role, port):
        """The server keeps its address over a restart, as a NIC does: its peer need not ask for it again."""
        mac = f",mac=02:00:00:00:00:{port + 1:02x}" if role == "server" else ""
        return f"net_memif{port},role={role},id={port},socket={self.folder}/memif.sock,socket-abstract=no{mac}"

    def _give_addresses(self, vlan):
        self.tagger = None
        if vlan:
            self.client_host.no_kernel_ip6("eth0")
            self.tagger = VlanInterface(self.client_host, vlan)
        self.client_host.address(CLIENT[4] + "/24", CLIENT[6] + "/64", device="vlan0" if vlan else "eth0")

    # ---- the processes ----

    def start(self):
        self.start_dp()
        if self.control is not None:
            self.start_daemon()
        return self

    def start_dp(self):
        path = self.folder / "dp.yaml"
        path.write_text(json.dumps(self.data))  # JSON is YAML
        command = [self.build / "dataplane/jetplane-dp", "--config", path]
        if self.device == "af_xdp":  # which keeps its map in a bpffs
            command = ["unshare", "--mount", "sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$0" "$@"', *command]
        self.dp = self.host.start(
            "jetplane-dp", *command, log=self._log("dp"),
            ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
        )
        wait_for(lambda: self.dp.said(": ready: ") and self.socket.exists(), 60, "jetplane-dp")
        return self.dp

    def start_daemon(self, wait=True):
        path = self.folder / "jetplaned.yaml"
        path.write_text(json.dumps(self.control))
        self.daemon = self.host.start(
            "jetplaned", self.build / "control/jetplaned", "--config", path, *self.keylog,
            log=self._log("jetplaned"),
        )
        if wait:
            wait_for(self.up, 30, "jetplaned and the data plane")
        return self.daemon

    def _log(self, name):
        """Of every life its own."""
        self.lives[name] += 1
        return self.folder / f"{name}-{self.lives[name] - 1}.log"

    def up(self):
        assert self.daemon.alive(), self.daemon.text()
        done = self._jetctl("status")
        return done.returncode == 0 and json.loads(done.stdout)["data_plane"]["state"] == "up"

    def stop(self):
        """Both, gracefully, after checking the books; always leaves nothing."""
        try:
            if self.daemon and self.daemon.alive() and self.dp and self.dp.alive():
                self.settle()
            for program in self.daemon, self.dp:
                if program:
                    program.stop()
        finally:
            self.clean()

    def clean(self):
        for program in self.generator, self.daemon, self.dp:
            if program and program.alive():
                program.kill()
        if self.tagger:
            self.tagger.close()
        for host in self.client_host, self.host:
            host.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    # ---- asking ----

    def _jetctl(self, *arguments):
        command = [self.build / "control/ctl/jetctl", "--socket", self.ctl_socket, "--json", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    def jetctl(self, *arguments):
        done = self._jetctl(*arguments)
        assert done.returncode == 0, f"jetctl {arguments}: {done.returncode} {done.stdout} {done.stderr}"
        return json.loads(done.stdout)

    def total(self):
        return self.jetctl("stats")["total"]

    def sessions(self):
        return self.jetctl("sessions", "--limit", 0)["sessions"]

    def identity(self):
        return bytes.fromhex(self.jetctl("status")["jetplaned"]["identity"])

    def settle(self, seconds=20):
        """The totals when nothing is under way any more."""
        total = settled(self.total, seconds)
        if total["sessions"] == 0:
            wait_for(lambda: self.total()["pooled"] == 0, 5, "what the sessions held")
        return total

    # ---- clients ----

    def session(self, version=4, port=4500, **options):
        """A client with a session, on the client host."""
        with self.client_host:
            return jetclient.Session(self.kem, SERVER[version], port, **options)

    def run_client(self, *arguments, version=4):
        """tests/e2e/jetclient.py as a program of its own on the client host; what it printed."""
        client = pathlib.Path(__file__).with_name("jetclient.py")
        return json.loads(self.client_host.run(
            "/usr/bin/python3", str(client), "--kem", self.kem.helper, "--server", SERVER[version], *map(str, arguments)
        ))

    def start_jetgen(self, script, *arguments, options=(), port=0, program=None):
        """Over a memif port, with real handshakes; `arguments` are the script's, as key=value."""
        command = [
            *(program or [self.build / "pktgen/jetgen"]), "--json", "--no-huge", "--idle-sleep", "50", "--queues", self.queues,
            "--name", f"{self.folder.name}-gen{port}", "--device", self._memif("client", port),
            "--target", MEMIF_SERVER.format(port + 1), "--identity", self.identity().hex(), *options,
            ROOT / "pktgen/scripts" / script, *arguments,
        ]
        self.generator = self.client_host.start(script, *command, log=self._log("jetgen"))
        return self.generator

    def jetgen(self, script, *arguments, options=(), seconds=300):
        """Run a script to its end; what it found."""
        return self.wait_jetgen(self.start_jetgen(script, *arguments, options=options), seconds)

    @staticmethod
    def wait_jetgen(program, seconds=300):
        wait_for(lambda: not program.alive(), seconds, f"jetgen, which said:\n{program.text()[-2000:]}")
        assert program.process.returncode == 0, program.text()
        return json.loads(program.text().splitlines()[-1])

    def all_received(self, found):
        """Every packet that jetgen sent came in, and has its named end; returns the totals."""
        total = self.settle()
        assert total["rx_packets"] == found["tx_packets"]
        return total
