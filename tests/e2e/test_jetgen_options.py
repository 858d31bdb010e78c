"""jetgen's command line: what is wrong is named before the script is read, what is right shows on the wire. Then ports
that do not work; and who asks for jetgen's addresses. At the wire's other end is a kernel, which answers for the target."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess

import pytest
from controlplane import mac
from garbage import checksum
from host import Host, wait_for, why_not
from nonces import udp_payload
from plane import BUILD, MEMIF_SERVER, SERVER

JETGEN = BUILD / "pktgen/jetgen"
NAME = "is not 1 to 32 letters, digits, - and _"
IDENTITY = "is not 64 hex digits"
FOREVER = "jetgen.flood { seconds = 600, rate = 200, sources = 1, valid = false }"


def run(*options):
    return subprocess.run(["jetgen", *options], executable=JETGEN, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("option, least, most", [
    ("sources", 1, 65536), ("port", 1, 65535), ("lcores", 1, 32), ("queues", 1, 256), ("idle-sleep", 0, 1000000),
    ("mtu", 1500, 9000), ("memory", 16, 1 << 20), ("seed", 0, (1 << 64) - 1), ("cpus", 0, 1023),
])
def test_numbers(option, least, most):
    for text in "x", "", "1k", "0x", "-1", " -1", "+1", str(least - 1), str(most + 1), str(1 << 64):
        done = run(f"--{option}", text, "absent.lua")
        said = f"jetgen: --{option}: '{text}' is not a number between {least} and {most} (see jetgen --help)\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("options, said", [
    ("--target 198.18.0", "--target: '198.18.0' is not an IP address"),
    ("--target fd00::1::", "--target: 'fd00::1::' is not an IP address"),
    ("-s 198.18.0.256", "--source: '198.18.0.256' is not an IP address"),
    ("--source fd00::2", "--source and --target: one is IPv4, the other IPv6"),
    ("--source 198.18.0.2 --target fd00::1", "--source and --target: one is IPv4, the other IPv6"),
    ("--lcores 3 --queues 2", "--queues: 2 are too few for 3 workers"),
    ("--cpus 0", "--cpus: one for the main lcore and one a worker, so 2"),
    ("--cpus 0,0,0", "--cpus: one for the main lcore and one a worker, so 2"),
    ("-l 2 --cpus 0,0", "--cpus: one for the main lcore and one a worker, so 3"),
    ("--cpus 0,,0", "--cpus: '' is not a number between 0 and 1023"),
    ("-l 32 --cpus " + ",".join("0" * 34), "--cpus: more than 33"),
    ("--name=", f"--name: '' {NAME}"), ("--name ../x", f"--name: '../x' {NAME}"),
    (f"--name {33 * 'x'}", f"--name: '{33 * 'x'}' {NAME}"),
    *((f"--identity {hex}", f"--identity: '{hex}' {IDENTITY}") for hex in ("5" * 63, "5" * 65, "5" * 62, "5" * 63 + "g")),
])
def test_wrong_options(options, said):
    done = run(*options.split(), "absent.lua")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"jetgen: {said} (see jetgen --help)\n")


def test_no_script():
    assert run("--quiet").stderr == "jetgen: no script given (see jetgen --help)\n"


@pytest.mark.parametrize("options, said", [
    (["--nope"], "unrecognized option '--nope'"), (["-z"], "invalid option -- 'z'"),
    (["--so", "198.18.0.2"], "option '--so' is ambiguous; possibilities: '--source' '--sources'"),
    (["--quiet=1"], "option '--quiet' doesn't allow an argument"), (["--seed"], "option '--seed' requires an argument"),
])
def test_options_that_are_none(options, said):
    done = run(*options)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"jetgen: {said}\nusage: jetgen [OPTION...] SCRIPT.lua"), done.stderr


# ---- right options ----


class Wire:
    """From jetgen's host to another, `host`, whose kernel has the target's addresses; `raw` is there."""

    def __init__(self, stack, folder):
        self.folder = folder
        self.client_host, self.host = (stack.enter_context(contextlib.closing(Host())) for _ in range(2))
        self.client_host.no_kernel_ip6()  # jetgen alone is to be heard
        self.client_host.wire(self.host)
        self.host.address(SERVER[4] + "/16", SERVER[6] + "/64")
        self.raw = stack.enter_context(self.host.raw_socket())
        self.program = None

    def start(self, *options, script=FOREVER, device="net_af_packet0,iface=eth0"):
        (self.folder / "s.lua").write_text(script)
        self.program = self.client_host.start(
            "jetgen", JETGEN, "--no-huge", "--idle-sleep", 50, "--name", re.sub(r"\W", "-", self.folder.name)[-32:],
            "--device", device, *options, self.folder / "s.lua", log=self.folder / f"log{len(os.listdir(self.folder))}",
        )
        return self.program

    def frames(self, n, wanted=udp_payload):
        """The next n from jetgen's host that are wanted."""
        found = []

        def enough():
            with contextlib.suppress(BlockingIOError):
                while len(found) < n:
                    frame, address = self.raw.recvfrom(65535)
                    if address[2] != socket.PACKET_OUTGOING and wanted(frame):
                        found.append(frame)
            assert self.program.alive(), self.program.text()
            return len(found) == n

        wait_for(enough, 60, "jetgen's frames")
        return found

    def interrupt(self):
        self.program.process.terminate()
        assert self.program.process.wait(60) == 130, self.program.text()
        with contextlib.suppress(BlockingIOError):
            while self.raw.recv(1):
                pass


@pytest.fixture
def wire(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        wire = Wire(stack, tmp_path)
        yield wire
        if wire.program and wire.program.alive():
            wire.program.kill()


def test_seed_source_and_port(wire):
    """Everything of a flood but its template follows from the seed."""
    sent = []
    for seed in "7", "0x7", "8":
        wire.start("--seed", seed, "--source", "198.18.9.7", "-p", "4600")
        sent.append(wire.frames(20))
        wire.interrupt()
    assert sent[0] == sent[1] and not set(sent[0]) & set(sent[2])
    for frame in sent[0] + sent[2]:
        assert frame[26:29] == bytes((198, 18, 9)) and frame[36:38] == struct.pack("!H", 4600)
    wire.start("--source", "198.18.9.7", script="jetgen.open { sessions = 1 }")
    (hello,) = wire.frames(1)
    assert hello[26:34] == socket.inet_aton("198.18.9.7") + socket.inet_aton(SERVER[4])
    assert hello[36:38] == struct.pack("!H", 4500)
    wire.interrupt()


def test_cpus_and_memory(wire):
    """By default the first worker is on the first CPU and the main lcore on the last; now it is the other way round."""
    may = sorted(os.sched_getaffinity(0))
    for options, main, worker in ([], may[-1], may[0]), (["--cpus", f"{may[0]},{may[-1]}"], may[0], may[-1]):
        pid = wire.start("--memory", 200, *options).pid
        wire.frames(1)
        cpus = {open(f"/proc/{pid}/task/{tid}/comm").read().strip(): os.sched_getaffinity(int(tid))
                for tid in os.listdir(f"/proc/{pid}/task")}
        # DPDK calls it lcore-worker-1, rte-worker-1 or dpdk-worker1
        assert cpus["jetgen"] == {main} and [cpus[name] for name in cpus if "worker" in name] == [{worker}]
        maps = re.findall(r"^(\w+)-(\w+) ", open(f"/proc/{pid}/maps").read(), re.M)
        assert 200 << 20 in [int(end, 16) - int(start, 16) for start, end in maps]
        wire.interrupt()


@pytest.mark.parametrize("options, progress, debug", [
    ([], True, False), (["--quiet"], False, False), (["-q", "--verbose"], False, True),
], ids=str)
def test_quiet_and_verbose(wire, options, progress, debug):
    program = wire.start(*options, script="jetgen.flood { seconds = 2, rate = 50 }")
    assert program.process.wait(60) == 0, program.text()
    text = program.text()
    assert (" s  sessions 0  handshakes 0 " in text, "EAL: Detected CPU lcores" in text) == (progress, debug)
    assert re.search(r"^hellos_sent +\d+", text, re.M)


# ---- ports that do not work ----


@pytest.mark.parametrize("device, options, said", [
    ("net_af_packet0,iface=nope", [], "--device net_af_packet0: DPDK has no such device; what it said is above"),
    ("crypto_null0", [], "--device crypto_null0: DPDK has no such device; what it said is above"),
    ("0000:ff:1f.7", [], "--device 0000:ff:1f.7: DPDK has no such device; what it said is above"),
    ("net_af_packet0,iface=eth0,qpairs=1", ["--queues", 2],
     "--device net_af_packet0: has 1 receive and 1 transmit queues, not 2"),
    ("net_af_packet0,iface=eth0", ["--mtu", 9000], "--device net_af_packet0: cannot be set up: Invalid argument"),
    ("net_null0", ["--memory", 16], "no memory for 8736 packet buffers: Cannot allocate memory"),
    ("net_null0", ["--cpus", "1023,1023"], "--cpus: this process may not use CPU 1023"),
])
def test_ports_that_cannot_be_used(wire, device, options, said):
    program = wire.start(*options, device=device)
    assert program.process.wait(60) == 2
    assert program.text().splitlines()[-1] == f"jetgen: {said}"


@pytest.mark.parametrize("interrupted", [False, True])
def test_ports_without_anybody_behind(make_plane, tmp_path, interrupted):
    """They are given ten seconds, unless somebody has enough of it before."""
    plane = make_plane(memif=True)
    (tmp_path / "s.lua").write_text("")
    programs = {}
    for n, (device, options, said) in enumerate([
        ("net_af_packet0,iface=eth0", ["--target", "198.18.0.99"], "nobody answers for 198.18.0.99"),
        (f"net_memif0,role=client,socket={tmp_path}/none,socket-abstract=no", [], "no data plane is there"),
        (plane._memif("client", 0), ["--queues", 2, "--target", MEMIF_SERVER.format(1)],
         "its link does not come up; --queues must be the data plane's workers"),
        ("net_null0", ["--mtu", 9000, "--target", "fd00::1"], "nobody answers for fd00::1"),
    ]):
        program = plane.client_host.start(
            "jetgen", JETGEN, "--no-huge", "--name", f"{plane.folder.name}-{n}", "--device", device, *options,
            tmp_path / "s.lua", log=tmp_path / f"log{n}",
        )
        programs[program] = f"jetgen: --device {device.split(',')[0]}: {said}"
    if interrupted:
        for program in programs:
            wait_for(lambda: int(re.search(r"SigCgt:\s+(\w+)", open(f"/proc/{program.pid}/status").read())[1], 16)
                     & 1 << signal.SIGTERM - 1, 30, "jetgen to catch signals")
            program.process.terminate()
    for program, said in programs.items():
        code = program.process.wait(60)
        assert (code, program.text().splitlines()[-1]) == ((130, "jetgen: interrupted") if interrupted else (2, said))


# ---- who asks for jetgen's addresses ----

ASKER = bytes.fromhex("020000000099")


def neighbour(ethernet, kind, flags, source, to, target, option):
    """A solicitation or an advertisement."""
    body = struct.pack("!BBHI", kind, 0, 0, flags) + target + option
    total = checksum(source + to + struct.pack("!II", len(body), 58) + body)
    return (ethernet + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + to
            + body[:2] + struct.pack("!H", total) + body[4:])


def asked(target, ours=None):
    """A request for an address, and the answer to it."""
    ip, me = socket.inet_aton(target), ASKER + socket.inet_aton("198.18.0.9")
    arp = bytes.fromhex("0806 0001 0800 0604 00")
    return (b"\xff" * 6 + ASKER + arp + b"\1" + me + bytes(6) + ip,
            ours and ASKER + ours + arp + b"\2" + ours + ip + me)


def solicited(target, ours=None, option=b"\1\1" + ASKER):
    ip, me = (socket.inet_pton(socket.AF_INET6, text) for text in (target, "fd00::9"))
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + ip[13:]
    return (neighbour(b"\x33\x33" + group[12:] + ASKER, 135, 0, me, group, ip, option),
            ours and neighbour(ASKER + ours, 136, 0x60000000, ip, me, ip, b"\2\1" + ours))


@pytest.mark.parametrize("version", [4, 6])
def test_neighbours_are_answered(wire, version):
    """All that is not for jetgen is asked first, and answers come in order: there is none to it."""
    wire.start("--target", SERVER[version], "--sources", 2)
    wire.frames(1)  # traffic runs
    ours = mac(wire.client_host)
    if version == 4:
        of_others = [asked(ip)[0] for ip in ("198.18.0.3", "198.18.2.2", "198.17.255.2", SERVER[4], "0.0.0.0")]
        mine = [asked(ip, ours) for ip in ("198.18.0.2", "198.18.1.2")]
        request, *_ = mine[0]
        of_others += [request[:21] + b"\3" + request[22:], request[:41], solicited("::ffff:198.18.0.2")[0]]
    else:
        of_others = [solicited(ip)[0] for ip in ("fd00::3", "fd00:0:0:200::2", "fcff:ffff:ffff:ff00::2", SERVER[6], "::")]
        mine = [solicited("fd00::2", ours), solicited("fd00:0:0:100::2", ours), solicited("fd00::2", ours, option=b"")]
        request, *_ = mine[0]
        of_others += [request[:54] + b"\x89" + request[55:], request[:77], asked("198.18.0.2")[0]]
    for frame in of_others + [request for request, _ in mine]:
        wire.raw.send(frame)
    assert wire.frames(len(mine), lambda frame: frame[:6] == ASKER) == [answer for _, answer in mine]
    wire.interrupt()
