"""Tasks in processes of this machine, several at a time.

Small networks do not fill many cores, and a fold needs one GPU: long trainings are done sooner side by side
(`benchmarks/jobs.py`; starting a process costs seconds).
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
        self._places: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place in range(side_by_side):
            self._places.put(place)

    def submit(self, task: Task) -> LocalProcess:
        """Take a task; its process starts when its events are asked for and a place is free."""
        return LocalProcess(task, self._places)


class LocalProcess:
    """A task that was submitted; see `Execution`."""

    def __init__(self, task: Task, places: queue.SimpleQueue[int]) -> None:
        self._task, self._places = task, places
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Event]:
        """The task's events; raises its error."""
        place = self._places.get()
        try:
            if process := self._start(place):
                with process:
                    yield from self._events(process)
        finally:
            self.cancel()
            self._places.put(place)

    def cancel(self) -> None:
        """Kill the process, or keep it from starting."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def _start(self, place: int) -> subprocess.Popen[str] | None:
        with self._lock:
            if not self._cancelled:
                self._process = subprocess.Popen(
                    [sys.executable, *self._task.command],
                    stdin=subprocess.PIPE,  # nothing is written to it: it ends when this process does
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "PYTHONPATH": _search_path(), PLACE: str(place)},
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
                f"a process that trained a fold ended with code {process.wait()} and said nothing",
                hint="was it out of memory? use fewer `--jobs`; the run goes on after the last whole epoch",
            )


def _search_path() -> str:
    """This package before whatever else the environment has."""
    package = Path(str(files("facetwise"))).resolve()
    return os.pathsep.join(filter(None, [str(package.parent), os.environ.get("PYTHONPATH", "")]))
