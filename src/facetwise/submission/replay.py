"""Replay of a submission from the tables and the decision in its record: the same bytes, or the difference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetwise.core.errors import ArtefactError, FacetwiseError, MismatchError
from facetwise.core.files.csvtable import read_csv
from facetwise.core.files.writing import write_output
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.submission import MadeFrom, PartMadeFrom
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import file_hash
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.sources import Source
from facetwise.submission.eligible import eligible_source, joint_classes
from facetwise.submission.folder import SubmissionFolder
from facetwise.submission.madefrom import predictions_file
from facetwise.submission.make import read_template, side_to_predict, training_side
from facetwise.submission.write import submission_csv


@dataclass(frozen=True)
class Replay:
    """A reproduced submission."""

    submission: str
    data: bytes
    csv_sha256: str
    as_kept: bool
    """Whether the csv in the submission's folder has the same bytes."""
    gone: tuple[str, ...]
    """Missing files that are not needed: weights that were cleaned."""


def replay(project: Project, submission: SubmissionFolder, out: Path | None = None) -> Replay:
    """Reproduce a submission's csv and compare it with the recorded sha256; with `out` also write it there.

    Raises MismatchError naming the difference (a table, the decision, the organisers' csv, or the answers), and as
    `eligible_source` when the manifest, classes or a table have changed. Nothing is written then.
    """
    record, made_from = submission.record(), submission.made_from()
    manifest = load_manifest(project)
    source = eligible_source(project, manifest, made_from.reference, made_from.tta)
    data, template = _filled_in(project, manifest, source, made_from)
    differences = list(_differences(project, source, made_from, template))
    found = hashlib.sha256(data).hexdigest()
    if found != record.csv_sha256:
        differences += _other_answers(project, submission, data)
        raise MismatchError("\n".join([f"submission `{submission.id}` cannot be made again", *_listed(differences)]))
    if out is not None:
        write_output(out, data)
    kept = submission.csv_file.is_file() and file_hash(submission.csv_file) == found
    return Replay(submission.id, data, found, kept, tuple(_gone(project, made_from)))


def _listed(lines: list[str]) -> list[str]:
    return [f"  - {line}" for line in lines or ["the bytes differ, though all it was made from is the same"]]


def _filled_in(project: Project, manifest: Manifest, source: Source, made_from: MadeFrom) -> tuple[bytes, bytes]:
    """The csv, and the organisers' csv that it is made from."""
    side = side_to_predict(project)
    answers = _with_filled(joint_classes(source), source, manifest, made_from, project.space)
    template = read_template(project, side)
    data = submission_csv(manifest.test["name"].to_list(), answers, template, side.image, side.answer)
    return data, template


def _with_filled(
    joint: IntArray, source: Source, manifest: Manifest, made_from: MadeFrom, space: LabelSpace
) -> IntArray:
    answers = space.answer_of(joint)
    if made_from.filled is None:
        return answers
    common = made_from.filled.joint
    if common is None:
        common = int(np.bincount(training_side(manifest, space, source).mix(space.product).predicted).argmax())
    return np.where(answers == MISSING, common, answers)


def _differences(project: Project, source: Source, made_from: MadeFrom, template: bytes) -> Iterator[str]:
    """Differences from the record."""
    if file_hash(predictions_file(project.workspace, source)) != made_from.test_sha256:
        yield f"the test predictions of {source.kind} `{source.id}` are others than it was made from"
    decision = source.decision
    if decision != made_from.decision:
        yield f"classes were decided by {made_from.decision}, `{source.id}` says {decision} now"
    if made_from.template_sha256 is not None and hashlib.sha256(template).hexdigest() != made_from.template_sha256:
        yield "the organisers' csv is another than was filled in"


def _other_answers(project: Project, submission: SubmissionFolder, data: bytes) -> list[str]:
    """The number of answers that differ from the stored csv, if that is intact."""
    side = side_to_predict(project)
    try:
        kept = read_csv(submission.read_csv_bytes(), str(submission.csv_file))
        made = read_csv(data, "the csv made again")
        sent, now = (dict(zip(f.column(side.image), f.column(side.answer), strict=True)) for f in (kept, made))
    except FacetwiseError:
        return []
    differ = [name for name in sent if sent[name] != now.get(name)]
    return [f"{len(differ)} of {len(sent)} answers differ; the first is image {differ[0]!r}"] if differ else []


def _gone(project: Project, made_from: MadeFrom) -> Iterator[str]:
    for part in made_from.parts:
        if part.kind == "run" and not _has_weights(project, part):
            yield f"weights of run `{part.id}`"


def _has_weights(project: Project, part: PartMadeFrom) -> bool:
    run = RunFolder(project.workspace.runs / part.id)
    try:
        return not run.missing_weights()
    except ArtefactError:
        return False
