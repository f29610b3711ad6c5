"""Names and sentences of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from facetwise.core.records.notes import Note, NoteTargetKind
from facetwise.core.text.markdown import code, words
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PERSON, count_people
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.day import Day, moment_of
from facetwise.journals.note_targets import NoteTarget
from facetwise.journals.runs import BaseComparison, PairedDifference, RunEntry
from facetwise.results.wording import score, with_interval, with_signs
from facetwise.study.changes import Change, value_text
from facetwise.study.wording import winner
from facetwise.submission.ledger.quota import zone

MOST_CHANGES, MOST_SETTINGS, MOST_LETTERS = 6, 3, 60
"""Most changes that are written out, settings of a replaced section, and letters of a value."""
_OTHERS = {
    "overlay": "the label corrections",
    "labels": "the dataset's labels",
    "weights": "the first weights",
    "store": "the prepared images",
}


@dataclass(frozen=True)
class Clock:
    """Formats times of a day in the contest's time zone."""

    day: str
    time_zone: str

    @cached_property
    def _day(self) -> Day:
        return Day(date.fromisoformat(self.day), zone(self.time_zone))

    def __call__(self, time: str | None) -> str:
        """`14:05`, with the date for another day; `?` for None."""
        moment = moment_of(time)
        return "?" if moment is None else self._day.clock(moment)

    def holds(self, time: str | None) -> bool:
        """Whether a time lies in the day."""
        moment = moment_of(time)
        return moment is not None and self._day.holds(moment)


def display_name(kind: str, name: str) -> str:
    """`run 3`, `blend b2`; imported predictions by their name."""
    return words(name) if kind not in ("run", "blend", "submission") else words(_target(kind, name).name)


def item_title(kind: str, name: str) -> str:
    """The start of a list item: its display name in bold, and its full id."""
    called = display_name(kind, name)
    return f"**{called[0].upper()}{called[1:]}** {code(name)}"


def _target(kind: str, name: str) -> NoteTarget:
    kinds: dict[str, NoteTargetKind] = {"run": "run", "blend": "blend", "submission": "submission"}
    return NoteTarget(kinds[kind], name)


def join_names(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = [*parts] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def display_names(named: Iterable[tuple[str, str]]) -> str:
    """`runs 1, 3 and 5, and kim's`, from kinds and ids."""
    found = list(named)
    runs = [_target("run", name).short for kind, name in found if kind == "run"]
    rest = [display_name(kind, name) for kind, name in found if kind != "run"]
    text = [f"run{'s' if len(runs) > 1 else ''} {join_names(map(words, runs))}"] if runs else []
    return ", and ".join([*text, *([join_names(rest)] if rest else [])])


def signature(note: Note, clock: Clock) -> str:
    """Author and time of a note."""
    return f"{words(note.author)}, {clock(note.time)}" if note.author else clock(note.time)


def resume_command(run: str) -> str:
    """The command that resumes a run."""
    return code(f"facetwise fit --resume {NoteTarget('run', run).short}")


def score_text(what: str | None, value: float | None, interval: Any) -> str:
    """`macro F1 **0.451** [0.380, 0.538]`; `macro F1 of age ...` for a single attribute."""
    of = "" if what in (None, JOINT) else f" of {words(str(what))}"
    bounds = with_interval(value, interval).removeprefix(score(value))
    return f"{SCORE}{of} **{score(value)}**{bounds}"


def comparison_lines(entry: RunEntry) -> Iterator[str]:
    """What changed against the base, and the paired difference."""
    base = entry.base
    if base is None:
        return
    yield f"Against {display_name('run', base.run)}: {_changed(base)}."
    if base.paired is not None:
        yield difference_sentence(base.paired, entry.what)


def difference_sentence(paired: PairedDifference, what: str) -> str:
    """`Better by +0.031 [+0.004, +0.060], paired by person (120 people).`"""
    on = f" on {words(paired.what)}" if paired.what != what else ""
    value = with_signs(paired.difference, paired.interval)
    people = count_people(paired.num_people)
    match winner(paired.interval):
        case "second":
            return f"Better{on} by {value}, paired by {PERSON} ({people})."
        case "first":
            return f"Worse{on} by {value}, paired by {PERSON} ({people})."
        case "neither":
            return f"Cannot be told apart{on} on {people}: {value}."


def _changed(base: BaseComparison) -> str:
    parts = change_words(base.changes)
    more = len(parts) - MOST_CHANGES
    text = "; ".join(parts[:MOST_CHANGES]) + (f"; and {more} more" if more > 0 else "")
    rest = join_names(_OTHERS.get(name, code(name)) for name in base.others)
    several = f" ({base.num_things} things at once)" if base.num_things > 1 else ""
    also = f"{'; ' if parts else ', but not '}{rest}{' changed too' if parts else ''}" if rest else ""
    return f"{text or 'the same recipe'}{several}{also}"


def change_words(changes: Iterable[Change]) -> list[str]:
    """Each change in a few words; settings of a replaced section are listed with it."""
    found = list(changes)
    renamed = tuple(c.key.removesuffix("name") for c in found if c.key.endswith(".name"))
    return [_change(c, found) for c in found if c.key.endswith(".name") or not c.key.startswith(renamed)]


def _change(change: Change, others: Iterable[Change]) -> str:
    key = code(change.key.removesuffix(".name"))
    if change.before is None and isinstance(change.after, dict):
        return f"with {key}"
    if change.after is None and isinstance(change.before, dict):
        return f"without {key}"
    more = ", ".join(_settings(change, others)) if change.key.endswith(".name") else ""
    return f"{key} {_value(change.before)} → {_value(change.after)}" + (f" ({more})" if more else "")


def _settings(renamed: Change, others: Iterable[Change]) -> list[str]:
    """Settings of a replaced section that are single numbers or words."""
    section = renamed.key.removesuffix("name")
    of_section = [c for c in others if c is not renamed and c.key.startswith(section)]
    plain = [c for c in of_section if isinstance(c.after, str | int | float)]
    return [f"{words(c.key.removeprefix(section))} {_value(c.after)}" for c in plain[:MOST_SETTINGS]]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else value_text(value)
    shown = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
    return code(shown) if isinstance(value, list | tuple | dict) else words(shown)
