"""The corrections of labels as text."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.text.counting import count
from facetwise.data.labels.overlay import Correction, Overlay
from facetwise.label_issues.export_labels import ExportedLabels
from facetwise.screens.kit import Group, RenderableType, Table, Text


def overlay_text(overlay: Overlay) -> RenderableType:
    """Everything that is corrected."""
    if not overlay.corrections:
        return Text("No label is corrected. Find candidates with `facetwise labels suspects`.")
    return Group(Text(count(len(overlay), "correction")), corrections_text(overlay.corrections))


def corrections_text(corrections: Sequence[Correction]) -> RenderableType:
    """Corrections as a table, in their order."""
    table = Table()
    for heading in ("of", "attribute", "is", "reason", "author"):
        table.add_column(heading)
    for c in corrections:
        weight = "" if c.weight == 1 else f", weight {c.weight:g}"
        table.add_row(*(Text(t) for t in (c.what.strip("`"), c.attribute, c.value + weight, c.reason, c.author)))
    return table


def exported_text(done: ExportedLabels) -> RenderableType:
    """What was written for an annotation tool."""
    corrected = f" ({done.corrected:,} corrected)" if done.corrected else ""
    guesses = f"; predictions of {done.predictor} for {count(done.guessed, 'image')}" if done.predictor else ""
    return Text(f"{count(done.images, 'image')}, {count(done.labels, 'label')}{corrected}{guesses}")
