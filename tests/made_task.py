"""A worker for the tests of executors: it does what its first argument says. Run by `python -m made_task`."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial

from facetwise.core import errors
from facetwise.jobs.executor import Task
from facetwise.jobs.worker import check_fingerprint, place, serve

ERRORS = {
    name: kind(f"{name}: of Ümläute\nand two lines", hint="do `this`")
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.FacetwiseError) and kind is not errors.ProblemsError
} | {"ProblemsError": errors.ProblemsError("two things", ["one\nof two lines", "other"], hint="do `that`")}
"""One of every class of `core.errors`."""
OTHERS = {
    "OSError": FileNotFoundError(2, "No such file or directory", "x.csv"),
    "KeyError": KeyError("missing"),
    "UnicodeDecodeError": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
}


def task(what: str, *arguments: str) -> Task:
    """A task that does `what`."""
    return Task("made_task", (what, *arguments), "print of it")


def work(what: str, *rest: str, say) -> None:
    *arguments, fingerprint = rest
    check_fingerprint("print of it", fingerprint)
    match what:
        case "count":
            for number in range(int(arguments[0])):
                say({"event": "number", "number": number, "text": "눈"})
        case "place":
            say({"event": "place", "place": place()})
        case "print":
            print("{not an event")  # noqa: T201
            os.system("echo nor this")
            say({"event": "said"})
        case "raise":
            raise (ERRORS | OTHERS)[arguments[0]]
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            say({"event": "hangs", "pid": os.getpid()})
            time.sleep(600)


if __name__ == "__main__":
    serve(lambda say: partial(work, *sys.argv[1:])(say=say))
