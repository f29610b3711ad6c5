"""The contract between code that submits tasks and executors that run them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Event = dict[str, Any]
"""One event of a task, as JSON data; `event` holds its type."""


@dataclass(frozen=True)
class Task:
    """Work for another process, as plain data: no code is sent, so any machine with this package can run it."""

    module: str
    """The worker: a module for `python -m` that calls `jobs.worker.serve`."""
    arguments: tuple[str, ...]
    """Its command-line arguments."""
    fingerprint: str
    """Hash of the inputs, passed as the last argument, so that a worker can refuse when it finds other data."""

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments for a Python interpreter."""
        return ("-m", self.module, *self.arguments, self.fingerprint)


class Execution(Protocol):
    """A submitted task."""

    def __iter__(self) -> Iterator[Event]:
        """Its events as they happen, until it is done or cancelled; can be iterated once.

        Raises the error that stopped the task with its class, message and hint, and TrainingError when the process
        ended without reporting one.
        """
        ...

    def cancel(self) -> None:
        """Stop it; it saves nothing more. May be called from any thread, also before it starts or after it has
        ended."""
        ...


class Executor(Protocol):
    """Runs tasks: in processes of this machine, or on a cluster."""

    @property
    def side_by_side(self) -> int:
        """Number of tasks that run on one machine at a time and share its cores."""
        ...

    def submit(self, task: Task) -> Execution:
        """Queue a task; it starts when there is room, at the latest when its events are iterated."""
        ...


def run_tasks(executor: Executor, tasks: Sequence[Task]) -> Generator[Event]:
    """The events of all tasks, interleaved as they happen. The first error is raised and the other tasks are cancelled.

    Close the generator (`contextlib.closing`) to cancel all of them.
    """
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    submitted = [executor.submit(task) for task in tasks]
    threads = [threading.Thread(target=_listen, args=(execution, events), daemon=True) for execution in submitted]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            if event is None:
                running -= 1
            else:
                yield event
    finally:
        for execution in submitted:
            execution.cancel()
        for thread in threads:
            thread.join()


def _listen(execution: Execution, events: queue.SimpleQueue[Event | BaseException | None]) -> None:
    """Put the events of a task into `events`, then None, or its error."""
    try:
        for event in execution:
            events.put(event)
    except BaseException as error:
        events.put(error)
    else:
        events.put(None)
