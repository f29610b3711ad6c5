"""Tasks in local processes, several at a time.

A small network does not keep many cores busy, and a fold uses one GPU: running folds in parallel finishes sooner
(`benchmarks/jobs.py`; starting a process takes seconds).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from facetwise.core.errors import TrainingError
from facetwise.jobs.errors import error_from_data
from facetwise.jobs.executor import Event, Task
from facetwise.jobs.worker import DONE, FAILED, PLACE


class LocalProcesses:
    """Runs each task in a process of its own, `side_by_side` of them at a time."""

    def __init__(self, side_by_side: int) -> None:
        self.side_by_side = side_by_side
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(side_by_side):
            self._slots.put(slot)

    def submit(self, task: Task) -> LocalProcess:
        """Queue a task; its process starts when its events are iterated and a slot is free."""
        return LocalProcess(task, self._slots)


class LocalProcess:
    """A submitted task; see `Execution`."""

    def __init__(self, task: Task, slots: queue.SimpleQueue[int]) -> None:
        self._task, self._slots = task, slots
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Event]:
        """The task's events; raises its error."""
        slot = self._slots.get()
        try:
            if process := self._start(slot):
                with process:
                    yield from self._events(process)
        finally:
            self.cancel()
            self._slots.put(slot)

    def cancel(self) -> None:
        """Kill the process, or prevent it from starting."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def _start(self, slot: int) -> subprocess.Popen[str] | None:
        with self._lock:
            if not self._cancelled:
                self._process = subprocess.Popen(
                    [sys.executable, *self._task.command],
                    stdin=subprocess.PIPE,  # nothing is written to it: it ends when this process does
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "PYTHONPATH": _search_path(), PLACE: str(slot)},
                    start_new_session=True,  # Ctrl-C is for this process, which then ends the others
                )
            return self._process

    def _events(self, process: subprocess.Popen[str]) -> Iterator[Event]:
        assert process.stdout is not None
        for line in process.stdout:
            event: Event = {}
            with suppress(json.JSONDecodeError):  # cut off by a kill
                event = json.loads(line)
            if event.get("event") == DONE:
                return
            if event.get("event") == FAILED:
                raise error_from_data(event["error"])
            if event:
                yield event
        if not self._cancelled:
            raise TrainingError(
                f"the process of a task ended with code {process.wait()} and said nothing",
                hint="was it out of memory? use fewer `--jobs`; the same command goes on with what was saved",
            )


def _search_path() -> str:
    """`PYTHONPATH` with this package first."""
    package = Path(str(files("facetwise"))).resolve()
    return os.pathsep.join(filter(None, [str(package.parent), os.environ.get("PYTHONPATH", "")]))
