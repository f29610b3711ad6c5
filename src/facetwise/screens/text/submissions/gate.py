"""The gate's report as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import count_people
from facetwise.results.wording import interval, percent, score
from facetwise.screens.kit import LEVEL_STYLES, Group, RenderableType, Text
from facetwise.submission.gate.gate import GateReport
from facetwise.submission.make import Submission


def submission_dict(made: Submission) -> dict[str, Any]:
    """Plain data for `--json`."""
    return {
        "id": made.folder.id,
        "csv": str(made.folder.csv_file),
        "gate": made.gate.as_dict(),
        "forecast": None if made.forecast is None else asdict(made.forecast),
        "forecast_notes": list(made.forecast_notes),
        "num_people": made.num_people,
        "num_images": made.num_images,
        "notices": list(made.notices),
    }


def submission_text(made: Submission) -> RenderableType:
    """What the gate looked at, and the score to expect."""
    notices = (Text(f"! {text}", style="yellow") for text in made.notices)
    title = f"submission {made.folder.id}: {made.num_images:,} images"
    return Group(_findings(made.gate, title), *notices, _expected(made))


def gate_text(gate: GateReport, title: str) -> RenderableType:
    """What the gate looked at, and in the last line what follows."""
    return Group(_findings(gate, title), Text("may be sent" if gate.may_be_sent else "look first", style="bold"))


def _findings(gate: GateReport, title: str) -> RenderableType:
    """What the gate looked at, a line each, the worst first."""
    lines = [Text(title, style="bold")]
    for finding in gate.findings:
        lines.append(Text.assemble((f"{finding.level:>7}  ", LEVEL_STYLES[finding.level]), finding.message))
    return Group(*lines)


def _expected(made: Submission) -> Text:
    found, notes = made.forecast, "\n".join(made.forecast_notes)
    if found is None:
        return Text(f"no score can be expected: {notes}")
    bounds = f"{percent(found.interval.level)} prediction interval {interval(found.interval)}"
    people = f"{count_people(found.num_people)}, the whole test set"
    return Text.assemble(f"expected {SCORE}: ", (score(found.expected), "bold"), f", {bounds} for {people}.\n{notes}")
