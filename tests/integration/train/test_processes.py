"""Folds side by side in processes of their own: the same bits, the first error tells, and nobody outlives the run."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import facetwise as fw
from facetwise.core.errors import SettingError, TrainingError
from facetwise.core.project import Project
from facetwise.recipe import load_recipe
from facetwise.train import crossval

pytestmark = pytest.mark.slow

WORKER = "facetwise.train.worker"


def workers_of(parent: int) -> list[int]:
    """Process ids of the workers that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            started_by = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            if int(started_by) == parent and WORKER in (folder / "cmdline").read_text(encoding="utf-8"):
                found.append(int(folder.name))
    return found


def test_side_by_side_the_same_bits_as_one_after_the_other(own):
    """In stages too, since each fold waits for the others' scores. The threads are left as they were found, else each
    run of an ablation would share what the one before it left."""
    settings = ["train.length=3ep", "train.select=best", "train.patience=1"]
    one, events, before = fw.fit(own.project, own.recipe, settings=settings), [], torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = fw.fit(own.project, own.recipe, settings=settings, again=True, jobs=2, listener=events.append)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert two.record().choices["threads"].value == 1
    if one.record().choices["threads"].value == 1:
        for side in ("oof", "test"):
            assert one.table(side).equals(two.table(side), null_equal=True)
        assert len(one.epochs()) == len(two.epochs())
    told = sorted((e["fold"], e["epoch"]) for e in events if e["event"] == "epoch")
    assert told == [(e.fold, e.epoch) for e in two.epochs()]
    assert two.events()[-1]["event"] == "done"
    assert workers_of(os.getpid()) == []


def test_the_error_of_a_fold_is_that_of_the_run(own):
    with pytest.raises(TrainingError, match=r"step .*: the loss is .* nothing was updated"):
        fw.fit(own.project, own.recipe, settings=["optimizer=sgd", "optimizer.lr=1e30", "folds.plan=holdout"], jobs=2)
    assert workers_of(os.getpid()) == []


def test_a_worker_that_is_killed_is_told_and_the_run_goes_on(own):
    recipe = load_recipe(own.recipe, ["train.length=3ep"])
    undisturbed = crossval.fit(Project.open(own.project), recipe)

    def kill(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            os.kill(workers_of(os.getpid())[0], signal.SIGKILL)

    with pytest.raises(TrainingError, match="ended with code -9"):
        fw.fit(own.project, recipe, again=True, jobs=2, listener=kill)
    assert workers_of(os.getpid()) == []
    run = fw.fit(own.project, resume="last")
    assert run.id != undisturbed.id
    assert run.table("oof").shape == undisturbed.table("oof").shape
    if run.record().choices["threads"].value == undisturbed.record().choices["threads"].value:
        assert run.table("oof").equals(undisturbed.table("oof"), null_equal=True)


def test_workers_do_not_outlive_a_killed_run(own):
    program = [sys.executable, "-c", "from facetwise.cli.main import main; main()"]
    command = [*program, "-p", own.project, "fit", own.recipe]
    process = subprocess.Popen(
        [*command, "--jobs", "2", "--set", "train.length=500ep"], stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch   1/" in line:
            break
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    for worker in workers:
        wait_for_end(worker)


def wait_for_end(pid: int) -> None:
    """Return when a process that is not ours has ended; fails after 30 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    assert select.select([descriptor], [], [], 30)[0], f"process {pid} goes on"
    os.close(descriptor)


def test_jobs_are_at_least_one(own):
    with pytest.raises(SettingError, match="`jobs` is 0"):
        fw.fit(own.project, own.recipe, jobs=0)
