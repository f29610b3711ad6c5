"""A run that is being trained: its folder, its plan, the machine's part, and where its events go."""

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
from facetwise.core.files.disk import told_when_full
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
        """Write an event to `events.jsonl`, a line of its own."""
        _append(self.run.events_file, {**event, "time": now()})

    def tell(self, event: dict[str, Any]) -> None:
        """Tell the listener of an event of this run, which here or elsewhere was recorded."""
        if self.listener is not None:
            self.listener({"run": self.run.id, **event})

    def emit(self, event: dict[str, Any]) -> None:
        """Record an event and tell of it."""
        self.record(event)
        self.tell(event)

    def state_folder(self, fold: int) -> Path:
        """What is kept of a fold while it trains."""
        return self.run.path / "state" / f"fold-{fold}"

    def curves(self) -> dict[int, list[float]]:
        """Fold -> validation score after each epoch."""
        curves: dict[int, list[float]] = {}
        for event in self.run.epochs():
            curves.setdefault(event.fold, []).append(math.nan if event.val_macro_f1 is None else event.val_macro_f1)
        return curves

    def left(self) -> list[int]:
        """The folds that are not finished."""
        return [fold for fold in self.plan.fold_numbers if not is_done(self.run.fold(fold))]


@contextmanager
def open_job(run: RunFolder, plan: RunPlan, listener: Listener | None) -> Iterator[Job | None]:
    """Lock a run and get it ready to train; None when it is finished. Raises LockedError while another trains it."""
    if run.finished:
        yield None
        return
    with lock(run.lock_file, f"run `{run.id}` is being trained"):
        if run.finished:  # in the meantime, by the process that held the lock
            yield None
            return
        _end_last_line(run.events_file)
        threads = torch.get_num_threads()
        try:
            job = enter_job(run, plan, listener)
            placed = job.setup.source.placed.reason
            job.emit({"event": "run", "run": run.id, "folds": plan.fold_numbers, "store": placed})
            yield job
        finally:
            torch.set_num_threads(threads)  # a share of them must not be what the next run finds and shares again


def enter_job(run: RunFolder, plan: RunPlan, listener: Listener | None, worker: int | None = None) -> Job:
    """A run that this process, or the one that started it, has locked. `worker` is its number among several."""
    choices = Choices.of(run.record().choices)
    device = apply_choices(choices)
    if worker is not None and device == torch.device("cuda"):
        device = torch.device("cuda", worker % torch.cuda.device_count())
    setup = Setup(
        plan.recipe, plan.layout, ImageSource(plan.store.images, device), device, choices, plan.project.root, run.id
    )
    return Job(run, plan, setup, listener)


@contextmanager
def told_when_out_of_memory() -> Iterator[None]:
    """Turn a device that is full into a TrainingError that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"out of memory: {error}", hint="lower `train.batch_size` and raise `train.accumulate` as much"
        ) from None


def _end_last_line(path: Path) -> None:
    """A kill may have cut the last line off: end it, so that the next event has a line of its own."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with told_when_full(path, 1), path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _append(path: Path, event: dict[str, Any]) -> None:
    """Add a line in one write, since several processes may add at once.

    An epoch's scores are safe on the disk before its state is, since `select = "best"` goes by them.
    """
    line = (json.dumps(event, ensure_ascii=False) + "\n").encode()
    with told_when_full(path, len(line)), path.open("ab", buffering=0) as file:
        written = file.write(line)
        while written < len(line):  # a disk that fills up takes a part; the next call says so
            written += file.write(line[written:])
        if event["event"] == "epoch":
            os.fsync(file.fileno())
