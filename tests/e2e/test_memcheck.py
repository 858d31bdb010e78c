"""The client's tools under valgrind: no bytes that were never written decide anything, none beyond or after their
memory are touched, and none are lost."""

import os
import shutil
import subprocess

import pytest
from plane import BUILD
from test_tools import CLIENT, Listener, random_file

TOOLS = CLIENT / "tools"
WAIT = 120  # seconds: everything is some thirty times slower
FOUND = 99

VALGRIND = shutil.which("valgrind")
if not VALGRIND:
    pytest.skip("valgrind is not installed", allow_module_level=True)


def checked(log, *command):
    """The command under valgrind, which writes to that file."""
    return [VALGRIND, f"--log-file={log}", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            f"--error-exitcode={FOUND}", *map(str, command)]


def environment():
    return dict(os.environ, LD_PRELOAD=str(BUILD / "tests/tools/libunfiltered.so"))


def run(log, *command, expect=0, **options):
    done = subprocess.run(checked(log, *command), timeout=WAIT, text=True, env=environment(), stderr=subprocess.PIPE,
                          **{"stdout": subprocess.PIPE} | options)
    assert done.returncode == expect, f"{done}\n{log.read_text()}"
    return done.stdout


@pytest.fixture
def listen(tmp_path):
    """A factory of listeners under valgrind."""
    started = []

    def start(*command, **options):
        log = tmp_path / f"listener-{len(started)}.log"
        started.append(Listener(*checked(log, TOOLS / command[0], *command[1:]), env=environment(), **options))
        started[-1].log = log
        return started[-1]

    yield start
    for listener in started:
        listener.process.kill()
        listener.process.communicate()


def ended(listener, expect=0):
    said = listener.process.communicate(timeout=WAIT)[1]
    assert listener.process.returncode == expect, f"{said}\n{listener.log.read_text()}"


def test_jetcat(listen, tmp_path):
    file = random_file(tmp_path / "file", 300_000)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", inbox)
    run(tmp_path / "log", TOOLS / "jetcat", listener.address, "--key", listener.key, "--send", file)
    ended(listener)
    assert (inbox / "file").read_bytes() == file.read_bytes()


def test_jetcat_pipe(listen, tmp_path):
    file = random_file(tmp_path / "file", 100_000)
    with file.open("rb") as source, (tmp_path / "copy").open("wb") as sink:
        listener = listen("jetcat", "-l", "127.0.0.1:0", stdin=subprocess.DEVNULL, stdout=sink)
        run(tmp_path / "log", TOOLS / "jetcat", listener.address, "--key", listener.key, stdin=source)
    ended(listener)
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_jetperf(listen, tmp_path):
    listener = listen("jetperf", "-s", "-l", "127.0.0.1:0")
    client = [TOOLS / "jetperf", "-c", listener.address, "--key", listener.key, "--json"]
    run(tmp_path / "log", *client, "--bidir", "-P", 3, "-n", "200K")
    run(tmp_path / "log", *client, "--echo", "-n", "50K")
    listener.process.terminate()
    ended(listener)


def test_jetctl(make_plane, tmp_path):
    plane = make_plane()
    session = plane.session()
    (spi,) = (one["spi"] for one in plane.sessions())
    jetctl = [BUILD / "control/ctl/jetctl", "--socket", plane.ctl_socket]
    for command in ["status"], ["stats"], ["drops"], ["sessions"], ["session", spi], ["ports"], ["--json", "sessions"]:
        assert run(tmp_path / "log", *jetctl, *command)
    run(tmp_path / "log", *jetctl, "session", "1", expect=3)
    session.close()
