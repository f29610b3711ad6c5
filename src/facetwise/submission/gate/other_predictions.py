"""Whom to ask about a submission: earlier ones, and other runs and blends, as opinions on the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facetwise.core.errors import ArtefactError, FacetwiseError
from facetwise.core.files.csvtable import parse_csv
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.decide import decode_joint
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.sources import read_source
from facetwise.submission.folder import SubmissionFolder, list_submissions
from facetwise.submission.gate.opinions import Opinion
from facetwise.submission.ledger.ledger import Ledger, read_ledger

MAX_OPINIONS, MAX_SENT = 5, 2
"""Others that are asked, and how many of them may be earlier submissions."""
FAILED = 0.5
"""A submission that scored less than this share of its forecast is no opinion: it may have the very fault."""


@dataclass(frozen=True)
class Asked:
    """Whom not to ask, because it is what the file was made from, and in which order to ask."""

    itself: tuple[str, str] | None = None
    """Id and test-time augmentation of the source in hand."""
    candidates: Sequence[str] = ()
    """References of runs and blends, the best first."""


def ask_others(project: Project, manifest: Manifest, asked: Asked) -> list[Opinion]:
    """At most `MAX_OPINIONS` others that can be read and belong to this manifest; earlier submissions first."""
    done = set() if asked.itself is None else {asked.itself}
    found: list[Opinion] = []
    for submission in _sent(project):
        with suppress(FacetwiseError):
            made_from = submission.made_from()
            source = (made_from.id, made_from.tta)
            if len(found) < MAX_SENT and source not in done and made_from.manifest == manifest.hash:
                found.append(_of_submission(project, manifest, submission))
                done.add(source)
    for reference in asked.candidates:
        if len(found) < MAX_OPINIONS and (reference, "none") not in done:
            with suppress(FacetwiseError):
                found.append(_of_source(project, manifest, reference))
    return found


def _sent(project: Project) -> Iterator[SubmissionFolder]:
    """Earlier submissions: the best public score first, then those without one, the newest first."""
    ledger = _ledger(project)
    submissions = list_submissions(project.workspace)[::-1]
    public = {s.id: e.public for s in submissions if (e := ledger.by_submission.get(s.id)) and e.public is not None}
    scored = [s for s in submissions if s.id in public and not _failed(s, public[s.id])]
    yield from sorted(scored, key=lambda s: -public[s.id])
    yield from (s for s in submissions if s.id not in public)


def _ledger(project: Project) -> Ledger:
    """The ledger, or an empty one when it cannot be read: that is told elsewhere, and only costs the order here."""
    try:
        return read_ledger(project.workspace)
    except FacetwiseError:
        return Ledger()


def _failed(submission: SubmissionFolder, public: float) -> bool:
    try:
        forecast = submission.record().forecast
    except ArtefactError:
        return True
    return forecast is not None and public < FAILED * forecast.expected


def _of_submission(project: Project, manifest: Manifest, submission: SubmissionFolder) -> Opinion:
    """The classes of its file, with the out-of-fold ones of its source when that can still be read."""
    side = project.file.dataset.test
    assert side is not None
    file = parse_csv(submission.read_csv_bytes(), str(submission.csv_file))
    sent = dict(zip(file.column(side.image), file.column(side.answer), strict=True))
    joint = np.array([int(sent.get(name, MISSING)) for name in manifest.test["name"]], np.int64)
    oof: IntArray | None = None
    with suppress(FacetwiseError):
        made_from = submission.made_from()
        known = read_source(project, manifest, made_from.reference, tta=made_from.tta).oof
        oof = None if known is None else known.codes
    return Opinion(submission.id, decode_joint(joint, project.space), oof)


def _of_source(project: Project, manifest: Manifest, reference: str) -> Opinion:
    source = read_source(project, manifest, reference)
    if source.test is None or source.oof is None:
        raise ArtefactError(f"`{reference}` has no predictions of the test side, or none out of fold")
    return Opinion(source.id, source.test.codes, source.oof.codes)
