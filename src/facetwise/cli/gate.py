"""Text of `facetwise submit` and `facetwise gate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from facetwise.submission.gate import GateReport
from facetwise.submission.make import Submission

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


def submission_dict(made: Submission) -> dict[str, Any]:
    """Plain data for `--json`."""
    return {
        "id": made.folder.id,
        "csv": str(made.folder.csv_file),
        "gate": made.gate.as_dict(),
        "forecast": None if made.forecast is None else asdict(made.forecast),
        "num_people": made.num_people,
        "num_images": made.num_images,
        "notices": list(made.notices),
    }


def submission_text(made: Submission) -> RenderableType:
    """What the gate looked at, and the score to expect."""
    notices = (Text(f"! {text}", style="yellow") for text in made.notices)
    title = f"submission {made.folder.id}: {made.num_images:,} images"
    return Group(gate_text(made.gate, title), *notices, _expected(made))


def gate_text(gate: GateReport, title: str) -> RenderableType:
    """What the gate looked at, a line each, the worst first."""
    lines = [Text(title, style="bold")]
    for finding in gate.findings:
        lines.append(Text.assemble((f"{finding.level:>7}  ", _STYLES[finding.level]), finding.message))
    return Group(*lines)


def _expected(made: Submission) -> Text:
    forecast = made.forecast
    if forecast is None:
        return Text("no score can be expected: nothing is known of it out of fold")
    low, high = forecast.interval.low, forecast.interval.high
    return Text.assemble(
        "expected macro F1: ",
        (f"{forecast.expected:.3f}", "bold"),
        f", {forecast.interval.level:.0%} prediction interval [{low:.3f}, {high:.3f}] for {made.num_people} people.\n"
        "From out-of-fold predictions of single fold models; that the submission averages them is not part of it "
        "(it tends to score a little higher).",
    )
