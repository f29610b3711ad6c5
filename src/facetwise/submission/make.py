"""From a run or blend to a submission that passed the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.files.answers_csv import answer_fault
from facetwise.core.files.csvrecords import csv_row
from facetwise.core.files.csvtable import read_csv
from facetwise.core.files.outside import read_bounded
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.blend import BlendRecord
from facetwise.core.records.dataset import TestSide
from facetwise.core.records.submission import Filled
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.reading.sidetable import read_side
from facetwise.evaluate.forecasts.forecast import ScoreForecast
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.sources import Source, labels_since, runs_below
from facetwise.results.notices import copies_notices, estimate_of, own_subjects
from facetwise.submission.eligible import eligible_source, joint_classes
from facetwise.submission.folder import SubmissionFolder, SubmitSpec, record_submission
from facetwise.submission.gate.gate import ExpectedFile, GateReport, check_submission
from facetwise.submission.gate.mix import Mix, assumed_people
from facetwise.submission.gate.opinions import TrainingSide
from facetwise.submission.gate.other_predictions import OpinionQuery, answers_here, other_opinions, sources_here
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.madefrom import describe
from facetwise.submission.planning.contenders import of_source
from facetwise.submission.planning.forecast import forecast_file, shift_notes
from facetwise.submission.write import submission_csv


@dataclass(frozen=True)
class Submission:
    """A written submission with the gate's report and its forecast."""

    folder: SubmissionFolder
    gate: GateReport
    forecast: ScoreForecast | None
    """For the whole test set; None for a source without out-of-fold predictions, or with too few people."""
    forecast_notes: tuple[str, ...]
    """Notes on the forecast, or why there is none."""
    num_people: int
    """Assumed number of people on the test side."""
    num_images: int
    notices: tuple[str, ...] = ()
    """Notices about the source."""


def make_submission(
    project: Project, reference: str, *, tta: str = "none", spec: SubmitSpec | None = None, others: Sequence[str] = ()
) -> Submission:
    """Decide the test images of a run or blend, write the csv in the organisers' order, and run the gate.

    `tta` other than `none` uses the stored predictions of `facetwise predict RUN --tta`. `others`: runs and blends that
    the gate may use as opinions, best first. Raises GateError for errors of the gate, or unconfirmed warnings;
    InputError or MismatchError when the source cannot be submitted. Nothing is written then.
    """
    spec = spec or SubmitSpec()
    side = side_to_predict(project)
    manifest = load_manifest(project)
    if manifest.test.is_empty():
        raise InputError("the dataset has no test side: there is nothing to submit")
    source = eligible_source(project, manifest, reference, tta)
    joint = joint_classes(source)
    known = training_side(manifest, project.space, source).mix(project.space)
    joint, filled = _filled(joint, known, project.space) if spec.fill_missing else (joint, None)
    names, template = manifest.test["name"].to_list(), read_template(project, side)
    answers = project.space.answer_of(joint)
    data = submission_csv(names, answers, template, side.image, side.answer)
    gate = _look(project, manifest, data, (source, answers), others)
    people = assumed_people(len(names), len(known.groups), len(set(known.groups)))
    forecast, notes = _forecast(project, manifest, source, joint)
    made_from = describe(project, manifest, source, template_sha256=hashlib.sha256(template).hexdigest(), filled=filled)
    on_all = source.run is not None and estimate_of(source.run) == "none"
    folder = record_submission(
        project.workspace, data, made_from, gate, spec, forecast=forecast, test_people=people, on_all=on_all
    )
    return Submission(folder, gate, forecast, notes, people[0], len(names), _notices(project, source, manifest))


def _notices(project: Project, source: Source, manifest: Manifest) -> tuple[str, ...]:
    runs = runs_below(project.workspace, source.kind, source.id)
    since = labels_since(source.record, manifest) if isinstance(source.record, BlendRecord) else None
    texts = [notice.text for notice in (*copies_notices(runs), *own_subjects(manifest.each_its_own))]
    return (*texts, *filter(None, [since]))


def gate_file(project: Project, path: Path, *, others: Sequence[str] = ()) -> GateReport:
    """The gate's report on any csv file; raises InputError when it is unreadable.

    A file with the answers of a run or blend of the project is judged like its submission. Any other file has no
    out-of-fold predictions: its class mix is compared with that of the labels.
    """
    side_to_predict(project)
    manifest, data = load_manifest(project), read_bounded(path)
    return _look(project, manifest, data, _made_here(project, manifest, data), others)


def _look(
    project: Project, manifest: Manifest, data: bytes, made: tuple[Source, IntArray] | None, others: Sequence[str]
) -> GateReport:
    """The gate for a file; `made`: the run or blend that it comes from, and its answers, (n,)."""
    side, space = side_to_predict(project), project.space
    source, decided = made or (None, None)
    itself = None if source is None else (source.id, source.tta)
    images, unreadable = manifest.test["name"].to_list(), _unreadable(manifest)
    return check_submission(
        data,
        ExpectedFile(images, side.image, side.answer, _asked_columns(project, side), unreadable),
        training_side(manifest, space, source),
        space,
        decided=decided,
        opinions=other_opinions(project, manifest, OpinionQuery(itself, others)),
        answers_here=answers_here(project, manifest, sources_here(project, manifest), itself),
    )


def _made_here(project: Project, manifest: Manifest, data: bytes) -> tuple[Source, IntArray] | None:
    """The first run or blend with the answers of the file, and these, with unreadable images filled in."""
    side = side_to_predict(project)
    try:
        file = read_csv(data, "submission")
        names, answers = file.column(side.image), file.column(side.answer)
    except InputError:
        return None
    if names != manifest.test["name"].to_list() or any(map(answer_fault, answers)):
        return None
    given = np.array([int(answer) for answer in answers], np.int64)
    for source in sources_here(project, manifest):
        if source.kind != "foreign" and source.attributes == project.space.names:
            decided = project.space.answer_of(joint_classes(source))
            if (decided != MISSING).any() and ((decided == given) | (decided == MISSING)).all():
                return source, given
    return None


def side_to_predict(project: Project) -> TestSide:
    """The test side of the dataset; raises InputError if there is none."""
    side = project.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there is nothing to submit")
    return side


def training_side(manifest: Manifest, space: LabelSpace, source: Source | None = None) -> TrainingSide:
    """The training images, with the out-of-fold classes of `source`."""
    oof = None if source is None or source.oof is None else source.oof.codes
    return TrainingSide(manifest.codes(space), manifest.train["group"].to_numpy(), oof)


def _unreadable(manifest: Manifest) -> dict[str, str]:
    """Why test images have no prediction, by name."""
    return dict(manifest.test.filter(pl.col("status") != "ok").select("name", "status").iter_rows())


def _filled(joint: IntArray, known: Mix, space: LabelSpace) -> tuple[IntArray, Filled | None]:
    lacking = joint == MISSING
    if not lacking.any():
        return joint, None
    common = int(np.bincount(known.predicted).argmax())
    return np.where(lacking, common, joint), Filled(images=int(lacking.sum()), joint=int(space.answer_of(common)))


def _forecast(
    project: Project, manifest: Manifest, source: Source, joint: IntArray
) -> tuple[ScoreForecast | None, tuple[str, ...]]:
    """The forecast for the whole test set with notes on it; or None and the reason."""
    if source.oof is None:
        return None, ("nothing is known of it out of fold",)
    ledger, unread = _ledger(project)
    try:
        target = of_source(project, source, joint)
        found = forecast_file(project, manifest, ledger, target)
    except InputError as error:
        return None, (str(error),)
    return found.whole, (*unread, *shift_notes(found.outlook.shift, found.num_scored, averaged=target.averaged))


def _ledger(project: Project) -> tuple[Ledger, tuple[str, ...]]:
    """The ledger; an unreadable one does not stop a submission and counts as empty."""
    try:
        return read_ledger(project.workspace), ()
    except FacetwiseError as error:
        first = str(error).splitlines()[0]
        return Ledger(), (f"The ledger cannot be read ({first}): public scores in it are not learnt from.",)


def _asked_columns(project: Project, side: TestSide) -> tuple[str, ...]:
    """The organisers' columns, including the answer column; empty when their csv is unreadable."""
    try:
        names = read_csv(read_template(project, side), "the organisers' csv").names
    except InputError:
        return ()
    return names if side.answer in names else (*names, side.answer)


def read_template(project: Project, side: TestSide) -> bytes:
    """The organisers' csv; raises InputError when it is unreadable."""
    if side.table is None or side.is_of_its_own_form:
        return _made_template(project, side)
    try:
        return read_bounded(project.table_path(side.table) or project.dataset_root / side.table)
    except InputError as error:
        raise InputError(f"the organisers' csv: {error}", hint="is the dataset where facetwise.toml says?") from None


def _made_template(project: Project, side: TestSide) -> bytes:
    """A plain csv of the images to predict and what else their table says, where that is none itself."""
    findings = Findings()
    paths = {table: project.table_path(table) or project.dataset_root / table for table in side.tables}
    table, _ = read_side(project.dataset_root, paths, side, side.image, [side.image], findings, project.links_into())
    raise_errors(findings, f"the list of images to predict in {project.dataset_root}")
    assert table is not None
    return "".join(csv_row(row) for row in (table.header, *(cells for _, cells in table.records))).encode()
