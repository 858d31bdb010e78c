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
    in_reference = set(re.findall(r"^(?:# |  )?([a-z_]+):", reference, re.M))
    known = set(re.findall(r'CYAML_FIELD_\w+\(\s*"(\w+)"',
                           (ROOT / "control/config.c").read_text())) - {"per_second", "burst"}
    assert in_reference == known
    for value in re.findall(r"^(?:  )?[a-z_]+: (.+)$", reference, re.M):
        for part in re.findall(r"[\w./-]+", re.sub(r"(per_second|burst):", "", value)):
            assert part.replace("-", "_").lower() in defaults() or part in defaults(), part


def defaults():
    text = (ROOT / "control/config.c").read_text()
    block = text[text.index("defaults = {"):text.index("};", text.index("defaults = {"))]
    return block.replace("AEAD_AES256_GCM", "aes_256_gcm").replace(
        "AEAD_CHACHA20_POLY1305", "chacha20_poly1305").lower() + block


@pytest.mark.parametrize("text", ["", "# nothing\n", "log_level: error", "suites: [aes-256-gcm]",
                                  "handshakes: {burst: 5}", "control_group: ''",
                                  "---\nmax_streams: 5\n...\n",
                                  "tcp: {listen: ['0.0.0.0:4500', '[::]:4500']}"])
def test_valid(tmp_path, text):
    good = check(tmp_path, text)
    assert good.returncode == 0, good.stderr
    assert good.stdout == "configuration is valid\n"


@pytest.mark.parametrize("text, said", [
    ("nonsense: 1", ":1: nonsense: there is no such key"),
    ("resets: {persecond: 1}", ":1: resets.persecond: there is no such key"),
    ("tcp: {listen: [198.18.0.1]}", ":1: tcp.listen[0]: '198.18.0.1' is not ADDRESS:PORT or [ADDRESS]:PORT"),
    ("tcp:\n  listen:\n  - 0.0.0.0:4500\n  - fd00::1:4500", ":4: tcp.listen[1]: 'fd00::1:4500' is not ADDRESS:PORT"),
    ("tcp: {listen: ['0.0.0.0:0']}", ":1: tcp.listen[0]: '0.0.0.0:0' is not"),
    ("tcp: {listen: ['0.0.0.0:65536']}", ":1: tcp.listen[0]: '0.0.0.0:65536' is not"),
    ("tcp: {listen: ['localhost:4500']}", ":1: tcp.listen[0]: 'localhost:4500' is not"),
    ("tcp: {listen: ['[198.18.0.1]:4500']}", ":1: tcp.listen[0]: '[198.18.0.1]:4500' is not"),
    ("tcp: {listen: [':4500']}", ":1: tcp.listen[0]: ':4500' is not"),
    ("tcp:\n  connections: 16385", ":2: tcp.connections: 16385 is not between 1 and 16384"),
    ("tcp: {connections_per_prefix: 0}", ":1: tcp.connections_per_prefix: 0 is not between"),
    ("tcp: {idle_timeout_ms: 100}", ":1: tcp.idle_timeout_ms: 100 is not between 20000 and"),
    ("log_level: loud", ":1: log_level: 'loud' is none of error, warning, info, debug"),
    ("max_streams: 5\n\ncookie: maybe", ":3: cookie: 'maybe' is none of auto, always, never"),
    ("idle_timeout_ms: 10", ":1: idle_timeout_ms: 10 is not between 1000 and 86400000"),
    ("idle_timeout_ms: -1", ":1: idle_timeout_ms: -1 is not between"),
    ("idle_timeout_ms: soon", ":1: idle_timeout_ms: 'soon' is not a number"),
    ("idle_timeout_ms: 30000ms", ":1: idle_timeout_ms: '30000ms' is not a number"),
    ("max_streams: 5x", ":1: max_streams: '5x' is not a number"),
    ("max_streams: 1.5", ":1: max_streams: '1.5' is not a number"),
    ("max_streams: 010", ":1: max_streams: '010' is not a number"),
    ("max_streams: 0x10", ":1: max_streams: '0x10' is not a number"),
    ("max_streams: ' 5'", ":1: max_streams: ' 5' is not a number"),
    ("max_streams: +5", ":1: max_streams: '+5' is not a number"),
    ("max_streams:", ":1: max_streams: '' is not a number"),
    ("max_streams: '-'", ":1: max_streams: '-' is not a number"),
    ("max_streams: 99999999999999999999", ":1: max_streams: '99999999999999999999' is not a number"),
    ("handshakes: {per_second: 1e3}", ":1: handshakes.per_second: '1e3' is not a number"),
    ("handshakes: {burst: 5k}", ":1: handshakes.burst: '5k' is not a number"),
    ("max_streams: 0", ":1: max_streams: 0 is not between"),
    ("max_streams: 65536", ":1: max_streams: 65536 is not between"),
    ("suites: []", ":1: suites: Insufficient entries"),
    ("suites: [aes-256-gcm, chacha20-poly1305, aes-256-gcm]", ":1: suites: has more than 2 entries"),
    ("log_level: info\nsuites:\n- a\n- b\n- c\n", ":3: suites: has more than 2 entries"),
    ("suites:\n- aes-256-gcm\n- rot13", ":3: suites[1]: 'rot13' is none of aes-256-gcm, chacha20-poly1305"),
    ("suites: [aes-256-gcm, aes-256-gcm]", ":1: suites[1]: 'aes-256-gcm' is here twice"),
    ("handshakes:\n  burst: 1\n  per_second: 0", ":3: handshakes.per_second: 0 is not between"),
    ("resets_per_prefix: {burst: 1000001}", ":1: resets_per_prefix.burst: 1000001 is not between"),
    ("handshakes: 5", ":1: handshakes: Expecting MAPPING"),
    ("data_plane_socket: " + "x" * 108, ":1: data_plane_socket: STRING length > 107"),
    ("data_plane_socket: /run/a\ncontrol_socket: /run/a",
     ":2: control_socket: '/run/a' is the path of the other socket too"),
    ("log_level: info\ndata_plane_socket: /run/jetplane/jetctl.sock",
     ":2: data_plane_socket: '/run/jetplane/jetctl.sock' is the path of the other socket too"),
    ("cookie: auto\n---\ncookie: never", ":2: a second document begins here"),
    ("---\ncookie: auto\n...\n---\n", ":4: a second document begins here"),
    ("cookie: auto\n...\n{", ": libyaml: did not find expected <document start>"),
    ("cookie: auto\n...\n---\ncookie: {", ":3: a second document begins here"),
    ("cookie: auto\n? [a]\n: 1", "c.yaml: a key must be a word, not a list or mapping"),
    ("handshakes:\n  ? {a: 1}\n  : 1", "c.yaml: a key must be a word"),
    ("{", ": libyaml: did not find"),
    ("- 1", ": Expecting MAPPING"),
    ("log_level: info\nlog_level: info", ": log_level: Mapping field already seen"),
])
def test_invalid(tmp_path, text, said):
    bad = check(tmp_path, text)
    assert bad.returncode == 1 and bad.stdout == ""
    (line,) = bad.stderr.splitlines()
    assert line.startswith(f"{tmp_path}/c.yaml") and said in line


def test_every_mistake_is_named(tmp_path):
    bad = check(tmp_path, "max_streams: 0\nresets:\n  burst: 0\ncookie: no")
    assert [line.removeprefix(f"{tmp_path}/c.yaml:").split(": ")[:2] for line in bad.stderr.splitlines()] == [
        ["4", "cookie"], ["1", "max_streams"], ["3", "resets.burst"],
    ]


def test_missing_file():
    missing = run("--config", "/nonexistent/c.yaml", "--check")
    assert missing.returncode == 1 and missing.stderr == "/nonexistent/c.yaml: No such file or directory\n"


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
