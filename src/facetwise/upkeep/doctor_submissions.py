"""What `facetwise doctor` looks at in blends, in the ledger and in the times of all records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.records.notes import notes_cut, read_notes
from facetwise.core.text.counting import count
from facetwise.predictors.blend_folder import list_blends
from facetwise.predictors.sources import member_faults
from facetwise.submission.ledger.ledger import read_ledger
from facetwise.submission.ledger.odd_times import made_in_the_future, odd_lines, odd_times
from facetwise.upkeep.doctor_lines import Check, DoctorLine, unusable


def checks(project: Project) -> dict[str, Check]:
    """Topic -> check, in the order of the report."""
    named = {"blends": _blends, "ledger": _ledger, "clock": _clock, "notes": _notes}
    return {topic: partial(check, project) for topic, check in named.items()}


def _blends(project: Project) -> Iterator[DoctorLine]:
    for blend in list_blends(project.workspace):
        try:
            members = blend.record().made_from.members
        except ArtefactError as error:
            yield unusable("blends", blend.id, error)
            continue
        if faults := [*member_faults(project.workspace, members)]:
            hint = "`facetwise doctor` says what to do about each; what the blend predicts is kept in its own tables"
            yield DoctorLine("blends", "warning", f"`{blend.id}`: {'; '.join(faults)}", hint)
            continue
        yield DoctorLine("blends", "ok", f"`{blend.id}`: {count(len(members), 'member')}")


def _ledger(project: Project) -> Iterator[DoctorLine]:
    path = project.workspace.ledger_file
    if not path.is_file():
        return
    ledger = read_ledger(project.workspace)
    yield DoctorLine("ledger", "ok", f"{len(ledger.entries)} sent, {len(ledger.scored)} of them scored")
    for text in odd_lines(project.workspace):
        yield DoctorLine("ledger", "warning", text, "look at its end; when more is added the line is kept as a note")


def _notes(project: Project) -> Iterator[DoctorLine]:
    """Lines that are no notes; nothing where all are."""
    read_notes(project.workspace)
    if (cut := notes_cut(project.workspace)) is not None:
        yield DoctorLine("notes", "warning", cut, "look at its end, and put it right or delete it")


def _clock(project: Project) -> Iterator[DoctorLine]:
    """Times that cannot be; nothing where all can."""
    now, space = datetime.now(UTC), project.workspace
    for text in (*made_in_the_future(space, now), *odd_times(space, read_ledger(space), now)):
        yield DoctorLine("clock", "warning", text)
