"""A day of the diary as Markdown, in parts by name. Words of people and of records are never read as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from facetwise.core.markdown import code, quote, words
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.journal import Diary
from facetwise.journals.runs import RunEntry
from facetwise.journals.studies_markdown import failures, study_lines, waiting
from facetwise.journals.submissions import BlendEntry, SubmissionEntry
from facetwise.journals.wording import (
    Clock,
    based_words,
    paired_words,
    resume,
    score_words,
    signature,
    thing,
    things,
    titled,
)
from facetwise.results.wording import count, duration, with_interval, with_level


def diary_parts(diary: Diary) -> dict[str, str]:
    """Part -> Markdown without a newline around it, empty where there is nothing to say; in the order of the page."""
    clock = Clock(diary.day, diary.time_zone)
    makers: dict[str, Callable[[Diary, Clock], Iterator[str]]] = {
        "day": _day,
        "runs": _runs,
        "stopped": _stopped,
        "blends": _blends,
        "submissions": _submissions,
        "notes": _notes,
        "open": _open,
    }
    return {name: "\n".join(make(diary, clock)) for name, make in makers.items()}


def _day(diary: Diary, clock: Clock) -> Iterator[str]:
    yield f"{words(diary.project)}, times in {diary.time_zone}. {_summary(diary, clock)}"
    if diary.highest is not None:
        value = with_interval(diary.highest.macro_f1, diary.highest.interval)
        of = f", the best of {diary.num_scored:,}" if diary.num_scored > 1 else ""
        yield f"Highest joint score so far: {thing('run', diary.highest.id)}, macro F1 {value}{of}."


def _summary(diary: Diary, clock: Clock) -> str:
    if diary.empty:
        return "Nothing was recorded on this day."
    kinds = [study.kind for study in diary.studies]
    parts = [
        (len(diary.runs), "run", "runs"),
        (kinds.count("ablation"), "ablation", "ablations"),
        (kinds.count("search"), "search", "searches"),
        (len(diary.blends), "blend", "blends"),
        (sum(clock.holds(s.made) for s in diary.submissions), "submission made", "submissions made"),
        (diary.open.sent, "sent", "sent"),
        (sum(clock.holds(t) for s in diary.submissions for t in s.told), "score came in", "scores came in"),
        (len(diary.notes), "note", "notes"),
    ]
    return ", ".join(count(number, one, many) for number, one, many in parts if number) + "."


def _runs(diary: Diary, clock: Clock) -> Iterator[str]:
    items = [line for entry in diary.runs if _is_told(entry) for line in _run(entry, diary, clock)]
    if items or diary.studies:
        yield from ("## Runs", *([""] if items else []), *items)
    for study in diary.studies:
        yield from ("", *study_lines(study))


def _is_told(entry: RunEntry) -> bool:
    """Whether it stands among the runs: finished that day, or going on; the others were stopped or are damaged."""
    return (entry.finished or entry.goes_on) and entry.damaged is None


def _run(entry: RunEntry, diary: Diary, clock: Clock) -> Iterator[str]:
    yield f"- {titled('run', entry.id)}, {_when(entry, clock)}: {_result(entry)}."
    yield from (f"  {line}" for line in (*_flags(entry), *based_words(entry)))
    yield from _quoted(diary, clock, "run", entry.id)


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
    if entry.macro_f1 is None:
        return "no score" + ("" if entry.original else ", nobody was held out")
    return score_words(entry.what, entry.macro_f1, entry.interval)


def _flags(entry: RunEntry) -> Iterator[str]:
    told = {
        "UNSAFE image split": "UNSAFE: folds were split by image, so this score is too high. It is for teaching only.",
        "hold-out": "A hold-out: scored on the people of one fold.",
    }
    yield from (told[flag] for flag in entry.flags if flag in told)
    yield from (f"{words(flag).capitalize()}." for flag in entry.flags if flag.startswith("imported,"))


def _stopped(diary: Diary, clock: Clock) -> Iterator[str]:
    items = [line for entry in diary.runs if not _is_told(entry) for line in _left(entry, diary, clock)]
    items += [f"- {line}" for study in diary.studies for line in failures(study)]
    items += [f"- {_damaged(*found)}" for found in diary.undated]
    if items:
        yield from ("## Stopped or failed", "", *items)


def _left(entry: RunEntry, diary: Diary, clock: Clock) -> Iterator[str]:
    if entry.damaged is not None:
        yield f"- {_damaged('run', entry.id, entry.damaged)}"
    elif entry.pruned_by is not None:
        why = f"fell behind in the search {code(entry.pruned_by)}, which stopped it"
        yield f"- {titled('run', entry.id)} {why}. {resume(entry.id)} would finish it."
    else:
        done = f"{entry.folds_done} of {count(entry.num_folds, 'fold')} done, last heard of at {clock(entry.ended)}"
        yield f"- {titled('run', entry.id)} stopped: {done}; why is not recorded. {resume(entry.id)} goes on."
        yield from (f"  {line}" for line in based_words(entry))
    yield from _quoted(diary, clock, "run", entry.id)


def _damaged(kind: str, name: str, told: str) -> str:
    return f"{titled(kind, name)} is damaged: {words(told)}. See `facetwise doctor`."


def _blends(diary: Diary, clock: Clock) -> Iterator[str]:
    if diary.blends:
        yield from ("## Blends", "")
    for entry in diary.blends:
        first, *rest = _blend(entry)
        yield f"- {titled('blend', entry.id)}, {clock(entry.made)}: {first}"
        yield from (f"  {line}" for line in rest)
        yield from _quoted(diary, clock, "blend", entry.id)


def _blend(entry: BlendEntry) -> Iterator[str]:
    members = things(entry.members)
    vote = f"{words(entry.method)} vote of {members}" if entry.method else f"of {members}"
    if entry.macro_f1 is None:
        yield f"{vote}; nothing is known of it out of fold."
    else:
        yield f"{vote}; {score_words(None, entry.macro_f1, entry.interval)} by the nested estimate."
    if entry.best_member is not None and entry.paired is not None:
        kinds = {name: kind for kind, name in entry.members}
        best = thing(kinds.get(entry.best_member, "run"), entry.best_member)
        told = paired_words(entry.paired, JOINT)
        yield f"Beside its best member, {best}: {told[0].lower()}{told[1:]}"


def _submissions(diary: Diary, clock: Clock) -> Iterator[str]:
    if diary.submissions:
        yield from ("## Submissions", "")
    for entry in diary.submissions:
        source = f" from {thing(*entry.source)}" if entry.source else ""
        made = f", made {clock(entry.made)}{source}" if entry.made else source
        name = titled("submission", entry.id) if entry.id else f"**{words(entry.name)}**, a file not made here"
        yield f"- {name}{made}. {' '.join(_submission(entry, clock))}".rstrip()
        if entry.description:
            yield f"  Described as: {words(entry.description)}"
        if entry.id:
            yield from _quoted(diary, clock, "submission", entry.id)


def _submission(entry: SubmissionEntry, clock: Clock) -> Iterator[str]:
    if entry.trouble is not None:
        yield f"Its record is damaged: {words(entry.trouble)}."
    if entry.warnings:
        yield f"{count(entry.warnings, 'warning')} of the gate, confirmed."
    if entry.expected is not None:
        people = f" on {count(entry.num_people, 'person', 'people')}" if entry.num_people else ""
        yield f"Expected: {with_level(entry.expected, entry.interval)}{people}."
    known = {"public": entry.public, "private": entry.private}
    scores = [(side, value) for side, value in known.items() if value is not None]
    if entry.sent or scores:
        yield f"Sent {clock(entry.sent)}." if entry.sent else "Sent, when is not recorded."
    else:
        yield "Not sent."
    yield from (f"{side.capitalize()} **{value:.4f}**{_beside(value, entry)}." for side, value in scores)


def _beside(value: float, entry: SubmissionEntry) -> str:
    """Where a score lies beside the interval that was expected."""
    if entry.interval is None:
        return ""
    where = "below" if value < entry.interval.low else "above" if value > entry.interval.high else "within"
    return f", {where} what was expected"


def _notes(diary: Diary, clock: Clock) -> Iterator[str]:
    told = {("run", r.id) for r in diary.runs} | {("blend", b.id) for b in diary.blends}
    told |= {("submission", str(s.id)) for s in diary.submissions}
    others = [about for note in diary.notes if (about := (str(note.kind), note.id)) not in told]
    if others:
        yield from ("## Notes", "")
    for kind, name in dict.fromkeys(others):
        yield f"- {titled(kind, name)}"
        yield from _quoted(diary, clock, kind, name)


def _quoted(diary: Diary, clock: Clock, kind: str, name: str) -> Iterator[str]:
    """The day's notes about a thing, below its item."""
    for number, note in enumerate(n for n in diary.notes if (n.kind, n.id) == (kind, name)):
        first, *rest = quote(note.text)
        yield from ["  >"] if number else []
        yield f"  > {signature(note, clock)}: {first.removeprefix('> ')}"
        yield from (f"  {line}" for line in rest)


def _open(diary: Diary, clock: Clock) -> Iterator[str]:
    waits, here = diary.open, {entry.id for entry in diary.runs}
    items = [f"{titled('run', r.id)} is not finished: {resume(r.id)}." for r in _unfinished(diary) if r.id not in here]
    if above := [("run", r.id) for r in _unfinished(diary) if r.id in here]:
        items.append(f"Not finished, see above: {things(above)}.")
    items += [line for study in diary.studies for line in waiting(study)]
    items += [f"{titled('submission', name)} is not sent." for name in waits.unsent]
    if waits.per_day is not None and waits.per_day > waits.sent:
        items.append(f"{waits.per_day - waits.sent} of {waits.per_day} submissions of the day are not used.")
    items += [f"{titled(n.kind, n.id)}, {signature(n, clock)}: {words(n.text)}" for n in waits.questions]
    if items:
        yield from ("## Open", "", *(f"- {item}" for item in items))


def _unfinished(diary: Diary) -> Iterable[RunEntry]:
    return [entry for entry in diary.open.unfinished if not entry.goes_on]
