"""Predictors behind one interface: runs, blends and imported predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import polars as pl

from facetwise.core.errors import ArtefactError, GateError, InputError, MismatchError
from facetwise.core.project import Project
from facetwise.core.records.artefact import Artefact
from facetwise.core.records.blend import BlendMadeFrom, BlendRecord, MemberRecord
from facetwise.core.records.external import ExternalMadeFrom, ExternalRecord
from facetwise.core.records.run import RunRecord
from facetwise.core.references import AnyReference, parse_reference
from facetwise.core.runs import SIDES, RunFolder, find_run
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.core.workspace import Workspace
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows, Truth
from facetwise.evaluate.rules.kinds import ARGMAX
from facetwise.predictors.blend_folder import BlendFolder, find_blend
from facetwise.predictors.external import ExternalFolder, find_external

PredictorKind = Literal["run", "blend", "foreign"]
PREDICTORS: tuple[PredictorKind, ...] = get_args(PredictorKind)


@dataclass(frozen=True)
class Source:
    """The predictions of one predictor for the images of the manifest, checked to belong to it."""

    kind: PredictorKind
    id: str
    tta: str
    """Test-time augmentation of its predictions; always `none` except for runs."""
    attributes: tuple[str, ...]
    """The predicted attributes, in label order."""
    oof: Predictions | None
    """Out-of-fold predictions, one row for each training image in manifest order, not covered where no fold held the
    image out; None when there are none. For a blend these are nested predictions."""
    test: Predictions | None
    """Test predictions averaged over fold models, one row for each test image in the organisers' order, not covered
    where an image is unreadable; None without a test side."""
    record: RunRecord | BlendRecord | ExternalRecord
    no_oof: str | None = None
    """Why there are no out-of-fold predictions, as the rest of a sentence; None when there are."""

    @property
    def run(self) -> RunRecord | None:
        """The record, if it is a run."""
        return self.record if isinstance(self.record, RunRecord) else None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint, if it is a run."""
        return None if self.run is None else self.run.fingerprint

    @property
    def decision(self) -> str | dict[str, Any]:
        """The decision rule: `argmax`, or the rule of a blend as a dict."""
        return self.record.decision if isinstance(self.record, BlendRecord) else ARGMAX

    def require_oof(self) -> Predictions:
        """The out-of-fold predictions; raises InputError with the reason when there are none."""
        if self.oof is None:
            raise InputError(
                f"`{self.reference}` {self.no_oof or 'has no out-of-fold predictions'}",
                hint="take a cross-validated run on the folds of this project, or a blend of such runs",
            )
        return self.oof

    def scored(self, project: Project, manifest: Manifest) -> ScoredRows:
        """The out-of-fold predictions with the scored labels; raises InputError with the reason when there are none."""
        oof = self.require_oof()
        return ScoredRows(oof, manifest_truth(project, manifest))

    @property
    def reference(self) -> str:
        """Its reference on the command line."""
        return f"foreign:{self.id}" if self.kind == "foreign" else self.id


def manifest_truth(project: Project, manifest: Manifest) -> Truth:
    """The scored labels and people of the training images, in manifest order, and what the project scores by."""
    train, codes = manifest.train, manifest.codes(project.space)
    metric = project.file.score.metric
    return Truth(project.space, train["image"].to_numpy(), codes, train["group"].to_numpy(), metric)


def read_source(project: Project, manifest: Manifest, reference: AnyReference, *, tta: str = "none") -> Source:
    """Read the predictor named by `reference`.

    Raises InputError when there is no such predictor, ArtefactError when it is unfinished or damaged, GateError for a
    run on folds split by image, MismatchError when it was made from other images, people or classes.
    """
    named = parse_reference(reference, PREDICTORS)
    match named.kind:
        case "run":
            return run_source(project, manifest, find_run(project.workspace, named), tta=tta)
        case "blend":
            return blend_source(project, manifest, find_blend(project.workspace, named))
    return external_source(project, manifest, find_external(project.workspace, str(named.key)))


def run_source(project: Project, manifest: Manifest, run: RunFolder, *, tta: str = "none") -> Source:
    """The predictions of a finished run; raises as `read_source`."""
    record = _checked_record(project, manifest, run)
    label = f"run `{run.id}`"
    oof = _read(project, run.oof(tta), manifest.train, label)
    test = _read(project, run.test(tta), manifest.test, label, average=True)
    found = test if oof is None else oof
    names = tuple(record.attributes) if found is None else found.attributes
    no_oof = run.why_no_oof() if oof is None else None
    return Source("run", run.id, tta, names, oof, test, record, no_oof)


def blend_source(project: Project, manifest: Manifest, blend: BlendFolder) -> Source:
    """The predictions of a blend; raises as `read_source`."""
    record = blend.record()
    check_blend(project, manifest, blend.id, record)
    label = f"blend `{blend.id}`"
    oof = None if record.shared else _read(project, blend.table("oof"), manifest.train, label)
    test = _read(project, blend.table("test"), manifest.test, label)
    why = "has members without out-of-fold predictions, so it has none either"
    no_oof = why if oof is None else None
    return Source("blend", blend.id, "none", project.space.names, oof, test, record, no_oof)


def runs_below(workspace: Workspace, kind: str, name: str) -> Iterator[RunRecord]:
    """The records of a run, or of the runs of a blend and of the blends in it, as far as they are there."""
    with suppress(ArtefactError):
        if kind == "run":
            yield RunFolder(workspace.runs / name).record()
        elif kind == "blend":
            for member in BlendFolder(workspace.blends / name).record().made_from.members:
                yield from runs_below(workspace, member.kind, member.id)


def member_faults(workspace: Workspace, members: Iterable[MemberRecord]) -> Iterator[str]:
    """Why members of a blend cannot be read any more, each beginning with its name."""
    for member in members:
        folders: dict[str, Artefact] = {
            "run": RunFolder(workspace.runs / member.id),
            "blend": BlendFolder(workspace.blends / member.id),
            "foreign": ExternalFolder(workspace.external / member.id),
        }
        folder = folders[member.kind]
        if not folder.path.is_dir():
            yield f"member `{member.reference}` is gone"
            continue
        try:
            folder.check()
            if isinstance(folder, RunFolder) and member.tta != "none":
                for side in SIDES:
                    folder.verify_table(side, member.tta)
        except ArtefactError as error:
            yield f"member `{member.reference}`: {error}"


def check_blend(project: Project, manifest: Manifest, blend_id: str, record: BlendRecord) -> None:
    """Raise MismatchError unless a blend was made from these images, people and classes."""
    _check_made_from(f"blend `{blend_id}`", record.made_from, project, manifest, hint="blend again")


def labels_since(record: BlendRecord, manifest: Manifest) -> str | None:
    """A notice for a blend that was made from other labels than the dataset has now; None when they are the same.

    Its predictions do not depend on labels, so it may still be used. The overlay does not matter: a blend is fitted and
    scored on the dataset's own labels.
    """
    if record.made_from.labels in (None, manifest.labels_hash):
        return None
    return (
        "The dataset's labels changed since this blend was made: its weights, rule and nested estimate use the old "
        "labels. Blend again to use the new ones."
    )


def external_source(project: Project, manifest: Manifest, external: ExternalFolder) -> Source:
    """Imported predictions of the test side; raises as `read_source`."""
    record, what = external.record(), f"`foreign:{external.name}`"
    _check_made_from(what, record.made_from, project, manifest, hint="import the csv again, under another name")
    test = Predictions.read(external.table(), project.space, what).in_order(manifest.test["image"].to_list(), what)
    why = "has predictions of the test side only, as it is imported"
    return Source("foreign", external.name, "none", test.attributes, None, test, record, why)


def _read(
    project: Project, table: pl.DataFrame | None, rows: pl.DataFrame, label: str, *, average: bool = False
) -> Predictions | None:
    """The predictions for the manifest rows `rows`, one row for each image."""
    if table is None:
        return None
    found, images = Predictions.read(table, project.space, label), rows["image"].to_list()
    return found.average(images, label) if average else found.in_order(images, label)


def _checked_record(project: Project, manifest: Manifest, run: RunFolder) -> RunRecord:
    run.require_finished()
    run.check_labels(project.space_hash)
    record = run.record()
    if record.by_image:
        raise GateError(
            f"run `{run.id}` was validated on folds split by image: its score is too high",
            hint=f"train it on folds split by {PERSON}",
        )
    run.check_manifest(manifest.hash)
    return record


def _check_made_from(
    what: str, made_from: BlendMadeFrom | ExternalMadeFrom, project: Project, manifest: Manifest, *, hint: str
) -> None:
    """Raise MismatchError unless the artefact was made from these images, people and classes."""
    if made_from.label_space != project.space_hash:
        raise MismatchError(
            f"{what} has other attributes, classes or cuts than facetwise.toml, or combinations", hint=hint
        )
    if made_from.manifest != manifest.hash:
        message = f"{what} was made from another manifest: images, {PEOPLE} or the test side changed since"
        raise MismatchError(message, hint=hint)
