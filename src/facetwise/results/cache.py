"""Answers that take a bootstrap (a run's score, a comparison), kept from one command to the next.

The cache is derived. It holds nothing that is not computed again when it is missing, damaged or asked for by another
key; it may be deleted at any time, and a project that cannot be written to does without it. Several processes may write
it: the file is whole at any moment, and what one of them overwrites is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.workspace import content_hash, file_hash, read_json, write_json
from facetwise.evaluate.intervals import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from facetwise.core.project import Project
    from facetwise.core.runs import RunFolder
    from facetwise.data.manifest import Manifest
    from facetwise.evaluate.scorecard import Scorecard

FILE = "answers.json"
VERSION = 2
"""Raise it when the same predictions score, compare or read otherwise than before: `tests/golden/test_scores.py`
holds the numbers of this version, and tells when it has to be."""
CAPACITY = 5000
"""Answers that are kept: those asked for last."""


class AnswerCache:
    """Plain data by a hash of all that it follows from. `save` when all that was wanted has been asked for."""

    def __init__(self, project: Project, manifest: Manifest) -> None:
        self._file = project.workspace.cache / FILE
        self._answers = _read(self._file)
        self._before = list(self._answers)
        self._data = [VERSION, project.space_hash, manifest.hash, manifest.labels_hash]

    def answer(self, parts: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer for `parts` (plain data: what is asked, and hashes of what it is asked of), kept or computed."""
        key = content_hash([*self._data, *parts])
        found: dict[str, Any] = self._answers.pop(key) if key in self._answers else compute()
        self._answers[key] = found  # last again
        return found

    def save(self) -> None:
        """Keep what was asked for; says nothing when that cannot be done."""
        if list(self._answers) != self._before:
            latest = dict(list(self._answers.items())[-CAPACITY:])
            with suppress(OSError, FacetwiseError, ValueError):
                write_json(self._file, {"sha256": content_hash(latest), "answers": latest})


@dataclass(frozen=True)
class RunScore:
    """What the list of runs says of a scorecard."""

    what: str
    macro_f1: float
    macro_f1_interval: Interval
    accuracy: float
    num_covered: int

    @classmethod
    def of(cls, card: Scorecard) -> RunScore:
        """The main score of a scorecard."""
        return cls(card.what, card.macro_f1, card.macro_f1_interval, card.accuracy, card.num_covered)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunScore:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**data, "macro_f1_interval": Interval(**data["macro_f1_interval"])})


def run_score(cache: AnswerCache, run: RunFolder, compute: Callable[[], Scorecard | None]) -> RunScore | None:
    """The run's main score: the kept one when nothing that decides it changed, else of `compute()`.

    None for a run without out-of-fold predictions. A run that is not finished, or whose table is not the one that it
    was finished with, is always computed.
    """
    table = table_hash(run)
    if table is None or table != run.table_hash("oof"):
        card = compute()
        return None if card is None else RunScore.of(card)
    found = cache.answer(["score", table], lambda: _as_dict(compute()))
    return RunScore.from_dict(found) if found else None


def table_hash(run: RunFolder) -> str | None:
    """Hash of the out-of-fold table of a finished run; None where there is none."""
    table = run.table_file("oof")
    return file_hash(table) if run.finished and table.is_file() else None


def answers_hash(run: RunFolder) -> str | None:
    """Hash of what a finished run predicted out of fold, and of the record that says of what; None without them."""
    table = table_hash(run)
    return None if table is None or not run.record_file.is_file() else content_hash([table, file_hash(run.record_file)])


def _as_dict(card: Scorecard | None) -> dict[str, Any]:
    return {} if card is None else asdict(RunScore.of(card))


def _read(path: Path) -> dict[str, Any]:
    """What was kept; empty when there is no file, or it is not as it was written."""
    with suppress(OSError, FacetwiseError, ValueError, TypeError, KeyError):
        data = read_json(path)
        answers: dict[str, Any] = data["answers"]
        if data["sha256"] == content_hash(answers) and all(isinstance(a, dict) for a in answers.values()):
            return answers
    return {}
