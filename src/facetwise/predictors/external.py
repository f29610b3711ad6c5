"""Imported predictions of the test side, stored in the project; they can only join blends on the test side."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import ClassVar

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError, did_you_mean
from facetwise.core.files.outside import read_bounded
from facetwise.core.files.writing import write_atomic
from facetwise.core.project import Project
from facetwise.core.records.artefact import Artefact, ArtefactKind, list_artefacts
from facetwise.core.records.base import read_record, write_record
from facetwise.core.records.external import ExternalMadeFrom, ExternalRecord
from facetwise.core.records.provenance import now
from facetwise.core.tables import PREDICTIONS, read_table, write_table
from facetwise.core.text.spelling import Spellings
from facetwise.core.workspace import Workspace, lock, new_artefact
from facetwise.data.manifest import Manifest
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.predictors.external_csv import CERTAIN, TOLERANCE, ParsedPredictions, parse_predictions

RECORD, TABLE, ORIGINAL = "foreign.json", "test.parquet", "original.csv"
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")


@dataclass(frozen=True)
class ExternalFolder(Artefact):
    """Imported predictions: `foreign.json`, `test.parquet`, `original.csv`, `DONE.json`."""

    kind: ClassVar[ArtefactKind] = "foreign"
    record_name: ClassVar[str] = RECORD

    @property
    def name(self) -> str:
        """Their name in the project, such as `alice`."""
        return self.path.name

    @property
    def way_out(self) -> str:
        """What to do when they are damaged."""
        back = f"put the file back from a copy; or move {self.path} out of the project and import its {ORIGINAL} again"
        return f"{back}: `facetwise run import FILE --name {quote(self.name)}`"

    def record(self) -> ExternalRecord:
        """`foreign.json`: source and format; raises DamagedError when any file has changed."""
        self.check_whole()
        record = read_record(self.record_file, ExternalRecord, "imported predictions", way_out=self.way_out)
        self.check_no_copy(record.name)
        return record

    def table(self) -> pl.DataFrame:
        """One row for each test image in the organisers' order, with the columns of a prediction table."""
        return read_table(self.path / TABLE, PREDICTIONS)


def list_external(workspace: Workspace) -> list[ExternalFolder]:
    """All imported predictions, by name, including damaged ones, whose `record` raises DamagedError."""
    return list_artefacts(workspace.external, ExternalFolder)


def find_external(workspace: Workspace, name: str) -> ExternalFolder:
    """The imported predictions called `name`; raises InputError when there are none."""
    found = {folder.name: folder for folder in list_external(workspace)}
    if (spelt := Spellings(found).find(name)) in found:
        return found[spelt]
    hint = did_you_mean(name, found) if found else "bring them in with `facetwise run import FILE.csv --name NAME`"
    raise InputError(f"no imported predictions are called `{name}`", hint=hint)


def import_predictions(
    project: Project, manifest: Manifest, file: Path, name: str, *, answers_of: str | None = None
) -> ExternalFolder:
    """Store the predictions in the csv `file` as `foreign/<name>/`; `answers_of` as in `parse_predictions`.

    Raises InputError or ProblemsError when the csv is invalid (all problems at once), when the name is invalid or
    taken, and when the same file was imported before.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"`{name}` cannot name predictions",
            hint="use letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        )
    data = read_bounded(file)
    read = parse_predictions(data, str(file), project, manifest, answers_of=answers_of)
    record = _record(project, manifest, data, name, read)
    folder = project.workspace.external / name
    with lock(project.workspace.external / ".lock", "imported predictions"):
        _check_new(project.workspace, folder, record.made_from.csv_sha256)
        with new_artefact(folder, record.made_from.as_dict()) as temporary:
            write_atomic(temporary / ORIGINAL, data)
            write_table(predictions_table(read, manifest), temporary / TABLE, PREDICTIONS)
            write_record(temporary / RECORD, record)
    return ExternalFolder(folder)


def predictions_table(read: ParsedPredictions, manifest: Manifest) -> pl.DataFrame:
    """The prediction table: one row for each test image in the organisers' order."""
    test = manifest.test
    nothing = pl.lit(None, dtype=pl.Int32())
    keys = test.select("image", "group", nothing.alias("fold"), nothing.alias("repeat"))
    columns = [pl.Series(name, logs.astype(np.float32)) for name, logs in read.columns.items()]
    decided = [] if read.decided is None else [pl.Series(DECIDED, read.decided, dtype=pl.Int32())]
    return keys.with_columns(*columns, *decided)


def _record(project: Project, manifest: Manifest, data: bytes, name: str, read: ParsedPredictions) -> ExternalRecord:
    kept = "" if read.decided is None else "; `decided` is the answer"
    how = {
        "submission": f"each attribute's answer has the probability {CERTAIN}, its other classes share the rest{kept}",
        "probabilities": f"a row's probabilities are divided by their sum, which is 1 up to {TOLERANCE}",
    }
    sha256 = hashlib.sha256(data).hexdigest()
    return ExternalRecord(
        name=name,
        imported=now(),
        made_from=ExternalMadeFrom(label_space=project.space_hash, manifest=manifest.hash, csv_sha256=sha256),
        content=read.content,
        attributes=list(read.attributes),
        how=how[read.content],
        num_images=manifest.test.height,
        num_normalised=read.num_normalised,
        num_respelt=read.num_respelt,
        num_impossible=read.num_impossible,
        ignored_columns=list(read.ignored),
    )


def _check_new(workspace: Workspace, folder: Path, sha256: str) -> None:
    if folder.exists():
        raise InputError(f"there are already predictions called `{folder.name}`", hint="give another `--name`")
    for other in list_external(workspace):
        with suppress(ArtefactError):  # a damaged one is reported by every list
            if other.record().made_from.csv_sha256 == sha256:
                hint = f"name it `foreign:{other.name}`; a second copy would count its vote twice"
                raise InputError(f"the same file was already imported as `{other.name}`", hint=hint)
