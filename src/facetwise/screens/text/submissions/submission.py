"""One submission as text."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import count_people
from facetwise.results.wording import DASH, percent, with_interval
from facetwise.screens.kit import LEVEL_STYLES, Group, RenderableType, Table, Text, paragraph, section
from facetwise.screens.text.notes import note_text, notice_text
from facetwise.submission.view import SubmissionView


def submission_text(view: SubmissionView) -> RenderableType:
    """One submission: what to beware of, notes, what went into it, the gate, the forecast, sendings and scores."""
    made = (view.made or "").replace("T", " ")[:16]
    head = Text.assemble((view.id, "bold"), (f"\n  from {view.source_kind} {view.source}", "dim"))
    head.append(f", made {made} UTC" if made else "", style="dim")
    parts: list[RenderableType] = [head, *map(notice_text, view.warnings), *map(note_text, view.notes), Text()]
    parts += [section("Made of"), *_ingredients(view), paragraph(view.decision)]
    parts += [paragraph(view.filled)] if view.filled else []
    parts += [Text(), section("The gate, when it was made"), *_gate(view)]
    return Group(*parts, Text(), _expected(view), *_sendings(view), Text(f"The file: {view.csv}", style="dim"))


def _ingredients(view: SubmissionView) -> Iterator[RenderableType]:
    for part in view.ingredients:
        tta = "" if part.tta == "none" else f", tta {part.tta}"
        weights = (f"{block} {w:.2f}" for block, w in (part.weights or {}).items() if w)
        weights_text = ", ".join(weights)
        yield paragraph(f"{part.name}{tta}" + (f"  weight {weights_text}" if weights_text else ""))


def _gate(view: SubmissionView) -> Iterator[RenderableType]:
    table = Table(ruled=False, show_header=False)
    table.add_column(justify="right", min_width=9)
    for found in view.findings:
        table.add_row(Text(found.level, style=LEVEL_STYLES[found.level]), Text(found.message))
    yield table
    if view.confirmed and any(f.level == "warning" for f in view.findings):
        yield paragraph("Its warnings were confirmed.")
    if view.overruled and any(f.level == "error" for f in view.findings):
        yield paragraph("What only other predictions speak for was overruled.")


def _expected(view: SubmissionView) -> RenderableType:
    forecast = view.forecast
    if forecast is None:
        return Text("No score was to be expected: too little is known of its source out of fold.")
    level = percent(forecast.interval.level)
    people = count_people(forecast.num_people)
    why = f" ({view.why_num_people})" if view.why_num_people else ""
    expected = with_interval(forecast.expected, forecast.interval)
    return Text.assemble(
        f"Expected {SCORE} ", (expected, "bold"), f", a {level} prediction interval for {people}{why}."
    )


def _sendings(view: SubmissionView) -> Iterator[RenderableType]:
    if not view.sendings:
        yield Text("Whether it was sent is not known." if view.sendings is None else "Not sent.")
        return
    table = Table()
    for heading in ("sent (UTC)", "public", "accuracy", "private", "accuracy"):
        table.add_column(heading)
    table.add_column("")
    for s in view.sendings:
        time = "not known" if s.sent is None else s.sent[:16].replace("T", " ")
        remarks = [*(["final"] if s.final else []), *([s.description] if s.description else []), *s.notes]
        scores = (s.public, s.public_accuracy, s.private, s.private_accuracy)
        table.add_row(time, *(DASH if v is None else f"{v:.4f}" for v in scores), Text("; ".join(remarks), style="dim"))
    yield table
