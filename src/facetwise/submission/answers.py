"""Answers read from a csv: a recorded submission, or any filled-in file of the same format."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.files.answers_csv import read_submission
from facetwise.core.project import Project
from facetwise.core.workspace import file_hash
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.answers import AnswerKind, Answers, answers_of, answers_of_classes
from facetwise.predictors.sources import read_source
from facetwise.submission.folder import SubmissionFolder, check_range
from facetwise.submission.madefrom import predictions_file


def read_answers(project: Project, manifest: Manifest, path: Path) -> Answers:
    """The answers of the csv at `path`, in the organisers' order, independent of the order of its rows.

    Raises InputError or ProblemsError naming file, line and image unless there is exactly one answer for each test
    image, and InputError when the dataset has no test side.
    """
    return _read(project, manifest, path, "file", str(path))


def submission_answers(project: Project, manifest: Manifest, submission: SubmissionFolder) -> Answers:
    """The answers of a submission, after checking its csv against the record; raises as `read_answers`.

    Includes the probabilities that it was made from, if they still exist and are unchanged.
    """
    submission.read_csv_bytes()
    answers = _read(project, manifest, submission.csv_file, "submission", submission.id)
    return replace(answers, predictions=_decided_on(project, manifest, submission))


def _decided_on(project: Project, manifest: Manifest, submission: SubmissionFolder) -> Predictions | None:
    """The test predictions of a submission's source; None if they are missing, unreadable or changed."""
    with suppress(FacetwiseError):
        made_from = submission.made_from()
        source = read_source(project, manifest, made_from.reference, tta=made_from.tta)
        if file_hash(predictions_file(project.workspace, source)) == made_from.test_sha256:
            return answers_of(source).predictions
    return None


def _read(project: Project, manifest: Manifest, path: Path, kind: AnswerKind, name: str) -> Answers:
    side = project.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there are no answers to read")
    images = manifest.test["name"].to_list()
    names, written = read_submission(path, side.image, side.answer, expected=images)
    check_range(path, names, written.tolist(), project.space)
    place = {image: i for i, image in enumerate(names)}
    ordered = written[np.array([place[image] for image in images], np.int64)]
    return answers_of_classes(kind, name, ordered, project.space)
