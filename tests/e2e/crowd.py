"""Clients of all kinds at work on a plane whose processes are killed and stopped: each is started anew when it ended, and
must have ended for a reason that it said. What comes back is checked byte by byte."""

import collections
import contextlib
import re
import time

import jetwire as w
from host import wait_for
from jetperf import PORTS, SERVICES, Jetperf
from plane import BUILD, SERVER

# What a client may say, and exit with 1, when its server or itself was gone for too long.
RESTARTED, SILENT = "the server was restarted", "the server is silent"
REASONS = RESTARTED, SILENT, "the server closed the session: code 2", "no answer"
AMOUNT = re.compile(r"(?:up|down) +([\d.]+) (\w+) ")
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SILENCE = 10  # seconds without an answer
PROBE = bytes([w.PING]) + bytes(4)  # with PADDING, so that its packet may be answered by a Reset


class Bulk:
    """A jetperf without end, which says four times a second how far it is."""

    def __init__(self, plane, way, *options):
        self.plane, self.way, self.options, self.said, self.lives, self.bytes = plane, way, options, [], 0, 0
        self.start()

    @classmethod
    def of_plane(cls, plane, way):
        service, *options = SERVICES[way]
        return cls(plane, way, "-c", f"{SERVER[4]}:{PORTS[service]}", "--key", plane.identity().hex(), "--service", *options)

    def start(self):
        self.lives, self.read = self.lives + 1, 0
        self.program = self.plane.client_host.start(
            f"jetperf {self.way}", BUILD / "client/tools/jetperf", *self.options, "-P", 8, "-t", 86400, "-i", 0.25,
            log=self.plane.folder / f"{self.way}-{self.lives}.log")

    def __repr__(self):
        return f"{self.way} in its life {self.lives}, which says {self.program.text()[-1000:]!r}"

    def moves(self):
        """Whether anything was acknowledged, or came, since this was asked last."""
        text = self.program.text()
        text = text[:text.rfind("\n") + 1]
        amounts = [float(n) * UNITS[unit] for n, unit in AMOUNT.findall(text, self.read)]
        self.read = len(text)
        self.bytes += sum(amounts)
        return sum(amounts) > 0

    def again(self):
        """Start it anew if it ended. It has noticed no damage, nor crashed."""
        program = self.program
        if program.alive():
            return
        if not program.killed:
            assert program.process.returncode == 1, (self.way, program.process.returncode, program.text())
            reason = next((text for text in REASONS if text in program.text()), None)
            assert reason, f"{self.way} ended for no good reason: {program.text()}"
            self.said.append(reason)
        program.log.unlink()
        self.start()


class Listener:
    """A server that is no data plane: jetperf -s among the clients, of one identity in all its lives."""

    def __init__(self, plane):
        self.plane, self.identity = plane, plane.folder / "listener.key"
        self.start()
        said = self.program.text()
        self.address = re.search(r"^listening on (\S+)", said)[1]
        self.key = re.search(r"^key (\S+)", said, re.M)[1]

    def start(self):
        self.program = self.plane.client_host.start(
            "jetperf -s", BUILD / "client/tools/jetperf", "-s", "-l", "127.0.0.1:4600", "--identity", self.identity,
            log=self.plane._log("listener"))
        wait_for(lambda: self.program.said("key "), 10, "jetperf -s")

    def close(self):
        self.program.kill()
        self.identity.unlink()


class Light:
    """A light session: what comes back is what was sent, once and in order; what is lost while a process rests is lost."""

    def __init__(self, plane, suite, version):
        self.plane, self.identity = plane, plane.identity()
        self.session = plane.session(version, suites=(suite,), identity=self.identity)
        self.checked, self.said, self.told = 0, [], 0
        self._begin()

    def _begin(self):
        self.sent, self.last, self.over, self.heard = 0, -1, False, time.monotonic()

    def __repr__(self):
        return f"{self.session}, {self.last} of {self.sent} came back, over: {self.over}, said: {self.said}"

    def turn(self):
        if self.over:
            self._connect()
            return
        while self.session.poll(0):
            pass
        self._check()
        if self.last == self.sent - 1:
            self.heard = time.monotonic()  # nobody owes us anything
        if reason := self._end():
            self.said.append(reason)
            self.over = True
            return
        with contextlib.suppress(OSError):  # the link may be down
            self.session.send(PROBE + w.stream_frame(1, self.sent, b"message %d" % self.sent))
        self.sent += 1

    def moves(self):
        """Whether anything came back since this was asked last."""
        before, self.told = self.told, self.checked
        return self.checked > before

    def _check(self):
        for _, fields in self.session.received:
            number = int(fields["data"].split()[1])
            assert fields["data"] == b"message %d" % number and self.last < number < self.sent, (fields, self.last)
            self.last, self.heard = number, time.monotonic()
            self.checked += 1
        self.session.received.clear()

    def _end(self):
        """Why the session is over, None while it is not."""
        if self.session.was_reset:
            return RESTARTED
        if self.session.closed:
            return f"the server closed the session: code {self.session.closed['code']}"
        return SILENT if time.monotonic() > self.heard + SILENCE else None

    def _connect(self):
        with contextlib.suppress(OSError):  # no answer in time is one, too
            self.session.connect(timeout=1)
            self._begin()


class Crowd:
    """Leaves when its `with` ends. listener: some are at work with one of their own."""

    def __init__(self, plane, listener=False):
        self.plane = plane
        self.bulk = {way: Bulk.of_plane(plane, way) for way in SERVICES}
        self.listener = Listener(plane) if listener else None
        if listener:
            self.bulk["guest"] = Bulk(plane, "guest", "-c", self.listener.address, "--key", self.listener.key, "--echo",
                                      "--rate", 500, "--size", "16K")
        self.light = [Light(plane, w.AES256_GCM, 4), Light(plane, w.CHACHA20_POLY1305, 6)]

    def run(self, seconds):
        """Light sessions speak; the others do all the time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.turn()

    def turn(self):
        for light in self.light:
            light.turn()
        time.sleep(0.005)

    def wait(self, condition, seconds, what):
        wait_for(lambda: self.turn() or condition(), seconds, what)

    def recover(self, seconds):
        """Until a newcomer was served and everybody is at work again, each that ended started anew; returns how long that
        took."""
        began = time.monotonic()
        self.wait(self.plane.up, seconds, "jetplaned and the data plane")
        self.wait(self._serves_newcomer, seconds, "a newcomer to be served")
        self._all_move(seconds)
        return time.monotonic() - began

    def _serves_newcomer(self):
        """Who was not answered for 5 s knocks again."""
        newcomer = Jetperf(self.plane, "echo", "-n", 100_000)
        self.wait(lambda: not newcomer.program.alive(), 60, "a newcomer to end")
        code, found = newcomer.exit(1)
        newcomer.log.unlink()
        assert code == 0 and found["intact"] or code == 1 and any(reason in found["error"] for reason in REASONS), found
        return code == 0

    def _all_move(self, seconds):
        waiting = [*self.bulk.values(), *self.light]
        for client in waiting:
            client.moves()  # until now

        def at_work():
            for bulk in self.bulk.values():
                bulk.again()
            waiting[:] = [client for client in waiting if not client.moves()]
            return not waiting

        self.wait(at_work, seconds, waiting)

    def said(self):
        """Why clients ended that were not killed, and how often."""
        return collections.Counter(reason for client in [*self.bulk.values(), *self.light] for reason in client.said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for bulk in self.bulk.values():
            bulk.program.kill()
        if self.listener:
            self.listener.close()
        for light in self.light:
            with contextlib.suppress(OSError):
                light.session.close()
