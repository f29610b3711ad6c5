"""How the journal calls things, and its sentences about what changed and what that did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from facetwise.core.records.notes import Kind, Note
from facetwise.core.text.markdown import code, words
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.day import Day, moment_of
from facetwise.journals.note_targets import Thing
from facetwise.journals.runs import Based, Paired, RunEntry
from facetwise.results.wording import count, score, with_interval, with_signs
from facetwise.study.changes import Change, value_text
from facetwise.study.wording import better
from facetwise.submission.ledger.quota import zone

MOST_CHANGES, MOST_SETTINGS, MOST_LETTERS = 6, 3, 60
"""Changes that are written out, settings of a new kind, and letters of a value."""
_OTHERS = {
    "overlay": "the label corrections",
    "labels": "the dataset's labels",
    "weights": "the first weights",
    "store": "the prepared images",
}


@dataclass(frozen=True)
class Clock:
    """Tells times of a day as its people read them."""

    day: str
    time_zone: str

    @cached_property
    def _day(self) -> Day:
        return Day(date.fromisoformat(self.day), zone(self.time_zone))

    def __call__(self, time: str | None) -> str:
        """`14:05`, with its date when it is another day's; `?` for none."""
        moment = moment_of(time)
        return "?" if moment is None else self._day.clock(moment)

    def holds(self, time: str | None) -> bool:
        """Whether a time lies in the day."""
        moment = moment_of(time)
        return moment is not None and self._day.holds(moment)


def thing(kind: str, name: str) -> str:
    """`run 3`, `blend b2`; predictions from elsewhere by their name."""
    return words(name) if kind not in ("run", "blend", "submission") else words(_thing(kind, name).name)


def titled(kind: str, name: str) -> str:
    """The beginning of an item: what it is in bold, and its whole name."""
    called = thing(kind, name)
    return f"**{called[0].upper()}{called[1:]}** {code(name)}"


def _thing(kind: str, name: str) -> Thing:
    kinds: dict[str, Kind] = {"run": "run", "blend": "blend", "submission": "submission"}
    return Thing(kinds[kind], name)


def listed(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = [*parts] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def things(named: Iterable[tuple[str, str]]) -> str:
    """`runs 1, 3 and 5, and kim's`: several things by kind and id."""
    found = list(named)
    runs = [_thing("run", name).short for kind, name in found if kind == "run"]
    others = [thing(kind, name) for kind, name in found if kind != "run"]
    told = [f"run{'s' if len(runs) > 1 else ''} {listed(map(words, runs))}"] if runs else []
    return ", and ".join([*told, *([listed(others)] if others else [])])


def signature(note: Note, clock: Clock) -> str:
    """Who wrote a note and when."""
    return f"{words(note.author)}, {clock(note.time)}" if note.author else clock(note.time)


def resume(run: str) -> str:
    """The command that goes on with a run."""
    return code(f"facetwise fit --resume {Thing('run', run).short}")


def score_words(what: str | None, macro_f1: float | None, interval: Any) -> str:
    """`macro F1 **0.451** [0.380, 0.538]`; `macro F1 of age ...` where it is not the joint one."""
    of = "" if what in (None, JOINT) else f" of {words(str(what))}"
    bounds = with_interval(macro_f1, interval).removeprefix(score(macro_f1))
    return f"macro F1{of} **{score(macro_f1)}**{bounds}"


def based_words(entry: RunEntry) -> Iterator[str]:
    """What changed against its base, and whether that made a difference."""
    base = entry.base
    if base is None:
        return
    yield f"Against {thing('run', base.run)}: {_changed(base)}."
    if base.paired is not None:
        yield paired_words(base.paired, entry.what)


def paired_words(paired: Paired, what: str) -> str:
    """`Better by +0.031 [+0.004, +0.060], paired by person (120 people).`"""
    on = f" on {words(paired.what)}" if paired.what != what else ""
    value = with_signs(paired.difference, paired.interval)
    people = count(paired.num_people, "person", "people")
    match better(paired.interval):
        case "second":
            return f"Better{on} by {value}, paired by person ({people})."
        case "first":
            return f"Worse{on} by {value}, paired by person ({people})."
        case "neither":
            return f"Cannot be told apart{on} on {people}: {value}."


def _changed(base: Based) -> str:
    parts = change_words(base.changes)
    more = len(parts) - MOST_CHANGES
    told = "; ".join(parts[:MOST_CHANGES]) + (f"; and {more} more" if more > 0 else "")
    others = listed(_OTHERS.get(name, code(name)) for name in base.others)
    several = f" ({base.num_things} things at once)" if base.num_things > 1 else ""
    also = f"{'; ' if parts else ', but not '}{others}{' changed too' if parts else ''}" if others else ""
    return f"{told or 'the same recipe'}{several}{also}"


def change_words(changes: Iterable[Change]) -> list[str]:
    """Each change in a few words; what belongs to a section that became another kind stands with that."""
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
    """What the new kind of a section is set to, as far as that is one number or word."""
    section = renamed.key.removesuffix("name")
    own = [c for c in others if c is not renamed and c.key.startswith(section)]
    plain = [c for c in own if isinstance(c.after, str | int | float)]
    return [f"{words(c.key.removeprefix(section))} {_value(c.after)}" for c in plain[:MOST_SETTINGS]]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else value_text(value)
    shown = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
    return code(shown) if isinstance(value, list | tuple | dict) else words(shown)
