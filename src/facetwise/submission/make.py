"""From a finished run to a submission that passed the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, GateError, InputError, MismatchError
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.outside import read_bounded
from facetwise.core.project import Project, TestSide
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import file_hash
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.compose import average, covered
from facetwise.evaluate.decide import ARGMAX, decide
from facetwise.evaluate.intervals import Forecast, prediction_interval
from facetwise.submission.folder import MadeFrom, SubmissionFolder, record_submission
from facetwise.submission.gate import GateReport, check_submission
from facetwise.submission.mix import Mix, assumed_people
from facetwise.submission.write import submission_csv


@dataclass(frozen=True)
class Submission:
    """What was written, what the gate said, and the score to expect."""

    folder: SubmissionFolder
    gate: GateReport
    forecast: Forecast | None
    """None for a run without out-of-fold predictions."""
    num_people: int
    """People assumed on the test side."""
    num_images: int


def make_submission(
    project: Project, run: RunFolder, *, tta: str = "none", confirmed: bool = False, fill_missing: bool = False
) -> Submission:
    """Average the fold models' test probabilities, decide, write the csv in the organisers' order, pass the gate.

    `tta` other than `none` uses the predictions that `facetwise predict RUN --tta` kept. `fill_missing` answers images
    that cannot be read with the class most often predicted out of fold. Raises GateError when the gate refuses, or
    warns and it is not `confirmed`; InputError or MismatchError when the run cannot make a submission. Nothing is
    written then.
    """
    manifest = load_manifest(project)
    side = _check_usable(project, run, manifest)
    joint = joint_classes(project, run, manifest, tta)
    known = oof_mix(project, run, manifest, tta)
    unreadable = joint < 0
    if fill_missing:
        joint = np.where(unreadable, np.bincount(known.predicted).argmax(), joint)
    names = manifest.test["name"].to_list()
    template = _template(project, side)
    data = submission_csv(names, joint, template, side.image, side.answer)
    gate = check_submission(
        data,
        names,
        project.space,
        image_column=side.image,
        answer_column=side.answer,
        decided=joint,
        oof=known,
        reasons=dict(manifest.test.filter(pl.col("status") != "ok").select("name", "status").iter_rows()),
    )
    num_people, why = assumed_people(len(names), len(known.groups), len(set(known.groups)))
    forecast = None if run.oof() is None else _forecast(known, project.space, num_people)
    decision = ARGMAX + (f", {unreadable.sum()} unreadable answered with the commonest class" if fill_missing else "")
    made_from = _made_from(run, manifest, tta, decision)
    people = (num_people, why)
    folder = record_submission(
        project.workspace, data, made_from, gate, forecast=forecast, test_people=people, confirmed=confirmed
    )
    return Submission(folder, gate, forecast, num_people, len(names))


def joint_classes(project: Project, run: RunFolder, manifest: Manifest, tta: str = "none") -> IntArray:
    """Joint class of each test image, in the organisers' order; -1 where the image cannot be read."""
    table = _table(run, "test", tta)
    codes = decide(average(table, manifest.test["image"].to_list(), project.space), project.space)
    return _joint(codes, project.space)


def oof_mix(project: Project, run: RunFolder, manifest: Manifest, tta: str = "none") -> Mix:
    """Out-of-fold classes beside the true ones; for a run trained on all, the true ones stand for both."""
    true = project.space.encode(manifest.codes(project.space))
    groups = manifest.train["group"].to_numpy()
    if run.oof() is None:
        return Mix(true, true, groups)
    table = _table(run, "oof", tta)
    if table["image"].to_list() != manifest.train["image"].to_list():
        raise MismatchError(f"run `{run.id}` was scored on other images", hint="train again")
    present = covered(table)
    return Mix(_joint(decide(table, project.space), project.space)[present], true[present], groups[present])


def _check_usable(project: Project, run: RunFolder, manifest: Manifest) -> TestSide:
    side = project.file.dataset.test
    if side is None or manifest.test.is_empty():
        raise InputError("the dataset has no test side: there is nothing to submit")
    if not run.finished:
        raise ArtefactError(f"run `{run.id}` is not finished", hint=f"continue it: `facetwise fit --resume {run.id}`")
    run.check_labels(project.space_hash)
    record = run.record()
    if record["split"] == "image":
        raise GateError(
            f"run `{run.id}` was validated on folds split by image: its score is not to be trusted",
            hint="train it on folds split by person",
        )
    if lacking := [name for name in project.space.names if name not in record["attributes"]]:
        raise InputError(
            f"run `{run.id}` lacks {', '.join(f'`{n}`' for n in lacking)}: a submission needs every attribute"
        )
    if record["fingerprint_fields"]["manifest"] != manifest.hash:
        raise MismatchError(
            f"run `{run.id}` was made from another manifest: images, people or the test side changed since",
            hint="put the dataset back, or train again (`facetwise check` says what is odd now)",
        )
    return side


def _made_from(run: RunFolder, manifest: Manifest, tta: str, decision: str) -> MadeFrom:
    record = run.record()
    return MadeFrom(
        run=run.id,
        run_fingerprint=record["fingerprint"],
        manifest_hash=manifest.hash,
        tta=tta,
        test_table_sha256=file_hash(run.table_file("test", tta)),
        models=run.weights_hashes(),
        decision=decision,
    )


def _forecast(known: Mix, space: LabelSpace, num_people: int) -> Forecast:
    return prediction_interval(known.true, known.predicted, known.groups, space.num_joint, num_people)


def _joint(codes: IntArray, space: LabelSpace) -> IntArray:
    present = (codes >= 0).all(axis=1)
    joint = np.full(len(codes), -1, np.int64)
    joint[present] = space.encode(codes[present])
    return joint


def _table(run: RunFolder, side: Literal["oof", "test"], tta: str) -> pl.DataFrame:
    table = run.table(side, tta)
    if table is None:
        raise ArtefactError(f"{run.table_file(side, tta)}: missing", hint="the run is damaged: train it again")
    return table


def _template(project: Project, side: TestSide) -> bytes:
    path = project.dataset_root / side.table
    try:
        return read_bounded(path)
    except InputError as error:
        raise InputError(f"the organisers' csv: {error}", hint="is the dataset where facetwise.toml says?") from None
