"""The view of a submission: record, underlying blend, notes, and ledger entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.records.notes import Note
from facetwise.core.records.submission import Filled, ForecastRecord, MadeFrom
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rules.choose import rule_from_dict
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.predictors.sources import runs_below
from facetwise.results.notes import notes_on
from facetwise.results.notices import Notice, base_notices, copies_notices, own_subjects
from facetwise.submission.folder import SubmissionFolder
from facetwise.submission.ledger.ledger import Entry, read_ledger


@dataclass(frozen=True)
class Ingredient:
    """A run, or imported predictions, that its probabilities come from."""

    name: str
    """Its reference."""
    tta: str
    """Test-time augmentation of its predictions."""
    weights: Mapping[str, float] | None
    """Blend weights by block (`joint` or an attribute); None if it is the only ingredient, or the blend is missing."""


@dataclass(frozen=True)
class RecordedForecast:
    """The recorded forecast for the whole test set."""

    expected: float
    interval: Interval
    """At 90 %; at 95 % in older records."""
    num_people: int


@dataclass(frozen=True)
class RecordedFinding:
    """A recorded finding of the gate."""

    level: Literal["error", "warning", "ok"]
    code: str
    message: str


@dataclass(frozen=True)
class Sending:
    """One sending with its scores."""

    sent: str | None
    """UTC, ISO 8601; None if unknown."""
    public: float | None
    private: float | None
    public_accuracy: float | None
    private_accuracy: float | None
    final: bool | None
    """Whether it is chosen for the final score according to the platform."""
    description: str
    notes: tuple[str, ...]
    """Notes in an old ledger; newer ones are among those of the submission."""


@dataclass(frozen=True)
class SubmissionView(Plain):
    """One submission."""

    id: str
    project: str
    made: str | None
    """UTC, ISO 8601."""
    csv: str
    """The file to send."""
    csv_sha256: str
    source_kind: str
    """`run` or `blend`."""
    source: str
    """The id of the run or blend that it was made from."""
    ingredients: tuple[Ingredient, ...]
    decision: str
    """Description of the decision rule."""
    filled: str | None
    """The answer for unreadable images; None if there are none."""
    warnings: tuple[Notice, ...]
    notes: tuple[Note, ...]
    """Notes on it, in the order of writing."""
    findings: tuple[RecordedFinding, ...]
    """The gate's findings, errors first."""
    confirmed: bool
    """Whether the gate's warnings were confirmed."""
    overruled: bool
    """Whether errors that rest only on other predictions were overruled."""
    forecast: RecordedForecast | None
    """Forecast score on the whole test side when it was made; None without out-of-fold predictions."""
    why_num_people: str
    """How the number of people was estimated."""
    sendings: tuple[Sending, ...] | None
    """In order of time, empty if it was not sent; None if the ledger is unreadable."""


def build_submission_view(project: Project, folder: SubmissionFolder, manifest: Manifest) -> SubmissionView:
    """The view of one submission; raises ArtefactError when its record is damaged.

    A changed csv, an unreadable ledger, unreadable notes and changed data are reported as warnings.
    """
    record, made_from = folder.record(), folder.made_from()
    notes, troubles = notes_on(project, "submission", folder.id)
    sendings, wrong = _sendings(project, folder.id)
    runs = [run for part in made_from.parts for run in runs_below(project.workspace, part.kind, part.id)]
    return SubmissionView(
        id=folder.id,
        project=project.file.name,
        made=record.provenance.made,
        csv=str(folder.csv_file),
        csv_sha256=record.csv_sha256,
        source_kind=made_from.kind,
        source=made_from.id,
        ingredients=tuple(_ingredients(project, made_from)),
        decision=_decision(project, made_from),
        filled=_filled(made_from.filled),
        warnings=(
            *copies_notices(runs),
            *own_subjects(manifest.each_its_own),
            *_changed(project, folder, made_from, manifest),
            *troubles,
            *wrong,
            *base_notices(runs),
        ),
        notes=notes,
        findings=tuple(RecordedFinding(f.level, f.code, f.message) for f in record.gate.findings),
        confirmed=record.confirmed,
        overruled=record.overruled,
        forecast=_forecast(record.forecast),
        why_num_people=record.test_people.why if record.test_people else "",
        sendings=sendings,
    )


def _ingredients(project: Project, made_from: MadeFrom) -> Iterator[Ingredient]:
    weights = _weights(project, made_from)
    for part in made_from.parts:
        name = f"foreign:{part.id}" if part.kind == "foreign" else part.id
        yield Ingredient(name, part.tta, weights.get((part.kind, part.id)))


def _weights(project: Project, made_from: MadeFrom) -> dict[tuple[str, str], Mapping[str, float]]:
    """Weights by kind and id of a blend's members; empty if the blend is unreadable."""
    if made_from.kind == "blend":
        with suppress(ArtefactError, OSError):
            members = BlendFolder(project.workspace.blends / made_from.id).record().made_from.members
            return {(m.kind, m.id): m.weights for m in members}
    return {}


def _decision(project: Project, made_from: MadeFrom) -> str:
    """A description of the rule; only its kind if it belongs to other attributes or classes."""
    decision = made_from.decision
    rule = decision if isinstance(decision, Mapping) else {"kind": str(decision)}
    with suppress(ArtefactError):
        return rule_from_dict(rule, project.space).describe(project.space)
    return f"Decided by `{rule.get('kind', 'a rule')}`."


def _filled(filled: Filled | None) -> str | None:
    if filled is None:
        return None
    what = "the class most often decided out of fold" if filled.joint is None else f"class {filled.joint}"
    return f"{count(filled.images, 'image')} that cannot be read: answered with {what}."


def _forecast(forecast: ForecastRecord | None) -> RecordedForecast | None:
    if forecast is None:
        return None
    return RecordedForecast(forecast.expected, Interval.of(forecast.interval), forecast.num_people)


def _changed(project: Project, folder: SubmissionFolder, made_from: MadeFrom, manifest: Manifest) -> Iterator[Notice]:
    try:
        folder.read_csv_bytes()
    except ArtefactError as error:
        yield Notice("caution", ". ".join(part for part in (str(error), error.hint) if part) + ".")
    if made_from.label_space not in (None, project.space_hash):
        yield Notice(
            "caution", "It answers other attributes, classes or cuts than facetwise.toml has now, or combinations."
        )
    if made_from.manifest != manifest.hash:
        yield Notice("caution", f"The images or {PEOPLE} of the dataset changed since it was made.")


def _sendings(project: Project, submission: str) -> tuple[tuple[Sending, ...] | None, tuple[Notice, ...]]:
    """Its sendings; None and a notice if the ledger is unreadable."""
    try:
        entries = read_ledger(project.workspace).entries
    except InputError as error:
        text = f"What was sent is not shown. {str(error).splitlines()[0]}: see `facetwise ledger show`."
        return None, (Notice("caution", text),)
    return tuple(_sending(e) for e in entries if e.submission == submission), ()


def _sending(entry: Entry) -> Sending:
    return Sending(
        sent=entry.sent,
        public=entry.public,
        private=entry.private,
        public_accuracy=entry.public_accuracy,
        private_accuracy=entry.private_accuracy,
        final=entry.final,
        description=entry.description,
        notes=entry.notes,
    )
