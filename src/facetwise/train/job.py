"""A run that is being trained: its folder, plan and setup, and where its events go."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facetwise.core.errors import TrainingError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.records.provenance import now
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import is_done, lock
from facetwise.inference.choices import Choices, apply_choices
from facetwise.inference.setup import Setup
from facetwise.inference.source import ImageSource
from facetwise.train.fold.loop import Listener
from facetwise.train.planning.plan import RunPlan


@dataclass(frozen=True)
class Job:
    """A run that is being trained."""

    run: RunFolder
    plan: RunPlan
    setup: Setup
    listener: Listener | None = None

    def record(self, event: dict[str, Any]) -> None:
        """Append an event to `events.jsonl`."""
        _append(self.run.events_file, {**event, "time": now()})

    def notify(self, event: dict[str, Any]) -> None:
        """Pass an event of this run to the listener; it was recorded here or in another process."""
        if self.listener is not None:
            self.listener({"run": self.run.id, **event})

    def emit(self, event: dict[str, Any]) -> None:
        """Record an event and pass it to the listener."""
        self.record(event)
        self.notify(event)

    def state_folder(self, fold: int) -> Path:
        """Folder of a fold's training state."""
        return self.run.path / "state" / f"fold-{fold}"

    def curves(self) -> dict[int, list[float]]:
        """Fold -> validation score after each epoch."""
        curves: dict[int, list[float]] = {fold: [] for fold in self.plan.fold_numbers}
        for event in self.run.epochs():
            curves[event.fold].append(math.nan if event.score is None else event.score)
        return curves

    def left(self) -> list[int]:
        """Folds that are not finished."""
        return [fold for fold in self.plan.fold_numbers if not is_done(self.run.fold(fold))]


@contextmanager
def open_job(run: RunFolder, plan: RunPlan, listener: Listener | None) -> Iterator[Job | None]:
    """Lock a run and prepare its training; None when it is finished. Raises LockedError while another process trains
    it."""
    if run.finished:
        yield None
        return
    with lock(run.lock_file, f"run `{run.id}` is being trained"):
        if run.finished:  # finished meanwhile by the process that held the lock
            yield None
            return
        _end_last_line(run.events_file)
        threads = torch.get_num_threads()
        try:
            job = enter_job(run, plan, listener)
            placed = job.setup.source.placed.reason
            job.emit({"event": "run", "run": run.id, "folds": plan.fold_numbers, "store": placed})
            for note in plan.store.notes:
                job.notify({"event": "input", "note": note})
            if plan.base is not None:
                job.notify({"event": "base", "base": plan.base.told})  # `run.json` has it
            yield job
        finally:
            torch.set_num_threads(threads)  # so that the next run does not divide an already divided number


def enter_job(run: RunFolder, plan: RunPlan, listener: Listener | None, worker: int | None = None) -> Job:
    """A job for a run that this process or its parent has locked. `worker`: the slot of this process among several."""
    choices = Choices.of(run.record().choices)
    device = apply_choices(choices)
    if worker is not None and device == torch.device("cuda"):
        device = torch.device("cuda", worker % torch.cuda.device_count())
    setup = Setup(
        plan.recipe, plan.layout, ImageSource(plan.store.images, device), device, choices, plan.project.root, run.id
    )
    return Job(run, plan, setup, listener)


@contextmanager
def out_of_memory_errors() -> Iterator[None]:
    """Turn out-of-memory errors of the device into a TrainingError with a hint."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"out of memory: {error}", hint="lower `train.batch_size` and raise `train.accumulate` as much"
        ) from None


def _end_last_line(path: Path) -> None:
    """Terminate a last line that was cut off by a kill, so that the next event starts on a new line."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with disk_full_errors(path, 1), path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _append(path: Path, event: dict[str, Any]) -> None:
    """Append a line with a single write, because several processes may append at once.

    An epoch's scores are synced to disk before its state is saved, because `select = "best"` needs them.
    """
    line = (json.dumps(event, ensure_ascii=False) + "\n").encode()
    with disk_full_errors(path, len(line)), path.open("ab", buffering=0) as file:
        written = file.write(line)
        while written < len(line):  # a full disk accepts a part; the next call raises the error
            written += file.write(line[written:])
        if event["event"] == "epoch":
            os.fsync(file.fileno())
