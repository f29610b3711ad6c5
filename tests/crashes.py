"""Misfortunes on order: a process that loads torch once, and forks a fit for each of them.

Reads a JSON object a line (see `Job`) and answers each with what became of it (see `Outcome`).
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import facetwise as fw

OPERATIONS = ("fsync", "replace", "rename", "unlink", "rmdir")
"""What changes names, or makes content last: a kill between two of them leaves what one before the second leaves."""


@dataclass(frozen=True)
class Job:
    """One fit (or the import of a run, or another verb), and what happens to it."""

    project: str
    recipe: str | None = None
    """None: resume the last run."""
    settings: tuple[str, ...] = ()
    command: bool = False
    """As the command `facetwise fit` does it; else the Python verb, which is quicker."""
    kill_at: int = 0
    """Kill -9 before this file operation (from 1); a file that was to be flushed loses its second half."""
    full_at: int = 0
    """No space on the disk at this flush of a file (from 1), and from then on."""
    largest: int = 0
    """No file may become larger than so many bytes (RLIMIT_FSIZE): what a full disk does, without being root."""
    interrupt_at: tuple[int, int] = (0, 0)
    """Ctrl-C after this step of this epoch."""
    take: str | None = None
    """A pack to import, in place of a fit."""
    verb: str | None = None
    """Any verb, in place of a fit, with `arguments`."""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stderr: str
    operations: int
    """File operations that it did or was about to do."""


@contextmanager
def crash_server() -> Iterator[Callable[[Job], Outcome]]:
    """Call the result with a job; each runs in a fresh fork."""
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve())]
    pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **quiet}, **pipe) as process:
        assert process.stdin
        assert process.stdout

        def ask(job: Job) -> Outcome:
            process.stdin.write(json.dumps(asdict(job)) + "\n")
            process.stdin.flush()
            return Outcome(**json.loads(process.stdout.readline()))

        yield ask
        process.stdin.close()


def serve() -> None:
    import facetwise.train.crossval  # noqa: F401  (so that no fork has to load torch)

    for line in sys.stdin:
        job = Job(**json.loads(line))
        with tempfile.TemporaryDirectory() as folder:
            told, counted = Path(folder, "stderr"), Path(folder, "operations")
            pid = os.fork()
            if pid == 0:
                suffer(job, told, counted)
            _, status = os.waitpid(pid, 0)
            outcome = Outcome(
                os.waitstatus_to_exitcode(status), told.read_text(encoding="utf-8"), counted.stat().st_size
            )
        print(json.dumps(asdict(outcome)), flush=True)  # noqa: T201


def suffer(job: Job, told: Path, counted: Path) -> None:
    """In the fork: the fit and what happens to it; never returns."""
    status = 1
    try:
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        count_operations(job, os.open(counted, os.O_WRONLY | os.O_CREAT))
        interrupt(*job.interrupt_at)
        if job.largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest, resource.RLIM_INFINITY))
        fit(job)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # told to the test: there is nobody else to tell in a fork
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def fit(job: Job) -> None:
    if job.verb is not None:
        getattr(fw, job.verb)(**job.arguments)
        return
    if job.take is not None:
        fw.import_run(job.project, job.take)
        return
    if not job.command:
        fw.fit(job.project, job.recipe, settings=job.settings, resume=None if job.recipe else "last")
        return
    from facetwise.cli.main import main

    what = [job.recipe] if job.recipe else ["--resume", "last"]
    settings = [word for setting in job.settings for word in ("--set", setting)]
    sys.argv = ["facetwise", "--project", job.project, "fit", *what, *settings]
    main()


def count_operations(job: Job, counter: int) -> None:
    """Count file operations (a byte each, so that a kill loses none), and strike at the one that the job names."""
    done, flushed = 0, 0

    def patched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            nonlocal done, flushed
            is_file = name == "fsync" and stat.S_ISREG(os.fstat(args[0]).st_mode)
            if name == "fsync" and not is_file:
                return original(*args, **kwargs)  # of a folder: nothing happened since the operation before
            done += 1
            os.write(counter, b".")
            if done == job.kill_at:
                if is_file:
                    os.ftruncate(args[0], os.fstat(args[0]).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            flushed += is_file
            if is_file and 0 < job.full_at <= flushed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        return operation

    for name in (*OPERATIONS, "mkdir") if job.verb else OPERATIONS:
        setattr(os, name, patched(name, getattr(os, name)))


def interrupt(epoch: int, step: int) -> None:
    from facetwise.cli.display import TrainingDisplay

    shown = TrainingDisplay.event

    def event(self: TrainingDisplay, told: dict[str, Any]) -> None:
        shown(self, told)
        if told["event"] == "step" and (told["epoch"], told["step"]) == (epoch, step):
            signal.raise_signal(signal.SIGINT)

    TrainingDisplay.event = event  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
