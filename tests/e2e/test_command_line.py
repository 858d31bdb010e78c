"""What jetplane-dp says without running."""

import re
import subprocess

import pytest
from plane import BUILD, ROOT


def run(*arguments):
    return subprocess.run([BUILD / "dataplane/jetplane-dp", *arguments], capture_output=True, text=True, timeout=30)


def test_help_and_version():
    for option in "--help", "-h":
        shown = run(option)
        assert shown.returncode == 0 and shown.stdout.startswith("usage: jetplane-dp --config FILE") and not shown.stderr
    version = run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(r"jetplane-dp \d+\.\d+\.\d+, DPDK \d+\.\d+\.\d+.*\n", version.stdout)


@pytest.mark.parametrize("arguments, said", [
    ([], ""), (["--check"], ""), (["--config", "file", "rest"], ""), (["--wrong"], "unrecognized option '--wrong'"),
    (["--config"], "option '--config' requires an argument"), (["-x"], "invalid option -- 'x'"),
])
def test_wrong_usage(arguments, said):
    wrong = run(*arguments)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert said in wrong.stderr and wrong.stderr.endswith(run("--help").stdout)


def test_check(tmp_path):
    example = ROOT / "docs/jetplane-dp.yaml"
    good = run("--config", example, "--check")
    assert (good.returncode, good.stdout, good.stderr) == (0, f"{example}: good\n", "")
    broken = tmp_path / "broken.yaml"
    broken.write_text(example.read_text() + "\nwrong: 1\n")
    bad = run("-c", broken, "--check")
    assert (bad.returncode, bad.stdout) == (1, "") and bad.stderr.startswith(f"{broken}")
