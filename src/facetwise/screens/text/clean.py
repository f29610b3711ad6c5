"""The plan of `clean` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetwise.core.text.counting import in_bytes
from facetwise.screens.kit import Group, RenderableType, Table, Text

if TYPE_CHECKING:
    from facetwise.upkeep.clean import CleanPlan


def clean_text(plan: CleanPlan) -> RenderableType:
    """The plan as two tables: what would be deleted, and what is kept."""

    parts: list[RenderableType] = []
    if plan.freed:
        rows = [(f.what, f.why, in_bytes(f.num_bytes)) for f in plan.freed]
        parts += [_table("would go", "why it may", [*rows, ("in all", "", in_bytes(plan.num_bytes))]), Text()]
    else:
        parts += [Text(f"{plan.project}: there is nothing to clean"), Text()]
    if plan.kept:
        parts += [
            _table("stays", "why", [(k.what, "; ".join(k.why), in_bytes(k.num_bytes)) for k in plan.kept]),
            Text(),
        ]
    if plan.num_runs:
        parts.append(Text(f"The tables, recipe and record of every run stay ({plan.num_runs} in all).", style="dim"))
    return Group(*parts)


def _table(first: str, second: str, rows: list[tuple[str, str, str]]) -> RenderableType:

    table = Table()
    table.add_column(first)
    table.add_column(second)
    table.add_column("size", justify="right")
    for what, why, held in rows:
        table.add_row(Text(what), Text(why, style="dim"), held)
    return table
