"""scripts/demo, as a newcomer runs it: what it claims, what it prints, and what it leaves behind."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILT = pathlib.Path(os.environ.get("JETPLANE_BUILD", "build")).resolve() == (ROOT / "build").resolve()
KEYS = """handshakes_ok handshakes_failed tx_packets rx_packets lost_injected fec_recovered delivered corrupt_delivered
replays_rejected forgeries_rejected p50_us p99_us gbps seconds""".split()

pytestmark = pytest.mark.skipif(not BUILT, reason="scripts/demo builds into build/: set JETPLANE_BUILD to it")


def start(folder, *args):
    folder.mkdir()
    return subprocess.Popen(
        [ROOT / "scripts/demo", "--no-setup", "--seconds", "3", *args], env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )


def processes_in(folder):
    done = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True)
    return done.stdout.split()


def check_clean(folder):
    deadline = time.monotonic() + 20
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_in(folder) == []


def test_two_at_once(tmp_path):
    demos = [start(tmp_path / name, "--json", "--sessions", "1000") for name in ("one", "two")]
    for demo, name in zip(demos, ("one", "two")):
        out, err = demo.communicate(timeout=180)
        assert demo.returncode == 0, err
        result = json.loads(out.splitlines()[-1])
        assert [key for key in KEYS if key not in result] == []
        assert result["handshakes_ok"] >= 1000 and result["handshakes_failed"] == 0
        assert result["lost_injected"] > 0 and result["fec_recovered"] > 0 and result["delivered"] > 0
        assert result["corrupt_delivered"] == 0 and result["unaccounted"] == 0
        assert result["replays_rejected"] > 0 and result["forgeries_rejected"] > 0
        check_clean(tmp_path / name)
        assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, how):
    demo = start(tmp_path / "run", "--seconds", "60")
    for line in demo.stdout:
        if "sessions; 5 % loss" in line:
            break
    time.sleep(2)
    os.killpg(demo.pid, how)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    check_clean(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_killed(tmp_path):
    demo = start(tmp_path / "run", "--seconds", "60")
    for line in demo.stdout:
        if "sessions; 5 % loss" in line:
            break
    demo.kill()
    demo.wait(timeout=10)
    check_clean(tmp_path / "run")


@pytest.mark.parametrize("args", [["--sessions", "0"], ["--sessions"], ["--seconds", "x"], ["--bogus"]])
def test_wrong_usage(args):
    done = subprocess.run([ROOT / "scripts/demo", *args], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "demo:" in done.stderr
