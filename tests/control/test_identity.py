"""The identity file, and what jetplaned does about its own memory."""

import os
import stat
import subprocess

import pytest
from daemon import JETPLANED, Daemon


def print_identity(daemon):
    return subprocess.run([JETPLANED, "--config", daemon.config, "--print-identity"],
                          capture_output=True, text=True, timeout=10)


@pytest.fixture
def stopped(tmp_path):
    return Daemon(tmp_path)


def test_made_once_with_mode_0600(stopped):
    os.umask(0)
    try:
        first = print_identity(stopped)
    finally:
        os.umask(0o022)
    assert first.returncode == 0 and len(first.stdout.strip()) == 64
    found = stopped.identity.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_size == 32
    assert print_identity(stopped).stdout == first.stdout
    assert os.listdir(stopped.dir).count("identity.key") == 1
    assert not [name for name in os.listdir(stopped.dir) if name.startswith("identity.key.")]


def test_known_seed(stopped):
    """RFC 8032, test 1."""
    stopped.identity.touch(0o600)
    stopped.identity.write_bytes(bytes.fromhex(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert print_identity(stopped).stdout.strip() == \
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_loose_mode_is_refused(stopped, mode):
    stopped.identity.write_bytes(bytes(32))
    stopped.identity.chmod(mode)
    refused = print_identity(stopped)
    assert refused.returncode == 1 and "chmod 600" in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_wrong_size_is_refused(stopped, size):
    stopped.identity.touch(0o600)
    stopped.identity.write_bytes(bytes(size))
    refused = print_identity(stopped)
    assert refused.returncode == 1 and f"{size} bytes, want 32" in refused.stderr
    assert stopped.identity.stat().st_size == size


def test_link_is_judged_by_its_target(stopped):
    stopped.identity.symlink_to("target")
    (stopped.dir / "target").touch(0o600)
    (stopped.dir / "target").write_bytes(bytes(32))
    assert print_identity(stopped).returncode == 0
    (stopped.dir / "target").chmod(0o644)
    assert print_identity(stopped).returncode == 1


def test_link_that_leads_nowhere_is_refused(stopped):
    stopped.identity.symlink_to("target")
    refused = print_identity(stopped)
    assert refused.returncode == 1 and "a link that leads nowhere" in refused.stderr
    assert os.listdir(stopped.dir).count("target") == 0
    assert not [name for name in os.listdir(stopped.dir) if name.startswith("identity.key.")]


def test_other_files_are_refused(stopped):
    stopped.identity.symlink_to("/dev/zero")
    assert print_identity(stopped).returncode == 1
    stopped.identity.unlink()
    os.mkfifo(stopped.identity, 0o600)
    assert "not a regular file" in print_identity(stopped).stderr
    stopped.identity.unlink()
    stopped.identity.mkdir(0o700)
    assert print_identity(stopped).returncode == 1


def test_identity_outlives_restarts(daemon):
    before = daemon.status()["jetplaned"]["identity"]
    daemon.kill()
    daemon.start()
    assert daemon.status()["jetplaned"]["identity"] == before


def test_memory_is_protected(daemon):
    if "libasan" in open(f"/proc/{daemon.process.pid}/maps").read():
        pytest.skip("the address sanitizer makes mlock do nothing")
    status = open(f"/proc/{daemon.process.pid}/status").read()
    locked = int([line for line in status.splitlines() if line.startswith("VmLck")][0].split()[1])
    assert locked > 0
    limits = open(f"/proc/{daemon.process.pid}/limits").read()
    core = [line for line in limits.splitlines() if line.startswith("Max core file size")][0]
    assert core.split()[4:6] == ["0", "0"]
