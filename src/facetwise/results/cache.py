"""A cache of results that take a bootstrap (a run's score, a comparison), shared between commands.

The cache is derived: an entry that is missing or damaged is recomputed. It may be deleted at any time, and read-only
projects work without it. Several processes may write it: each write is atomic, and entries lost to another process are
recomputed.
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
VERSION = 3
"""Increase it when the same predictions give other scores, comparisons or entries than before:
`tests/golden/test_scores.py` holds the numbers of this version and fails when they change."""
CAPACITY = 5000
"""Number of entries stored: the most recently used."""


class ResultCache:
    """JSON data by a hash of all inputs. Call `save` after the last `get`."""

    def __init__(self, project: Project, manifest: Manifest) -> None:
        self._file = project.workspace.cache / FILE
        self._results = _read(self._file)
        self._before = list(self._results)
        data = project.space_hash, manifest.hash, manifest.labels_hash
        self._data = [VERSION, project.file.score.metric, *data]

    def get(self, parts: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The cached result for the key `parts` (JSON data: the question and the hashes of its inputs), or a new
        one."""
        key = content_hash([*self._data, *parts])
        found: dict[str, Any] = self._results.pop(key) if key in self._results else compute()
        self._results[key] = found  # most recently used
        return found

    def save(self) -> None:
        """Write the cache; silently does nothing when that is not possible."""
        if list(self._results) != self._before:
            latest = dict(list(self._results.items())[-CAPACITY:])
            with suppress(OSError, FacetwiseError, ValueError):
                write_json(self._file, {"sha256": content_hash(latest), "answers": latest})


@dataclass(frozen=True)
class RunScore:
    """The numbers of a scorecard that the list of runs shows."""

    what: str
    score: float
    score_interval: Interval
    accuracy: float
    num_covered: int

    @classmethod
    def of(cls, card: Scorecard) -> RunScore:
        """The main score of a scorecard."""
        return cls(card.what, card.score, card.score_interval, card.accuracy, card.num_covered)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunScore:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**data, "score_interval": Interval(**data["score_interval"])})


def run_score(cache: ResultCache, run: RunFolder, compute: Callable[[], Scorecard | None]) -> RunScore | None:
    """The run's main score, from the cache or from `compute()`; None for a run without out-of-fold predictions.

    The score of an unfinished run, or of one whose table has changed since it finished, is always computed.
    """
    table = table_hash(run)
    if table is None or table != run.table_hash("oof"):
        card = compute()
        return None if card is None else RunScore.of(card)
    found = cache.get(["score", table], lambda: _as_dict(compute()))
    return RunScore.from_dict(found) if found else None


def table_hash(run: RunFolder) -> str | None:
    """Hash of the out-of-fold table of a finished run; None without one."""
    table = run.table_file("oof")
    return file_hash(table) if run.finished and table.is_file() else None


def predictions_hash(run: RunFolder) -> str | None:
    """Hash of a finished run's out-of-fold table and record; None without them."""
    table = table_hash(run)
    return None if table is None or not run.record_file.is_file() else content_hash([table, file_hash(run.record_file)])


def _as_dict(card: Scorecard | None) -> dict[str, Any]:
    return {} if card is None else asdict(RunScore.of(card))


def _read(path: Path) -> dict[str, Any]:
    """The stored entries; empty when the file is missing or damaged."""
    with suppress(OSError, FacetwiseError, ValueError, TypeError, KeyError):
        data = read_json(path)
        results: dict[str, Any] = data["answers"]
        if data["sha256"] == content_hash(results) and all(isinstance(a, dict) for a in results.values()):
            return results
    return {}
