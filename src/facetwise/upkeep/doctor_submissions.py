"""What `facetwise doctor` looks at in blends, in the ledger and in the times of all records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.workspace import is_done
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.submission.ledger.events import last_line_cut
from facetwise.submission.ledger.ledger import read_ledger
from facetwise.submission.ledger.odd_times import made_in_the_future, odd_times
from facetwise.upkeep.doctor_lines import Check, DoctorLine, refused


def checks(project: Project) -> dict[str, Check]:
    """Topic -> check, in the order of the report."""
    named = {"blends": _blends, "ledger": _ledger, "clock": _clock}
    return {topic: partial(check, project) for topic, check in named.items()}


def _blends(project: Project) -> Iterator[DoctorLine]:
    for folder in sorted(p for p in project.workspace.blends.glob("[!.]*") if p.is_dir()):
        if not is_done(folder):
            yield DoctorLine(
                "blends", "warning", f"`{folder.name}`: unfinished", "make it again with `facetwise blend`"
            )
            continue
        try:
            record = BlendFolder(folder).record()
        except ArtefactError as error:
            yield refused("blends", error)
            continue
        yield DoctorLine("blends", "ok", f"`{folder.name}`: {len(record['made_from']['members'])} member(s)")


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
