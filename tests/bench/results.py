"""What the benchmarks that are scripts share: running commands, and saying what was found."""

import json
import pathlib
import shlex
import subprocess
import sys


def run(command: list, **options) -> str:
    """What it printed; the end of the benchmark if it fails."""
    ran = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if ran.returncode != 0:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {shlex.join(map(str, command))} failed:\n"
                 f"{(ran.stdout + ran.stderr)[-2000:]}")
    return ran.stdout


def show(results: dict[str, tuple[float, str]], as_json: bool) -> None:
    """name -> value and unit, as tests/bench/report.h prints them."""
    if as_json:
        print(json.dumps({name: {"value": value, "unit": unit} for name, (value, unit) in results.items()}))
        return
    for name, (value, unit) in results.items():
        print(f"{name:<28} {value:14.7g} {unit}")
