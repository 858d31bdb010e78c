"""What a soak runs: a Jetplane with light sessions by jetgen and full ones by jetperf, visits.py and their like over a wire
that changes its ways, and beside it clients and servers of libjetplane alone.

      client host                            plane host                       left                      right
    +--------------------+  +--------+  +---------------------+          +-----------+  +--------+  +-------------+
    | jetperf, visits  eth0-| impair |-eth0  jetplane-dp      |          | jetperf eth0-| impair |-eth0 jetperf -s |
    |                    |  +--------+  |    jetplaned (TCP)  |          | jetcat    |  +--------+  |   jetcat -l |
    | jetgen, many times - - - memif - -                      |          +-----------+              +-------------+
    +--------------------+              +---------------------+

Some clients stay from the beginning to the end, so that the number of sessions is the same all the time: STEADY. The
others come and go, one after another in slots, and some of them are killed."""

import collections
import itertools
import json
import pathlib
import random
import shutil
import time

from badwire import BadWire
from host import Host, wait_for
from jetperf import LISTENERS, PORTS, SERVICES, Jetperf
from plane import BUILD, CLIENT, SERVER, Plane
from tcpway import offer_tcp

TOOLS = BUILD / "client/tools"
QUEUES = 2
IDLE_MS = 45000  # sessions of vanished clients end after this; those who get no CPU for a while do not
KILLED = 0.25  # of those who come and go
SERVERS = "jetplane-dp", "jetplaned", "jetperf -s", "wire", "wire2"  # who of those that stay is no client
LIGHT, LIGHT_CHURN = 0, 1  # memif ports
LIGHT_SESSIONS, LIGHT_RATE = 150, 1000
PATIENT = {"reorder_timeout_us": 1000000, "fec_expire_us": 1000000}  # nobody is to be late for want of a CPU
STUCK = 150  # seconds, who comes and goes and takes longer
LIGHT_MANY = 1800  # sessions at once
JETPLANED_REMEMBERS, PEER_REMEMBERS = 16384, 6000  # handshakes: control/recent.h, and more than client/listen.h's
GOOD = {"rate": 16, "delay": 2}  # Mbit/s and ms
WIRES = {
    "good": {}, "loss": {"loss": 2}, "bursts": {"loss": 0.5, "burst": 60}, "late": {"late": 3, "extra": 10},
    "reordering": {"late": 2, "depth": 32, "extra": 50}, "damage": {"damage": 1, "twice": 1},
    "far": {"delay": 60}, "farther": {"delay": 150}, "rebinding": {"rebind": 2000},
    "dark": {"dark": 800, "every": 4000}, "narrow": {"mtu": 1400}, "without UDP": {},
    "everything": {"loss": 0.5, "burst": 30, "late": 1, "extra": 5, "twice": 0.5, "damage": 0.5, "delay": 20},
}
LASTS = {"without UDP": 10}  # seconds at most: who keeps moving to UDP stays unheard, and ends after IDLE_MS
NOTHING = {key: 0 for impairments in WIRES.values() for key in impairments}
# What a client may say that exits with 1: for a while nobody could hear it.
UNANSWERED = ("no answer from the peer", "the server is silent")


class Fault(Exception):
    """What a soak is there to find."""


class Mix:
    """`folder` takes files and logs. Make it, `start`, `tick` often, `leave`, and `clean` in any case."""

    def __init__(self, folder, seed, seconds):
        self.folder, self.seed, self.seconds = pathlib.Path(folder), seed, seconds
        self.chance = random.Random(seed)
        self.phase = min(20, max(3, seconds / 24))  # seconds between two changes of the wire
        self.wire_is, self.next_change, self.coming = "good", 0, []
        self.faults = []
        self.ran = collections.defaultdict(collections.Counter)  # kind -> how it ended -> times
        self.steady, self.programs, self.slots, self.numbers = {}, [], [], itertools.count()
        self.leaving, self.plane, self.hosts, self.wires = False, None, [], []

    # ---- beginning ----

    def start(self):
        """The servers, and nobody else."""
        for name in "wire", "wire2":
            (self.folder / name).mkdir()
            self.wires.append(BadWire(self.folder / name, **GOOD))
        self.plane = Plane(
            control=None, queues=QUEUES, memif=2, wire=self.wires[0], listeners=LISTENERS, max_streams=256,
            max_sessions=2048, idle_sleep_us=200, full={"sessions": 512}, **PATIENT,
        )
        self.plane.start()
        self.plane.client_host.kernel_ip6_again()
        self.plane.client_host.address(CLIENT[6] + "/64")
        offer_tcp(self.plane, idle_timeout_ms=IDLE_MS, log_level="warning")
        self.key = self.plane.identity().hex()
        self.left, self.right = self.hosts = Host(), Host()
        self.wires[1](self.left, self.right)
        self.left.address(CLIENT[4] + "/24")
        self.right.address(SERVER[4] + "/24")
        self.server = self.begin(self.right, "jetperf -s", "-s", "-l", f"{SERVER[4]}:4500")
        self.server_key = self.key_of(self.server)
        self.steady |= {
            "jetplane-dp": self.plane.dp, "jetplaned": self.plane.daemon, "jetperf -s": self.server,
            "wire": self.wires[0].program, "wire2": self.wires[1].program,
        }

    def warm_up(self):
        """One session of each kind, so that what is opened once is open."""
        Jetperf(self.plane, "echo", "-n", "100K").result(20)
        program = self.begin(self.left, "jetperf", "-c", f"{SERVER[4]}:4500", "--key", self.server_key, "-n", "100K")
        wait_for(lambda: not program.alive(), 20, "jetperf")
        assert program.process.returncode == 0, program.text()
        wait_for(lambda: self.plane.total()["sessions"] == 0, 20, "the sessions to end")

    def fill(self):
        """What remembers the last handshakes, tables of fixed size, touches its memory as they come: let it be full."""
        for _ in range(JETPLANED_REMEMBERS // LIGHT_MANY + 1):
            program = self.plane.start_jetgen(
                "many-sessions.lua", f"sessions={LIGHT_MANY}", "messages=1", "rate=2000", "handshake_rate=900", port=LIGHT)
            wait_for(lambda: not program.alive(), 300, "jetgen")
            assert program.process.returncode in (0, 3), program.text()  # 3: some were not answered in time
        visits = self.visits(self.left, [f"{SERVER[4]}:4500"], self.server_key, "--empty", PEER_REMEMBERS, "--at-once", 32)
        wait_for(lambda: not visits.alive(), 300, "empty visits")
        assert visits.process.returncode == 0, visits.text()
        wait_for(lambda: self.plane.total()["sessions"] == 0, 20, "the sessions to end")

    def start_clients(self):
        """Those who stay, and the slots of those who come and go."""
        seconds = f"{self.seconds + 2:.1f}"
        for way, *options in ("echo", "-P", 100), ("up", "-P", 100, "--size", 4000), ("down", "-P", 10):
            perf = Jetperf(self.plane, way, "-t", seconds, "-i", 0, *options, version=6 if way == "up" else 4)
            self.steady[f"jetperf {way}"] = perf.program
        self.steady["jetgen"] = self.plane.start_jetgen(
            "mixed-garbage.lua", f"seconds={seconds}", f"rate={LIGHT_RATE}", f"sessions={LIGHT_SESSIONS}",
            "rekey_every=200", options=("--idle-sleep", 200), port=LIGHT,
        )
        echoes = f"{SERVER[4]}:{PORTS['echo']}", f"[{SERVER[6]}]:{PORTS['echo']}"
        self.steady["visits"] = self.visits(self.plane.client_host, echoes, self.key, "--seed", self.seed)
        self.slots = [self.light_churn(), self.full_churn(), self.full_churn(), self.peers(), self.peers(), self.files()]

    def visits(self, host, servers, key, *arguments):
        self.programs.append(host.start(
            "visits", "/usr/bin/python3", pathlib.Path(__file__).with_name("visits.py"), *servers, "--key", key, *arguments,
            log=self.folder / f"{next(self.numbers)}-visits.log",
        ))
        return self.programs[-1]

    def begin(self, host, name, *arguments, tool="jetperf"):
        """A tool with --json on a host."""
        log = self.folder / f"{next(self.numbers)}-{name.replace(' ', '')}.log"
        program = host.start(name, TOOLS / tool, *arguments, "--json", log=log)
        self.programs.append(program)
        return program

    @staticmethod
    def key_of(server):
        """By which clients know it."""
        wait_for(lambda: server.said('"key"'), 10, server.name)
        return json.loads(server.text().splitlines()[0])["key"]

    # ---- turns ----

    def tick(self):
        for name, program in self.steady.items():
            if not program.alive() and not (self.leaving and program.process.returncode == 0):
                raise Fault(f"{name} ended with {program.process.returncode}: {program.text()[-500:]}")
        if time.monotonic() > self.next_change:
            self.change_wires()
        self.slots = [slot for slot in self.slots if next(slot, self) is not self]

    def change_wires(self):
        """To the next of all the ways to be bad, each once before any comes again."""
        if self.wire_is == "without UDP":
            self.plane.udp.join()
        self.coming = self.coming or self.chance.sample(sorted(WIRES), len(WIRES))
        self.wire_is = "good" if self.leaving else self.coming.pop()
        if self.wire_is == "without UDP":
            self.plane.udp.cut()
        for wire in self.wires:
            wire.change(**{**NOTHING, **GOOD, "delay": self.chance.randrange(30), **WIRES[self.wire_is]})
        self.next_change = time.monotonic() + min(self.phase, LASTS.get(self.wire_is, self.phase))

    def leave(self):
        """The wires are good again, and nobody comes any more; those who are there go. Goes on with tick."""
        self.leaving, self.next_change = True, 0
        self.steady["visits"].process.terminate()

    def left_alone(self):
        """Whether all clients have gone."""
        return not self.slots and not any(p.alive() for name, p in self.steady.items() if name not in SERVERS)

    def servers(self):
        return {name: self.steady[name] for name in SERVERS}

    # ---- slots: each a generator whose every turn is short ----

    def pause(self, seconds):
        until = time.monotonic() + self.chance.uniform(0, seconds)
        while time.monotonic() < until and not self.leaving:
            yield

    def ends(self, kind, program, lasts=4.0):
        """How it does: "well", "killed" or "unanswered"; anything else is a fault, after which others go on."""
        now = time.monotonic()
        victim = self.chance.random() < KILLED
        kill_at = now + (self.chance.uniform(0, lasts) if victim else STUCK)
        while program.alive():
            if time.monotonic() > kill_at:
                program.kill()
            yield
        how = "killed" if program.killed and victim else self.verdict(program)
        if how == "wrong":
            self.faults.append(f"{kind} ended with {program.process.returncode} after {time.monotonic() - now:.0f} s "
                               f"({' '.join(map(str, program.process.args))}): {program.text()[-2000:]}")
        self.ran[kind][how] += 1
        program.log.unlink()
        self.programs.remove(program)
        return how

    @staticmethod
    def verdict(program):
        if program.process.returncode == 0:
            return "well"
        text = program.text()
        silence = program.process.returncode == 1 and any(reason in text for reason in UNANSWERED)
        return "unanswered" if silence else "wrong"

    def way_to_send(self):
        c = self.chance
        return (
            "-P", c.choice((1, 3, 10, 100)), "--size", c.choice((100, 1000, 1300)), "--priority",
            c.choice(("system", "media", "chat", "bulk")), "--protection", c.choice(("plain", "latency", "efficient")),
            "--congestion", c.choice(("cubic", "bbr", "newreno")), "-n", c.choice(("20K", "200K", "500K")), "-i", 0,
            *c.choice(((), (), ("--unordered",), ("--migrate", 0.5))),
        )

    def light_churn(self):
        """Sessions of jetgen by the dozen."""
        while not self.leaving:
            program = self.plane.start_jetgen(
                "many-sessions.lua", f"sessions={self.chance.randrange(10, 80)}", "messages=20", "rate=500",
                "handshake_rate=50", options=("--idle-sleep", 200), port=LIGHT_CHURN,
            )
            self.programs.append(program)
            yield from self.ends("light churn", program)
            yield from self.pause(4)

    def full_churn(self):
        """jetperf at the data plane's services."""
        while not self.leaving:
            way, version = self.chance.choice(sorted(SERVICES)), self.chance.choice((4, 6))
            perf = Jetperf(self.plane, way, *self.way_to_send(), version=version)
            self.programs.append(perf.program)
            yield from self.ends("full churn", perf.program)
            yield from self.pause(2)

    def peers(self):
        """jetperf at jetperf."""
        while not self.leaving:
            way = self.chance.choice(((), ("-R",), ("--bidir",), ("--echo",)))
            program = self.begin(self.left, "jetperf", "-c", f"{SERVER[4]}:4500", "--key", self.server_key, *way,
                                 *self.way_to_send())
            yield from self.ends("peers", program)
            yield from self.pause(2)

    def files(self):
        """jetcat to jetcat, as often as it takes; then the files are compared."""
        inbox, file = self.folder / "inbox", self.folder / "file"
        inbox.mkdir()
        while not self.leaving:
            file.write_bytes(self.chance.randbytes(self.chance.choice((0, 1000, 300_000, 2_000_000))))
            while not (inbox / "file").exists():
                yield from self.send_file(inbox, file)
            if (inbox / "file").read_bytes() != file.read_bytes():
                self.faults.append("a file came differently from how it was sent")
            self.ran["files"]["compared"] += 1
            (inbox / "file").unlink()
            yield from self.pause(2)

    def send_file(self, inbox, file):
        listener = self.begin(self.right, "jetcat -l", "-l", f"{SERVER[4]}:4501", "--receive", inbox, "-w", 5, tool="jetcat")
        key = self.key_of(listener)
        sender = self.begin(self.left, "jetcat", f"{SERVER[4]}:4501", "--key", key, "--send", file, tool="jetcat")
        done_well = (yield from self.ends("files", sender)) == "well"
        until = time.monotonic() + (60 if done_well else 20)  # it may not have heard of the sender at all
        while listener.alive() and time.monotonic() < until:
            yield
        if listener.alive():
            listener.kill()
        if listener.process.returncode not in (0, 1, -9):
            self.faults.append(f"jetcat -l ended with {listener.process.returncode}: {listener.text()}")
        listener.log.unlink()
        self.programs.remove(listener)

    # ---- end ----

    def result(self, name):
        """The last that a client that stayed printed."""
        lines = self.steady[name].text().splitlines()
        return json.loads(lines[-1]) if lines else {}

    def end(self):
        """Stop the servers, which must end well; returns what the wires did."""
        plane, self.plane = self.plane, None
        plane.stop()
        self.server.stop()
        return [wire.close() for wire in self.wires]

    def clean(self):
        """Nothing is left, whatever happened, but the servers' logs."""
        wires = [wire.program for wire in self.wires]
        for program in [*self.programs, *self.steady.values()]:
            if program.alive() and program not in wires:
                program.kill()
        if self.plane:
            for name in "dp-0.log", "jetplaned-0.log":
                if (self.plane.folder / name).exists():
                    shutil.copy(self.plane.folder / name, self.folder)
            self.plane.clean()
        for wire in self.wires:
            wire.close()
        for host in self.hosts:
            host.close()
