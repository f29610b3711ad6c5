"""What `facetwise doctor` looks at in blends, in the ledger and in the times of all records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.predictors.blend_folder import list_blends
from facetwise.results.wording import count
from facetwise.submission.ledger.events import last_line_cut
from facetwise.submission.ledger.ledger import read_ledger
from facetwise.submission.ledger.odd_times import made_in_the_future, odd_times
from facetwise.upkeep.doctor_lines import Check, DoctorLine, unusable


def checks(project: Project) -> dict[str, Check]:
    """Topic -> check, in the order of the report."""
    named = {"blends": _blends, "ledger": _ledger, "clock": _clock}
    return {topic: partial(check, project) for topic, check in named.items()}


def _blends(project: Project) -> Iterator[DoctorLine]:
    for blend in list_blends(project.workspace):
        try:
            members = blend.record().made_from.members
        except ArtefactError as error:
            yield unusable("blends", blend.id, error)
            continue
        if gone := [reason for m in members if m.kind == "run" and (reason := _damaged(project, m.id))]:
            hint = "`facetwise doctor` says what to do about each; what the blend predicts is kept in its own tables"
            yield DoctorLine("blends", "warning", f"`{blend.id}`: {len(gone)} member(s) are damaged: {gone[0]}", hint)
            continue
        yield DoctorLine("blends", "ok", f"`{blend.id}`: {count(len(members), 'member')}")


def _damaged(project: Project, run_id: str) -> str | None:
    """What is wrong with a member of a blend, beginning with its name; None when it is whole."""
    damage = RunFolder(project.workspace.runs / run_id).damage
    return None if damage is None else f"run `{run_id}`: {damage}"


def _ledger(project: Project) -> Iterator[DoctorLine]:
    path = project.workspace.ledger_file
    if not path.is_file():
        return
    ledger = read_ledger(project.workspace)
    yield DoctorLine("ledger", "ok", f"{len(ledger.entries)} sent, {len(ledger.scored)} of them scored")
    if last_line_cut(path):
        hint = "look at its end; it is passed over, and kept as a note when more is added"
        yield DoctorLine("ledger", "warning", f"{path}: the last line was cut off", hint)


def _clock(project: Project) -> Iterator[DoctorLine]:
    """Times that cannot be; nothing where all can."""
    now, space = datetime.now(UTC), project.workspace
    for told in (*made_in_the_future(space, now), *odd_times(space, read_ledger(space), now)):
        yield DoctorLine("clock", "warning", told)
