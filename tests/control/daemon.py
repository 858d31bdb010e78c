"""jetplaned, and a client's handshakes, as programs of the test."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import ipc

BUILD = pathlib.Path(os.environ.get("JETPLANE_BUILD", ipc.ROOT / "build"))
JETPLANED = BUILD / "control/jetplaned"
JETCTL = BUILD / "control/ctl/jetctl"
HANDSHAKER = BUILD / "tests/control/handshaker"


def wait_for(condition, timeout=5):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Daemon:
    """jetplaned in a directory of its own."""

    def __init__(self, directory, config=""):
        self.dir = directory
        self.dp_socket = directory / "dp.sock"
        self.socket = directory / "jetctl.sock"
        self.identity = directory / "identity.key"
        self.config = directory / "jetplaned.yaml"
        self.log = directory / "log"
        self.process = None
        self.configure(config)

    def configure(self, config):
        self.config.write_text(
            f"data_plane_socket: {self.dp_socket}\ncontrol_socket: {self.socket}\n"
            f"identity_file: {self.identity}\nlog_level: debug\n{config}\n")

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([JETPLANED, "--config", self.config], stderr=log)
        if wait:
            wait_for(self.reachable)
        return self

    def reachable(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(str(self.socket)) == 0

    def alive(self):
        return self.process.poll() is None

    def kill(self, signum=signal.SIGKILL):
        self.process.send_signal(signum)
        return self.process.wait(10)

    def stop(self):
        """End it as a person would; sanitizers report through the exit code."""
        if self.process and self.process.poll() is None:
            assert self.kill(signal.SIGTERM) == 0, self.log.read_text()

    def connection(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.socket))
        s.settimeout(10)
        return s

    def ask(self, **request):
        """One request on a connection of its own."""
        with self.connection() as s:
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def status(self):
        return self.ask(command="status")["result"]

    def count(self, name):
        return self.status()["handshakes"][name]

    def jetctl(self, *arguments, **options):
        environment = dict(os.environ, JETPLANE_SOCKET=str(self.socket))
        return subprocess.run([JETCTL, *arguments], capture_output=True, text=True, timeout=30,
                              env=environment, **options)


class Clients:
    """Real handshakes, by proto's client in a program of its own."""

    def __init__(self):
        self.process = subprocess.Popen([HANDSHAKER], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def hello(self):
        _, number, packet = self.say("hello")
        return int(number), bytes.fromhex(packet)

    def input(self, number, packet):
        return self.say(f"input {number} {packet.hex()}")

    def reset(self, identity, packet):
        return self.say(f"reset {identity} {packet.hex()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(5)
