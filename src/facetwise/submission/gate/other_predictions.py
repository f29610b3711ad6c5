"""All answers to the test images in a project, and the choice of opinions about a submission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facetwise.core.errors import ArtefactError, FacetwiseError
from facetwise.core.files.csvtable import read_csv
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.core.runs import list_runs
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.blend_folder import list_blends
from facetwise.predictors.external import list_external
from facetwise.predictors.sources import Source, read_source
from facetwise.submission.folder import SubmissionFolder, list_submissions
from facetwise.submission.gate.misplaced import ProjectAnswers
from facetwise.submission.gate.opinions import Opinion
from facetwise.submission.ledger.ledger import Ledger, read_ledger

MAX_OPINIONS, MAX_SENT = 5, 2
"""Most opinions that are used, and how many of them may be earlier submissions."""
FAILED = 0.5
"""A submission that scored less than this share of its forecast is not used: it may have the same fault."""


@dataclass(frozen=True)
class OpinionQuery:
    """Which opinions to use: all except the file's own source, in this order."""

    itself: tuple[str, str] | None = None
    """Id and test-time augmentation of the file's own source."""
    candidates: Sequence[str] = ()
    """References of runs and blends, the best first."""


def other_opinions(project: Project, manifest: Manifest, asked: OpinionQuery) -> list[Opinion]:
    """At most `MAX_OPINIONS` readable opinions for this manifest; earlier submissions first."""
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


def sources_here(project: Project, manifest: Manifest) -> Iterator[Source]:
    """Every readable run (with each stored test-time augmentation), blend and import, newest last."""
    workspace = project.workspace
    runs = [(run.id, tta) for run in list_runs(workspace) if run.finished for tta in run.kept_ttas()]
    others = [blend.id for blend in list_blends(workspace)] + [f"foreign:{f.name}" for f in list_external(workspace)]
    for reference, tta in (*runs, *((name, "none") for name in others)):
        with suppress(FacetwiseError):
            source = read_source(project, manifest, reference, tta=tta)
            if source.test is not None:
                yield source


def answers_here(
    project: Project, manifest: Manifest, sources: Iterable[Source], itself: tuple[str, str] | None
) -> list[ProjectAnswers]:
    """Answers of every submission and of `sources`, except those made from `itself` (id, augmentation)."""
    found = []
    for submission in list_submissions(project.workspace):
        with suppress(FacetwiseError):
            made_from = submission.made_from()
            if (made_from.id, made_from.tta) != itself:
                found.append(ProjectAnswers(submission.id, _codes_of(project, manifest, submission)))
    for source in sources:
        if (source.id, source.tta) != itself:
            name = source.reference if source.tta == "none" else f"{source.id} --tta {source.tta}"
            assert source.test is not None
            found.append(ProjectAnswers(name, source.test.codes))
    return found


def _sent(project: Project) -> Iterator[SubmissionFolder]:
    """Earlier submissions, by public score, then those without one, newest first."""
    ledger = _ledger(project)
    submissions = list_submissions(project.workspace)[::-1]
    public = {s.id: e.public for s in submissions if (e := ledger.by_submission.get(s.id)) and e.public is not None}
    scored = [s for s in submissions if s.id in public and not _failed(s, public[s.id])]
    yield from sorted(scored, key=lambda s: -public[s.id])
    yield from (s for s in submissions if s.id not in public)


def _ledger(project: Project) -> Ledger:
    """The ledger, or an empty one if it is unreadable, which is reported elsewhere and only affects the order here."""
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
    """The classes of its file, with out-of-fold classes if its source is still readable."""
    oof: IntArray | None = None
    with suppress(FacetwiseError):
        made_from = submission.made_from()
        known = read_source(project, manifest, made_from.reference, tta=made_from.tta).oof
        oof = None if known is None else known.codes
    return Opinion(submission.id, _codes_of(project, manifest, submission), oof)


def _codes_of(project: Project, manifest: Manifest, submission: SubmissionFolder) -> IntArray:
    """Class numbers in a submission's file, (n, num_attributes), in the organisers' order; -1 for missing images."""
    side = project.file.dataset.test
    assert side is not None
    file = read_csv(submission.read_csv_bytes(), str(submission.csv_file))
    sent = dict(zip(file.column(side.image), file.column(side.answer), strict=True))
    joint = np.array([int(sent.get(name, MISSING)) for name in manifest.test["name"]], np.int64)
    return project.space.product.decode(joint, missing=True)


def _of_source(project: Project, manifest: Manifest, reference: str) -> Opinion:
    source = read_source(project, manifest, reference)
    if source.test is None or source.oof is None:
        raise ArtefactError(f"`{reference}` has no predictions of the test side, or none out of fold")
    return Opinion(source.id, source.test.codes, source.oof.codes)
