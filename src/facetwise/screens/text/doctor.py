"""Text of `facetwise doctor`."""

from __future__ import annotations

from facetwise.screens.kit import RenderableType, Table, Text
from facetwise.upkeep.doctor import Doctor

_MARKS = {"ok": Text("ok", style="green"), "warning": Text("warn", style="yellow"), "problem": Text("PROBLEM", "red")}


def doctor_text(doctor: Doctor) -> RenderableType:
    """One line a finding; hints below those that need something."""
    table = Table(ruled=False, show_header=False)
    for line in doctor.findings:
        message = Text(line.message)
        if line.hint and line.level != "ok":
            message.append(f"\n-> {line.hint}", style="dim")
        table.add_row(_MARKS[line.level], Text(line.topic, style="bold"), message)
    return table
