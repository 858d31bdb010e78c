"""scripts/soak in its shortest form, that it leaves nothing behind, and that its judge, and its clients, see what is wrong."""

import json
import pathlib
import random
import signal
import subprocess
import sys
import threading

import pytest
from host import wait_for, why_not
from plane import BUILD, COUNTERS, ROOT

sys.path[:0] = [str(ROOT / "tests/soak"), str(ROOT / "client/python")]
import jetplane  # noqa: E402
import judge  # noqa: E402

SOAK = [ROOT / "scripts/soak", "--no-setup", "--build", BUILD]
SHORT = "0.009"  # hours
RUN = 2400  # seconds


@pytest.fixture
def as_root():
    if reason := why_not():
        pytest.skip(reason)


def test_half_a_minute(as_root, tmp_path, capsys):
    done = subprocess.run([*SOAK, "--json", "--every", "2", "--out", tmp_path / "out", SHORT], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["faults"] == []
    assert report["visits"]["messages"] > 100 and report["total"]["rekeys"] > 0 and report["total"]["paths_changed"] > 0
    assert report["ran"]["files"]["compared"] > 0 and report["total"]["relay_rx"] > 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {f"{name}.png" for name in (
        "memory", "sessions", "traffic", "drops")}
    with capsys.disabled():
        print(f" {report['total']['rx_packets']} packets, {report['ran']} ", end="")


def children(pid):
    """Of a process, and theirs."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def test_interrupted(as_root, tmp_path):
    with open(tmp_path / "log", "w") as log:
        soak = subprocess.Popen([*SOAK, "--out", tmp_path / "out", "0.05"], stdout=log, stderr=log)
    try:
        wait_for(lambda: " of 180 s" in (tmp_path / "log").read_text() or soak.poll() is not None, 60, "traffic")
        started = children(soak.pid)
        assert len(started) > 10
    finally:
        soak.send_signal(signal.SIGINT)
        assert soak.wait(60) == 130, (tmp_path / "log").read_text()
    assert [pid for pid in started if pathlib.Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("arguments", [[], ["0"], ["-1"], ["long"], ["1", "--every", "0"], ["1", "--out", "/proc"]])
def test_wrong_usage(arguments):
    done = subprocess.run([*SOAK, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "error: " in done.stderr


# ---- the judge ----

def rows(**climbs):
    """Samples of a run; each column climbs by so much from beginning to end, and wanders."""
    chance = random.Random(1)
    levels = {"own_kib.x": (50_000, 300), "fds.x": (20, 3), "mbufs": (400, 200)}
    return [
        {"seconds": t} | {
            name: level + climbs.get(name.split(".")[0], 0) * t / RUN + chance.uniform(-noise, noise)
            for name, (level, noise) in levels.items()
        } for t in range(0, RUN, 5)
    ]


@pytest.mark.parametrize("climbs", [{}, {"own_kib": 1000}, {"own_kib": -50_000, "fds": -10, "mbufs": -300}])
def test_no_leak(climbs):
    found = judge.trends(rows(**climbs), RUN)
    assert set(found) == {"own_kib.x", "fds.x", "mbufs"} and list(judge.leaks(found)) == []


@pytest.mark.parametrize("column, climb", [("own_kib", 5000), ("fds", 12), ("mbufs", 500)])
def test_leak(column, climb):
    fault, = judge.leaks(judge.trends(rows(**{column: climb}), RUN))
    assert fault.startswith(f"leak: {column}")


def test_what_happens_while_warming_up_is_no_leak():
    early = rows()
    for row in early[:len(early) // 5]:
        row["own_kib.x"] -= 30_000
    assert list(judge.leaks(judge.trends(early, RUN))) == []


def test_short_runs_have_no_trend():
    assert judge.trends(rows()[:20], 100) == {}


def test_left_behind():
    fault, = judge.left_behind({"mbufs": 5, "sessions": 0, "fds.x": 9}, {"mbufs": 6, "sessions": 0, "fds.x": 8})
    assert "mbufs is 6" in fault


@pytest.mark.parametrize("changed, fault", [
    ({"rx_packets": 11}, "1 packets have no end"), ({"sessions_installed": 3}, "3 sessions began, 2 ended"),
    ({"sessions_installed": 3, "sessions_idle": 1}, "jetplaned counts 2 sessions, the data plane 3"),
    ({"rx_packets": 12, "no_mbuf": 2}, "2 packets as no_mbuf"), ({"sessions_evicted": 1, "sessions_closed": 1}, "evicted is 1"),
])
def test_books(changed, fault):
    right = dict.fromkeys(sum(COUNTERS.values(), []), 0) | {
        "rx_packets": 10, "delivered": 9, "replay_seen": 1, "sessions_installed": 2, "sessions_closed": 2}
    assert list(judge.books(right, COUNTERS, {"ok": 2})) == []
    assert any(fault in found for found in judge.books(right | changed, COUNTERS, {"ok": 2}))


# ---- the clients ----

def damage(data):
    return data[:-1] + bytes([data[-1] ^ 1])


class Echo:
    """A server, of one session at a time, whose third echo is what `harm` makes of it."""

    def __init__(self, harm):
        self.harm, self.echoed, self.identity = harm, 0, jetplane.Identity()
        self.server = jetplane.Server(["127.0.0.1:0"], identity=self.identity)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while True:
                self.serve(self.server.accept(timeout=60))
        except jetplane.Error:
            pass  # it was ended

    def serve(self, socket):
        try:
            while True:
                if not (received := socket.read(timeout=5)).end:
                    self.echoed += 1
                    for data in self.harm(received.data) if self.echoed == 3 else [received.data]:
                        socket.write(received.stream, data, timeout=5)
        except jetplane.Error:
            socket.close()  # the visitor has gone

    def end(self):
        self.server.end()
        self.thread.join()
        self.server.close()


@pytest.mark.parametrize("harm, error", [
    (lambda data: [damage(data)], "not sent"), (lambda data: [data, data], "not sent, or twice"), (lambda data: [data], None),
])
def test_visits_see_every_byte(harm, error):
    echo = Echo(harm)
    visits = subprocess.Popen(
        ["/usr/bin/python3", ROOT / "tests/soak/visits.py", echo.server.address(), "--key", echo.identity.key, "--at-once",
         "1"], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: echo.echoed > 20 or visits.poll() is not None, 60, "visits")
    visits.terminate()
    lines = visits.communicate(timeout=60)[0].splitlines()
    echo.end()
    assert visits.returncode == (3 if error else 0)
    assert error is None or error in json.loads(lines[-1])["error"]
