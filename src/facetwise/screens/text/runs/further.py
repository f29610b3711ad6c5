"""Scores beside macro F1 and accuracy as text."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.evaluate.further.scores import FurtherScores
from facetwise.results.wording import amount, further_notes, measured
from facetwise.screens.kit import Group, RenderableType, Text, table_of

MAX_CLASSES = 40
"""Most classes that are listed against the rest; the page and `--json` have all."""


def further_text(further: FurtherScores) -> RenderableType:
    """A table of all attributes, one of the ordinal ones, and one of classes; and what their means leave out."""
    return Group(*_parts(further))


def _parts(further: FurtherScores) -> Iterator[RenderableType]:
    table = table_of("", "balanced accuracy", "AUROC", "sensitivity", title="Further scores")
    for s in further.scores:
        table.add_row(Text(s.name), measured(s.balanced_accuracy), measured(s.auroc), measured(s.sensitivity))
    yield table
    yield from (Text(line, style="dim") for line in further_notes(further))
    if further.ordinal:
        table = table_of("ordinal", "quadratic kappa", "mean absolute error")
        for s in further.ordinal:
            table.add_row(Text(s.name), measured(s.kappa), amount(s.absolute_error))
        yield from (Text(), table)
    if 0 < sum(len(s.classes) for s in further.scores) <= MAX_CLASSES:
        table = table_of("class against the rest", "AUROC", "sensitivity")
        for s in further.scores:
            for c in s.classes:
                table.add_row(Text(f"{s.name}={c.name}"), measured(c.auroc), measured(c.sensitivity))
        yield from (Text(), table)
