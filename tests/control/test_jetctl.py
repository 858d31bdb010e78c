"""jetctl as a person and as a script use it."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import ipc
import pytest
from daemon import JETCTL

COMMANDS = ["status", "stats", "drops", "sessions", "session", "ports", "version", "stop"]


def set_counter(peer, lcore, name, value):
    at = ipc.STATS_LCORES_AT + lcore * ipc.STATS_LCORE + 8 * ipc.COUNTERS.index(name)
    os.pwrite(peer.stats, struct.pack("=Q", value), at)


@pytest.fixture
def served(peer):
    """A data plane with two sessions that goes on answering LIST and QUERY."""
    peer.sessions = [1000, 0xDEADBEEF]
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            peer.serve(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    yield peer
    stop.set()
    thread.join()


def test_help_names_every_command(daemon):
    shown = daemon.jetctl("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", shown.stdout, re.M)
    assert "0 done, 1 jetplaned cannot be reached, 2 wrong usage, 3 it answered" in shown.stdout


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["--nonsense", "status"], ["status", "extra"], ["session"], ["session", "x"],
    ["session", "0"], ["session", "4294967296"], ["session", "-5"], ["status", "--rate"],
    ["stop", "--watch", "1"], ["stats", "--lcore", "x"], ["stats", "--lcore"],
    ["sessions", "--limit", "-1"], ["status", "--watch", "0"], ["status", "--watch", "nan"],
    ["ports", "--limit", "5"],
], ids=" ".join)
def test_wrong_usage(daemon, arguments):
    said = daemon.jetctl(*arguments)
    assert said.returncode == 2 and said.stdout == "" and said.stderr.startswith("jetctl: ")
    said = daemon.jetctl("--json", *arguments)
    assert said.returncode == 2
    assert list(json.loads(said.stdout)) == ["error"]


def test_unreachable(tmp_path):
    for arguments in (["status"], ["stats", "--rate"], ["stop"]):
        said = subprocess.run([JETCTL, "--socket", tmp_path / "none", *arguments],
                              capture_output=True, text=True)
        assert said.returncode == 1 and "cannot reach jetplaned" in said.stderr
        said = subprocess.run([JETCTL, "--json", "--socket", tmp_path / "none", *arguments],
                              capture_output=True, text=True)
        assert said.returncode == 1 and "cannot reach" in json.loads(said.stdout)["error"]


def test_version_without_jetplaned(tmp_path):
    arguments = [JETCTL, "--socket", tmp_path / "none", "version"]
    said = subprocess.run([*arguments, "--json"], capture_output=True, text=True)
    version = json.loads(said.stdout)
    assert said.returncode == 0 and list(version) == ["jetplaned", "data_plane", "jetctl"]
    assert version["jetplaned"] is None and version["data_plane"] is None
    text = subprocess.run(arguments, capture_output=True, text=True).stdout
    assert re.search(r"jetplaned +away\njetplane-dp +away", text)


@pytest.mark.parametrize("arguments, code", [
    (["--help"], 1), (["status"], 1), (["status", "--watch", "0.1"], 1), (["--json", "ports"], 3),
    (["--json", "nonsense"], 2)], ids=lambda a: " ".join(a) if isinstance(a, list) else str(a))
def test_full_disk_is_noticed(daemon, arguments, code):
    with open("/dev/full", "w") as full:
        said = subprocess.run([JETCTL, "--socket", daemon.socket, *arguments], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=10)
    assert said.returncode == code and "cannot write" in said.stderr


def test_silent_jetplaned(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        said = subprocess.run([JETCTL, "--socket", tmp_path / "s", "status"], capture_output=True,
                              text=True, timeout=20)
    assert said.returncode == 1 and "no answer" in said.stderr


@pytest.mark.parametrize("command", [["stats"], ["drops"], ["sessions"], ["session", "5"],
                                     ["ports"], ["stats", "--rate"]])
def test_data_plane_away(daemon, command):
    said = daemon.jetctl(*command)
    assert said.returncode == 3 and said.stderr == "jetctl: the data plane is away\n"
    said = daemon.jetctl(*command, "--json")
    assert said.returncode == 3
    assert json.loads(said.stdout) == {"error": "the data plane is away"}


def test_away_is_no_error_for_status_and_version(daemon):
    assert "data plane  away" in daemon.jetctl("status").stdout
    assert re.search(r"jetplane-dp +away", daemon.jetctl("version").stdout)


@pytest.mark.parametrize("command", [
    ["status"], ["stats"], ["stats", "--lcore", "1"], ["stats", "--rate"], ["drops"], ["sessions"],
    ["session", "1000"], ["ports"], ["version"]], ids=" ".join)
def test_text_and_json(daemon, served, command):
    text = daemon.jetctl(*command)
    assert text.returncode == 0 and text.stdout and not text.stderr, text
    parsed = daemon.jetctl(*command, "--json")
    assert parsed.returncode == 0 and parsed.stdout.count("\n") == 1
    assert "error" not in json.loads(parsed.stdout)


def test_status(daemon, served):
    text = daemon.jetctl("status").stdout
    assert re.search(r"data plane  up .*version 0.0-test", text)
    assert "4 lcores, steered by software, crypto none, 1.0 MiB of memory, no hugepages" in text
    assert "sessions  0 of 10,000" in text and "echo on UDP port 4500" in text


def test_stats_sums_lcores(daemon, served):
    for lcore in range(4):
        set_counter(served, lcore, "rx_packets", 1000 * (lcore + 1))
    stats = json.loads(daemon.jetctl("stats", "--json").stdout)
    assert stats["total"]["rx_packets"] == 10000
    assert [lcore["counters"]["rx_packets"] for lcore in stats["lcores"]] == \
        [1000, 2000, 3000, 4000]
    assert list(stats["total"]) == ipc.COUNTERS
    assert re.search(r"^rx_packets +10,000 +1,000 +2,000 +3,000 +4,000  packets received",
                     daemon.jetctl("stats").stdout, re.M)
    only = daemon.jetctl("stats", "--lcore", "2").stdout
    assert re.search(r"^rx_packets +3,000  packets received", only, re.M)
    assert daemon.jetctl("stats", "--lcore", "4").returncode == 3


def test_rate(daemon, served):
    stop = threading.Event()

    def count():
        n = 0
        while not stop.wait(0.01):
            n += 100
            set_counter(served, 0, "rx_packets", n)

    thread = threading.Thread(target=count)
    thread.start()
    set_counter(served, 1, "sessions", 77)
    rate = json.loads(daemon.jetctl("stats", "--rate", "--json").stdout)
    stop.set()
    thread.join()
    assert 0 < rate["total"]["rx_packets"] <= 10001
    assert rate["total"]["rx_packets"] == rate["lcores"][0]["counters"]["rx_packets"]
    assert rate["total"]["sessions"] == 77  # not a rate
    assert rate["seconds"] >= 1


def test_drops_account_for_everything(daemon, served):
    set_counter(served, 0, "rx_packets", 1000)
    set_counter(served, 1, "fec_recovered", 10)
    set_counter(served, 1, "delivered", 900)
    set_counter(served, 2, "auth_failed", 60)
    set_counter(served, 3, "auth_failed", 40)
    set_counter(served, 3, "held", 7)
    text = daemon.jetctl("drops").stdout
    assert re.search(r"^auth_failed +100  forged or damaged", text, re.M)
    assert "replay_seen" not in text
    assert "sources 1,010 = fates 900 + drops 100 + held 7, difference 3" in text
    drops = json.loads(daemon.jetctl("drops", "--json").stdout)
    assert drops["drops"]["auth_failed"] == 100 and drops["drops"]["replay_seen"] == 0
    assert (drops["sources"], drops["dropped"], drops["difference"]) == (1010, 100, 3)


def test_large_counters_are_exact(daemon, served):
    n = 2**62 + 1
    set_counter(served, 0, "rx_packets", n)
    set_counter(served, 1, "delivered", n - 1)
    drops = json.loads(daemon.jetctl("drops", "--json").stdout)
    assert (drops["sources"], drops["fates"], drops["difference"]) == (n, n - 1, 1)
    assert f"sources {n:,} = fates {n - 1:,} + drops 0 + held 0, difference 1" in \
        daemon.jetctl("drops").stdout
    assert f" {n:,} " in daemon.jetctl("stats").stdout


@pytest.mark.parametrize("arguments, said", [
    (["stats", "--lcore"], "--lcore needs a value"), (["--bogus"], "unknown option: --bogus"),
    (["stop", "--rate"], "stop takes no options of its own"),
    (["ports", "--rate"], "ports does not take this option; it takes: [--watch SECONDS]"),
], ids=str)
def test_mistakes_are_told_apart(daemon, arguments, said):
    assert daemon.jetctl(*arguments).stderr.splitlines()[0].strip() == f"jetctl: {said}"


def test_sessions_are_paged(daemon, served):
    served.sessions = list(range(1000, 1500))
    every = json.loads(daemon.jetctl("sessions", "--limit", "0", "--json").stdout)
    assert [s["spi"] for s in every["sessions"]] == served.sessions and not every["more"]
    some = json.loads(daemon.jetctl("sessions", "--limit", "130", "--json").stdout)
    assert [s["spi"] for s in some["sessions"]] == served.sessions[:130] and some["more"]
    assert len(json.loads(daemon.jetctl("sessions", "--json").stdout)["sessions"]) == 100
    text = daemon.jetctl("sessions", "--limit", "3").stdout.splitlines()
    assert len(text) == 5 and text[-1].startswith("and more")


def test_session(daemon, served):
    for spi in ("0xdeadbeef", "3735928559"):
        one = json.loads(daemon.jetctl("session", spi, "--json").stdout)
        assert one["spi"] == 0xDEADBEEF and one["suite"] == "aes-256-gcm"
        assert (one["peer_ip"], one["peer_port"]) == ("198.18.0.1", 4500)
    assert "0xdeadbeef" in daemon.jetctl("session", "0xdeadbeef").stdout
    missing = daemon.jetctl("session", "5", "--json")
    assert missing.returncode == 3 and json.loads(missing.stdout) == {"error": "no such session"}


def test_full_session(daemon, served):
    served.full_paths = {0xDEADBEEF: [ipc.path(), ipc.path("fd00::7", 7)]}
    sessions = daemon.ask(command="sessions")["result"]["sessions"]
    assert [s["mode"] for s in sessions] == ["light", "full"] and "transport" not in sessions[0]
    transport = sessions[1]["transport"]
    assert [transport[key] for key in ("packets_lost", "packets_late", "probe_timeouts")] == [100, 101, 110]
    assert transport["paths"][1]["peer_ip"] == "fd00::7"
    assert transport["paths"][0] == {
        "peer_ip": "198.18.0.1", "peer_port": 4500, "our_ip": "198.18.0.254", "our_port": 4500,
        "tcp": False, "use": "share", "validated": True, "active": True, "mtu": 1452, "rtt_us": 20000,
        "rtt_min_us": 15000, "rate": 1250000, "sent": 200, "received": 190, "lost": 4,
        "cwnd": 64000, "in_flight": 3000}
    text = daemon.jetctl("session", "0xdeadbeef").stdout
    assert "losses     100 packets, 101 of them late, 110 probe timeouts" in text
    assert "[fd00::7]:7, share, active: RTT 20.0 ms (least 15.0), MTU 1452, window 62.5 KiB" in text


def test_ports(daemon, served):
    text = daemon.jetctl("ports").stdout
    assert re.search(r"net_memif0 +net_memif +02:00:00:00:00:02 +up 100 Gbit/s +1500 +4", text)
    assert "because: no rte_flow" in text


def watch(daemon, *arguments, count, **options):
    """The first `count` lines of a jetctl that goes on and on."""
    p = subprocess.Popen([JETCTL, "--socket", daemon.socket, *arguments], stdout=subprocess.PIPE,
                         text=True, **options)
    try:
        return [p.stdout.readline() for _ in range(count)]
    finally:
        p.kill()
        p.wait()


def test_watch_json_is_one_object_a_line(daemon, served):
    for line in watch(daemon, "status", "--watch", "0.1", "--json", count=3):
        assert json.loads(line)["data_plane"]["state"] == "up"
    for line in watch(daemon, "stats", "--rate", "--watch", "0.2", "--json", count=3):
        assert json.loads(line)["seconds"] >= 0.2


def test_watch_appends_where_there_is_no_terminal(daemon):
    lines = watch(daemon, "status", "--watch", "0.1", count=12)
    assert sum(line.startswith("jetplaned ") for line in lines) >= 2
    assert not any("\033" in line for line in lines)


def test_watch_goes_on_after_errors(daemon):
    for line in watch(daemon, "drops", "--watch", "0.1", "--json", count=3):
        assert json.loads(line) == {"error": "the data plane is away"}


def test_watch_redraws_a_terminal(daemon):
    master, slave = os.openpty()
    p = subprocess.Popen([JETCTL, "--socket", daemon.socket, "status", "--watch", "0.1"],
                         stdout=slave)
    seen = b""
    while seen.count(b"\033[H\033[J") < 3:
        seen += os.read(master, 4096)
    p.kill()
    p.wait()
    os.close(master)
    os.close(slave)


def test_watch_ends_with_its_reader(daemon):
    p = subprocess.Popen([JETCTL, "--socket", daemon.socket, "status", "--watch", "0.1"],
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(5) in (0, -signal.SIGPIPE)


def test_stop(daemon, peer):
    text = daemon.jetctl("stop")
    assert text.returncode == 0 and text.stdout == "stopping jetplane-dp and jetplaned\n"
    peer.expect(ipc.STOP)
    assert daemon.process.wait(5) == 0


@pytest.mark.parametrize("typed, offered", [
    ("st", ["stats", "status", "stop"]), ("sess", ["session", "sessions"]),
    ("stats --r", ["--rate"]), ("sessions --l", ["--limit"]), ("ports --ra", []),
    ("--json stats --lc", ["--lcore"]), ("--socket x stats --w", ["--watch"]),
])
def test_completion(typed, offered):
    words = ["jetctl", *typed.split(" ")]
    script = (f"source {ipc.ROOT}/control/ctl/jetctl.bash; COMP_WORDS=({' '.join(words)}); "
              f"COMP_CWORD={len(words) - 1}; _jetctl; echo ${{COMPREPLY[@]}}")
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert sorted(said.stdout.split()) == offered and said.stderr == ""


def test_every_command_is_completed_and_documented():
    completion = (ipc.ROOT / "control/ctl/jetctl.bash").read_text()
    manual = (ipc.ROOT / "docs/man/jetctl.1").read_text()
    for command in COMMANDS:
        assert re.search(rf"commands=.*\b{command}\b", completion)
        assert re.search(rf"^\.B[RI]? \"?{command}", manual, re.M)


def keys(value):
    """Of all objects in there, but not of counters, whose names are documented elsewhere."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict) or "rx_packets" in value and "fec_late" in value:
        return set()
    return set(value).union(*map(keys, value.values()))


def test_every_key_is_documented(daemon, served):
    served.full_paths = {1000: [ipc.path()]}
    document = (ipc.ROOT / "docs/control-protocol.md").read_text()
    handshakes = (ipc.ROOT / "include/jetplane/ctl.h").read_text()
    for command in ("status", "version", "stats", "ports", "sessions", "stop"):
        for key in keys(daemon.ask(command=command, max=1)["result"]):
            assert f"`{key}`" in document or f"X({key}, " in handshakes, key
