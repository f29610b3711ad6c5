"""Kill -9 at random moments: what comes out in the end is what an undisturbed run gives, byte for byte."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import facetwise as fw
from facetwise.train.checkpoint import load_tensors

SETTINGS = ("--set", "train.length=3ep")
KILLS = 3
PATIENCE = 300
"""Seconds until a process that does nothing is given up; it is never waited for that long."""


def start(project: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from facetwise.cli.main import main; main()", "--project", str(project), "fit"]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def epochs_logged(project: Path) -> int:
    return sum(path.read_bytes().count(b'"event": "epoch"') for path in project.glob("runs/*/events.jsonl"))


def kill_after(process: subprocess.Popen[bytes], project: Path, epochs: int, more: float) -> None:
    """Kill when so many epochs are logged, and up to `more` seconds later."""
    given_up = time.monotonic() + PATIENCE
    while process.poll() is None and epochs_logged(project) < epochs:
        assert time.monotonic() < given_up, "the run does not get on"
        time.sleep(0.005)
    time.sleep(more)
    process.send_signal(signal.SIGKILL)
    process.wait()


def digests(project: Path) -> dict[str, str]:
    (run,) = project.glob("runs/[0-9]*")
    files = [*run.glob("*.parquet"), *run.glob("fold-*/*.parquet")]
    found = {p.relative_to(run).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    return found | {p.relative_to(run).as_posix(): weights(p) for p in run.glob("fold-*/*.safetensors")}


def weights(path: Path) -> str:
    """Digest of the tensors: safetensors writes its metadata in an order of its own each time."""
    tensors, _ = load_tensors(path)
    joined = b"".join(name.encode() + tensors[name].numpy().tobytes() for name in sorted(tensors))
    return hashlib.sha256(joined).hexdigest()


@pytest.mark.slow
def test_killed_runs_end_like_undisturbed_ones(ready_to_fit, tmp_path):
    whole, broken = ready_to_fit.copy(tmp_path / "whole"), ready_to_fit.copy(tmp_path / "broken")
    fw.fit(whole.project, whole.recipe, settings=SETTINGS[1:])
    draws = random.Random(os.environ.get("FACETWISE_KILL_SEED", "0"))
    moments = sorted(draws.sample(range(9), KILLS))
    for moment in moments:
        resume = ("--resume", "last") if list(broken.project.glob("runs/*/run.json")) else None
        process = start(broken.project, *(resume or (str(broken.recipe), *SETTINGS)))
        kill_after(process, broken.project, moment, draws.uniform(0, 0.15))
    run = fw.fit(broken.project, resume="last")
    assert run.finished
    expected = digests(whole.project)
    assert len(expected) == 2 + 3 * 3
    assert digests(broken.project) == expected
    trained = [(e["fold"], e["epoch"]) for e in run.epochs()]
    assert trained == [(fold, epoch) for fold in range(3) for epoch in (1, 2, 3)]
