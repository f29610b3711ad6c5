"""Kills, a full disk, Ctrl-C: what comes out in the end is what an undisturbed run gives, byte for byte."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from crashes import Job, crash_server

import facetwise as fw
from facetwise.core import workspace
from facetwise.core.errors import LockedError
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import is_done
from facetwise.recipe import load_recipe
from facetwise.train import crossval
from facetwise.train.job import open_job
from facetwise.train.planning.plan import make_plan

SETTINGS = ("--set", "train.length=3ep")
KILLS = 2
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
    files = [*run.glob("*.parquet"), *run.glob("fold-*/*.parquet"), *run.glob("fold-*/*.safetensors")]
    return {p.relative_to(run).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


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
    trained = [(e.fold, e.epoch) for e in run.epochs()]
    assert trained == [(fold, epoch) for fold in range(3) for epoch in (1, 2, 3)]


# ------------------------------------------------------------------------------------------- misfortunes on order

QUICK = ("input.height=16", "input.width=12", 'folds.plan="holdout"', "train.length=1ep", "train.batch_size=84")
"""One fold of one short epoch: a fit of a tenth of a second, with every kind of file that a fit writes."""


WRITTEN = {"recipe.toml", "run.json", "checkpoint.safetensors", "1.safetensors", "1.npy", "model.safetensors"}
WRITTEN |= {"oof.parquet", "test.parquet", "DONE.json"}
"""The files of a run that are written whole or not at all."""


@pytest.fixture(scope="module")
def crash():
    with crash_server() as ask:
        yield ask


def again(ready, crash, **misfortune: object):
    """Train from nothing under a misfortune: the runs before are gone, the image store is kept."""
    shutil.rmtree(ready.project / "runs", ignore_errors=True)
    return crash(Job(str(ready.project), str(ready.recipe), QUICK, **misfortune))


def go_on(ready, crash) -> dict[str, str]:
    """Do what a person does after a crash; what the run then holds."""
    begun = list(ready.project.glob("runs/[0-9]*/run.json"))
    outcome = crash(Job(str(ready.project), None if begun else str(ready.recipe), () if begun else QUICK))
    assert outcome.status == 0, outcome.stderr
    return digests(ready.project)


@pytest.mark.slow
def test_a_kill_at_any_file_operation_changes_nothing_in_the_end(own, crash):
    again(own, crash)
    expected = digests(own.project)
    assert len(expected) == 2 + 3
    moment = 1
    while again(own, crash, kill_at=moment).status == -signal.SIGKILL:
        assert go_on(own, crash) == expected, moment
        (run,) = own.project.glob("runs/[0-9]*")
        assert is_done(run)
        moment += 1
    assert moment > 25
    assert digests(own.project) == expected


@pytest.mark.slow
def test_a_disk_full_at_any_write_is_told_and_changes_nothing_in_the_end(own, crash):
    again(own, crash)
    expected = digests(own.project)
    moment, told = 1, set()
    while (outcome := again(own, crash, full_at=moment)).status != 0:
        assert "the disk is full (No space left on device)" in outcome.stderr, moment
        assert "bytes were to be written" in outcome.stderr
        told |= {name for name in WRITTEN if f"{name}: the disk is full" in outcome.stderr}
        left = [p for p in own.project.rglob(".*.tmp-*") if not p.name.endswith(".tmp-new")]
        assert left == [], moment
        assert go_on(own, crash) == expected, moment
        moment += 1
    assert told == WRITTEN


def test_a_disk_that_is_really_full_is_told_and_room_made_is_enough(own, crash):
    again(own, crash)
    expected = digests(own.project)
    (weights_bytes,) = {p.stat().st_size for p in own.project.glob("runs/*/fold-0/model.safetensors")}
    outcome = again(own, crash, command=True, largest=weights_bytes // 2)
    assert outcome.status == 2
    assert "1.safetensors: the disk is full (File too large); " in outcome.stderr
    assert "bytes were to be written" in outcome.stderr
    assert "hint: free some space (`facetwise " in outcome.stderr
    assert " clean` shows what may go), then give the same command again" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert go_on(own, crash) == expected


def test_ctrl_c_in_an_epoch_says_how_to_go_on(own, crash):
    settings = (*QUICK, "train.length=2ep")
    jobs = [Job(str(own.project), str(own.recipe), settings, command=True, interrupt_at=at) for at in ((0, 0), (2, 1))]
    assert crash(jobs[0]).status == 0
    expected = digests(own.project)
    shutil.rmtree(own.project / "runs")
    outcome = crash(jobs[1])
    assert outcome.status == 130
    words = " ".join(outcome.stderr.split())
    assert re.search(r"`facetwise( --project \S+)? fit --resume 01` goes on after the last whole epoch", words)
    assert "Traceback" not in outcome.stderr
    assert epochs_logged(own.project) == 1
    assert go_on(own, crash) == expected


# ------------------------------------------------------------------------------------------------- two fits at once


def test_a_second_fit_of_a_run_that_is_trained_is_refused(own):
    refused = []

    def second(event: dict[str, object]) -> None:
        if event["event"] == "epoch":  # the lock of the first is held by another open file: as from another process
            for again in ({"recipe": own.recipe, "settings": QUICK}, {"resume": "last"}):
                with pytest.raises(LockedError, match="is being trained: another facetwise process") as error:
                    fw.fit(own.project, **again)
                refused.append(error.value.hint)

    run = fw.fit(own.project, own.recipe, settings=QUICK, listener=second)
    assert len(refused) == 2
    assert [p.name for p in own.project.glob("runs/[0-9]*")] == [run.id]
    assert [e["event"] for e in run.events()].count("run") == 1


def test_two_fits_that_start_at_the_same_moment_are_one_run(own, monkeypatch):
    """The first is stopped between looking for a run and making one; the second begins there, and must wait."""
    project = fw.open_project(own.project)
    plan = make_plan(project, load_recipe(own.recipe, QUICK))
    monkeypatch.setattr(workspace, "LOCK_TRIES", 10_000)
    look, claimed, looks = crossval.same_run, [], []
    trying = threading.Event()
    real_flock = workspace._flock

    def flock(file, kind):
        got = real_flock(file, kind)
        if not got:
            trying.set()
        return got

    def same_run(*arguments: object):
        found = look(*arguments)
        looks.append(found)
        if len(looks) == 1:
            second.start()
            assert trying.wait(PATIENCE), "the second did not come to the lock"
        return found

    def claim() -> None:
        claimed.append(crossval.claim_run(project, plan).id)

    second = threading.Thread(target=claim)
    monkeypatch.setattr(workspace, "_flock", flock)
    monkeypatch.setattr(crossval, "same_run", same_run)
    claim()
    second.join()
    assert looks[0] is None
    assert claimed == [looks[1].id] * 2
    assert len(list(own.project.glob("runs/[0-9]*"))) == 1


def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(own_finished, monkeypatch):
    (run,) = [RunFolder(p) for p in own_finished.project.glob("runs/[0-9]*")]
    plan = make_plan(fw.open_project(own_finished.project), load_recipe(own_finished.recipe))
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.name != ".lock"}
    looks = iter([False, True])  # before the lock was had, and after
    monkeypatch.setattr(RunFolder, "finished", property(lambda _run: next(looks)))
    with open_job(run, plan, None) as job:
        assert job is None
    assert {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.name != ".lock"} == before
