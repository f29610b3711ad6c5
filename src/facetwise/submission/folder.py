"""Submissions on disk: the csv that was sent, what made it, what the gate said, and its score once labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetwise.core.errors import ArtefactError, GateError, InputError, did_you_mean
from facetwise.core.labels import LabelSpace
from facetwise.core.provenance import provenance
from facetwise.core.runs import run_number
from facetwise.core.workspace import Workspace, file_hash, is_done, lock, new_artefact, read_json, write_json
from facetwise.evaluate.decide import ARGMAX
from facetwise.evaluate.intervals import Forecast
from facetwise.evaluate.scorecard import Scorecard, score_decided
from facetwise.submission.gate import GateReport
from facetwise.submission.write import raise_problems, read_csv, read_submission

CSV, RECORD = "submission.csv", "record.json"
PERSON_COLUMNS = ("person", "group")
"""Columns of a labels file that may say whose image it is."""


@dataclass(frozen=True)
class MadeFrom:
    """What a submission was made from: enough to make it again, and to see when it no longer can be."""

    run: str
    run_fingerprint: str
    manifest_hash: str
    tta: str
    """Test-time augmentation of the predictions: `none`, or as `facetwise predict --tta` was told."""
    test_table_sha256: str
    """sha256 of the table of test predictions."""
    models: dict[str, str]
    """sha256 of each fold model's weights, by fold."""
    decision: str = ARGMAX
    """How probabilities became classes."""


@dataclass(frozen=True)
class SubmissionFolder:
    """One submission: `submission.csv`, `record.json`, `DONE.json`."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the submission: a number and the run's id, such as `01-03-AdamW-StepLR-CE-v0`."""
        return self.path.name

    @property
    def csv_file(self) -> Path:
        """The file to send."""
        return self.path / CSV

    def record(self) -> dict[str, Any]:
        """`record.json`: made_from, csv_sha256, gate, confirmed, forecast, test_people, provenance."""
        record = read_json(self.path / RECORD)
        if not isinstance(record, dict):
            raise ArtefactError(f"{self.path / RECORD}: damaged (not an object)")
        return record

    def read_csv_bytes(self) -> bytes:
        """The csv, after a check that it is the one recorded; raises ArtefactError when it is not."""
        if not self.csv_file.is_file():
            raise ArtefactError(f"{self.csv_file}: missing", hint="make the submission again")
        if file_hash(self.csv_file) != self.record()["csv_sha256"]:
            raise ArtefactError(f"{self.csv_file}: changed since it was made", hint="make the submission again")
        return self.csv_file.read_bytes()


def record_submission(
    workspace: Workspace,
    data: bytes,
    made_from: MadeFrom,
    gate: GateReport,
    *,
    forecast: Forecast | None,
    test_people: tuple[int, str],
    confirmed: bool = False,
) -> SubmissionFolder:
    """Write a submission that passed the gate under the next number; `data` is the csv.

    `test_people`: the number of people assumed on the test side, and why (`mix.assumed_people`). Raises GateError
    for errors of the gate, and for its warnings unless they are `confirmed`.
    """
    require_passed(gate, confirmed=confirmed)
    with lock(workspace.submissions / ".lock", "submissions"):
        folder = workspace.submissions / f"{_next_number(workspace):02d}-{made_from.run}"
        with new_artefact(folder, asdict(made_from)) as temporary:
            (temporary / CSV).write_bytes(data)
            record = {
                "made_from": asdict(made_from),
                "csv_sha256": file_hash(temporary / CSV),
                "gate": gate.as_dict(),
                "confirmed": confirmed,
                "forecast": None if forecast is None else asdict(forecast),
                "test_people": {"number": test_people[0], "why": test_people[1]},
                "provenance": provenance(),
            }
            write_json(temporary / RECORD, record)
    return SubmissionFolder(folder)


def require_passed(gate: GateReport, *, confirmed: bool) -> None:
    """Raise GateError for errors, and for warnings that nobody confirmed."""
    if gate.errors:
        unanswered = any(f.code == "no-prediction" for f in gate.errors)
        hint = "put the images back and train again, or answer them with `--fill-missing`" if unanswered else None
        raise GateError(_told("this submission must not be sent", [f.message for f in gate.errors]), hint=hint)
    if gate.warnings and not confirmed:
        message = _told("this submission looks odd", [f.message for f in gate.warnings])
        raise GateError(message, hint="if it is meant to be so, confirm with `--yes`")


def list_submissions(workspace: Workspace) -> list[SubmissionFolder]:
    """Every finished submission of the project, by number."""
    folders = workspace.submissions.iterdir() if workspace.submissions.is_dir() else ()
    found = [SubmissionFolder(f) for f in folders if not f.name.startswith(".") and is_done(f)]
    return sorted(found, key=lambda s: (run_number(s.id), s.id))


def find_submission(workspace: Workspace, reference: str) -> SubmissionFolder:
    """The submission that `reference` means: its id, its number, or `last`; raises InputError."""
    submissions = list_submissions(workspace)
    if not submissions:
        raise InputError(f"{workspace.submissions}: no submissions yet", hint="make one with `facetwise submit RUN`")
    if reference == "last":
        return submissions[-1]
    exact = [s for s in submissions if s.id == reference]
    numbered = [s for s in submissions if reference.isdecimal() and run_number(s.id) == int(reference)]
    for found in (exact, numbered):
        if len(found) == 1:
            return found[0]
    raise InputError(
        f"no submission is called `{reference}`", hint=did_you_mean(reference, [s.id for s in submissions])
    )


def score_submission(
    submission: Path, labels: Path, image_column: str, answer_column: str, space: LabelSpace
) -> Scorecard:
    """Score a filled-in csv (or a submission's folder) against a csv of true joint classes of the same images.

    Rows are matched by image name. Intervals go by person where `labels` has a `person` or `group` column, else by
    image (`Scorecard.by`). Raises ProblemsError with every row that is not usable, and every image of only one file.
    """
    path = SubmissionFolder(submission).csv_file if submission.is_dir() else submission
    true_names, truth = read_submission(labels, image_column, answer_column)
    names, answers = read_submission(path, image_column, answer_column, expected=true_names)
    for source, listed, classes in ((labels, true_names, truth), (path, names, answers)):
        check_range(source, listed, classes.tolist(), space)
    place = {name: i for i, name in enumerate(names)}
    predicted = answers[[place[name] for name in true_names]]
    people = _people(labels)
    groups = np.asarray(true_names if people is None else people)
    by = "image" if people is None else "person"
    return score_decided(space.decode(predicted), space.decode(truth), groups, space, by=by)


def _people(labels: Path) -> list[str] | None:
    file = read_csv(labels)
    named = [c for c in PERSON_COLUMNS if c in file.names]
    if not named:
        return None
    people = file.column(named[0])
    if empty := [line for line, person in zip(file.lines, people, strict=True) if not person.strip()]:
        raise InputError(f"{labels}, line {empty[0]}: `{named[0]}` is empty ({len(empty)} row(s) in all)")
    return people


def check_range(source: Path, names: Sequence[str], classes: Sequence[int], space: LabelSpace) -> None:
    """Raise ProblemsError naming the images whose class, 0 or more, is none of the joint classes of `space`."""
    joint = f"expected 0..{space.num_joint - 1}"
    outside = [f"image {n!r}: class {c}, {joint}" for n, c in zip(names, classes, strict=True) if c >= space.num_joint]
    raise_problems(str(source), outside)


def _next_number(workspace: Workspace) -> int:
    folders = [f.name for f in workspace.submissions.iterdir() if f.is_dir() and not f.name.startswith(".")]
    return max(map(run_number, folders), default=0) + 1


def _told(what: str, lines: Sequence[str]) -> str:
    return "\n".join([what, *(f"  - {line}" for line in lines)])
