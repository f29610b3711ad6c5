"""Answers that take a bootstrap, kept from one diary to the next. Derived: may be deleted at any time.

The key of an answer is a hash of everything that it follows from, so an answer is never stale, only not asked for any
more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import content_hash, file_hash, read_json, write_json
from facetwise.data.manifest import Manifest
from facetwise.report.index import scoring_version

FILE = "answers.json"
MOST = 2000
"""Answers that are kept, the ones asked for last."""


class KeptAnswers:
    """Plain data by what it follows from. `save` when all that was wanted has been asked for."""

    def __init__(self, project: Project, manifest: Manifest) -> None:
        self._file = project.workspace.cache / FILE
        self._known = _read(self._file)
        self._before = list(self._known)
        self._data = [version(), project.space_hash, manifest.hash, manifest.labels_hash]

    def answer(self, parts: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer for `parts` (plain data: what is asked, and hashes of what it is asked of), kept or computed."""
        key = content_hash([*self._data, *parts])
        found: dict[str, Any] = self._known.pop(key) if key in self._known else compute()
        self._known[key] = found  # last again
        return found

    def save(self) -> None:
        """Keep what was asked for; says nothing when that cannot be done."""
        if list(self._known) != self._before:
            kept = dict(list(self._known.items())[-MOST:])
            with suppress(OSError, FacetwiseError, ValueError):
                write_json(self._file, {"sha256": content_hash(kept), "answers": kept})


def table_hash(run: RunFolder) -> str | None:
    """Of what a finished run predicted out of fold, with the record that says of what; None when there is none."""
    table = run.table_file("oof")
    if not run.finished or not table.is_file() or not run.record_file.is_file():
        return None
    return content_hash([file_hash(table), file_hash(run.record_file)])


@cache
def version() -> str:
    """Hash of the code that scores and compares: any change in it makes every answer another one."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return content_hash([scoring_version(), *(file_hash(file) for file in files)])


def _read(path: Path) -> dict[str, Any]:
    """What was kept; empty when there is no file, or it is not as it was written."""
    with suppress(OSError, FacetwiseError, ValueError, TypeError, KeyError):
        data = read_json(path)
        answers: dict[str, Any] = data["answers"]
        if data["sha256"] == content_hash(answers) and all(isinstance(a, dict) for a in answers.values()):
            return answers
    return {}
