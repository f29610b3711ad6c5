"""Runs of a day: what changed against the run that each differs least from, and whether that made a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.runs import run_number
from facetwise.data.manifest import Manifest
from facetwise.evaluate.intervals import Interval, PairedInterval
from facetwise.evaluate.scorecard import JOINT, name_of
from facetwise.journals.day import Day
from facetwise.journals.timeline import RunLife
from facetwise.results.cache import AnswerCache, answers_hash
from facetwise.results.runs import RunRow
from facetwise.study.changes import Change, num_things, recipe_changes
from facetwise.study.compare import Pair, other_fields
from facetwise.study.decided import read_decided
from facetwise.study.record import pruned_by


@dataclass(frozen=True)
class Paired:
    """By how much a run is better than its base, on the people that both predicted."""

    what: str
    """`joint`, or the attributes that both predict."""
    difference: float
    interval: PairedInterval
    num_people: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Paired:
        """From plain data."""
        return cls(**{**data, "interval": PairedInterval(**data["interval"])})


@dataclass(frozen=True)
class Based:
    """What changed against an earlier run."""

    run: str
    changes: tuple[Change, ...]
    num_things: int
    others: tuple[str, ...]
    """What else than the recipe changed: fields of the fingerprint, such as `overlay`."""
    paired: Paired | None
    """None where the two cannot be compared (or the run is not finished)."""


@dataclass(frozen=True)
class RunEntry:
    """A run on a day."""

    id: str
    begun: str | None
    """UTC, ISO 8601; None where nothing says it."""
    ended: str | None
    """When it was finished, or when something last happened in it that day."""
    finished: bool
    """Whether it was finished when the day ended."""
    goes_on: bool
    """Not finished that day, but since then, or being trained now."""
    seconds: float
    """Spent in its epochs, in all."""
    what: str
    macro_f1: float | None
    interval: Interval | None
    """Of the macro F1, by person. None, as the score, of a run that was not finished or predicted nobody."""
    folds_done: int
    """When the day ended."""
    num_folds: int
    flags: tuple[str, ...]
    """As in the list of runs: `UNSAFE image split`, `imported`, `hold-out`, `trained on all`, `damaged: ...`."""
    original: str | None
    """What an imported run is called where it was trained."""
    pruned_by: str | None
    """The search that stopped it, if one did."""
    base: Based | None
    """None of a run that nothing before it can be compared with."""

    @property
    def damaged(self) -> str | None:
        """What is wrong with it, if anything is."""
        return next((f.removeprefix("damaged: ") for f in self.flags if f.startswith("damaged")), None)


@dataclass(frozen=True)
class RunsOfDay:
    """Makes the entries of a day's runs."""

    project: Project
    manifest: Manifest
    day: Day
    rows: Mapping[str, RunRow]
    lives: Mapping[str, RunLife]
    answers: AnswerCache

    def entry(self, life: RunLife) -> RunEntry:
        """The entry of a run that was begun before the day ended, beside its base."""
        return self.alone(life) if self._unusable(life) else replace(self.alone(life), base=self._based(life))

    def alone(self, life: RunLife) -> RunEntry:
        """The same without its base."""
        row, finished, last = self.rows[life.run.id], life.finished_by(self.day), life.last_by(self.day)
        return RunEntry(
            id=life.run.id,
            begun=life.moments[0].isoformat() if life.moments else None,
            ended=last.isoformat() if last else None,
            finished=finished,
            goes_on=not finished and (row.state == "training" or life.done is not None),
            seconds=row.minutes * 60,
            what=row.what,
            macro_f1=row.macro_f1 if finished else None,
            interval=row.macro_f1_interval if finished else None,
            folds_done=life.folds_by(self.day),
            num_folds=life.num_folds,
            flags=row.flags,
            original=life.original,
            pruned_by=pruned_by(life.run),
            base=None,
        )

    def scored(self) -> list[RunLife]:
        """Cross-validated runs that predict the whole label and were finished before the day ended, by number."""
        rows = [row for row in self.rows.values() if row.what == JOINT and row.macro_f1 is not None and not row.flags]
        return [life for row in rows if (life := self.lives[row.id]).finished_by(self.day)]

    def score(self, life: RunLife) -> float:
        """The macro F1 of a run that has one."""
        return self.rows[life.run.id].macro_f1 or 0.0

    def _unusable(self, life: RunLife) -> bool:
        return life.record is None or not self.rows[life.run.id].usable

    def _based(self, life: RunLife) -> Based | None:
        base = nearest(life, [other for other in self.lives.values() if self._may_be_base(other, life)])
        if base is None:
            return None
        changes = recipe_changes(base.recipe, life.recipe)
        others = other_fields(base.fields, life.fields, changes)
        paired = self.paired(base, life) if life.finished_by(self.day) else None
        return Based(base.run.id, changes, num_things(changes), others, paired)

    def _may_be_base(self, other: RunLife, life: RunLife) -> bool:
        return (
            run_number(other.run.id) < run_number(life.run.id)
            and other.finished_by(self.day)
            and not self._unusable(other)
            and self.rows[other.run.id].macro_f1 is not None
            and other.fields.get("manifest") == life.fields.get("manifest")
            and other.by_image == life.by_image
            and not set(other.attributes).isdisjoint(life.attributes)
        )

    def paired(self, base: RunLife, life: RunLife) -> Paired | None:
        """The difference of two finished runs; None where they cannot be compared, or folds were split by image."""
        hashes = [answers_hash(base.run), answers_hash(life.run)]
        if None in hashes or base.by_image or life.by_image:
            return None
        try:
            return Paired.of(self.answers.answer(["paired", *hashes], lambda: asdict(self._paired(base, life))))
        except FacetwiseError:
            return None

    def _paired(self, base: RunLife, life: RunLife) -> Paired:
        one, two = (read_decided(self.project, self.manifest, side.run) for side in (base, life))
        pair = Pair.of(one, two)
        found = pair.difference(pair.names, name_of(pair.names, self.project.space))
        return Paired(found.name, found.difference, found.interval, pair.first.truth.num_people)


def nearest(life: RunLife, earlier: Sequence[RunLife]) -> RunLife | None:
    """The run whose recipe differs in the fewest things, of equals in the fewest keys, then the latest."""

    def distance(other: RunLife) -> tuple[int, int, bool, int]:
        changes = recipe_changes(other.recipe, life.recipe)
        return num_things(changes), len(changes), other.attributes != life.attributes, -run_number(other.run.id)

    return min(earlier, key=distance, default=None)
