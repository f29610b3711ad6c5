"""The contract between who has work and who runs it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Event = dict[str, Any]
"""Something that happened in a task, as plain JSON data; its kind is under `event`."""


@dataclass(frozen=True)
class Task:
    """Work for another process, as plain data: no code travels, so any machine that has this package can do it."""

    module: str
    """The worker: a module that is run by `python -m` and calls `jobs.worker.serve`."""
    arguments: tuple[str, ...]
    """Of its command line."""
    fingerprint: str
    """Of what the work is made from; the last argument, so that a worker that finds other data can refuse."""

    @property
    def command(self) -> tuple[str, ...]:
        """What to give to an interpreter of Python."""
        return ("-m", self.module, *self.arguments, self.fingerprint)


class Execution(Protocol):
    """A submitted task."""

    def __iter__(self) -> Iterator[Event]:
        """Its events as they happen, until it is done or cancelled; to be asked for once.

        Raises the error that stopped it as it was raised there (class, message, hint), and TrainingError when its
        process is gone without a word.
        """
        ...

    def cancel(self) -> None:
        """End it; it saves nothing more. From any thread, and also before it begins or after it has ended."""
        ...


class Executor(Protocol):
    """Runs tasks somewhere: in processes of this machine, or on a cluster."""

    @property
    def side_by_side(self) -> int:
        """How many tasks share a machine at a time, and with it its cores."""
        ...

    def submit(self, task: Task) -> Execution:
        """Take a task; it begins when there is room, and at the latest when its events are asked for."""
        ...


def run_tasks(executor: Executor, tasks: Sequence[Task]) -> Generator[Event]:
    """The events of all tasks as they happen, mixed. The first error is raised, and the other tasks are cancelled.

    Close the generator (`contextlib.closing`) to cancel all of them.
    """
    heard: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    submitted = [executor.submit(task) for task in tasks]
    threads = [threading.Thread(target=_listen, args=(execution, heard), daemon=True) for execution in submitted]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            event = heard.get()
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


def _listen(execution: Execution, heard: queue.SimpleQueue[Event | BaseException | None]) -> None:
    """Pass on the events of a task; its end is None, or its error."""
    try:
        for event in execution:
            heard.put(event)
    except BaseException as error:
        heard.put(error)
    else:
        heard.put(None)
