"""How long `facetwise --help` takes: the wait before every command.

Command: `make bench BENCH=benchmarks/startup.py`. Target: a median under 0.3 s; torch, timm, scikit-learn, polars and
pydantic stay unloaded, which `tests/contract/test_imports.py` checks.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from facetwise.core.records.provenance import machine

TARGET = 0.3
"""Seconds."""
NUM_STARTS = 20


def seconds(command: list[str]) -> float:
    """Wall time of one start."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    """Print medians of `NUM_STARTS` starts, after one that warms the disk cache."""
    here = machine()
    print(f"{here['cores']} cores, {here['processor']}, Python {sys.version.split()[0]}")
    script = str(Path(sys.executable).with_name("facetwise"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import facetwise": [sys.executable, "-c", "import facetwise"],
        "facetwise --help": [script, "--help"],
    }
    for name, command in commands.items():
        seconds(command)
        times = sorted(seconds(command) for _ in range(NUM_STARTS))
        print(f"{name:18} median {statistics.median(times):.3f} s, from {times[0]:.3f} to {times[-1]:.3f}")
    print(f"target for `facetwise --help`: {TARGET} s")


if __name__ == "__main__":
    main()
