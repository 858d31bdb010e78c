"""Disks that are full or not to be written, files that were damaged: each program says which file and why, keeps what was good,
and goes on where there is room again."""

import contextlib
import hashlib
import json
import os
import random
import subprocess

import pytest
from host import wait_for, why_not
from jetperf import LISTENERS, Jetperf
from nonces import LINE
from plane import BUILD, SERVER
from test_tools import TOOLS, Listener, cat, jetplane, listen, random_file, run  # noqa: F401  a fixture is among them
from visitor import Visit

FULL, READ_ONLY = "No space left on device", "Read-only file system"


class Disk:
    """A small one of its own, in memory."""

    def __init__(self, path, kilobytes=64):
        path.mkdir(exist_ok=True)
        self.path = path
        self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "tmpfs")

    def _mount(self, *arguments):
        subprocess.run(["mount", *arguments, self.path], check=True)

    def fill(self):
        with contextlib.suppress(OSError), open(self.path / "ballast", "ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(512))

    def relieve(self):
        (self.path / "ballast").unlink()

    def protect(self, on=True):
        self._mount("-o", "remount," + ("ro" if on else "rw"))

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture(params=["full", "read-only"])
def bad_disk(request, disk):
    """And what programs say of it, and how it becomes a good one."""
    if request.param == "full":
        disk.fill()
        disk.says, disk.mend = FULL, disk.relieve
    else:
        disk.protect()
        disk.says, disk.mend = READ_ONLY, lambda: disk.protect(False)
    return disk


def tried(*command, **options):
    """A program that must give up at once; what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 1, done
    return done.stderr


# ---- long-term keys ----


def jetplaned(folder, *options, **keys):
    """Its command line, with a configuration of its own."""
    config = folder / "jetplaned.yaml"
    config.write_text(json.dumps({"data_plane_socket": str(folder / "dp.sock"), "control_socket": str(folder / "ctl.sock"),
                                  "identity_file": str(folder / "identity.key"), **keys}))
    return BUILD / "control/jetplaned", "--config", config, *options


def test_identity_needs_room_once(tmp_path, bad_disk):
    """Nothing half made stays; where the identity is there already, the disk may be as it is."""
    file = bad_disk.path / "identity.key"
    command = jetplaned(tmp_path, "--print-identity", identity_file=str(file))
    said = tried(*command)
    assert str(file) in said and bad_disk.says in said
    assert not list(bad_disk.path.glob("identity*"))
    bad_disk.mend()
    made = subprocess.check_output(command)
    bad_disk.protect()
    assert subprocess.check_output(command) == made


def test_identity_of_tools_needs_room_once(bad_disk):
    file = bad_disk.path / "identity.key"
    command = "jetcat", "-l", "127.0.0.1:0", "--identity", file
    said = run(*command, stdin=subprocess.DEVNULL)
    assert said.returncode == 1 and str(file) in said.stderr and bad_disk.says in said.stderr
    assert not list(bad_disk.path.glob("identity*"))
    bad_disk.mend()
    listener = Listener(*command, stdin=subprocess.DEVNULL)
    listener.process.kill()
    listener.process.communicate()
    assert file.stat().st_size == 32


def test_other_identity_is_not_believed(make_plane):
    """Bits of it turned: it is a key as good as any, but not the one that clients know."""
    plane = make_plane(listeners=LISTENERS)
    key = plane.identity().hex()
    plane.daemon.stop()
    file = plane.folder / "identity.key"
    good = file.read_bytes()
    file.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    plane.start_daemon()
    command = [TOOLS / "jetperf", "-c", SERVER[4], "--service", "--echo", "-n", "10K", "--key", key]
    with plane.client_host:
        assert "not the one expected" in tried(*command)
    plane.daemon.stop()
    file.write_bytes(good)
    plane.start_daemon()
    plane.client_host.run(*map(str, command))


# ---- sockets ----


@pytest.mark.parametrize("name", ["jetplaned", "jetplane-dp"])
def test_sockets_that_cannot_be_made(tmp_path, disk, name):
    """Neither its folder nor its name can be."""
    path = disk.path / "folder" / "socket"
    if name == "jetplaned":
        command = jetplaned(tmp_path, control_socket=str(path))
    else:
        (tmp_path / "dp.yaml").write_text(json.dumps({
            "name": f"jetplane-faults-{os.getpid()}", "control_socket": str(path), "hugepages": False, "max_sessions": 64,
            "ports": [{"device": "net_null0", "addresses": ["198.18.0.1/24"]}], "idle_sleep_us": 1000}))
        command = BUILD / "dataplane/jetplane-dp", "--config", tmp_path / "dp.yaml"
    disk.protect()
    said = tried(*command)
    assert str(path) in said and ("No such file" in said or READ_ONLY in said)
    disk.protect(False)
    path.parent.mkdir()
    disk.protect()
    said = tried(*command)
    assert str(path) in said and READ_ONLY in said
    disk.protect(False)
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE)
    try:
        wait_for(path.exists, 30, "the socket")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0 and not path.exists()


# ---- logs ----


def test_logs_on_a_full_disk(make_plane, disk):
    """Messages and session keys are lost, sessions are not; later lines of the key log are whole again."""
    plane = make_plane(listeners=LISTENERS)
    keys, log = disk.path / "keys", disk.path / "log"
    plane.daemon.stop()
    plane.daemon = plane.host.start("jetplaned", BUILD / "control/jetplaned", "--config", plane.folder / "jetplaned.yaml",
                                    "--keylog", keys, log=log)
    wait_for(plane.up, 30, "jetplaned and the data plane")
    keys.write_bytes(b"-" * (8192 - 77) + b"\n")  # the next line finds room for a part of it
    log.write_bytes(b"-" * 4090)
    disk.fill()
    for _ in range(3):
        Jetperf(plane, "echo", "-n", "100K").result()
    assert keys.stat().st_size < 8192 + 50
    disk.relieve()
    for _ in range(3):
        Jetperf(plane, "echo", "-n", "100K").result()
    whole = [line for line in keys.read_text().splitlines(True) if LINE.fullmatch(line)]
    assert len(whole) == 3, keys.read_text()[8000:]
    plane.settle()
    plane.daemon.stop()
    plane.start_daemon()  # with a log that outlives the disk


def test_whoever_read_the_messages_is_gone(make_plane):
    """Both programs go on without."""
    plane = make_plane(control=None)
    plane.dp.stop()
    read, write = os.pipe()
    config = plane.folder / "dp.yaml"
    with plane.host:
        dp = subprocess.Popen([BUILD / "dataplane/jetplane-dp", "--config", config], stderr=write)
    os.close(write)
    try:
        with open(read) as said:
            assert any(": ready: " in line for line in said)
        plane.dp.process = dp
        plane.control = {"data_plane_socket": str(plane.socket), "control_socket": str(plane.ctl_socket),
                         "identity_file": str(plane.folder / "identity.key")}
        for _ in range(2):  # it says that who controls it came and went
            plane.start_daemon()
            plane.session().close()
            plane.daemon.stop()
        assert dp.poll() is None
    finally:
        dp.terminate()
        assert dp.wait(30) == 0


# ---- files ----


def test_files_for_a_bad_disk(listen, tmp_path):  # noqa: F811
    """Both ends say what is wrong with whose disk; what came already is not asked for again."""
    if reason := why_not():
        pytest.skip(reason)
    file = random_file(tmp_path / "file", 400_000)
    with contextlib.closing(Disk(tmp_path / "disk", 1024)) as disk:
        receive = "jetcat", "-l", "127.0.0.1:0", "--receive", disk.path
        disk.fill()
        os.truncate(disk.path / "ballast", (disk.path / "ballast").stat().st_size - 150_000)
        for says, mend in (FULL, disk.relieve), (READ_ONLY, lambda: disk.protect(False)):
            listener = listen(*receive)
            sent = cat(listener, "--send", file)
            code, said = listener.end()
            assert code == 1 and f".file.jetcat-part: {says}" in said, said
            assert sent.returncode == 1 and f"the other end says: .file.jetcat-part: {says}" in sent.stderr, sent
            mend()
            disk.protect() if says == FULL else None
        have = (disk.path / ".file.jetcat-part").stat().st_size
        assert 100_000 < have < 400_000
        listener = listen(*receive)
        sent = cat(listener, "--json", "--send", file)
        assert sent.returncode == 0 and listener.end()[0] == 0
        assert json.loads(sent.stdout)["resumed_at"] == have
        assert hashlib.sha256((disk.path / "file").read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()


def test_output_to_a_full_disk(listen, disk):  # noqa: F811
    """Of what was piped, and of figures."""
    disk.fill()
    listener = listen("jetcat", "-l", "127.0.0.1:0", stdin=subprocess.DEVNULL, stdout=(disk.path / "out").open("wb"))
    cat(listener, input="x" * 100_000)
    code, said = listener.end()
    assert code == 1 and FULL in said, said
    server = listen("jetperf", "-s", "-l", "127.0.0.1:0")
    done = run("jetperf", "-c", server.address, "--key", server.key, "-n", "1000", stdout=(disk.path / "out").open("wb"))
    assert done.returncode == 1 and "cannot write the output" in done.stderr, done


# ---- what clients keep ----


def known(listener, file, *options):
    return run("jetcat", listener.address, "--trust", file, *options, stdin=subprocess.DEVNULL)


def test_known_servers_on_a_bad_disk(listen, bad_disk):  # noqa: F811
    """A key that cannot be kept is not believed, and no part of its line stays to be taken for another key."""
    listener = listen("jetperf", "-s", "-l", "127.0.0.1:0")
    bad_disk.mend()
    file = bad_disk.path / "known"
    before = "# " + "-" * 4050 + "\n"  # the next line needs one more page
    file.write_text(before)
    bad_disk.fill() if bad_disk.says == FULL else bad_disk.protect()
    client = "jetperf", "-c", listener.address, "--trust", file, "-n", "1000"
    refused = run(*client, "--learn")
    assert refused.returncode == 1 and ("cannot be written" in refused.stderr or bad_disk.says in refused.stderr), refused
    assert file.read_text() == before
    bad_disk.mend()
    assert run(*client, "--learn").returncode == 0
    assert file.read_text() == before + f"{listener.address} {listener.key}\n"
    assert run(*client).returncode == 0


DAMAGE = {
    "cut": (lambda line: line[:-9], "has no key"),
    "key_lost": (lambda line: line.split()[0], "has no key"),
    "zero_in_key": (lambda line: line.replace(" ", " \0"), "has no key"),
    "more_behind": (lambda line: line[:-1] + " and more\n", "has no key"),
    "bit": (lambda line: line[:-2] + ("0" if line[-2] != "0" else "1") + "\n", "another one is listed"),
    "zeros": (lambda line: "\0" * len(line), "is not listed"),
    "name_cut": (lambda line: line[1:], "is not listed"),
    **{f"{n}_before": (lambda line, n=n: "x" * n + line, "is not listed") for n in (510, 511, 512, 1022, 5000, 1 << 20)},
    "zero_behind_key": (lambda line: line[:-1] + "\0" + line, "has no key"),
    "empty": (lambda line: "", "is not listed"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_known_servers_damaged(listen, tmp_path, how):  # noqa: F811
    """Nothing is believed that is not there as it was; and what was damaged is not written over."""
    damage, why = DAMAGE[how]
    listener = listen("jetperf", "-s", "-l", "127.0.0.1:0")
    file = tmp_path / "known"
    line = f"{listener.address} {listener.key}\n"
    file.write_text(damage(line))
    client = "jetperf", "-c", listener.address, "--trust", file, "-n", "1000"
    refused = run(*client)
    assert refused.returncode == 1 and why in refused.stderr, refused
    if "not listed" not in why:
        assert run(*client, "--learn").returncode == 1 and file.read_text() == damage(line)
    file.write_text(line)
    assert run(*client).returncode == 0


def test_resumptions_damaged(make_plane, tmp_path):
    """Whatever became of the file: an error that says so, or a full handshake; the messages come back once."""
    rng = random.Random(1)
    plane = make_plane(listeners=LISTENERS)
    file, server, key = tmp_path / "kept", f"{SERVER[4]}:4500", plane.identity().hex()

    def visit():
        one = Visit(file)
        one.run(server, key)
        return len(one.got)

    with plane.client_host:
        assert visit() == 40
        good = file.read_bytes()
        for i in range(24):
            bad = bytearray(good)
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            file.write_bytes(bad if i % 4 else bad[:rng.randrange(len(bad))] or b"?")
            try:
                assert visit() == 40
            except jetplane.Error as error:
                assert error.name == "JP_INVALID" and "not the bytes of a resumption" in str(error)
        file.unlink()
        assert visit() == 40
