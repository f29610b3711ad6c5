"""Whoever predicts, as one kind of thing: a run, a blend of several, predictions that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import polars as pl

from facetwise.core.errors import ArtefactError, GateError, InputError, MismatchError
from facetwise.core.labels import LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.blend import BlendMadeFrom, BlendRecord
from facetwise.core.records.external import ExternalMadeFrom, ExternalRecord
from facetwise.core.records.run import RunRecord
from facetwise.core.references import AnyReference, parse_reference
from facetwise.core.runs import RunFolder, find_run
from facetwise.data.manifest import Manifest
from facetwise.evaluate.decide import ARGMAX
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows, Truth
from facetwise.predictors.blend_folder import BlendFolder, find_blend
from facetwise.predictors.external import ForeignFolder, find_foreign

Kind = Literal["run", "blend", "foreign"]
PREDICTORS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Source:
    """What one predictor says of the images of the manifest, checked to belong to it."""

    kind: Kind
    id: str
    tta: str
    """Test-time augmentation of its predictions; `none` for all but runs."""
    attributes: tuple[str, ...]
    """What it predicts, in the label's order."""
    oof: Predictions | None
    """A row a training image in manifest order, not covered where no fold held it out; None when nothing is known out
    of fold. Of a blend these are nested predictions."""
    test: Predictions | None
    """A row a test image in the organisers' order, fold models averaged, not covered where an image cannot be read;
    None when there is no test side."""
    record: RunRecord | BlendRecord | ExternalRecord
    no_oof: str | None = None
    """Why nothing is known out of fold, to follow its name; None when `oof` is there."""

    @property
    def run(self) -> RunRecord | None:
        """Its record, of a run."""
        return self.record if isinstance(self.record, RunRecord) else None

    @property
    def fingerprint(self) -> str | None:
        """Of a run."""
        return None if self.run is None else self.run.fingerprint

    @property
    def decision(self) -> str | dict[str, Any]:
        """How its probabilities become classes: `argmax`, or the rule of a blend."""
        return self.record.decision if isinstance(self.record, BlendRecord) else ARGMAX

    def require_oof(self) -> Predictions:
        """The out-of-fold predictions; raises InputError that says why there is none."""
        if self.oof is None:
            raise InputError(
                f"`{self.reference}` {self.no_oof or 'has no out-of-fold predictions'}",
                hint="take a cross-validated run on the folds of this project, or a blend of such runs",
            )
        return self.oof

    def scored(self, manifest: Manifest) -> ScoredRows:
        """The out-of-fold predictions beside the scored labels; raises InputError that says why there are none."""
        oof = self.require_oof()
        return ScoredRows(oof, manifest_truth(manifest, oof.space))

    @property
    def reference(self) -> str:
        """How to name it on a command line."""
        return f"foreign:{self.id}" if self.kind == "foreign" else self.id


def manifest_truth(manifest: Manifest, space: LabelSpace) -> Truth:
    """The scored labels of the training images, in manifest order, and whose images they are."""
    train = manifest.train
    return Truth(space, train["image"].to_numpy(), manifest.codes(space), train["group"].to_numpy())


def read_source(project: Project, manifest: Manifest, reference: AnyReference, *, tta: str = "none") -> Source:
    """What `reference` predicts, for the images and labels of this project.

    Raises InputError when there is no such predictor, ArtefactError when it is unfinished or damaged, GateError for a
    run on folds split by image, MismatchError when it was made from other images, people or classes.
    """
    named = parse_reference(reference, PREDICTORS)
    match named.kind:
        case "run":
            return run_source(project, manifest, find_run(project.workspace, named), tta=tta)
        case "blend":
            return blend_source(project, manifest, find_blend(project.workspace, named))
    return foreign_source(project, manifest, find_foreign(project.workspace, str(named.key)))


def run_source(project: Project, manifest: Manifest, run: RunFolder, *, tta: str = "none") -> Source:
    """What a finished run predicts; raises as `read_source`."""
    record = _usable_record(project, manifest, run)
    whose = f"run `{run.id}`"
    oof = _read(project, run.oof(tta), manifest.train, whose)
    test = _read(project, run.test(tta), manifest.test, whose, average=True)
    known = test if oof is None else oof
    names = tuple(record.attributes) if known is None else known.attributes
    no_oof = run.why_no_oof() if oof is None else None
    return Source("run", run.id, tta, names, oof, test, record, no_oof)


def blend_source(project: Project, manifest: Manifest, blend: BlendFolder) -> Source:
    """What a blend predicts; raises as `read_source`."""
    record = blend.record()
    check_blend(project, manifest, blend.id, record)
    whose = f"blend `{blend.id}`"
    oof = None if record.shared else _read(project, blend.table("oof"), manifest.train, whose)
    test = _read(project, blend.table("test"), manifest.test, whose)
    why = "has members that are known on the test side only: nothing out of fold tells what it is worth"
    no_oof = why if oof is None else None
    return Source("blend", blend.id, "none", project.space.names, oof, test, record, no_oof)


def check_blend(project: Project, manifest: Manifest, blend_id: str, record: BlendRecord) -> None:
    """Raise MismatchError unless the record of a blend is of these images, people and classes."""
    _check_made_from(f"blend `{blend_id}`", record.made_from, project, manifest, hint="blend again")


def labels_since(record: BlendRecord, manifest: Manifest) -> str | None:
    """What to know of a blend whose labels are others now than when it was made, by its record; None when they are not.

    Nothing that it predicts goes by labels, so it may be used. The overlay plays no part: a blend is chosen and scored
    by the dataset's own labels.
    """
    if record.made_from.labels in (None, manifest.labels_hash):
        return None
    return (
        "The dataset's labels changed since this blend was made: its weights, its rule and its nested estimate go by "
        "the labels as they were. Blend again to choose by those of now."
    )


def foreign_source(project: Project, manifest: Manifest, foreign: ForeignFolder) -> Source:
    """What predictions from elsewhere say of the test side; raises as `read_source`."""
    record, what = foreign.record(), f"`foreign:{foreign.name}`"
    _check_made_from(what, record.made_from, project, manifest, hint="import the csv again, under another name")
    test = Predictions.read(foreign.table(), project.space, what).in_order(manifest.test["image"].to_list(), what)
    why = "was predicted elsewhere: it can be used for the test side only"
    return Source("foreign", foreign.name, "none", test.attributes, None, test, record, why)


def _read(
    project: Project, table: pl.DataFrame | None, rows: pl.DataFrame, whose: str, *, average: bool = False
) -> Predictions | None:
    """The predictions of a side whose rows in the manifest are `rows`, one an image."""
    if table is None:
        return None
    found, images = Predictions.read(table, project.space, whose), rows["image"].to_list()
    return found.average(images, whose) if average else found.in_order(images, whose)


def _usable_record(project: Project, manifest: Manifest, run: RunFolder) -> RunRecord:
    if not run.finished:
        raise ArtefactError(f"run `{run.id}` is not finished", hint=f"continue it: `facetwise fit --resume {run.id}`")
    run.check_labels(project.space_hash)
    record = run.record()
    if record.by_image:
        raise GateError(
            f"run `{run.id}` was validated on folds split by image: its score is not to be trusted",
            hint="train it on folds split by person",
        )
    if record.fingerprint_fields.manifest != manifest.hash:
        raise MismatchError(
            f"run `{run.id}` was made from another manifest: images, people or the test side changed since",
            hint="put the dataset back, or train again (`facetwise check` says what is odd now)",
        )
    return record


def _check_made_from(
    what: str, made_from: BlendMadeFrom | ExternalMadeFrom, project: Project, manifest: Manifest, *, hint: str
) -> None:
    """Raise MismatchError unless it was made from these images, people and classes."""
    if made_from.label_space != project.space_hash:
        raise MismatchError(f"{what} is of other attributes, classes or cuts than facetwise.toml has now", hint=hint)
    if made_from.manifest != manifest.hash:
        message = f"{what} was made from another manifest: images, people or the test side changed since"
        raise MismatchError(message, hint=hint)
