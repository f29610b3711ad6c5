"""Submissions on disk: the csv, what it was made from, the gate's findings; and scoring once labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from facetwise.core.errors import ArtefactError, DamagedError, GateError, InputError
from facetwise.core.files.answers_csv import read_submission
from facetwise.core.files.csvtable import raise_problems, read_csv
from facetwise.core.labels import MISSING, IntArray, LabelSpace
from facetwise.core.people import person
from facetwise.core.records.artefact import Artefact, ArtefactKind, list_artefacts, next_number
from facetwise.core.records.base import Record, checked, parse_record, versioned, write_record
from facetwise.core.records.provenance import provenance
from facetwise.core.records.submission import VERSION, MadeFrom, SubmissionMark, SubmissionRecord, migrated
from facetwise.core.references import AnyReference, parse_reference, pick
from facetwise.core.text.counting import count
from facetwise.core.workspace import DONE, Workspace, file_hash, is_done, lock, new_artefact
from facetwise.evaluate.forecasts.forecast import ScoreForecast
from facetwise.evaluate.metrics import MAIN, Metric
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import Scorecard, score_decided
from facetwise.submission.gate.finding import GateFinding
from facetwise.submission.gate.gate import BY_OPINION, GateReport

CSV, RECORD = "submission.csv", "record.json"
M = TypeVar("M", bound=Record)
PERSON_COLUMNS = ("person", "group")
"""Columns of a labels file that may name the person."""


@dataclass(frozen=True)
class SubmissionFolder(Artefact):
    """One submission: `submission.csv`, `record.json`, `DONE.json`.

    Its name is a number, the source's id and any special settings, such as `01-03-AdamW-StepLR-CE-v0-tta-flip`.
    """

    kind: ClassVar[ArtefactKind] = "submission"
    record_name: ClassVar[str] = RECORD

    @property
    def way_out(self) -> str:
        """What to do when its record is damaged; the record of a sent submission cannot be made again."""
        return (
            "put the file back from a copy; if it was never sent, move the folder out of the project and "
            "`facetwise submit` again. What was sent stays in the ledger all the same"
        )

    @property
    def csv_file(self) -> Path:
        """The file to send."""
        return self.path / CSV

    def record(self) -> SubmissionRecord:
        """`record.json`, converted from older versions.

        Raises DamagedError when it is missing or damaged, ArtefactError for a later version.
        """
        if not is_done(self.path):
            raise DamagedError(f"{self.path / DONE}: missing", hint=self.way_out)
        record = self._read(self.record_file, SubmissionRecord)
        self.check_no_copy(record.id)
        return record

    def made_from(self) -> MadeFrom:
        """What it was made from; raises as `record`."""
        return self.record().made_from

    def needs(self) -> MadeFrom:
        """`made_from` from the record, or else from `DONE.json`; also for unfinished folders."""
        for path in (self.record_file, self.path / DONE):
            with suppress(ArtefactError, OSError):
                return self._read(path, SubmissionMark).made_from
        raise DamagedError(
            f"{self.path}: neither {RECORD} nor {DONE} says which runs it was made from, so nothing is cleaned",
            hint="look at it with `facetwise doctor`; put the file back, or move the folder out of the project",
        )

    def _read(self, path: Path, model: type[M]) -> M:
        data = migrated(versioned(path, (1, VERSION)), str(path), self.way_out)
        return parse_record(path, data, model, "a submission", way_out=self.way_out)

    def read_csv_bytes(self) -> bytes:
        """The csv, after checking it against the record; raises ArtefactError when it was changed."""
        hint = f"`facetwise ledger replay {self.number} --out FILE` makes it again from what it was made from"
        if not self.csv_file.is_file():
            raise DamagedError(f"{self.csv_file}: missing", hint=hint)
        if file_hash(self.csv_file) != self.record().csv_sha256:
            raise DamagedError(f"{self.csv_file}: changed since it was made", hint=hint)
        return self.csv_file.read_bytes()


@dataclass(frozen=True)
class SubmitSpec:
    """The user's decisions when submitting."""

    confirmed: bool = False
    """Confirm the gate's warnings."""
    overruled: bool = False
    """Overrule errors that rest only on other predictions."""
    fill_missing: bool = False
    """Answer unreadable images with the most frequent out-of-fold class."""


def record_submission(
    workspace: Workspace,
    data: bytes,
    made_from: MadeFrom,
    gate: GateReport,
    spec: SubmitSpec,
    *,
    forecast: ScoreForecast | None,
    test_people: tuple[int, str],
    on_all: bool = False,
) -> SubmissionFolder:
    """Write a submission that passed the gate under the next number; `data` is the csv.

    `on_all`: its models were trained on all people, which becomes part of its name. `test_people`: the assumed number
    of people on the test side, and why (`mix.assumed_people`). Raises GateError for errors and
    warnings that the user did not overrule or confirm.
    """
    _require_passed(gate, spec)
    with lock(workspace.submissions / ".lock", "submissions"):
        number = next_number(workspace.submissions, SubmissionFolder)
        folder = workspace.submissions / f"{number:02d}-{made_from.name}{'-on-all' if on_all else ''}"
        with new_artefact(folder, made_from.as_dict()) as temporary:
            (temporary / CSV).write_bytes(data)
            record = {
                "schema_version": VERSION,
                "id": folder.name,
                "made_from": made_from.as_dict(),
                "csv_sha256": file_hash(temporary / CSV),
                "gate": gate.as_dict(),
                "confirmed": spec.confirmed,
                "overruled": spec.overruled,
                "forecast": None if forecast is None else asdict(forecast),
                "test_people": {"number": test_people[0], "why": test_people[1]},
                "provenance": provenance(),
            }
            write_record(temporary / RECORD, checked(SubmissionRecord, record))
    return SubmissionFolder(folder)


def _require_passed(gate: GateReport, spec: SubmitSpec) -> None:
    """Raise GateError for errors and warnings that the user did not overrule or confirm."""
    errors = [f for f in gate.errors if not (spec.overruled and f.code in BY_OPINION)]
    if errors:
        raise GateError(_told("this submission must not be sent", [f.message for f in errors]), hint=_way_out(errors))
    if gate.warnings and not spec.confirmed:
        message = _told("this submission looks odd", [f.message for f in gate.warnings])
        raise GateError(message, hint="if it is meant to be so, confirm with `--yes`")


def _way_out(errors: Sequence[GateFinding]) -> str | None:
    if any(f.code == "no-prediction" for f in errors):
        return "put the images back and train again, or answer them with `--fill-missing`"
    if all(f.code in BY_OPINION for f in errors):
        return "find the fault first; only when you know that the others are wrong: `--against-others`"
    return None


def list_submissions(workspace: Workspace) -> list[SubmissionFolder]:
    """Every submission of the project, by number, including damaged ones, whose `record` raises DamagedError."""
    return list_artefacts(workspace.submissions, SubmissionFolder)


def find_submission(workspace: Workspace, reference: AnyReference) -> SubmissionFolder:
    """The submission named by `reference`: its id, its number, `s1`, or `last`.

    Raises InputError when there is no such submission, or when the reference does not name a submission.
    """
    wanted, found = parse_reference(reference, ["submission"]), {s.id: s for s in list_submissions(workspace)}
    if not found:
        raise InputError(f"{workspace.submissions}: no submissions yet", hint="make one with `facetwise submit`")
    return found[pick(wanted, list(found))]


def score_submission(
    submission: Path,
    labels: Path,
    image_column: str,
    answer_column: str,
    space: LabelSpace,
    *,
    metric: Metric = MAIN,
) -> Scorecard:
    """Score a filled-in csv (or a submission's folder) against a csv of true joint classes of the same images.

    Rows are matched by image name. Intervals are by person if `labels` has a `person` or `group` column, else by image
    (`Scorecard.by`). Raises ProblemsError with every invalid row, and every image that is in only one file.
    """
    path = SubmissionFolder(submission).csv_file if submission.is_dir() else submission
    true_names, truth = read_submission(labels, image_column, answer_column)
    names, answers = read_submission(path, image_column, answer_column, expected=true_names)
    for source, listed, classes in ((labels, true_names, truth), (path, names, answers)):
        check_range(source, listed, classes.tolist(), space)
        _check_occurring(source, listed, classes, space)
    place = {name: i for i, name in enumerate(names)}
    predicted = answers[[place[name] for name in true_names]]
    people = _people(labels)
    by = "image" if people is None else "person"
    known = Truth(space, true_names, space.product.decode(truth), true_names if people is None else people, metric)
    return score_decided(space.product.decode(predicted), known, by=by)


def _people(labels: Path) -> list[str] | None:
    file = read_csv(labels)
    named = [c for c in PERSON_COLUMNS if c in file.names]
    if not named:
        return None
    people = [person(name) for name in file.column(named[0])]
    if empty := [line for line, name in zip(file.lines, people, strict=True) if not name]:
        raise InputError(f"{labels}, line {empty[0]}: `{named[0]}` is empty ({count(len(empty), 'row')} in all)")
    return people


def check_range(source: Path, names: Sequence[str], classes: Sequence[int], space: LabelSpace) -> None:
    """Raise ProblemsError naming the images whose class (0 or more) is not the number of a combination."""
    size = space.product.num_joint
    joint = f"expected 0..{size - 1}"
    outside = [f"image {n!r}: class {c}, {joint}" for n, c in zip(names, classes, strict=True) if c >= size]
    raise_problems(str(source), outside)


def _check_occurring(source: Path, names: Sequence[str], written: IntArray, space: LabelSpace) -> None:
    """Raise ProblemsError naming the images with a combination that cannot occur, for which there is no score."""
    odd = (space.joint_of_answer(written) == MISSING).nonzero()[0].tolist()
    way = "cannot occur by `labels.combinations`"
    raise_problems(str(source), [f"image {names[i]!r}: {space.product.joint_name(int(written[i]))} {way}" for i in odd])


def _told(what: str, lines: Sequence[str]) -> str:
    return "\n".join([what, *(f"  - {line}" for line in lines)])
