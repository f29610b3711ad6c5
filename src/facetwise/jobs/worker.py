"""The worker's side of a task: what a worker module calls when it is run.

Events are written to standard output as JSON lines. Standard input carries nothing: when it closes, the process that
started the worker is gone, and the worker exits.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable

from facetwise.core.errors import ArtefactError
from facetwise.jobs.errors import error_as_data
from facetwise.jobs.executor import Event

DONE, FAILED = "task_done", "task_failed"
"""Types of the last event of a task; executors consume it and do not pass it on."""
PLACE = "FACETWISE_PLACE"
"""Environment variable with the slot that a task runs in."""


def place() -> int:
    """The slot, from 0, that this task runs in; tasks that run at the same time have different slots."""
    return int(os.environ.get(PLACE, "0"))


def check_fingerprint(found: str, expected: str) -> None:
    """Raise ArtefactError when this machine's data differ from the data that the task was made from."""
    if found != expected:
        raise ArtefactError(
            f"the task was made from data {expected[:12]}, but this machine has {found[:12]}",
            hint="start the command again",
        )


def serve(work: Callable[[Callable[[Event], None]], None]) -> None:
    """Run `work` with a function that sends events; its error is sent to the process that submitted the task.

    Anything else printed meanwhile, by Python or C, goes to standard error, so that it is not taken for an event.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        threading.Thread(target=_end_with_starter, daemon=True).start()

        def send(event: Event) -> None:
            output.write(json.dumps(event, ensure_ascii=False) + "\n")
            output.flush()

        try:
            work(send)
        except Exception as error:  # any error must reach the waiting process
            send({"event": FAILED, "error": error_as_data(error)})
        else:
            send({"event": DONE})


def _end_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)
