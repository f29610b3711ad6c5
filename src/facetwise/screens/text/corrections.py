"""The corrections of labels as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facetwise.data.labels.overlay import Correction, Overlay
from facetwise.results.wording import count


def overlay_text(overlay: Overlay) -> RenderableType:
    """Everything that is corrected."""
    if not overlay.corrections:
        return Text("No label is corrected. Find candidates with `facetwise labels suspects`.")
    return Group(Text(count(len(overlay), "correction")), corrections_text(overlay.corrections))


def corrections_text(corrections: Sequence[Correction]) -> RenderableType:
    """Corrections as a table, in their order."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("of", "attribute", "is", "reason", "author"):
        table.add_column(heading, overflow="fold")
    for c in corrections:
        weight = "" if c.weight == 1 else f", weight {c.weight:g}"
        table.add_row(*(Text(t) for t in (c.what.strip("`"), c.attribute, c.value + weight, c.reason, c.author)))
    return table
