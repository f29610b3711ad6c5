"""Calibration as text."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.text.subject import PERSON
from facetwise.results.calibration import MEANING, CalibrationView
from facetwise.results.wording import DASH, loss, sample, score
from facetwise.screens.kit import Group, RenderableType, Table, Text


def calibration_text(view: CalibrationView) -> RenderableType:
    """The view for a terminal: a row an attribute, and its verdict."""
    parts: list[RenderableType] = [Text(view.id, style="bold")]
    parts += [Text(f"! {n.text}", style="yellow") for n in view.warnings]
    parts += [Text(), Text(f"How far probabilities can be believed. {sample(view.check)}"), _table(view), Text()]
    parts += [Text.assemble((p.name, "bold"), f"  {view.verdict(p)}") for p in view.check.parts]
    note = f"After: with temperatures that were fitted without each {PERSON}'s fifth. {MEANING}"
    return Group(*parts, Text(), Text(note, style="dim"))


def _table(view: CalibrationView) -> Table:
    table = Table()
    table.add_column("")
    for heading in ("temperature", "NLL", "after", "ECE", "after", "sure", "right"):
        table.add_column(heading, justify="right")
    for row in _rows(view):
        table.add_row(*row)
    return table


def _rows(view: CalibrationView) -> Iterator[tuple[str | Text, ...]]:
    for part in view.check.parts:
        temperature = view.temperature(part)
        before, after = part.before, part.after
        yield (
            Text(part.name),
            DASH if temperature is None else f"{temperature:.2f}",
            loss(before.fit.nll), loss(after.fit.nll), score(before.fit.ece), score(after.fit.ece),
            score(before.confidence), score(part.accuracy),
        )  # fmt: skip
