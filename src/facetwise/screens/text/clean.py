"""The plan of `clean` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetwise.screens.kit import Group, RenderableType, Table, Text

if TYPE_CHECKING:
    from facetwise.upkeep.clean import CleanPlan


def clean_text(plan: CleanPlan) -> RenderableType:
    """The plan as two tables: what would be deleted, and what is kept."""

    parts: list[RenderableType] = []
    if plan.freed:
        rows = [(f.what, f.why, size(f.num_bytes)) for f in plan.freed]
        parts += [_table("would go", "why it may", [*rows, ("in all", "", size(plan.num_bytes))]), Text()]
    else:
        parts += [Text(f"{plan.project}: there is nothing to clean"), Text()]
    if plan.kept:
        parts += [_table("stays", "why", [(k.what, "; ".join(k.why), size(k.num_bytes)) for k in plan.kept]), Text()]
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


def size(num_bytes: int) -> str:
    """Human-readable size: `12 KiB`, `34.5 MiB`, `1.2 GiB`."""
    for unit, bits in (("GiB", 30), ("MiB", 20)):
        if num_bytes >= 2**bits:
            return f"{num_bytes / 2**bits:.1f} {unit}"
    return f"{num_bytes / 2**10:.0f} KiB"
