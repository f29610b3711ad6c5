"""Text of `facetwise doctor`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from facetwise.upkeep.doctor import Doctor

_MARKS = {"ok": Text("ok", style="green"), "warning": Text("warn", style="yellow"), "problem": Text("PROBLEM", "red")}


def doctor_text(doctor: Doctor) -> RenderableType:
    """One line a finding; hints below those that need something."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for line in doctor.findings:
        told = Text(line.message)
        if line.hint and line.level != "ok":
            told.append(f"\n-> {line.hint}", style="dim")
        table.add_row(_MARKS[line.level], Text(line.topic, style="bold"), told)
    return table
