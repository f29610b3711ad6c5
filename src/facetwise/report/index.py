"""Scores of finished runs, kept from one look at the list to the next: a bootstrap a run is what makes that list slow.

The index is derived. It holds nothing that is not computed again when it is missing, damaged or stale, it may be
deleted at any time, and a project that cannot be written to does without it. Several processes may write it: the file
is whole at any moment, and what one of them overwrites is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from facetwise import evaluate
from facetwise.core import labels
from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import content_hash, file_hash, read_done, read_json, write_json
from facetwise.data.manifest import Manifest
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.scorecard import Scorecard

FILE = "scores.json"


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


class ScoreIndex:
    """The kept scores of a project's finished runs. `save` when all that was wanted has been asked for."""

    def __init__(self, project: Project, manifest: Manifest) -> None:
        self._file = project.workspace.cache / FILE
        self._entries = _read(self._file)
        self._asked: dict[str, dict[str, Any]] = {}
        overlay = project.workspace.overlay_file
        self._versions = [
            scoring_version(),
            project.space_hash,
            manifest.hash,
            manifest.labels_hash,
            file_hash(overlay) if overlay.is_file() else None,
        ]

    def score(self, run: RunFolder, compute: Callable[[], Scorecard | None]) -> RunScore | None:
        """The run's main score: the kept one when nothing that decides it changed, else of `compute()`.

        None for a run without out-of-fold predictions. A run that is not finished is always computed.
        """
        key = self._key(run)
        kept = None if key is None else _entry(self._entries.get(run.id), key)
        if kept is None:
            card = compute()
            kept = None if card is None else RunScore.of(card)
        if key is not None and kept is not None:
            self._asked[run.id] = {"key": key, **asdict(kept)}
        return kept

    def save(self) -> None:
        """Keep the scores asked for, and only those; says nothing when that cannot be done."""
        if self._asked != self._entries:
            with suppress(OSError, FacetwiseError, ValueError):
                write_json(self._file, {"sha256": content_hash(self._asked), "runs": self._asked})

    def _key(self, run: RunFolder) -> str | None:
        """Of everything that the score follows from; None when the run's table is not the one it was finished with."""
        table = run.table_file("oof")
        if not run.finished or not table.is_file():
            return None
        found = file_hash(table)
        noted = read_done(run.path)["made_from"].get("tables", {}).get("oof")
        return content_hash([found, *self._versions]) if found == noted else None


@cache
def scoring_version() -> str:
    """Hash of the code that scores, and of this file: any change in it makes every kept score stale."""
    files = [*sorted(Path(evaluate.__path__[0]).glob("*.py")), Path(labels.__file__), Path(__file__)]
    digest = hashlib.sha256(np.__version__.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Run id -> what was kept; empty when there is no file, or it is not as it was written."""
    with suppress(OSError, FacetwiseError, ValueError, TypeError, KeyError):
        data = read_json(path)
        runs: dict[str, Any] = data["runs"]
        if data["sha256"] == content_hash(runs):
            return runs
    return {}


def _entry(kept: Mapping[str, Any] | None, key: str) -> RunScore | None:
    if kept is None or kept["key"] != key:
        return None
    fields = {name: value for name, value in kept.items() if name != "key"}
    return RunScore(**{**fields, "macro_f1_interval": Interval(**kept["macro_f1_interval"])})
