"""jetplaned's command line and configuration."""

import re
import subprocess

import pytest
from daemon import JETPLANED
from ipc import ROOT


def run(*arguments):
    return subprocess.run([JETPLANED, *arguments], capture_output=True, text=True, timeout=10)


def check(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return run("--config", path, "--check")


def test_reference_is_valid():
    assert run("--config", ROOT / "docs/jetplaned.yaml", "--check").returncode == 0


def test_reference_has_every_key_and_default(tmp_path):
    """Every key of the reference is known, and every key that is known is in the reference."""
    reference = (ROOT / "docs/jetplaned.yaml").read_text()
    in_reference = set(re.findall(r"^(?:# )?([a-z_]+):", reference, re.M))
    known = set(re.findall(r'CYAML_FIELD_\w+\(\s*"(\w+)"',
                           (ROOT / "control/config.c").read_text())) - {"per_second", "burst"}
    assert in_reference == known
    for value in re.findall(r"^[a-z_]+: (.+)$", reference, re.M):
        for part in re.findall(r"[\w./-]+", re.sub(r"(per_second|burst):", "", value)):
            assert part.replace("-", "_").lower() in defaults() or part in defaults(), part


def defaults():
    text = (ROOT / "control/config.c").read_text()
    block = text[text.index("defaults = {"):text.index("};", text.index("defaults = {"))]
    return block.replace("AEAD_AES256_GCM", "aes_256_gcm").replace(
        "AEAD_CHACHA20_POLY1305", "chacha20_poly1305").lower() + block


@pytest.mark.parametrize("text", ["", "# nothing\n", "log_level: error", "suites: [aes-256-gcm]",
                                  "handshakes: {burst: 5}", "control_group: ''"])
def test_valid(tmp_path, text):
    good = check(tmp_path, text)
    assert good.returncode == 0, good.stderr
    assert good.stdout == "configuration is valid\n"


@pytest.mark.parametrize("text, said", [
    ("nonsense: 1", "nonsense"),
    ("log_level: loud", "log_level"),
    ("log_level: loud", "line: 1"),
    ("cookie: maybe", "cookie"),
    ("idle_timeout_ms: 10", "idle_timeout_ms: 10 is not between"),
    ("idle_timeout_ms: -1", "idle_timeout_ms"),
    ("max_streams: 0", "max_streams: 0 is not between"),
    ("max_streams: 65536", "max_streams: 65536 is not between"),
    ("suites: []", "suites"),
    ("suites: [rot13]", "suites"),
    ("suites: [aes-256-gcm, aes-256-gcm]", "twice"),
    ("handshakes: {per_second: 0}", "handshakes.per_second: 0"),
    ("resets_per_prefix: {burst: 1000001}", "resets_per_prefix.burst"),
    ("handshakes: 5", "handshakes"),
    ("data_plane_socket: " + "x" * 108, "data_plane_socket"),
    ("{", "c.yaml"),
    ("- 1", "c.yaml"),
    ("log_level: info\nlog_level: info\n\tx", "c.yaml"),
])
def test_invalid(tmp_path, text, said):
    bad = check(tmp_path, text)
    assert bad.returncode == 1 and bad.stdout == ""
    assert said in bad.stderr, bad.stderr


def test_missing_file():
    missing = run("--config", "/nonexistent/c.yaml", "--check")
    assert missing.returncode == 1 and "/nonexistent/c.yaml: cannot open" in missing.stderr


def test_command_line():
    assert run("--help").returncode == 0 and "--print-identity" in run("--help").stdout
    assert re.fullmatch(r"jetplaned \d+\.\d+\.\d+\n", run("--version").stdout)
    for wrong in (["--wrong"], ["argument"], ["--config"]):
        assert run(*wrong).returncode == 2 and "Usage" in run(*wrong).stderr


def test_unknown_group(make_daemon):
    daemon = make_daemon("control_group: no-such-group", start=False)
    daemon.start(wait=False)
    assert daemon.process.wait(5) == 1
    assert "no group named no-such-group" in daemon.log.read_text()
    assert not daemon.socket.exists()
