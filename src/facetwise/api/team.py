"""Runs and predictions exchanged with teammates, notes, and the journal."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, verb

if TYPE_CHECKING:
    from facetwise.core.progress import Progress
    from facetwise.core.project import Project
    from facetwise.core.records.notes import Note
    from facetwise.journals.journal import JournalDay
    from facetwise.journals.page_file import Written
    from facetwise.predictors.external import ExternalFolder
    from facetwise.sharing.export_run import Exported
    from facetwise.sharing.import_run import ImportedRun

ABOUT = "A run (`3`, `last` or its id), a blend (`b2`) or a submission (`s1`)."


@verb
def export_run(
    project: AnyProject,
    run: Annotated[str, Option("A finished run: its id, number or `last`.")] = "last",
    *,
    out: Annotated[str | Path, Option("The file to write, such as `age.pack`.")],
    tables_only: Annotated[bool, Option("Leave the weights out: it can be blended, but predicts nothing new.")] = False,
) -> "Exported":
    """Pack a finished run into the new file `out` for a teammate: all of it, or with `tables_only` without weights.

    The same run always gives the same bytes. They contain no paths of this machine and no user names.
    """
    from facetwise.core.runs import find_run
    from facetwise.sharing.export_run import export_run as write_pack

    opened = opened_project(project)
    target = checked_output(opened, out, stdout=False)
    return write_pack(opened, find_run(opened.workspace, run), target, tables_only=tables_only)


@verb
def import_run(project: AnyProject, file: str | Path, *, name: str | None = None) -> "ImportedRun":
    """Import a teammate's packed run into the project, under the next number; packs are checked, not trusted.

    Raises MismatchError with the difference when the pack is of another dataset or label space. A run on folds that
    this project does not have can be used for the test side only, and is listed as such.
    """
    from facetwise.sharing.import_run import import_run as import_pack

    return import_pack(opened_project(project), Path(file), name=name)


@verb
def import_predictions(
    project: AnyProject,
    file: Annotated[str | Path, Option("A pack of `facetwise run export`, or a csv of predictions.")],
    *,
    name: Annotated[
        str | None, Option("For a csv: the name of its predictions. For a pack: another name for its run.")
    ] = None,
    answers_of: Annotated[
        str | None,
        Option("For a csv of answers: the attribute whose classes they are, or `joint`.", metavar="ATTRIBUTE"),
    ] = None,
) -> "ExternalFolder":
    """Import a csv of predictions as `foreign:NAME`: for the test side only.

    The csv has a row for each image: probabilities (columns `<attribute>=<class>`, `joint=<i>`, or the bare numbers of
    the joint classes), or answers as in a submission. `answers_of` names the attribute whose classes the answers are,
    or `joint`; without it, answers that look like classes of one attribute are refused. All problems are reported at
    once, by line.
    """
    from facetwise.core.errors import InputError
    from facetwise.data.manifest import load_manifest
    from facetwise.predictors.external import import_predictions as import_csv

    if name is None:
        hint = f"name them: `facetwise run import {shlex.quote(str(file))} --name NAME`"
        raise InputError(f"{file}: not a pack; predictions from a csv need a name", hint=hint)
    opened = opened_project(project)
    return import_csv(opened, load_manifest(opened), Path(file), name, answers_of=answers_of)


@dataclass(frozen=True)
class JournalPage:
    """A day of the journal."""

    journal: "JournalDay"
    text: str
    """The page as Markdown, including what people wrote in it."""
    written: "Written | None"
    """The file it was saved to; None when nothing was written."""

    def as_dict(self) -> "dict[str, Any]":
        """Plain JSON data: what the records hold, without what people wrote."""
        return self.journal.as_dict()


@verb
def journal(
    project: AnyProject = ".",
    day: Annotated[str | None, Option("A day such as 2026-11-25, `today` or `yesterday`.", ("--day",))] = None,
    *,
    since: Annotated[
        str | None, Option("Also every earlier day with records, from this one on.", metavar="DAY")
    ] = None,
    out: Annotated[str | Path | None, Option("The file to write; the default is `journal/<day>.md`.")] = None,
    write: bool = True,
    progress: "Progress | None" = None,
) -> "list[JournalPage]":
    """The journal of a day, made from the records; saved as `journal/<day>.md`, or as the file `out`.

    `day`: such as `2026-11-25`, `today` (the default) or `yesterday`, in the contest's time zone. `since` adds every
    day with records from that one on. What people wrote in a page is preserved.
    """
    from facetwise.core.errors import SettingError
    from facetwise.journals.day import days_between, read_day
    from facetwise.journals.journal import build_journal
    from facetwise.submission.ledger.quota import contest_zone

    opened = opened_project(project)
    if out is not None and since is not None:
        raise SettingError("`--out` is one file, and `--since` makes one a day", hint="leave one of them out")
    if out is not None:
        checked_output(opened, out, stdout=False)
    zone, now = contest_zone(opened), datetime.now(UTC)
    last = read_day(day, zone, now)
    days = [last] if since is None else list(days_between(read_day(since, zone, now), last))
    journal_days = build_journal(opened, days, progress)
    chosen = [d for d in journal_days if not d.empty or d is journal_days[-1]]
    return _pages(opened, chosen, None if out is None else Path(out), write)


def _pages(
    project: "Project", journal_days: "Sequence[JournalDay]", out: Path | None, write: bool
) -> "list[JournalPage]":
    from facetwise.core.workspace import lock
    from facetwise.journals.markdown import page_parts
    from facetwise.journals.page_file import new_page, write_page

    pages = []
    for journal_day in journal_days:
        path, parts = out or project.workspace.journal / f"{journal_day.day}.md", page_parts(journal_day)
        day = date.fromisoformat(journal_day.day)
        if not write:
            pages.append(JournalPage(journal_day, new_page(day, parts), None))
            continue
        with lock(project.root / ".journal.lock", "the journal"):
            written = write_page(path, day, parts)
            pages.append(JournalPage(journal_day, written.text, written))
    return pages


@verb
def note(
    project: AnyProject,
    about: Annotated[str, Option(ABOUT, metavar="REF")],
    text: Annotated[str, Option("Any text, in any language.")],
    *,
    author: Annotated[str | None, Option("Who writes it.", metavar="NAME")] = None,
    open: Annotated[bool, Option("List it as open until a later note on the same reference answers it.")] = False,
) -> "Note":
    """Put a note on a run (`3`, `last`, an id), a blend (`b2`) or a submission (`s1`), in any language.

    A note that is `open`, or ends in a question mark, is listed as open until a later note on the same reference.
    """
    from facetwise.core.records.notes import write_note
    from facetwise.journals.note_targets import find_target

    opened = opened_project(project)
    found = find_target(opened.workspace, about)
    return write_note(opened.workspace, found.kind, found.id, text, author=author, open=open)


@verb
def notes(
    project: AnyProject = ".",
    about: Annotated[str | None, Option(f"{ABOUT} Without it all notes.", metavar="[REF]")] = None,
) -> "tuple[Note, ...]":
    """All notes in the order in which they were written, or those on one reference, which need not exist any more."""
    from facetwise.journals.note_targets import find_noted_target
    from facetwise.submission.ledger.notes import all_notes

    opened = opened_project(project)
    found = all_notes(opened.workspace)
    if about is None:
        return found
    target = find_noted_target(opened.workspace, found, about)
    return tuple(n for n in found if (n.kind, n.id) == (target.kind, target.id))
