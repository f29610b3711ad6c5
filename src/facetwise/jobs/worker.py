"""The inside of a task: what a worker's module calls when it is run.

Events go as lines of JSON to standard output. Standard input is only there to end: when it does, the process that
started the worker is gone, and so is the worker.
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
"""The last event of a task is one of these; they are for executors, who keep them to themselves."""
PLACE = "FACETWISE_PLACE"
"""The environment variable in which a task finds its place among those that run side by side."""


def place() -> int:
    """This task's number, from 0, among those that run side by side; no two have the same at a time."""
    return int(os.environ.get(PLACE, "0"))


def check_fingerprint(found: str, expected: str) -> None:
    """Raise ArtefactError when what is here is not what the task was made from."""
    if found != expected:
        raise ArtefactError(
            f"the task is of {expected[:12]}, and what is here is of {found[:12]}", hint="start the command again"
        )


def serve(work: Callable[[Callable[[Event], None]], None]) -> None:
    """Do `work`, which gets the function that tells an event; its error goes to who waits for it.

    What is printed meanwhile, in Python or C, goes to standard error: it is no event.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        threading.Thread(target=_end_with_starter, daemon=True).start()

        def say(event: Event) -> None:
            answers.write(json.dumps(event, ensure_ascii=False) + "\n")
            answers.flush()

        try:
            work(say)
        except Exception as error:  # whatever it is, who waits must hear of it
            say({"event": FAILED, "error": error_as_data(error)})
        else:
            say({"event": DONE})


def _end_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)
