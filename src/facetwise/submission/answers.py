"""What a csv says: a recorded submission, or any filled-in file of that shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facetwise.blending.answers import AnswerKind, Answers, answers_of_classes
from facetwise.core.csvtable import read_submission
from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.submission.folder import SubmissionFolder, check_range


def read_answers(project: Project, manifest: Manifest, path: Path) -> Answers:
    """The answers of the csv at `path`, in the organisers' order, whatever order its rows have.

    Raises InputError or ProblemsError, naming file, line and image, for a file that is not one answer for each test
    image, and InputError when the dataset has no test side.
    """
    return _read(project, manifest, path, "file", str(path))


def submission_answers(project: Project, manifest: Manifest, submission: SubmissionFolder) -> Answers:
    """The answers of a submission, after a check that its csv is the one recorded; raises as `read_answers`."""
    submission.read_csv_bytes()
    return _read(project, manifest, submission.csv_file, "submission", submission.id)


def _read(project: Project, manifest: Manifest, path: Path, kind: AnswerKind, name: str) -> Answers:
    side = project.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there are no answers to read")
    images = manifest.test["name"].to_list()
    names, joint = read_submission(path, side.image, side.answer, expected=images)
    check_range(path, names, joint.tolist(), project.space)
    place = {image: i for i, image in enumerate(names)}
    ordered = joint[np.array([place[image] for image in images], np.int64)]
    return answers_of_classes(kind, name, ordered, project.space)
