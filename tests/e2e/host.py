"""Hosts for tests: network namespaces without names, joined by veth pairs, and the programs in them. All of it lives in
this process: when it ends, however it ends, the kernel takes everything away."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
ETH_P_ALL = 3


def why_not():
    """Why there can be no hosts here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "ethtool", "unshare") if not shutil.which(tool)]
    return f"{missing[0]} is not installed" if missing else None


def wait_for(condition, seconds=10, what="it"):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)
    return value


def _checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Homes(threading.local):
    """Where each thread came from."""

    def __init__(self):
        self.stack = []


class Host:
    """A network namespace. Sockets and programs made in `with host:` belong to it."""

    def __init__(self):
        with open("/proc/thread-self/ns/net") as home:
            _checked(LIBC.unshare(CLONE_NEWNET))
            self._ns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _checked(LIBC.setns(home.fileno(), CLONE_NEWNET))
        self._homes = Homes()
        self._devices = None
        self.ip("link", "set", "lo", "up")

    def __enter__(self):
        self._homes.stack.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        _checked(LIBC.setns(self._ns, CLONE_NEWNET))
        return self

    def __exit__(self, *_):
        _checked(LIBC.setns(self._homes.stack[-1], CLONE_NEWNET))
        os.close(self._homes.stack.pop())

    def close(self):
        if self._devices:
            self._devices.close()
        os.close(self._ns)

    def path(self):
        """Of the namespace, for programs."""
        return f"/proc/{os.getpid()}/fd/{self._ns}"

    def run(self, *command, **options):
        with self:
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, **options).stdout

    def ip(self, *arguments):
        return self.run("ip", *arguments)

    def wire(self, other):
        """Join both by a veth pair, eth0 on either side, whose packets have all their checksums."""
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other.path())
        for host in self, other:
            host.run("ethtool", "-K", "eth0", "tx", "off", "gro", "off", "gso", "off", "tso", "off")
            host.ip("link", "set", "eth0", "up")

    def address(self, *addresses, device="eth0"):
        for address in addresses:
            self.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def no_kernel_ip6(self, device="all"):
        """Its programs drive the wire: the kernel must not say anything there by itself."""
        with self:
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")

    def kernel_ip6_again(self):
        with self:
            pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("0")

    def sent(self):
        """Packets that it has put on the wire."""
        if not self._devices:
            with self:
                self._devices = open("/proc/thread-self/net/dev")
        self._devices.seek(0)
        (line,) = (line for line in self._devices if line.lstrip().startswith("eth0:"))
        return int(line.split()[10])

    @contextlib.contextmanager
    def raw_socket(self, buffer=32 << 20):
        """A socket for whole Ethernet frames on eth0."""
        with self:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with raw:
            raw.setsockopt(socket.SOL_SOCKET, 33, buffer)  # SO_RCVBUFFORCE
            raw.bind(("eth0", ETH_P_ALL))
            raw.setblocking(False)
            yield raw

    def start(self, name, *command, log, stdin=subprocess.DEVNULL, **environment):
        with self:
            return Program(name, command, log, environment, stdin)


class Program:
    """A process that ends with this one; its output goes to a file."""

    def __init__(self, name, command, log, environment=(), stdin=subprocess.DEVNULL):
        self.name, self.log = name, pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=stdin, stdout=output, stderr=output,
                env={**os.environ, **dict(environment)},
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), process_group=0,  # Ctrl-C is for us
            )
        self.pid = self.process.pid
        self.killed = False

    def alive(self):
        return self.process.poll() is None

    def said(self, text):
        """Whether it has; fails when the program ended without."""
        if text in self.text():
            return True
        assert self.alive(), f"{self.name} ended with {self.process.returncode}:\n{self.text()}"
        return False

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        """As `kill -9`."""
        self.killed = True
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds=60):
        """End it as an operator does; it must end well, and no sanitizer may have complained."""
        if self.alive():
            self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not stop:\n{self.text()}") from None
        text = self.text()
        assert "Sanitizer" not in text and "runtime error" not in text, text
        assert status == 0 or self.killed, f"{self.name} ended with {status}:\n{text}"
