"""jetperf and jetcat with real processes over loopback."""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from jetperf import PLAN
from plane import BUILD

CLIENT = BUILD / "client"
TOOLS = CLIENT / "tools"
WAIT = 20  # seconds, for anything

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "client/python"))
import jetplane  # noqa: E402


class Listener:
    """A tool that waits for sessions, on a port of its own choice."""

    def __init__(self, *command, **options):
        command = [TOOLS / command[0], *command[1:]]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
        lines = [self.process.stderr.readline().split() for _ in range(2)]
        assert lines[0][:2] == ["listening", "on"] and lines[1][0] == "key", lines
        self.address, self.key = lines[0][2], lines[1][1]

    def end(self):
        """Wait for its own end; returns its exit code and what it said."""
        said = self.process.communicate(timeout=WAIT)[1]
        return self.process.returncode, said


def run(*command, **options):
    return subprocess.run([TOOLS / command[0], *command[1:]], timeout=WAIT, text=True, stderr=subprocess.PIPE,
                          **{"stdout": subprocess.PIPE} | options)


@pytest.fixture
def listen():
    started = []

    def start(*command, **options):
        started.append(Listener(*command, **options))
        return started[-1]

    yield start
    for listener in started:
        listener.process.kill()
        listener.process.communicate()


def client_of(listener, *arguments):
    return run("jetperf", "-c", listener.address, "--key", listener.key, *arguments)


def measured(listener, *arguments):
    """The last object of a test that went well."""
    result = client_of(listener, "--json", *arguments)
    assert result.returncode == 0, result
    return json.loads(result.stdout.splitlines()[-1])


# ---- jetperf ----

@pytest.fixture
def perf(listen):
    return listen("jetperf", "-s", "-l", "127.0.0.1:0")


def test_up_and_down(perf):
    size = 20 << 20
    up = measured(perf, "-n", str(size))
    assert up["intact"] and up["local"]["sent"] == up["peer"]["received"] == size
    assert up["local"]["sent_bits_per_second"] > 0 and up["local"]["path"]["rtt_us"] > 0
    down = measured(perf, "-R", "-n", str(size))
    assert down["peer"]["sent"] == down["local"]["received"] == size and down["local"]["sent"] == 0
    both = measured(perf, "--bidir", "-n", str(size))
    assert both["local"]["sent"] == both["local"]["received"] == size


def test_for_a_time_with_intervals(perf):
    result = measured(perf, "-t", "0.7", "-i", "0.2", "--size", "1000")
    assert len(result["intervals"]) >= 3
    assert 0.6 < result["local"]["seconds"] < WAIT
    assert sum(part["acknowledged"] for part in result["intervals"]) <= result["local"]["sent"]


def test_at_a_rate(perf):
    for way in [], ["--echo"]:
        result = measured(perf, "-t", "1", "--rate", "200", "--size", "1000", "-P", "3", *way)
        assert 0 < result["local"]["sent"] <= 1000 * (200 * result["local"]["seconds"] + 1)


def test_hundred_streams(perf):
    result = measured(perf, "--bidir", "-P", "100", "-n", "10M", "--size", "4000")
    sent = -(-(10 << 20) // 4000) * 4000
    assert result["local"]["received"] == result["peer"]["received"] == sent


def test_echoes(perf):
    result = measured(perf, "--echo", "-P", "3", "-n", "1M")
    local = result["local"]
    assert local["received"] == local["sent"] >= 1 << 20 and local["missing"] == 0
    assert 0 < local["echo_rtt_us"]["min"] <= local["echo_rtt_us"]["mean"] <= local["echo_rtt_us"]["max"]


@pytest.mark.parametrize("how", [
    ["--unordered", "--priority", "bulk"],
    ["--reliability", "best-effort", "--protection", "latency"],
    ["--reliability", "3", "--ttl", "5", "--congestion", "bbr"],
    ["--protection", "efficient", "--congestion", "newreno"],
])
def test_ways_to_send(perf, how):
    assert measured(perf, "-n", "2M", "--size", "3000", *how)["intact"]


class Service:
    """What a data plane's services do, and what they should not."""

    def __init__(self, serve, **settings):
        self.identity = jetplane.Identity()
        self.server = jetplane.Server(["127.0.0.1:0"], identity=self.identity, **settings)
        self.thread = threading.Thread(target=self.run, args=(serve,))
        self.thread.start()

    def run(self, serve):
        with self.server.accept(timeout=WAIT) as socket:
            try:
                serve(socket)
            except jetplane.Error as error:
                assert error.name in ("JP_RECEIVE_CLOSED", "JP_SEND_CLOSED"), error

    def client(self, *arguments):
        result = run("jetperf", "-c", self.server.address(), "--key", self.identity.key, *arguments)
        self.thread.join()
        self.server.close()
        return result

    def measure(self, *arguments):
        result = self.client("--json", "--service", *arguments)
        return result.returncode, json.loads(result.stdout.splitlines()[-1])


def discard(socket):
    while True:
        socket.read()


def source(damage=lambda n, message: message):
    def serve(socket):
        stream = socket.read().stream
        for n in range(1 << 20):
            socket.write(stream, damage(n, bytes((n + i) % 256 for i in range(1000))))
    return serve


def echo(damage=lambda n, message: message):
    def serve(socket):
        for n in range(1 << 20):
            received = socket.read()
            if not received.end:
                socket.write(received.stream, damage(n, received.data))
    return serve


def damaged(n, message):
    return message[:500] + b"?" + message[501:] if n == 50 else message


class Planner:
    """A client that asks for any test."""

    def __init__(self, perf, **settings):
        self.socket = jetplane.Socket(trust=jetplane.Trust.pin(perf.key), **settings).connect(perf.address)
        self.socket.open(1)

    def ask(self, **plan):
        self.socket.write(1, json.dumps(PLAN | plan).encode())
        return json.loads(self.socket.read(1, WAIT).data)


@pytest.mark.parametrize("plan, why", [
    ({"jetperf": 2}, "plans of version 2 are not known here, but 1 is"),
    ({"streams": 0}, "streams is missing or out of range"),
    ({"size": 1 << 24 | 1}, "size is missing or out of range"),
    ({"up": False}, "neither end is to send"),
    ({"up": False, "echo": True, "size": 15}, "echoes have at least 16 bytes"),
    ({"up": False, "down": True, "echo": True, "size": 4}, "echoes go both ways already"),
    ({"up": False, "echo": True, "size": 1 << 20, "streams": 129},
     "echoes of all streams together have at most 128 MiB"),
    ({"ttl": 1000, "size": 7}, "messages with a ttl have at least 8 bytes"),
    ({"time": 0}, "neither time nor bytes"),
])
def test_plans_that_are_refused(perf, plan, why):
    planner = Planner(perf)
    assert planner.ask(**plan) == {"error": why}
    planner.socket.close()
    assert measured(perf, "-n", "1000")["intact"]  # it still serves


def test_tests_at_once_share_what_they_send_and_have_a_limit(perf):
    def resident():
        status = pathlib.Path(f"/proc/{perf.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    planners = [Planner(perf)]
    assert planners[0].ask(up=False, down=True, size=1 << 24) == {"ready": True}
    before = resident()
    for _ in range(63):
        planners.append(Planner(perf))
        assert planners[-1].ask(size=1 << 24) == {"ready": True}
    assert resident() - before < 32 << 20
    refused = Planner(perf)
    assert refused.ask() == {"error": "64 tests are under way, and no more at once"}
    for planner in [refused, *planners]:
        planner.socket.close()
    assert measured(perf, "-n", "1000")["intact"]


def test_a_server_that_goes_on_does_not_end_with_a_test(perf):
    planner = Planner(perf)
    assert planner.ask() == {"ready": True}
    planner.socket.end(300, "gone")
    assert "test from" in perf.process.stderr.readline() and "a test broke" in perf.process.stderr.readline()
    perf.process.terminate()
    assert perf.end()[0] == 0


def test_echoes_wait_for_slow_readers(perf):
    """Whoever sends and does not read fills what the server may send: it holds an echo, takes no more, and goes on."""
    planner = Planner(perf, stream_window=1 << 18, stream_window_max=1 << 18, send_buffer=1 << 20)
    assert planner.ask(up=False, echo=True, size=200_000) == {"ready": True}
    rng, stream, messages = random.Random(1), planner.socket.open(), []
    with pytest.raises(jetplane.WouldBlock):
        while True:
            messages.append(rng.randbytes(200_000))
            planner.socket.write(stream, messages[-1], timeout=1)
    for n, message in enumerate(messages):
        if n == len(messages) // 2:  # there is room again for the last
            planner.socket.write(stream, messages[-1], timeout=WAIT)
        received = planner.socket.read(stream, timeout=WAIT)
        assert (received.sequence, received.data) == (n, message)
    planner.socket.close()


def test_services():
    code, result = Service(discard).measure("-n", "5M", "-P", "3")
    assert code == 0 and result["local"]["sent"] == 5 << 20
    code, result = Service(source()).measure("-R", "-n", "300K")
    assert code == 0 and result["local"]["received"] >= 300 << 10 and result["local"]["wrong"] == 0
    code, result = Service(echo()).measure("--echo", "-n", "300K", "-P", "2")
    assert code == 0 and result["local"]["echo_rtt_us"]["min"] > 0


BEST_EFFORT = ["--reliability", "best-effort"]


@pytest.mark.parametrize("serve, options", [
    (source, ["-R", "-t", "1", *BEST_EFFORT]), (echo, ["--echo", "-n", "300K", *BEST_EFFORT]), (echo, ["--echo", "-n", "300K"]),
])
def test_damage_is_noticed(serve, options):
    code, result = Service(serve(damaged)).measure(*options)
    assert code == 3 and not result["intact"] and result["local"]["wrong"] == 1, result


def test_damage_is_told_by_tests_that_break():
    def serve(socket):
        stream = socket.read().stream
        for n in range(20000):  # far more than is under way at a time
            socket.write(stream, damaged(n, bytes((n + i) % 256 for i in range(1000))))
        socket.end(300, "enough")

    code, result = Service(serve).measure("-R", "-t", "10")
    assert code == 3 and "1 messages came damaged" in result["error"], result


@pytest.mark.parametrize("options", [[], ["--echo"]])
def test_messages_the_peer_does_not_take(options):
    small = Service(discard, message_max=16384)
    code, result = small.measure("-n", "1M", "--size", "100K", *options)
    assert code == 1 and "102400 bytes are more than the peer" in result["error"], result


def test_expired_messages_are_no_damage(perf):
    """Far more than the path takes of messages that live a millisecond: most expire before they leave."""
    result = measured(perf, "-n", "64M", "--size", "1000", "--ttl", "0.001", "-P", "4")
    assert result["local"]["given_up"] > 0 and result["peer"]["wrong"] == 0
    assert result["peer"]["missing"] <= result["local"]["given_up"]


def test_people_get_a_table(perf):
    result = client_of(perf, "-t", "0.3", "-i", "0.1")
    assert result.returncode == 0
    assert "goodput" in result.stdout and "bit/s" in result.stdout
    assert result.stdout.count("rtt") >= 2


def test_wrong_key_is_refused(perf):
    result = run("jetperf", "-c", perf.address, "--key", "00" * 32, "--json")
    assert result.returncode == 1
    assert "not trusted" in json.loads(result.stdout)["error"]


def test_trust_is_learned(perf, tmp_path):
    known = tmp_path / "known"
    strict = run("jetperf", "-c", perf.address, "--trust", known, "-n", "1")
    assert strict.returncode == 1 and "not trusted" in strict.stderr
    assert run("jetperf", "-c", perf.address, "--trust", known, "--learn", "-n", "1").returncode == 0
    assert perf.key in known.read_text()
    assert run("jetperf", "-c", perf.address, "--trust", known, "-n", "1").returncode == 0


@pytest.mark.parametrize("arguments", [
    [], ["-c", "127.0.0.1"], ["-s", "-c", "127.0.0.1"], ["-s", "--size", "17M"], ["-s", "-P", "0"],
    ["-s", "--priority", "low"], ["-s", "-t", "1", "-n", "1"], ["-s", "--echo", "-R"], ["-s", "--echo", "--size", "15"],
    ["-s", "--ttl", "1", "--size", "7"], ["-s", "-R", "--rate", "5"], ["-s", "--nonsense"], ["-s", "x"],
])
def test_wrong_usage(arguments):
    result = run("jetperf", *arguments)
    assert result.returncode == 2 and "--help" in result.stderr and result.stdout == ""
    told = run("jetperf", "--json", *arguments)
    assert told.returncode == 2 and json.loads(told.stdout)["error"] and told.stderr == ""


KEY = ["--key", "00" * 32]
NINE = [f"127.0.0.1:{port}" for port in range(1, 10)]


@pytest.mark.parametrize("command, said", [
    (["jetcat"], "either a server to connect to, or be one"),
    (["jetcat", "-l", *KEY], "--key and --trust are for clients"),
    (["jetcat", "-l", "--trust", "known"], "--key and --trust are for clients"),
    (["jetcat", "::1", *KEY, "--identity", "key"], "--identity is for servers"),
    (["jetcat", "::1"], "one of --key and --trust says which server to believe"),
    (["jetcat", "::1", *KEY, "--trust", "known"], "one of --key and --trust says which server to believe"),
    (["jetcat", "::1", *KEY, "--learn"], "--learn wants --trust"),
    (["jetcat", "::1", "--key", "1234"], '--key: jp_key_parse: "1234" is not 64 hexadecimal digits'),
    (["jetcat", "-l", *NINE], "more than 8 addresses"),
    (["jetcat", "-l", "localhost"], 'jp_address_parse: "localhost" is not an IP address'),
    (["jetcat", "-l", "--bind", "::1"], "--bind is for clients"),
    (["jetcat", "::1", *KEY, "elsewhere"], "unexpected argument 'elsewhere'"),
    (["jetcat", "-l", "--send", "file", "--receive", "."], "either --send or --receive"),
    (["jetcat", "-l", "--timeout", "0.4"], "--timeout: '0.4' is not a number of seconds from 0.5 to 86400"),
    (["jetcat", "-l", "--timeout", "1s"], "--timeout: '1s' is not a number of seconds from 0.5 to 86400"),
    (["jetcat", "-l", "--identity"], "--identity needs a value"),
    (["jetcat", "-lw"], "-lw needs a value"),
    (["jetcat", "-l", "--nonsense"], "unknown option: --nonsense"),
    (["jetperf", "-s", *(word for at in NINE for word in ("-l", at))], "more than 8 addresses"),
    (["jetperf", "-c", "::1", *KEY, "--bind", "::1", "--bind", "::1"], "more than one address to send from"),
    (["jetperf", "-s", "--interval"], "--interval needs a value"),
    (["jetperf", "-s", "-P", "1001"], "--streams: '1001' is not a number from 1 to 1000"),
    (["jetperf", "-s", "-n", "1T"], "--bytes: '1T' is not a number from 1 to 9223372036854775807"),
    (["jetperf", "-s", "--bytes", "8589934592G"], "--bytes: '8589934592G' is not a number from 1 to 9223372036854775807"),
    (["jetperf", "-s", "--priority", "low"], "--priority: 'low' is none of system, media, chat, bulk"),
])
def test_wrong_usage_is_named(command, said):
    result = run(*command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{command[0]}: {said}\nTry '{command[0]} --help'.\n"


def test_pipes_have_no_json():
    result = run("jetcat", "-l", "--json")
    assert (result.returncode, result.stderr) == (2, "")
    assert json.loads(result.stdout) == {"error": "--json is for --send and --receive"}


def test_help_and_version():
    for tool in ("jetperf", "jetcat"):
        assert run(tool, "--help").stdout.startswith(f"Usage: {tool}")
        assert run(tool, "--version").stdout.startswith(tool)


# ---- what others wrote ----

ESCAPES = "\x1b]0;title\a \x9b31m \x7f"
SHOWN = r"\x1b]0;title\x07 \xc2\x9b31m \x7f"


@pytest.mark.parametrize("said, shown", [
    (ESCAPES.encode(), SHOWN),
    (b"\r\n\xff\xc3(", r"\x0d\x0a\xff\xc3("),
    (b"\xc0\x9b \xe0\x82\x9b \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82",
     r"\xc0\x9b \xe0\x82\x9b \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82"),
    ("ünï ☃ 🛩 \u202eback".encode(), r"ünï ☃ 🛩 \xe2\x80\xaeback"),
])
def test_terminals_have_nothing_to_obey(said, shown):
    assert f"unexpected argument '{shown}'" in run("jetperf", b"-s", said).stderr
    told = run("jetperf", "--json", said).stdout
    assert told.rstrip("\n").isprintable() and json.loads(told)["error"] == f"unexpected argument '{shown}'"


def refuses(socket):
    socket.read()
    socket.write(1, json.dumps({"error": ESCAPES}).encode())
    discard(socket)


def has_results(socket):
    socket.read()
    for message in {"ready": True}, {"result": {"received": 1000, "note": ESCAPES}}:
        socket.write(1, json.dumps(message, ensure_ascii=False).encode())
    discard(socket)


def closes(socket):
    socket.read()
    socket.end(300, ESCAPES)


def test_what_servers_say_is_shown_plainly():
    assert f"the server refuses: {SHOWN}\n" in Service(refuses, heartbeat=100_000).client().stderr
    assert f"code 300 {SHOWN}\n" in Service(closes).client().stderr
    result = Service(has_results).client("--json", "-n", "1000", "--size", "1000").stdout.rstrip("\n")
    assert result.isprintable() and json.loads(result)["peer"]["note"] == ESCAPES


def test_what_clients_say_is_shown_plainly(perf):
    planner = Planner(perf)
    assert planner.ask() == {"ready": True}
    planner.socket.end(300, ESCAPES)
    assert "test from" in perf.process.stderr.readline()
    assert perf.process.stderr.readline() == f"jetperf: a test broke: code 300 {SHOWN}\n"


# ---- jetcat ----

def cat(listener, *arguments, **options):
    return run("jetcat", listener.address, "--key", listener.key, *arguments, **options)


def random_file(path, size):
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def test_pipe_both_ways(listen, tmp_path):
    here, there = random_file(tmp_path / "here", 3_000_001), random_file(tmp_path / "there", 777)
    with there.open("rb") as source, (tmp_path / "a").open("wb") as sink:
        listener = listen("jetcat", "-l", "127.0.0.1:0", stdin=source, stdout=sink)
    with here.open("rb") as source, (tmp_path / "b").open("wb") as sink:
        assert cat(listener, stdin=source, stdout=sink).returncode == 0
    assert listener.end()[0] == 0
    assert (tmp_path / "a").read_bytes() == here.read_bytes()
    assert (tmp_path / "b").read_bytes() == there.read_bytes()


@pytest.mark.parametrize("listener_sends", [False, True])
def test_files(listen, tmp_path, listener_sends):
    files = [random_file(tmp_path / name, size) for name, size in (("big", 2_500_000), ("empty", 0), ("ünï", 1))]
    sends = [argument for file in files for argument in ("--send", file)]
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    receives = ["--receive", inbox]
    listener = listen("jetcat", "-l", "127.0.0.1:0", *(sends if listener_sends else receives))
    result = cat(listener, "--json", *(receives if listener_sends else sends))
    assert result.returncode == 0 and listener.end()[0] == 0, result
    assert sorted(os.listdir(inbox)) == sorted(file.name for file in files)
    for file, line in zip(files, result.stdout.splitlines()):
        told = json.loads(line)
        assert told["file"] == file.name and told["resumed_at"] == 0 and told["size"] == file.stat().st_size
        assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (inbox / file.name).read_bytes() == file.read_bytes()


def test_resumes_after_the_sender_was_killed(listen, tmp_path):
    with (tmp_path / "huge").open("wb") as file:  # sparse: takes a while to send, and no disk here
        file.truncate(200 << 20)
    (tmp_path / "in").mkdir()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in", "-w", "1")
    sender = subprocess.Popen([TOOLS / "jetcat", listener.address, "--key", listener.key, "--send", tmp_path / "huge"],
                              stderr=subprocess.DEVNULL)
    part = tmp_path / "in/.huge.jetcat-part"
    deadline = time.monotonic() + WAIT
    while not (part.exists() and part.stat().st_size > 1 << 20):
        assert time.monotonic() < deadline and sender.poll() is None
        time.sleep(0.005)
    sender.send_signal(signal.SIGKILL)
    sender.wait()
    code, said = listener.end()
    assert code == 1 and "silent" in said
    kept = part.stat().st_size
    assert 0 < kept < 200 << 20
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, "--json", "--send", tmp_path / "huge")
    assert result.returncode == 0 and listener.end()[0] == 0
    assert json.loads(result.stdout)["resumed_at"] == kept
    assert os.listdir(tmp_path / "in") == ["huge"] and (tmp_path / "in/huge").stat().st_size == 200 << 20


def test_begins_anew_when_the_part_is_of_another_file(listen, tmp_path):
    file = random_file(tmp_path / "file", 300_000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/.file.jetcat-part").write_bytes(b"something else")
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, "--json", "--send", file)
    assert result.returncode == 0 and json.loads(result.stdout)["resumed_at"] == 0
    assert (tmp_path / "in/file").read_bytes() == file.read_bytes()


def test_never_writes_over_a_file(listen, tmp_path):
    file = random_file(tmp_path / "file", 1000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_bytes(b"mine")
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, "--send", file)
    assert result.returncode == 1 and "is there already" in result.stderr
    assert listener.end()[0] == 1
    assert (tmp_path / "in/file").read_bytes() == b"mine" and os.listdir(tmp_path / "in") == ["file"]


@pytest.mark.parametrize("wrong, why", [("missing", "No such file"), ("directory", "not a regular file"),
                                        ("pipe", "not a regular file")])
def test_files_are_checked_before_connecting(tmp_path, wrong, why):
    good = random_file(tmp_path / "good", 10)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    result = run("jetcat", "127.0.0.1:9", "--key", "00" * 32, "--json", "--send", good, "--send", tmp_path / wrong)
    error = json.loads(result.stdout)["error"]
    assert result.returncode == 1 and str(tmp_path / wrong) in error and why in error


class Liar:
    """A sender that says what it likes."""

    def __init__(self, listener, role="send"):
        self.socket = jetplane.Socket(trust=jetplane.Trust.pin(listener.key)).connect(listener.address)
        self.stream = self.socket.open()
        self.heard = self.ask(jetcat=1, role=role)

    def tell(self, **what):
        self.socket.write(self.stream, json.dumps(what).encode(), timeout=WAIT)

    def ask(self, **what):
        self.tell(**what)
        return json.loads(self.socket.read(self.stream, timeout=WAIT).data)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", "", "..", ".hidden", "bell\a", "\x9b31m", "del\x7f",
                                  "\u202etxt.exe", ".file.jetcat-part", 7])
def test_refuses_unsafe_names(listen, tmp_path, name):
    (tmp_path / "in").mkdir()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    liar = Liar(listener)
    assert "not a safe name" in liar.ask(file=name, size=5)["error"]
    liar.socket.close()
    assert listener.end()[0] == 1
    assert os.listdir(tmp_path / "in") == [] and os.listdir(tmp_path) == ["in"]


def test_names_that_are_too_long(listen, tmp_path):
    """The longest name is one whose part has a name, too."""
    file = random_file(tmp_path / ("x" * 242), 1000)
    (tmp_path / "in").mkdir()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    assert cat(listener, "--send", file).returncode == 0 and listener.end()[0] == 0
    assert (tmp_path / "in" / file.name).read_bytes() == file.read_bytes()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, "--send", file.rename(tmp_path / ("x" * 243)))
    assert result.returncode == 1 and "refused: a name of 243 bytes; at most 242 fit" in result.stderr
    assert os.listdir(tmp_path / "in") == ["x" * 242]


def test_no_file_is_taken_for_a_part(listen, tmp_path):
    """Neither one of the receiver's, with another name elsewhere, nor one that was received."""
    mine = tmp_path / "in/a.part"
    sent = [random_file(tmp_path / name, size) for name, size in (("b.part", 9), ("b", 99), ("a", 5))]
    (tmp_path / "in").mkdir()
    mine.write_bytes(b"mine")
    (tmp_path / "elsewhere").hardlink_to(mine)
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, *(argument for file in sent for argument in ("--send", file)))
    assert result.returncode == 0 and listener.end()[0] == 0, result
    for file in sent:
        assert (tmp_path / "in" / file.name).read_bytes() == file.read_bytes()
    assert mine.read_bytes() == b"mine" and mine.samefile(tmp_path / "elsewhere")
    assert len(os.listdir(tmp_path / "in")) == 4


@pytest.mark.parametrize("whose, why", [("linked", "has 2 hard links, want 1"), ("foreign", "owned by user 12345, want 0")])
def test_parts_of_others_are_not_touched(listen, tmp_path, whose, why):
    if whose == "foreign" and os.geteuid() != 0:
        pytest.skip("not root")
    (tmp_path / "in").mkdir()
    part = tmp_path / "in/.file.jetcat-part"
    part.write_bytes(b"not yours")
    part.chmod(0o666)
    (tmp_path / "elsewhere").hardlink_to(part) if whose == "linked" else os.chown(part, 12345, 12345)
    before = part.stat()
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in")
    result = cat(listener, "--send", random_file(tmp_path / "file", 5))
    assert result.returncode == 1 and f"the other end says: .file.jetcat-part: {why}\n" in result.stderr
    assert listener.end() == (1, f"jetcat: .file.jetcat-part: {why}\n")
    after = part.stat()
    assert part.read_bytes() == b"not yours" and os.listdir(tmp_path / "in") == [part.name]
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, before.st_mtime_ns, before.st_ctime_ns)


def test_follows_no_link(listen, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/.file.jetcat-part").symlink_to(tmp_path / "elsewhere")
    liar = Liar(listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path / "in"))
    assert ".file.jetcat-part: Too many levels of symbolic links" in liar.ask(file="file", size=5)["error"]
    liar.socket.close()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("data, sha256, code", [
    (b"hello", hashlib.sha256(b"hullo").hexdigest(), 3),
    (b"hell", hashlib.sha256(b"hell").hexdigest(), 3),
    (b"hello!", hashlib.sha256(b"hello!").hexdigest(), 1),
])
def test_keeps_nothing_damaged(listen, tmp_path, data, sha256, code):
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path)
    liar = Liar(listener)
    assert liar.ask(file="file", size=5)["offset"] == 0
    liar.tell(start=0)
    liar.socket.write(liar.stream, b"d" + data)
    assert "file" in liar.ask(sha256=sha256)["error"]
    liar.socket.close()
    assert listener.end()[0] == code
    assert not (tmp_path / "file").exists()


def test_roles_must_fit(listen, tmp_path):
    listener = listen("jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path)
    result = cat(listener, "--receive", tmp_path)
    assert result.returncode == 1 and listener.end()[0] == 1
    assert "wants to receive, the other to receive" in result.stderr


def test_what_the_other_jetcat_says_is_shown_plainly(listen, tmp_path):
    receive = "jetcat", "-l", "127.0.0.1:0", "--receive", tmp_path
    listener = listen(*receive)
    Liar(listener).tell(error=ESCAPES)
    assert listener.end() == (1, f"jetcat: the other end says: {SHOWN}\n")
    listener = listen(*receive)
    Liar(listener).socket.end(300, ESCAPES)
    assert listener.end() == (1, f"jetcat: the session was closed: code 300 {SHOWN}\n")
    listener = listen(*receive)
    why = f"one end wants to receive, the other to {SHOWN}"
    liar = Liar(listener, ESCAPES)
    assert liar.heard == {"error": why}
    liar.socket.close()
    assert listener.end() == (1, f"jetcat: {why}\n")
    listener = listen(*receive)
    assert "the other to ☃☃☃" in Liar(listener, "☃" * 1000).heard["error"]  # cut off, and still UTF-8


def test_jetcat_refuses_the_wrong_key(listen):
    listener = listen("jetcat", "-l", "127.0.0.1:0", stdin=subprocess.DEVNULL)
    result = run("jetcat", listener.address, "--key", "11" * 32, stdin=subprocess.DEVNULL)
    assert result.returncode == 1 and "not trusted" in result.stderr and result.stdout == ""
