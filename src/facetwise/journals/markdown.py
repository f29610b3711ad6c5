"""A day of the journal as Markdown, in named parts. Text from people and records is escaped, never read as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.markdown import code, quote, words
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.journal import JournalDay
from facetwise.journals.runs import RunEntry
from facetwise.journals.studies_markdown import failures, study_lines, waiting
from facetwise.journals.submissions import BlendEntry, SubmissionEntry
from facetwise.journals.wording import (
    Clock,
    comparison_lines,
    difference_sentence,
    display_name,
    display_names,
    item_title,
    resume_command,
    score_text,
    signature,
)
from facetwise.results.wording import duration, with_interval, with_level


def page_parts(journal: JournalDay) -> dict[str, str]:
    """Markdown by part, stripped of newlines, empty where there is nothing to report; in the order of the page."""
    clock = Clock(journal.day, journal.time_zone)
    makers: dict[str, Callable[[JournalDay, Clock], Iterator[str]]] = {
        "day": _day,
        "runs": _runs,
        "stopped": _stopped,
        "blends": _blends,
        "submissions": _submissions,
        "notes": _notes,
        "open": _open,
    }
    return {name: "\n".join(make(journal, clock)) for name, make in makers.items()}


def _day(journal: JournalDay, clock: Clock) -> Iterator[str]:
    yield f"{words(journal.project)}, times in {journal.time_zone}. {_summary(journal, clock)}"
    if journal.highest is not None:
        value = with_interval(journal.highest.score, journal.highest.interval)
        of = f", the best of {journal.num_scored:,}" if journal.num_scored > 1 else ""
        yield f"Highest joint score so far: {display_name('run', journal.highest.id)}, {SCORE} {value}{of}."


def _summary(journal: JournalDay, clock: Clock) -> str:
    if journal.empty:
        return "Nothing was recorded on this day."
    kinds = [study.kind for study in journal.studies]
    parts = [
        (len(journal.runs), "run", "runs"),
        (kinds.count("ablation"), "ablation", "ablations"),
        (kinds.count("search"), "search", "searches"),
        (len(journal.blends), "blend", "blends"),
        (sum(clock.holds(s.made) for s in journal.submissions), "submission made", "submissions made"),
        (journal.open.sent, "sent", "sent"),
        (sum(clock.holds(t) for s in journal.submissions for t in s.told), "score came in", "scores came in"),
        (len(journal.notes), "note", "notes"),
    ]
    return ", ".join(count(number, one, many) for number, one, many in parts if number) + "."


def _runs(journal: JournalDay, clock: Clock) -> Iterator[str]:
    items = [line for entry in journal.runs if _is_listed(entry) for line in _run(entry, journal, clock)]
    if items or journal.studies:
        yield from ("## Runs", *([""] if items else []), *items)
    for study in journal.studies:
        yield from ("", *study_lines(study))


def _is_listed(entry: RunEntry) -> bool:
    """Whether it is listed under Runs (finished that day, or still running) instead of under Stopped or failed."""
    return (entry.finished or entry.goes_on) and entry.damaged is None


def _run(entry: RunEntry, journal: JournalDay, clock: Clock) -> Iterator[str]:
    yield f"- {item_title('run', entry.id)}, {_when(entry, clock)}: {_result(entry)}."
    yield from (f"  {line}" for line in (*_flags(entry), *comparison_lines(entry)))
    yield from _quoted(journal, clock, "run", entry.id)


def _when(entry: RunEntry, clock: Clock) -> str:
    begun, ended = clock(entry.begun), clock(entry.ended)
    if entry.original is not None:
        return f"imported {begun} (there {code(entry.original)})"
    if not entry.finished:
        return f"begun {begun}"
    took = f" ({duration(entry.seconds)} in epochs)" if entry.seconds else ""
    return (begun if begun == ended else f"{begun} to {ended}") + took


def _result(entry: RunEntry) -> str:
    if not entry.finished:
        return f"{entry.folds_done} of {count(entry.num_folds, 'fold')} done when this was written, and it goes on"
    if entry.score is None:
        return "no score" + ("" if entry.original else ", nobody was held out")
    return score_text(entry.what, entry.score, entry.interval)


def _flags(entry: RunEntry) -> Iterator[str]:
    texts = {
        "UNSAFE image split": "UNSAFE: folds were split by image, so this score is too high. It is for teaching only.",
        "hold-out": f"A hold-out: scored on the {PEOPLE} of one fold.",
    }
    yield from (texts[flag] for flag in entry.flags if flag in texts)
    yield from (f"{words(flag).capitalize()}." for flag in entry.flags if flag.startswith("imported,"))


def _stopped(journal: JournalDay, clock: Clock) -> Iterator[str]:
    items = [line for entry in journal.runs if not _is_listed(entry) for line in _left(entry, journal, clock)]
    items += [f"- {line}" for study in journal.studies for line in failures(study)]
    items += [f"- {_damaged(*found)}" for found in journal.undated]
    if items:
        yield from ("## Stopped or failed", "", *items)


def _left(entry: RunEntry, journal: JournalDay, clock: Clock) -> Iterator[str]:
    if entry.damaged is not None:
        yield f"- {_damaged('run', entry.id, entry.damaged)}"
    elif entry.pruned_by is not None:
        why = f"fell behind in the search {code(entry.pruned_by)}, which stopped it"
        yield f"- {item_title('run', entry.id)} {why}. {resume_command(entry.id)} would finish it."
    else:
        done = f"{entry.folds_done} of {count(entry.num_folds, 'fold')} done, last heard of at {clock(entry.ended)}"
        on = f"{resume_command(entry.id)} goes on"
        yield f"- {item_title('run', entry.id)} stopped: {done}; why is not recorded. {on}."
        yield from (f"  {line}" for line in comparison_lines(entry))
    yield from _quoted(journal, clock, "run", entry.id)


def _damaged(kind: str, name: str, problem: str) -> str:
    return f"{item_title(kind, name)} is damaged: {words(problem)}. See `facetwise doctor`."


def _blends(journal: JournalDay, clock: Clock) -> Iterator[str]:
    if journal.blends:
        yield from ("## Blends", "")
    for entry in journal.blends:
        first, *rest = _blend(entry)
        yield f"- {item_title('blend', entry.id)}, {clock(entry.made)}: {first}"
        yield from (f"  {line}" for line in rest)
        yield from _quoted(journal, clock, "blend", entry.id)


def _blend(entry: BlendEntry) -> Iterator[str]:
    members = display_names(entry.members)
    vote = f"{words(entry.method)} vote of {members}" if entry.method else f"of {members}"
    if entry.score is None:
        yield f"{vote}; nothing is known of it out of fold."
    else:
        yield f"{vote}; {score_text(None, entry.score, entry.interval)} by the nested estimate."
    if entry.best_member is not None and entry.paired is not None:
        kinds = {name: kind for kind, name in entry.members}
        best = display_name(kinds.get(entry.best_member, "run"), entry.best_member)
        difference = difference_sentence(entry.paired, JOINT)
        yield f"Beside its best member, {best}: {difference[0].lower()}{difference[1:]}"


def _submissions(journal: JournalDay, clock: Clock) -> Iterator[str]:
    if journal.submissions:
        yield from ("## Submissions", "")
    for entry in journal.submissions:
        source = f" from {display_name(*entry.source)}" if entry.source else ""
        made = f", made {clock(entry.made)}{source}" if entry.made else source
        name = item_title("submission", entry.id) if entry.id else f"**{words(entry.name)}**, a file not made here"
        yield f"- {name}{made}. {' '.join(_submission(entry, clock))}".rstrip()
        if entry.description:
            yield f"  Described as: {words(entry.description)}"
        if entry.id:
            yield from _quoted(journal, clock, "submission", entry.id)


def _submission(entry: SubmissionEntry, clock: Clock) -> Iterator[str]:
    if entry.trouble is not None:
        yield f"Its record cannot be read: {words(entry.trouble)}."
    if entry.warnings:
        yield f"{count(entry.warnings, 'warning')} of the gate, confirmed."
    if entry.expected is not None:
        people = f" on {count_people(entry.num_people)}" if entry.num_people else ""
        yield f"Expected: {with_level(entry.expected, entry.interval)}{people}."
    by_side = {"public": entry.public, "private": entry.private}
    scores = [(side, value) for side, value in by_side.items() if value is not None]
    if entry.sent or scores:
        yield f"Sent {clock(entry.sent)}." if entry.sent else "Sent, when is not recorded."
    else:
        yield "Not sent."
    yield from (f"{side.capitalize()} **{value:.4f}**{_beside(value, entry)}." for side, value in scores)


def _beside(value: float, entry: SubmissionEntry) -> str:
    """How a score compares with the expected interval."""
    if entry.interval is None:
        return ""
    where = "below" if value < entry.interval.low else "above" if value > entry.interval.high else "within"
    return f", {where} what was expected"


def _notes(journal: JournalDay, clock: Clock) -> Iterator[str]:
    listed = {("run", r.id) for r in journal.runs} | {("blend", b.id) for b in journal.blends}
    listed |= {("submission", str(s.id)) for s in journal.submissions}
    remaining = [about for note in journal.notes if (about := (str(note.kind), note.id)) not in listed]
    if remaining:
        yield from ("## Notes", "")
    for kind, name in dict.fromkeys(remaining):
        yield f"- {item_title(kind, name)}"
        yield from _quoted(journal, clock, kind, name)


def _quoted(journal: JournalDay, clock: Clock, kind: str, name: str) -> Iterator[str]:
    """The day's notes on a run, blend or submission, below its item."""
    for number, note in enumerate(n for n in journal.notes if (n.kind, n.id) == (kind, name)):
        first, *rest = quote(note.text)
        yield from ["  >"] if number else []
        yield f"  > {signature(note, clock)}: {first.removeprefix('> ')}"
        yield from (f"  {line}" for line in rest)


def _open(journal: JournalDay, clock: Clock) -> Iterator[str]:
    waits, here = journal.open, {entry.id for entry in journal.runs}
    items = [
        f"{item_title('run', r.id)} is not finished: {resume_command(r.id)}."
        for r in _unfinished(journal)
        if r.id not in here
    ]
    if above := [("run", r.id) for r in _unfinished(journal) if r.id in here]:
        items.append(f"Not finished, see above: {display_names(above)}.")
    items += [line for study in journal.studies for line in waiting(study)]
    items += [f"{item_title('submission', name)} is not sent." for name in waits.unsent]
    if waits.per_day is not None and waits.per_day > waits.sent:
        items.append(f"{waits.per_day - waits.sent} of {waits.per_day} submissions of the day are not used.")
    items += [f"{item_title(n.kind, n.id)}, {signature(n, clock)}: {words(n.text)}" for n in waits.questions]
    if items:
        yield from ("## Open", "", *(f"- {item}" for item in items))


def _unfinished(journal: JournalDay) -> Iterable[RunEntry]:
    return [entry for entry in journal.open.unfinished if not entry.goes_on]
