"""Everything about one submission: what it was made of, what the gate said, what was expected and what it scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facetwise.core.notes import Note
from facetwise.evaluate.intervals import Interval
from facetwise.report.notes import note_text, notice_text
from facetwise.report.views import plain
from facetwise.report.wording import DASH, Notice, count, percent, with_interval

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True)
class Ingredient:
    """A run, or predictions from elsewhere, that its probabilities are from."""

    name: str
    """As on a command line."""
    tta: str
    """Test-time augmentation of its predictions."""
    weights: Mapping[str, float] | None
    """By block, `joint` or an attribute, as the blend has them; None where it is the only one, or the blend is gone."""


@dataclass(frozen=True)
class Expected:
    """The forecast of the whole test set, as it was recorded."""

    expected: float
    interval: Interval
    """Of 90 %; of 95 % in older records."""
    num_people: int


@dataclass(frozen=True)
class Finding:
    """One thing that the gate looked at when it was made."""

    level: Literal["error", "warning", "ok"]
    code: str
    message: str


@dataclass(frozen=True)
class Sending:
    """One time that it went out, and what came back."""

    sent: str | None
    """UTC, ISO 8601; None where it is not known."""
    public: float | None
    private: float | None
    public_accuracy: float | None
    private_accuracy: float | None
    final: bool | None
    """Whether the platform says that it is chosen for the final score."""
    description: str
    notes: tuple[str, ...]
    """Of an old ledger, which kept notes itself; newer ones are among those of the submission."""


@dataclass(frozen=True)
class SubmissionView:
    """Everything about one submission."""

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
    """How probabilities became classes, in words."""
    filled: str | None
    """What stands for images that cannot be read; None where there is no such image."""
    warnings: tuple[Notice, ...]
    notes: tuple[Note, ...]
    """What people wrote about it, in that order."""
    findings: tuple[Finding, ...]
    """Of the gate, errors first."""
    confirmed: bool
    """Whether somebody confirmed the gate's warnings."""
    overruled: bool
    """Whether somebody overruled errors that only other predictions speak for."""
    forecast: Expected | None
    """Of the macro F1 on all of the test side when it was made; None for a source that is not known out of fold."""
    why_num_people: str
    """Where the number of people of the forecast is from."""
    sendings: tuple[Sending, ...]
    """In the order of sending; none when it was not sent."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def submission_text(view: SubmissionView) -> RenderableType:
    """One submission: what to beware of, notes, what went into it, the gate, the forecast, sendings and scores."""
    made = (view.made or "").replace("T", " ")[:16]
    head = Text.assemble((view.id, "bold"), (f"\n  from {view.source_kind} {view.source}", "dim"))
    head.append(f", made {made} UTC" if made else "", style="dim")
    parts: list[RenderableType] = [head, *map(notice_text, view.warnings), *map(note_text, view.notes), Text()]
    parts += [_section("Made of"), *_ingredients(view), _line(view.decision)]
    parts += [_line(view.filled)] if view.filled else []
    parts += [Text(), _section("The gate, when it was made"), *_gate(view)]
    return Group(*parts, Text(), _expected(view), *_sendings(view), Text(f"The file: {view.csv}", style="dim"))


def _ingredients(view: SubmissionView) -> Iterator[RenderableType]:
    for part in view.ingredients:
        tta = "" if part.tta == "none" else f", tta {part.tta}"
        weights = (f"{block} {w:.2f}" for block, w in (part.weights or {}).items() if w)
        told = ", ".join(weights)
        yield _line(f"{part.name}{tta}" + (f"  weight {told}" if told else ""))


def _gate(view: SubmissionView) -> Iterator[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", min_width=9)
    for found in view.findings:
        table.add_row(Text(found.level, style=_STYLES[found.level]), Text(found.message))
    yield table
    if view.confirmed and any(f.level == "warning" for f in view.findings):
        yield _line("Its warnings were confirmed.")
    if view.overruled and any(f.level == "error" for f in view.findings):
        yield _line("What only other predictions speak for was overruled.")


def _expected(view: SubmissionView) -> RenderableType:
    forecast = view.forecast
    if forecast is None:
        return Text("No score was to be expected: too little is known of its source out of fold.")
    level = percent(forecast.interval.level)
    people = count(forecast.num_people, "person", "people")
    why = f" ({view.why_num_people})" if view.why_num_people else ""
    told = with_interval(forecast.expected, forecast.interval)
    return Text.assemble("Expected macro F1 ", (told, "bold"), f", a {level} prediction interval for {people}{why}.")


def _sendings(view: SubmissionView) -> Iterator[RenderableType]:
    if not view.sendings:
        yield Text("Not sent.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("sent (UTC)", "public", "accuracy", "private", "accuracy"):
        table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for s in view.sendings:
        time = "not known" if s.sent is None else s.sent[:16].replace("T", " ")
        said = [*(["final"] if s.final else []), *([s.description] if s.description else []), *s.notes]
        scores = (s.public, s.public_accuracy, s.private, s.private_accuracy)
        table.add_row(time, *(DASH if v is None else f"{v:.4f}" for v in scores), Text("; ".join(said), style="dim"))
    yield table


def _section(title: str) -> Text:
    return Text(title, style="bold")


def _line(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)
