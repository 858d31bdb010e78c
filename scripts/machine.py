"""Where figures come from: the machine, its libraries and the commit."""

import datetime
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(*command: str) -> str:
    """What a command prints, trimmed; nothing if it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def cpu_model() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def machine() -> dict:
    libraries = {name: output_of("pkg-config", "--modversion", package) for name, package in {
        "DPDK": "libdpdk", "libsodium": "libsodium", "libcrypto": "libcrypto", "ISA-L": "libisal", "LZ4": "liblz4"}.items()}
    libraries["intel-ipsec-mb"] = output_of("dpkg-query", "-W", "-f", "${Version}", "libipsec-mb-dev")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "compiler": output_of("cc", "--version").split("\n")[0],
        "libraries": libraries,
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "load": os.getloadavg()[0],
    }


def print_machine(m: dict) -> None:
    print(f"{m['date']}  {m['commit']}  load {m['load']:.1f}\n{m['cpu']}, {m['cpus']} CPUs, Linux {m['kernel']}, {m['compiler']}")
    print(", ".join(f"{name} {version}" for name, version in m["libraries"].items()) + "\n")
