"""Sent files by the sha256 in their records, which is known even when a csv was changed or lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.workspace import Workspace
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.submission.folder import find_submission, list_submissions
from facetwise.submission.ledger.ledger import Ledger
from facetwise.submission.make import read_template, side_to_predict
from facetwise.submission.planning.contenders import Contender
from facetwise.submission.write import submission_csv


@dataclass(frozen=True)
class SentFile:
    """The csv of a sent submission, according to its record."""

    id: str
    sha256: str
    fill: int | None
    """The answer given to images without a prediction."""


def sent_files(workspace: Workspace, ledger: Ledger) -> Iterator[SentFile]:
    """Every submission in the ledger with a readable record."""
    for folder in list_submissions(workspace):
        if folder.id in ledger.by_submission:
            with suppress(FacetwiseError):
                record = folder.record()
                filled = record.made_from.filled
                yield SentFile(folder.id, record.csv_sha256, None if filled is None else filled.joint)


def sent_as(project: Project, manifest: Manifest, contender: Contender, sent: Sequence[SentFile]) -> str | None:
    """Id of a sent submission with the same bytes as this contender has or would have."""
    if not sent:
        return None
    if contender.kind == "submission":
        found = {find_submission(project.workspace, contender.id).record().csv_sha256}
    else:
        found = set(_would_be(project, manifest, contender, {file.fill for file in sent}))
    return next((file.id for file in sent if file.sha256 in found), None)


def _would_be(project: Project, manifest: Manifest, contender: Contender, fills: set[int | None]) -> Iterator[str]:
    """sha256 of the csv that a run or blend would give, for each of these fill classes."""
    side, names = side_to_predict(project), manifest.test["name"].to_list()
    answers = project.space.answer_of(contender.test)
    template, lacking = read_template(project, side), answers == MISSING
    for fill in fills if lacking.any() else {None}:
        filled = answers if fill is None else np.where(lacking, fill, answers)
        yield hashlib.sha256(submission_csv(names, filled, template, side.image, side.answer)).hexdigest()
