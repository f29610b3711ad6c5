"""`DONE.json`: written last into every artefact folder, with its inputs and the hash of each file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.records.base import Record, read_record
from facetwise.core.workspace import AGAIN, DONE, file_hash, is_done

F = TypeVar("F", bound=BaseModel)


class Anything(Record):
    """Inputs of an artefact that are not read."""


class Done(Record, Generic[F]):
    """`DONE.json` of an artefact with inputs of type `F`."""

    schema_version: int
    made_from: F
    files: dict[str, str]
    """Path in the folder -> sha256; empty for a run, whose tables are hashed in `made_from`."""


class RunMadeFrom(Record):
    """`made_from` of a finished run: sha256 of its files."""

    fingerprint: str | None = None
    tables: dict[str, str] = Field(default_factory=dict)
    """By side, `oof` or `test`."""
    recipe_file: str | None = None
    record_file: str | None = None
    backbone_file: str | None = None
    """For heads on a frozen backbone."""
    imported_file: str | None = None
    """For a run that was imported from another project."""


def read_done(folder: Path, made_from: type[F], *, version: int = 1, way_out: str = AGAIN) -> Done[F]:
    """The DONE mark of an artefact; raises ArtefactError when it is unfinished or of another version, and DamagedError
    with `way_out` as its hint when the mark is damaged.
    """
    if not is_done(folder):
        raise ArtefactError(f"{folder}: not finished")
    model: Any = Done[made_from]  # type: ignore[valid-type]
    found: Done[F] = read_record(folder / DONE, model, "a finished artefact", way_out=way_out, versions=(version,))
    return found


def verify_files(folder: Path, *, way_out: str = AGAIN) -> None:
    """Compare an artefact's files with the hashes in its mark; raises DamagedError naming the first damaged one."""
    for name, expected in read_done(folder, Anything, way_out=way_out).files.items():
        verify_file(folder / name, expected, way_out)


def verify_file(path: Path, expected: str | None, way_out: str) -> None:
    """Raise DamagedError unless the file is there and has this sha256."""
    if not path.is_file():
        raise DamagedError(f"{path}: missing", hint=way_out)
    if file_hash(path) != expected:
        raise DamagedError(f"{path}: changed since it was made", hint=way_out)
