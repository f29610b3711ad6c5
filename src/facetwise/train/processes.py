"""Folds side by side: each in a process of its own, with its share of the cores or a GPU of its own.

Small networks do not fill many cores, and a fold needs one GPU: long trainings are done sooner side by side
(`benchmarks/jobs.py`; starting a process costs seconds). A worker is this module run by itself. It gets fold numbers as
lines on its standard input, trains them, and tells its events as lines of JSON on its standard output. It ends when its
input does, so that it does not outlive the process that started it, however that ends. Each fold has its own state, so
what is true of resuming is true here; the bits follow the number of threads, which the run has recorded, not that of
the processes.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from facetwise.core.errors import (
    ArtefactError,
    FacetwiseError,
    InputError,
    LeakError,
    MismatchError,
    SettingError,
    TrainingError,
)
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.inference.data import check_same
from facetwise.recipe import load_recipe
from facetwise.train.finish import train_one
from facetwise.train.fold.loop import Listener
from facetwise.train.job import Job, enter_job
from facetwise.train.planning.plan import make_plan

Message = tuple["_Worker", dict[str, Any] | None]
"""What a worker said; None when it has ended."""


def train_in_processes(job: Job, jobs: int) -> None:
    """Train the folds that are left, `jobs` at a time; nothing to do for one job or one fold.

    Raises the error of the first fold that fails; the others stop, and what they saved after their last epoch stays.
    """
    left = job.left()
    if jobs < 2 or len(left) < 2:
        return
    messages: queue.Queue[Message] = queue.Queue()
    workers = [_Worker(job, number, messages) for number in range(min(jobs, len(left)))]
    try:
        _share_out(job, left, workers, messages)
    finally:
        for worker in workers:
            worker.stop()


def _share_out(job: Job, folds: Sequence[int], workers: Sequence[_Worker], messages: queue.Queue[Message]) -> None:
    """Hand out folds, a worker that has finished one gets the next, until all are trained."""
    waiting = list(folds)
    busy = {worker for worker in workers if worker.train(waiting)}
    while busy:
        worker, event = messages.get()
        if event is None:
            raise worker.ended()
        if event["event"] == "worker_failed":
            raise _error(event)
        if event["event"] != "worker_done":
            job.tell(event)
        elif not worker.train(waiting):
            busy.remove(worker)


class _Worker:
    """One process that trains folds."""

    def __init__(self, job: Job, number: int, messages: queue.Queue[Message]) -> None:
        command = [sys.executable, "-m", __name__, str(job.plan.project.root), job.run.id, str(number)]
        paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C is for the process that started it, which then ends its workers
        )
        threading.Thread(target=self._listen, args=(messages,), daemon=True).start()

    def _listen(self, messages: queue.Queue[Message]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(json.JSONDecodeError):  # not of ours; who waits must not be left waiting for it
                messages.put((self, json.loads(line)))
        messages.put((self, None))

    def train(self, waiting: list[int]) -> bool:
        """Hand over the next waiting fold; False when there is none."""
        if not waiting:
            return False
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and `ended` will say so
            self.process.stdin.write(f"{waiting.pop(0)}\n")
            self.process.stdin.flush()
        return True

    def ended(self) -> TrainingError:
        """The error that says that the process is gone."""
        code = self.process.wait()
        return TrainingError(
            f"a process that trained a fold ended with code {code} and said nothing",
            hint="was it out of memory? use fewer `--jobs`; the run goes on after the last whole epoch",
        )

    def stop(self) -> None:
        """End the process; it saves nothing more."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _error(event: dict[str, Any]) -> FacetwiseError:
    """The error of a worker, as it was raised there."""
    kinds = {kind.__name__: kind for kind in (InputError, SettingError, ArtefactError, MismatchError, LeakError)}
    return kinds.get(event["kind"], TrainingError)(event["message"], hint=event["hint"])


def main(root: str, run_id: str, number: str, orders: IO[str], said: IO[str]) -> None:
    """The worker: train the folds whose numbers come as lines of `orders`, and say what happens as lines of `said`."""
    folds: queue.Queue[int] = queue.Queue()
    threading.Thread(target=_take_orders, args=(orders, folds), daemon=True).start()

    def say(event: dict[str, Any]) -> None:
        said.write(json.dumps(event, ensure_ascii=False) + "\n")
        said.flush()

    try:
        job = _worker_job(Path(root), run_id, int(number), say)
        while True:
            train_one(job, job.plan.task(folds.get()))
            say({"event": "worker_done"})
    except Exception as error:  # whatever it is, the process that waits must hear of it
        told = error if isinstance(error, FacetwiseError) else f"{type(error).__name__}: {error}"
        hint = getattr(error, "hint", None)
        say({"event": "worker_failed", "kind": type(error).__name__, "message": str(told), "hint": hint})


def _worker_job(root: Path, run_id: str, number: int, say: Listener) -> Job:
    """The run as this worker trains it: on the next GPU when there are several."""
    project = Project.open(root)
    run = RunFolder(project.workspace.runs / run_id)
    plan = make_plan(project, load_recipe(run.recipe_file))
    check_same(run, plan.fields)
    return enter_job(run, plan, say, number)


def _take_orders(orders: IO[str], folds: queue.Queue[int]) -> None:
    """Pass on fold numbers; when there will be no more, the process that gave them is gone, and so is this one."""
    for line in orders:
        folds.put(int(line))
    os._exit(1)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints, in Python or C, is no event
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.stdin, answers)
