"""What may happen to a machine: its clocks jump, it sleeps, links come and go, memory is short, and somebody starts a daemon
that runs already. Everybody says so who can know, nothing is damaged, and all is well again afterwards."""

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import time

import pytest
from crowd import RESTARTED, SILENT, Crowd
from host import wait_for, why_not
from jetperf import LISTENERS
from plane import BUILD, CLIENT, sanitized
from stats import Stats
from test_denial import HOARDS
from test_faults_state import jetplaned
from test_kernel_client import need_xdp

PATIENCE = 60  # seconds, for anybody to be at work again
IDLE_MS = 25000  # sessions that hear nothing for so long end
YEAR = 365 * 86400


@pytest.fixture
def make(make_plane):
    """A factory of planes for crowds."""
    def make(idle_ms=IDLE_MS, **options):
        return make_plane(control={"idle_timeout_ms": idle_ms}, listeners=LISTENERS, max_streams=256,
                          **{"full": {"sessions": 256}, **options})

    return make


# ---- time ----


def test_wall_clock_jumps(make, tmp_path, monkeypatch):
    """Ten years ahead, back to 1970, and home again."""
    if sanitized(BUILD / "control/jetplaned"):
        pytest.skip("sanitizers want to be preloaded first")
    shift = tmp_path / "shift"
    shift.write_bytes(bytes(8))
    monkeypatch.setenv("LD_PRELOAD", str(BUILD / "tests/tools/libclock-shift.so"))
    monkeypatch.setenv("CLOCK_SHIFT", str(shift))
    plane = make()
    with Crowd(plane) as crowd:
        for jump in 0, 10 * YEAR, -int(time.time()), 0:
            with shift.open("r+b") as file:
                file.write(struct.pack("=q", jump))
            crowd.recover(PATIENCE)
            status = plane.jetctl("status")
            year = time.gmtime(time.time() + jump).tm_year
            assert plane.daemon.text().splitlines()[-1].startswith(str(year))
            assert status["data_plane"]["uptime_s"] < 600 and status["jetplaned"]["uptime_s"] < 600, status
            assert status["data_plane"]["heartbeat_age_ms"] < 10000, status
        assert not crowd.said()


def test_monotonic_clocks_that_differ(make):
    """jetplaned's is a year ahead of the data plane's and of what it was in its last life."""
    if why_not() or subprocess.run(["unshare", "--time", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip(why_not() or "this kernel has no time namespaces")
    plane = make()
    with Crowd(plane) as crowd:
        crowd.recover(PATIENCE)
        plane.daemon.kill()
        plane.daemon = plane.host.start(
            "jetplaned", "unshare", "--time", "--monotonic", YEAR, "--fork", "--kill-child", BUILD / "control/jetplaned",
            "--config", plane.folder / "jetplaned.yaml", log=plane._log("jetplaned"))
        crowd.recover(PATIENCE)
        assert plane.jetctl("status")["jetplaned"]["uptime_s"] < 600
        plane.daemon.kill()
        plane.start_daemon()
        crowd.recover(PATIENCE)
        assert not crowd.said()


def test_machine_sleeps(make):
    """All processes rest at once, and the clock does not."""
    plane = make()
    with Crowd(plane) as crowd:
        crowd.recover(PATIENCE)
        programs = [plane.dp, plane.daemon, *(bulk.program for bulk in crowd.bulk.values())]
        for nap in 0.1, 4:
            for word in signal.SIGSTOP, signal.SIGCONT:
                for program in programs:
                    program.process.send_signal(word)
                time.sleep(nap if word == signal.SIGSTOP else 0)
            crowd.recover(PATIENCE)
        assert not crowd.said()


# ---- links ----


def link_up(plane):
    return plane.jetctl("ports")["ports"][0]["link_up"]


@pytest.mark.parametrize("device", ["af_packet", "af_xdp"])
def test_links_come_and_go(make, device):
    """Sessions live on; an interface that is gone for good wants a new data plane."""
    if device == "af_xdp":
        need_xdp()
    plane = make(device=device)
    with Crowd(plane) as crowd:
        crowd.recover(PATIENCE)
        for seconds in 0, 0.1, 2:
            plane.host.ip("link", "set", "eth0", "down")
            crowd.run(seconds)
            if seconds > 1:
                crowd.wait(lambda: not link_up(plane), 5, "a link that is down")
                assert "the link is down" in plane.dp.text()
            plane.host.ip("link", "set", "eth0", "up")
            crowd.recover(PATIENCE)
        crowd.wait(lambda: link_up(plane), 5, "a link that is up")
        assert not crowd.said() and plane.dp.text().rstrip().endswith("the link is up")
        plane.client_host.ip("link", "del", "eth0")
        wait_for(lambda: plane.dp.said("the interface is gone: start jetplane-dp anew"), 10, "a word about the interface")
        assert not link_up(plane)
        plane.dp.stop()
        plane.client_host.wire(plane.host)
        plane.client_host.address(CLIENT[4] + "/24", CLIENT[6] + "/64")
        plane.start_dp()
        crowd.recover(PATIENCE)
        assert set(crowd.said()) <= {RESTARTED, SILENT, "the server closed the session: code 3"}


# ---- memory ----


def config_of(folder, **keys):
    path = folder / "dp.yaml"
    path.write_text(json.dumps({
        "name": f"jetplane-faults-{os.getpid()}", "control_socket": str(folder / "dp.sock"), "hugepages": False,
        "ports": [{"device": "net_null0", "addresses": ["198.18.0.1/24"]}], "max_sessions": 64, "idle_sleep_us": 1000, **keys}))
    return path


def refused(folder, prefix=(), **keys):
    """What jetplane-dp says that cannot start so; it leaves nothing behind."""
    done = subprocess.run([*prefix, BUILD / "dataplane/jetplane-dp", "--config", config_of(folder, **keys)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    assert [path.name for path in folder.iterdir()] == ["dp.yaml"]
    return done.stderr


LEAN = {"lcores": 1, "steer_ring": 64}


def test_packet_buffers_hoarded(make, tmp_path):
    """Of the fewest that are allowed, clients that leave gaps hold as many as they can: the others are served, and all comes
    back."""
    least = int(re.search(r"mbufs: 1 is too few .* take (\d+)", refused(tmp_path, mbufs=1, **LEAN))[1])
    plane = make(idle_ms=8000, mbufs=least, reorder_max=1024, reorder_timeout_us=10000000, **LEAN)
    stats = Stats.of(plane.dp.pid)
    before = wait_for(lambda: stats.mbufs()[0] and stats.mbufs(), 5, "the first sample")
    with Crowd(plane) as crowd:
        hostile = [plane.session() for _ in range(16)]
        most = 0
        for n in range(0, 800, 50):
            for session in hostile:
                for i in range(n, n + 50):
                    session.send(HOARDS["gaps"](i))
                while session.poll(0):
                    pass
            if n % 200 == 150:  # seldom: gaps are given up after 10 s, however slow the machine is
                crowd.turn()
            most = max(most, stats.total()["held"])
        crowd.recover(PATIENCE)
        for session in hostile:
            session.close()
        assert not crowd.said() and 0.4 * least < most <= least / 2, f"{most} of {least} were held"
    wait_for(lambda: stats.total()["sessions"] == 0, 60, "the sessions to end")
    plane.settle()
    wait_for(lambda: stats.mbufs() == before, 5, f"all packet buffers: {stats.mbufs()} of {before}")
    stats.close()


HUGE = {"mbufs": 1 << 24}  # 40 GB


@pytest.mark.parametrize("keys, limit, why", [
    ({"hugepages": True, **HUGE}, None, r"hugepages: this configuration needs \d+ MiB of them, \d+ are free"),
    ({"memory_mb": 20}, None, r"memory_mb: 20 is too little for this configuration, which needs \d+"),
    (HUGE, 4 << 30, "DPDK does not start: Cannot allocate memory"),
], ids=["hugepages", "memory_mb", "ordinary"])
def test_memory_is_short(tmp_path, keys, limit, why):
    """Each is said before anything is touched; with less, it starts."""
    if reason := why_not():
        pytest.skip(reason)
    if limit and sanitized(BUILD / "dataplane/jetplane-dp"):
        pytest.skip("sanitizers take more than there is")
    assert re.search(why, refused(tmp_path, ["prlimit", f"--as={limit}"] if limit else [], **keys))
    with running(BUILD / "dataplane/jetplane-dp", "--config", config_of(tmp_path)):
        wait_for((tmp_path / "dp.sock").exists, 30, "a data plane that needs less")


# ---- two of a kind ----


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("name", ["jetplaned", "jetplane-dp"])
def test_many_start_at_once(tmp_path, name):
    """At a socket that the last one, killed, has left: one wins, and the others say why they do not run."""
    if reason := why_not():
        pytest.skip(reason)
    if name == "jetplaned":
        command, path, why = jetplaned(tmp_path), tmp_path / "ctl.sock", "another jetplaned"
    else:
        command = BUILD / "dataplane/jetplane-dp", "--config", config_of(tmp_path)
        path, why = tmp_path / "dp.sock", "another data plane listens there"
    with running(*command) as first:
        wait_for(path.exists, 30, name)
        first.kill()
        first.wait()
    if not sanitized(command[0]):  # as if the others were always faster than the first, which is removing what is left
        command = "env", f"LD_PRELOAD={BUILD}/tests/tools/libslow-unlink.so", *command
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(running(*command)) for _ in range(3)]
            wait_for(lambda: sum(one.poll() is not None for one in many) == 2, 30, "all but one to end")
            for one in many:
                assert one.poll() is None or (one.returncode == 1 and why in one.stderr.read())
            wait_for(path.exists, 5, "the winner's socket")
            for one in many:
                one.kill()


def test_two_jetplaneds_at_one_data_plane(make):
    """They take it from each other ever less often, and say so; sessions do not notice."""
    plane = make()
    second = {**plane.control, "control_socket": str(plane.folder / "second.sock")}
    config = plane.folder / "second.yaml"
    config.write_text(json.dumps(second))
    with Crowd(plane) as crowd:
        crowd.recover(PATIENCE)
        other = plane.host.start("jetplaned", BUILD / "control/jetplaned", "--config", config, log=plane._log("second"))
        crowd.wait(lambda: "does another jetplaned use it?" in plane.daemon.text() + other.text(), 30, "a word about it")
        assert "a newer one replaces it" in plane.dp.text()
        other.stop()
        crowd.recover(PATIENCE)
        assert not crowd.said()
