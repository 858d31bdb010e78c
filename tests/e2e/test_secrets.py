"""Keys stay in the processes that use them: neither leaves a core file, and nobody but root may look into its memory."""

import json
import os
import subprocess

import pytest
from host import wait_for, why_not
from plane import BUILD

NOGROUP = 65534


def configurations(folder):
    return {
        "dataplane/jetplane-dp": {
            "name": f"jetplane-secrets-{os.getpid()}", "control_socket": str(folder / "socket"), "hugepages": False,
            "ports": [{"device": "net_null0", "addresses": ["198.18.0.1/24"]}], "max_sessions": 64,
            "idle_sleep_us": 1000,
        },
        "control/jetplaned": {
            "data_plane_socket": str(folder / "none"), "control_socket": str(folder / "socket"),
            "identity_file": str(folder / "identity.key"),
        },
    }


@pytest.mark.parametrize("program", ["dataplane/jetplane-dp", "control/jetplaned"])
def test_no_dumps(tmp_path, program):
    """Of a process that may be dumped, /proc has files of the process's group; of others they are root's."""
    if reason := why_not():
        pytest.skip(reason)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(configurations(tmp_path)[program]))
    process = subprocess.Popen([BUILD / program, "--config", config], group=NOGROUP, extra_groups=[])
    try:
        wait_for((tmp_path / "socket").exists, 30, program)
        limits = open(f"/proc/{process.pid}/limits").read().splitlines()
        (core,) = (line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
        assert os.stat(f"/proc/{process.pid}/maps").st_gid == 0
    finally:
        process.terminate()
        assert process.wait(30) == 0
