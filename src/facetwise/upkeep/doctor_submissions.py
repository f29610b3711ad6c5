"""What `facetwise doctor` looks at in blends, in the ledger and in the times of all records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.records.artefact import Artefact
from facetwise.core.records.blend import MemberRecord
from facetwise.core.records.notes import read_notes
from facetwise.core.runs import SIDES, RunFolder
from facetwise.core.text.counting import count
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.predictors.external import ExternalFolder
from facetwise.submission.ledger.events import last_line_cut
from facetwise.submission.ledger.ledger import read_ledger
from facetwise.submission.ledger.odd_times import made_in_the_future, odd_times
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
        if gone := [fault for member in members if (fault := _member_fault(project, member))]:
            hint = "`facetwise doctor` says what to do about each; what the blend predicts is kept in its own tables"
            yield DoctorLine("blends", "warning", f"`{blend.id}`: {'; '.join(gone)}", hint)
            continue
        yield DoctorLine("blends", "ok", f"`{blend.id}`: {count(len(members), 'member')}")


def _member_fault(project: Project, member: MemberRecord) -> str | None:
    """Why a member of a blend cannot be read any more, beginning with its name; None when it can."""
    space = project.workspace
    folders: dict[str, Artefact] = {
        "run": RunFolder(space.runs / member.id),
        "blend": BlendFolder(space.blends / member.id),
        "foreign": ExternalFolder(space.external / member.id),
    }
    folder = folders[member.kind]
    if not folder.path.is_dir():
        return f"member `{member.reference}` is gone"
    try:
        folder.check()
        if isinstance(folder, RunFolder) and member.tta != "none":
            for side in SIDES:
                folder.verify_table(side, member.tta)
    except ArtefactError as error:
        return f"member `{member.reference}`: {error}"
    return None


def _ledger(project: Project) -> Iterator[DoctorLine]:
    path = project.workspace.ledger_file
    if not path.is_file():
        return
    ledger = read_ledger(project.workspace)
    yield DoctorLine("ledger", "ok", f"{len(ledger.entries)} sent, {len(ledger.scored)} of them scored")
    if last_line_cut(path):
        hint = "look at its end; it is passed over, and kept as a note when more is added"
        yield DoctorLine("ledger", "warning", f"{path}: the last line was cut off", hint)


def _notes(project: Project) -> Iterator[DoctorLine]:
    """Lines that are no notes; nothing where all are."""
    path = project.workspace.notes_file
    read_notes(project.workspace)
    if last_line_cut(path):
        hint = "look at its end, and put it right or delete it"
        yield DoctorLine("notes", "warning", f"{path}: the last line was cut off", hint)


def _clock(project: Project) -> Iterator[DoctorLine]:
    """Times that cannot be; nothing where all can."""
    now, space = datetime.now(UTC), project.workspace
    for text in (*made_in_the_future(space, now), *odd_times(space, read_ledger(space), now)):
        yield DoctorLine("clock", "warning", text)
