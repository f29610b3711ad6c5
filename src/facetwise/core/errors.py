"""Every error a user can meet.

FacetwiseError                 base; `str()` is what went wrong, `hint` is what to do
├── InputError                 a file, row or image from outside is not what it should be
│   └── ProblemsError          several of those at once, one line each
├── SettingError               a key or value in facetwise.toml, a recipe or a command
├── ArtefactError              something this project made is missing, unfinished or damaged
│   ├── DamagedError           it lacks a file, or a file is not as it was written; `hint` is the way out
│   └── MismatchError          it was made from other data or settings; names what differs
├── LockedError                another process is working on it
├── LeakError                  people would stand on both sides of a validation
├── GateError                  a submission that must not be sent
└── TrainingError              training had to stop (a loss that is not finite, for one)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAX_LISTED = 20
"""Problems of one input that an error's text lists; the rest is counted."""


class FacetwiseError(Exception):
    """Base of all errors meant for the user: one or two lines, no traceback, exit code 2."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InputError(FacetwiseError, ValueError):
    """A file, row or image from outside is invalid."""


class ProblemsError(InputError):
    """Several problems of one input, reported at once: `problems` holds all, one line each; the text lists the first
    ones."""

    def __init__(self, what: str, problems: Iterable[str], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([what, *problem_lines(self.problems)]), hint=hint)


class SettingError(FacetwiseError, ValueError):
    """A key or value in facetwise.toml, a recipe or a command line is not allowed."""


class ArtefactError(FacetwiseError):
    """An artefact of this project is missing, unfinished or damaged."""


class DamagedError(ArtefactError):
    """An artefact lacks a file, or a file of it is not as it was written; the message begins with its path.

    Every screen calls it `damaged` (`str()` begins with the word), and lists have it by its name, with the way out.
    """

    def __str__(self) -> str:
        return f"damaged: {super().__str__()}"

    @property
    def summary(self) -> str:
        """The error and its hint in one line, for a list."""
        return str(self) + (f" ({self.hint})" if self.hint else "")


class MismatchError(ArtefactError):
    """An artefact was made from other data or settings than those in use now."""


class LockedError(FacetwiseError):
    """Another process is working on the same artefact."""


class LeakError(FacetwiseError):
    """The same people would be in training and validation."""


class GateError(FacetwiseError):
    """A submission did not pass the gate."""


class TrainingError(FacetwiseError):
    """Training had to stop; the last checkpoint is still good."""


def problem_lines(problems: Sequence[str]) -> list[str]:
    """A line for each of the first `MAX_LISTED` problems, and one that counts the rest."""
    rest = len(problems) - MAX_LISTED
    return [f"  - {p}" for p in (*problems[:MAX_LISTED], *([f"and {rest:,} more"] if rest > 0 else []))]


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The end of a message: the closest match of `word`, and the allowed values."""
    options = sorted(allowed)
    meant = closest(word, options)
    listed = ", ".join(f"`{o}`" for o in options)
    return (f"did you mean `{meant}`? " if meant is not None else "") + f"allowed: {listed}"


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option that `word` most likely means; for a number (`1.0`) an equal one (`1`), never one that only looks
    alike."""
    options = list(options)
    if re.fullmatch(r"\s*[+-]?[0-9]{1,15}(\.[0-9]{1,15})?\s*", word, re.ASCII):
        numbers = ((o, re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?", o, re.ASCII)) for o in options)
        return next((o for o, number in numbers if number and float(o) == float(word)), None)
    same = [o for o in options if o.casefold() == word.strip().casefold()]
    return next(iter(same or get_close_matches(word, options, n=1)), None)
