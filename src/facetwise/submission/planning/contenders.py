"""Contenders, which can be forecast: submissions, runs and blends, with out-of-fold and test answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import ArtefactError, FacetwiseError
from facetwise.core.labels import IntArray
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.records.blend import BlendRecord
from facetwise.core.records.external import ExternalRecord
from facetwise.core.records.run import RunRecord
from facetwise.core.references import AnyReference, parse_reference, short_name
from facetwise.core.runs import RunFolder
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.predictors.sources import Source
from facetwise.results.notices import estimate_of
from facetwise.submission.answers import submission_answers
from facetwise.submission.eligible import eligible_source, joint_classes
from facetwise.submission.folder import SubmissionFolder, find_submission, list_submissions
from facetwise.submission.ledger.ledger import Entry, Ledger

ContenderKind = Literal["submission", "run", "blend"]


@dataclass(frozen=True)
class Contender:
    """An existing submission, or one that could be made."""

    kind: ContenderKind
    id: str
    source: str
    """Id of the run or blend that it is made from; for a run or blend its own id."""
    oof: IntArray
    """Joint classes out of fold, (n,), in manifest order; -1 if no fold covered the image."""
    test: IntArray
    """Joint classes of the test images, (m,), in the organisers' order; -1 for unreadable images."""
    public: float | None = None
    """Its public score from the ledger."""
    sent: bool = False
    averaged: bool = True
    """Whether several fold models predict the test images; False for a hold-out run."""

    @property
    def reference(self) -> str:
        """Its short reference: `s1`, `3`, `b2`."""
        return short_name(self.kind, self.id)


@dataclass(frozen=True)
class LeftOut(Plain):
    """Something that is left out, and why."""

    name: str
    why: str
    lacks: tuple[str, ...] = ()
    """Attributes that a specialist does not predict, if that is the reason."""
    hint: str | None = None
    """What to do about it."""

    def text(self) -> str:
        """Why, and what to do about it."""
        return "; ".join(part for part in (self.why, self.hint) if part)


def read_contender(project: Project, manifest: Manifest, ledger: Ledger, reference: AnyReference) -> Contender:
    """The run, blend or submission named by `reference`.

    Raises InputError when there is none, or when it lacks an attribute or out-of-fold predictions; and as
    `read_source`.
    """
    named = parse_reference(reference, submissions=[s.id for s in list_submissions(project.workspace)])
    if named.kind == "submission":
        return submission_contender(project, manifest, ledger, find_submission(project.workspace, named))
    return possible_contender(project, manifest, named)


def possible_contender(project: Project, manifest: Manifest, reference: AnyReference, tta: str = "none") -> Contender:
    """A run or blend as a possible submission; raises as `read_contender`."""
    source = eligible_source(project, manifest, reference, tta)
    return of_source(project, source, joint_classes(source))


def of_source(project: Project, source: Source, test: IntArray) -> Contender:
    """A run or blend with test answers `test`, (m,); raises InputError without out-of-fold predictions."""
    kind: ContenderKind = "blend" if source.kind == "blend" else "run"
    averaged = _averages_folds(project, source.record)
    return Contender(kind, source.id, source.id, source.require_oof().classes, test, averaged=averaged)


def _averages_folds(project: Project, record: RunRecord | BlendRecord | ExternalRecord) -> bool:
    """Whether several fold models of any run in it predict the test images: not of a hold-out, or a blend of those."""
    if isinstance(record, RunRecord):
        return estimate_of(record) != "hold-out"
    members = record.made_from.members if isinstance(record, BlendRecord) else []
    folders = {"run": project.workspace.runs, "blend": project.workspace.blends}
    for member in members:
        if member.kind != "foreign" and any(member.weights.values()):
            folder = (RunFolder if member.kind == "run" else BlendFolder)(folders[member.kind] / member.id)
            with suppress(ArtefactError):  # told where the blend is looked at
                if _averages_folds(project, folder.record()):
                    return True
    return False


def submission_contender(project: Project, manifest: Manifest, ledger: Ledger, folder: SubmissionFolder) -> Contender:
    """A submission with the answers of its csv; raises as `read_contender`, and when the csv was changed."""
    made_from = folder.made_from()
    source = possible_contender(project, manifest, made_from.reference, made_from.tta)
    entry = ledger.by_submission.get(folder.id)
    test = submission_answers(project, manifest, folder).joint
    public = None if entry is None else entry.public
    sent, averaged = entry is not None, source.averaged
    return Contender("submission", folder.id, source.id, source.oof, test, public, sent, averaged)


def submissions(
    project: Project, manifest: Manifest, ledger: Ledger, *, sent_only: bool = False
) -> tuple[list[Contender], list[LeftOut]]:
    """Every submission of the project that can be forecast, by number; and those that cannot.

    Sendings of files that are not from this project are left out: they have no out-of-fold predictions.
    """
    found, left_out = [], []
    for folder in list_submissions(project.workspace):
        if sent_only and folder.id not in ledger.by_submission:
            continue
        try:
            found.append(submission_contender(project, manifest, ledger, folder))
        except FacetwiseError as error:
            left_out.append(LeftOut(folder.id, str(error), hint=error.hint))
    return found, [*left_out, *_external(ledger.entries)]


def _external(entries: Sequence[Entry]) -> Iterator[LeftOut]:
    for entry in entries:
        if entry.submission is None:
            yield LeftOut(entry.name, "a file that is not of this project: how it does out of fold is not known")


def comparable(contenders: Sequence[Contender], anchor: Contender) -> tuple[list[Contender], list[LeftOut]]:
    """Those that cover at least the out-of-fold images of `anchor`, and the others."""
    needed, found, left_out = anchor.oof != MISSING, [], []
    for contender in contenders:
        if lacking := int((needed & (contender.oof == MISSING)).sum()):
            why = f"out of fold it lacks {lacking:,} of the {int(needed.sum()):,} images that the others predict"
            left_out.append(LeftOut(contender.id, why))
        else:
            found.append(contender)
    return found, left_out


def widest(contenders: Sequence[Contender]) -> Contender:
    """The one that covers most images out of fold; the first of ties."""
    return max(contenders, key=lambda c: int((c.oof != MISSING).sum()))
