"""What the programs gave up once all is open, seen from outside: users, capabilities, system calls; what an unprivileged
user of the machine can reach of them; and what the key log lets its owner read, and nobody without it."""

import contextlib
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import time

import jetwire as w
import pytest
from host import Host, wait_for, why_not
from plane import BUILD, sanitized
from test_kernel_client import need_xdp

NOBODY, STRANGER = 65534, 1  # nobody and daemon, of every Debian
PAGE = 4096
MARK = b"a message that only the key log's owner may read"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
TOOLS = BUILD / "client/tools"


def status(pid):
    """Of every thread."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


def check(pid, uid=0, kept=0):
    for thread in status(pid):
        assert {name: int(thread[name], 16) for name in CAPABILITIES} == {
            name: kept if name in ("CapPrm", "CapEff", "CapBnd") else 0 for name in CAPABILITIES}, thread["Name"]
        assert thread["Uid"].split() == thread["Gid"].split() == [str(uid)] * 4, thread["Name"]
        assert uid == 0 or thread["Groups"].split() == [], thread["Name"]
        assert thread["NoNewPrivs"] == "1" and thread["Seccomp"] == "2", thread["Name"]
    core = next(line for line in open(f"/proc/{pid}/limits") if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def as_user(uid, code, *arguments):
    """What the Python code prints when this user runs it, without any group."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], user=uid, group=uid, extra_groups=[],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OPEN = """
import json, socket, sys
def how(f, *args):
    try:
        f(*args)
        return "open"
    except OSError as error:
        return type(error).__name__
kinds = {"stream": socket.SOCK_STREAM, "packets": socket.SOCK_SEQPACKET}
found = {}
for what in sys.argv[1:]:
    kind, path = what.split(":", 1)
    if kind in kinds:
        found[path] = how(socket.socket(socket.AF_UNIX, kinds[kind]).connect, path)
    else:
        found[path] = how(open, path, "r+b" if path.endswith("/mem") else "rb")
print(json.dumps(found))
"""


@pytest.fixture(params=[None, "nobody"], ids=["stays", "becomes"])
def user(request):
    return request.param


@pytest.fixture
def plane(make_plane, user):
    """Who starts it is of some groups."""
    keys, groups = {"user": user} if user else {}, os.getgroups()
    os.setgroups([0, STRANGER])
    yield make_plane(control=keys, **keys)
    os.setgroups(groups)


def echo(plane, count):
    assert plane.run_client("--messages", count)["echoed"] == count


def test_what_is_left(plane, user):
    """Also of who connects anew, or starts anew, as that user; sessions and books are as ever."""
    uid = NOBODY if user else 0
    for program in plane.dp, plane.daemon:
        check(program.pid, uid)
    assert len(list(status(plane.dp.pid))) >= 2  # the workers, too
    echo(plane, 50)
    plane.daemon.kill()
    plane.start_daemon()
    echo(plane, 50)
    check(plane.daemon.pid, uid)
    plane.settle()
    plane.dp.stop()
    plane.start_dp()
    wait_for(plane.up, 30, "jetplaned and the new data plane")
    echo(plane, 50)


def test_af_xdp_keeps_what_its_end_takes(make_plane):
    need_xdp()
    plane = make_plane(device="af_xdp")
    check(plane.dp.pid, kept=1 << 12 | 1 << 39)  # CAP_NET_ADMIN, CAP_BPF
    echo(plane, 20)
    assert "xdp" in plane.host.ip("link", "show", "eth0")
    plane.dp.stop()
    assert "xdp" not in plane.host.ip("link", "show", "eth0")  # its program is off the interface


def test_strangers_reach_nothing(plane, user):
    """The folder is open to all, so that it is the files' own modes that count."""
    plane.folder.chmod(0o755)
    sockets = [f"packets:{plane.socket}", f"stream:{plane.ctl_socket}"]
    secrets = [f"file:{plane.folder}/identity.key"] + [
        f"file:/proc/{program.pid}/{name}" for program in (plane.dp, plane.daemon) for name in ("mem", "environ", "maps")]
    found = as_user(STRANGER, OPEN, *sockets, *secrets)
    assert set(found.values()) == {"PermissionError"}, found
    same = as_user(NOBODY, OPEN, *secrets)  # the user of the processes, perhaps
    assert set(same.values()) == {"PermissionError"}, same
    reached = as_user(NOBODY, OPEN, *sockets[1:])
    assert set(reached.values()) == {"open" if user else "PermissionError"}, reached


def holders(pid, secret):
    """The mappings that the process may read and that have it. What cannot be read, as some device's, is left out."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, modes, *_ = line.split()
            at, end = (int(word, 16) for word in span.split("-"))
            last = b""
            while modes[0] == "r" and at < min(end, 1 << 63):
                memory.seek(at)
                try:
                    part = memory.read(min(1 << 24, end - at))
                except OSError:
                    part = b""
                if secret in last + part:
                    yield span
                    break
                at, last = at + (len(part) or PAGE), part[-len(secret):]


def holds(pid, secret):
    return any(holders(pid, secret))


def flags(pid):
    """Of each mapping: VmFlags of proc(5)."""
    span, found = None, {}
    for line in open(f"/proc/{pid}/smaps"):
        first, *rest = line.split()
        if "-" in first:
            span = first
        elif first == "VmFlags:":
            found[span] = rest
    return found


def test_session_keys_are_locked(plane):
    """Wherever jetplane-dp has them."""
    if sanitized(BUILD / "dataplane/jetplane-dp"):
        pytest.skip("of a sanitizer's memory there is no end")
    session = plane.session()
    session.send(w.stream_frame(1, session.next_sequence(1), MARK))
    session.collect(1, 10)
    locked_or_huge = [span for span, of in flags(plane.dp.pid).items() if {"lo", "ht"} & set(of)]
    for keys in session.tx, session.rx:
        found = list(holders(plane.dp.pid, keys.material(0)[:32]))
        assert found and not set(found) - set(locked_or_huge), found


def test_identity_is_in_one_process(plane):
    """Not in that which parses strangers' packets."""
    if sanitized(BUILD / "dataplane/jetplane-dp"):
        pytest.skip("of a sanitizer's memory there is no end")
    echo(plane, 20)
    identity = (plane.folder / "identity.key").read_bytes()
    assert len(identity) == 32 and holds(plane.daemon.pid, identity) and not holds(plane.dp.pid, identity)
    assert holds(plane.dp.pid, bytes(plane.socket))  # what is there is found


def test_sockets_modes(plane, user):
    uid = NOBODY if user else 0
    for path, owner in (plane.socket, uid), (plane.ctl_socket, 0):
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o660, owner, uid)
    identity = (plane.folder / "identity.key").stat()
    assert (stat.S_IMODE(identity.st_mode), identity.st_uid) == (0o600, 0)


def locks_all(uid):
    """Whether this user may lock whatever there will be. Root may not everywhere."""
    return subprocess.run(["prlimit", "--memlock=unlimited", "true"], user=uid, group=uid, extra_groups=[],
                          stderr=subprocess.DEVNULL).returncode == 0


def unlocked(pid):
    """The mappings that the process alone may write, and that may be swapped."""
    found = flags(pid)
    return [line.split()[0] for line in open(f"/proc/{pid}/maps")
            if line.split()[1] == "rw-p" and not {"lo", "ht"} & set(found[line.split()[0]])]


def stack(pid):
    return {line.split()[0] for line in open(f"/proc/{pid}/maps") if line.endswith("[stack]\n")}


def start(uid, *command):
    return subprocess.Popen(list(map(str, command)), user=uid, group=uid, extra_groups=[], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


@contextlib.contextmanager
def jetplaned(uid, folder):
    (folder / "config").write_text(json.dumps({
        "data_plane_socket": str(folder / "none"), "control_socket": str(folder / "socket"),
        "identity_file": str(folder / "identity.key")}))
    with ended(start(uid, BUILD / "control/jetplaned", "--config", folder / "config")) as process:
        next(line for line in process.stderr if "control socket" in line)
        wait_for(lambda: next(status(process.pid))["Seccomp"] == "2", 10, "its filter")
        yield process


SERVERS = {
    "jetcat -l": ("jetcat", "--identity", "{}", "-l"),
    "jetcat --receive": ("jetcat", "--identity", "{}", "--receive", "/tmp", "-l"),
    "jetperf -s": ("jetperf", "--identity", "{}", "-s", "-l"),
}
CLIENTS = {"jetcat": ("jetcat -l", "jetcat"), "jetperf -c": ("jetperf -s", "jetperf", "-t", "60", "-i", "0.1", "-c")}


@contextlib.contextmanager
def server(uid, name, folder):
    tool, *options = SERVERS[name]
    options = [option.format(folder / "identity.key") for option in options]
    with ended(start(uid, TOOLS / tool, *options, "127.0.0.1:0")) as process:
        (*_, address), (_, key) = (next(process.stderr).split() for _ in range(2))
        yield process, address, key


@contextlib.contextmanager
def client(uid, name, folder):
    """With a session."""
    peer, tool, *options = CLIENTS[name]
    with server(0, peer, folder) as (listener, address, key), \
            ended(start(uid, TOOLS / tool, *options, address, "--key", key)) as process:
        process.stdin.write("a line\n")
        process.stdin.flush()
        assert next(listener.stdout if name == "jetcat" else process.stdout)
        yield process


def open_to_all(folder):
    for path in folder, folder.parent, folder.parent.parent:
        path.chmod(0o777)


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("name", ["jetplaned", *SERVERS])
def test_locked_memory(tmp_path, name, uid):
    """All of it where the limit may be infinite, and where it is small what is worth most. The identity is nowhere else but
    perhaps on the stack, where libc saves registers when it binds a library's function at its first call."""
    if reason := why_not():
        pytest.skip(reason)
    if sanitized(BUILD / "control/jetplaned"):
        pytest.skip("sanitizers do not lock memory")
    open_to_all(tmp_path)
    with jetplaned(uid, tmp_path) if name == "jetplaned" else server(uid, name, tmp_path) as got:
        pid = (got if name == "jetplaned" else got[0]).pid
        found, swapped = set(holders(pid, (tmp_path / "identity.key").read_bytes())), unlocked(pid)
        assert found - stack(pid) and not found & set(swapped) - stack(pid), found
        assert not swapped or not locks_all(uid), swapped


@pytest.mark.parametrize("name", CLIENTS)
def test_locked_memory_of_clients(tmp_path, name):
    if reason := why_not():
        pytest.skip(reason)
    if sanitized(BUILD / "control/jetplaned"):
        pytest.skip("sanitizers do not lock memory")
    if not locks_all(0):
        pytest.skip("root may not lock all of its memory here")
    with client(0, name, tmp_path) as process:
        assert not unlocked(process.pid)


@pytest.mark.parametrize("name", SERVERS)
def test_servers_give_up(tmp_path, name):
    """They keep what opens low ports; as what they run, no program starts another."""
    if reason := why_not():
        pytest.skip(reason)
    with server(0, name, tmp_path) as (process, *_):
        check(process.pid, kept=1 << 10)  # CAP_NET_BIND_SERVICE


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_give_up(tmp_path, name):
    if reason := why_not():
        pytest.skip(reason)
    with client(0, name, tmp_path) as process:
        check(process.pid)


# ---- the key log ----

def lines_of(path):
    """As docs/protocol.md says."""
    for line in path.read_text().splitlines():
        found = re.fullmatch(r"JETPLANE1 ([0-9a-f]{64}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([12]) ([0-9a-f]{64}) ([0-9a-f]{64})",
                             line)
        assert found, line
        random, client, server, suite, c2s, s2c = found.groups()
        yield {"random": bytes.fromhex(random), "client": int(client, 16), "server": int(server, 16),
               "suite": int(suite), "c2s": bytes.fromhex(c2s), "s2c": bytes.fromhex(s2c)}


def payloads(raw):
    """UDP payloads over IPv4 among the frames that were captured, in order."""
    found = []
    while True:
        try:
            frame = raw.recv(65535)
        except BlockingIOError:
            return found
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            udp = 14 + 4 * (frame[14] & 15)
            found.append(frame[udp + 8:udp + int.from_bytes(frame[udp + 4:udp + 6], "big")])


def read_capture(packets, line):
    """The clear text of the session's packets, by way; the ClientHello's random is that of the line."""
    hellos = [packet for packet in packets if packet[:5] == b"\0\0\0\0\1"]
    assert any(hello[12:44] == line["random"] for hello in hellos)
    texts = {}
    for way, spi in ("c2s", line["server"]), ("s2c", line["client"]):
        keys = w.Keys(line["suite"], line[way])
        texts[way] = [keys.open(packet)[1] for packet in packets if packet[:4] == spi.to_bytes(4, "big")]
        assert texts[way], way
    return texts


def start_with_keylog(plane, path):
    plane.daemon.stop()
    plane.daemon = plane.host.start("jetplaned", plane.build / "control/jetplaned", "--config",
                                    plane.folder / "jetplaned.yaml", "--keylog", path, log=plane._log("jetplaned"))
    wait_for(plane.up, 30, "jetplaned and the data plane")


@pytest.mark.parametrize("suite", [w.AES256_GCM, w.CHACHA20_POLY1305])
def test_keylog_reads_a_capture(plane, suite):
    path = plane.folder / "keylog"
    start_with_keylog(plane, path)
    assert "can read every session" in plane.daemon.text()
    with plane.client_host.raw_socket() as raw:
        session = plane.session(suites=(suite,))
        session.send(w.stream_frame(1, session.next_sequence(1), MARK))
        session.collect(1, 10)
        session.close()
        packets = payloads(raw)
    (line,) = lines_of(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and line["suite"] == suite
    texts = read_capture(packets, line)
    assert any(MARK in text for text in texts["c2s"]) and any(MARK in text for text in texts["s2c"])
    assert not any(MARK in packet for packet in packets)


def test_nothing_shows_keys(plane):
    """Neither jetctl nor the log, at its loudest, has a secret or key of a session; epochs are there."""
    path = plane.folder / "keylog"
    start_with_keylog(plane, path)
    session = plane.session()
    session.send(w.stream_frame(1, session.next_sequence(1), MARK))
    session.collect(1, 10)
    (line,) = lines_of(path)
    shown = [plane.jetctl(*command) for command in (
        ["status"], ["stats"], ["stats", "--lcore", 0], ["drops"], ["sessions", "--limit", 0],
        ["session", line["server"]], ["ports"], ["version"])]
    found = plane.jetctl("session", line["server"])
    assert "rx_epoch" in json.dumps(found) and "tx_epoch" in json.dumps(found)
    said = (json.dumps(shown) + plane.daemon.text() + plane.dp.text()).lower()
    identity = (plane.folder / "identity.key").read_bytes()
    for secret in line["c2s"], line["s2c"], identity, *(
            part for way in ("c2s", "s2c") for part in (w.derive(line[way], "key", b"", 36)[:32],
                                                        w.derive(line[way], "epoch", b"", 32))):
        for at in range(0, 32, 8):
            assert secret[at:at + 8].hex() not in said
    session.close()


def test_no_keylog_unless_asked(plane):
    """Nor anything like one in what is written anyway."""
    echo(plane, 10)
    assert {path.name for path in plane.folder.iterdir() if path.is_file()} <= {
        "dp.yaml", "jetplaned.yaml", "identity.key", "dp-0.log", "jetplaned-0.log"}
    assert "JETPLANE1" not in plane.daemon.text() + plane.dp.text()


REFUSED = {
    "link": (lambda path: path.symlink_to("elsewhere"), "is a link"),
    "readable": (lambda path: path.write_text("") or path.chmod(0o640), "others may open it"),
    "another's": (lambda path: path.write_text("") or path.chmod(0o600) or os.chown(path, NOBODY, 0),
                  "others may open it|Permission denied"),  # root's tools cannot even open it any more
    "two names": (lambda path: path.write_text("") or path.chmod(0o600) or os.link(path, f"{path}2"),
                  "has other names"),
    "pipe": (lambda path: os.mkfifo(path, 0o600), "not a regular file"),
    "device": (lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)), "not a regular file"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
}


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("name", ["jetplaned", "jetcat", "jetperf"])
def test_keylog_refused(tmp_path, name, how):
    if reason := why_not():
        pytest.skip(reason)
    path = tmp_path / "keylog"
    make, why = REFUSED[how]
    make(path)
    (tmp_path / "config").write_text(json.dumps({
        "data_plane_socket": str(tmp_path / "none"), "control_socket": str(tmp_path / "socket"),
        "identity_file": str(tmp_path / "identity.key")}))
    command = {
        "jetplaned": [BUILD / "control/jetplaned", "--config", tmp_path / "config"],
        "jetcat": [TOOLS / "jetcat", "-l", "127.0.0.1:0"], "jetperf": [TOOLS / "jetperf", "-s", "-l", "127.0.0.1:0"],
    }[name]
    done = subprocess.run([*command, "--keylog", path], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and re.search(why, done.stderr), done
    assert not (tmp_path / "elsewhere").exists()


def test_keylog_of_both_tools(tmp_path):
    """Over the loopback of a host of its own: both ends write the same line, and it reads the capture."""
    if reason := why_not():
        pytest.skip(reason)
    host = Host()
    host.run("ethtool", "-K", "lo", "tx-udp-segmentation", "off")  # a packet a frame
    logs = {name: tmp_path / name for name in ("listener", "client")}
    with host, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as raw:
        raw.bind(("lo", 3))
        raw.setblocking(False)
        listener = subprocess.Popen([TOOLS / "jetcat", "-l", "127.0.0.1:0", "--keylog", logs["listener"]],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = [listener.stderr.readline().decode().split() for _ in range(3)]
        assert said[0][1:3] == ["key", "log"]
        address, key = said[1][2], said[2][1]
        done = subprocess.run([TOOLS / "jetcat", address, "--key", key, "--keylog", logs["client"]], input=MARK,
                              capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert listener.communicate(timeout=30)[0] == MARK
        time.sleep(0.1)
        packets = payloads(raw)
    host.close()
    assert logs["listener"].read_text() == logs["client"].read_text()
    (line,) = lines_of(logs["client"])
    assert any(MARK in text for text in read_capture(packets, line)["c2s"])


def test_unknown_users(tmp_path):
    for program, config in (
        ("control/jetplaned", {"user": "no such user"}), ("control/jetplaned", {"user": "root", "group": "no such"}),
        ("control/jetplaned", {"group": "root"}), ("dataplane/jetplane-dp", {"user": "no such user"}),
        ("dataplane/jetplane-dp", {"group": "root"}),
    ):
        path = tmp_path / "config"
        ports = {"ports": [{"device": "net_null0", "addresses": ["198.18.0.1/24"]}]} if "dp" in program else {}
        path.write_text(json.dumps({**config, **ports}))
        done = subprocess.run([BUILD / program, "--config", path, "--check"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and f"{path}:1: " in done.stderr, done
        assert "is named" in done.stderr or "wants a user" in done.stderr, done
