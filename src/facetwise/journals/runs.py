"""Runs of a day, each compared with the earlier run that it differs least from."""

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
from facetwise.journals.timeline import RunTimeline
from facetwise.results.cache import ResultCache, predictions_hash
from facetwise.results.runs import RunRow
from facetwise.study.changes import Change, count_changes, recipe_changes
from facetwise.study.compare import Pair, other_fields
from facetwise.study.record import pruned_by
from facetwise.study.scored_run import read_scored_run


@dataclass(frozen=True)
class PairedDifference:
    """Score of a run minus that of its base, on the people that both predicted."""

    what: str
    """`joint`, or the attributes that both predict."""
    difference: float
    interval: PairedInterval
    num_people: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PairedDifference:
        """From plain data."""
        return cls(**{**data, "interval": PairedInterval(**data["interval"])})


@dataclass(frozen=True)
class BaseComparison:
    """Comparison with an earlier run, the base."""

    run: str
    changes: tuple[Change, ...]
    num_things: int
    others: tuple[str, ...]
    """Differing fields of the fingerprint other than the recipe, such as `overlay`."""
    paired: PairedDifference | None
    """None when the two cannot be compared, or the run is not finished."""


@dataclass(frozen=True)
class RunEntry:
    """The state of a run at the end of a day."""

    id: str
    begun: str | None
    """UTC, ISO 8601; None when unknown."""
    ended: str | None
    """When it finished, or the last event in it that day."""
    finished: bool
    """Whether it had finished by the end of the day."""
    goes_on: bool
    """Not finished that day, but later, or training now."""
    seconds: float
    """Total time spent in epochs."""
    what: str
    score: float | None
    interval: Interval | None
    """Interval of the score, by person. Like the score, None for a run that was not finished or held nobody out."""
    folds_done: int
    """At the end of the day."""
    num_folds: int
    flags: tuple[str, ...]
    """As in `facetwise runs`: `UNSAFE image split`, `imported`, `hold-out`, `trained on all`, `damaged: ...`."""
    original: str | None
    """Id of an imported run in the project where it was trained."""
    pruned_by: str | None
    """The search that pruned it, if any."""
    base: BaseComparison | None
    """None when no earlier run can be compared with it."""

    @property
    def damaged(self) -> str | None:
        """What is damaged, if anything."""
        return next((f.removeprefix("damaged: ") for f in self.flags if f.startswith("damaged")), None)


@dataclass(frozen=True)
class RunsOfDay:
    """Builds the entries of a day's runs."""

    project: Project
    manifest: Manifest
    day: Day
    rows: Mapping[str, RunRow]
    timelines: Mapping[str, RunTimeline]
    cache: ResultCache

    def entry(self, timeline: RunTimeline) -> RunEntry:
        """The entry of a run that was started before the end of the day, compared with its base."""
        return (
            self.without_base(timeline)
            if self._unusable(timeline)
            else replace(self.without_base(timeline), base=self._compared_with_base(timeline))
        )

    def without_base(self, timeline: RunTimeline) -> RunEntry:
        """The entry without the comparison."""
        row, finished, last = self.rows[timeline.run.id], timeline.finished_by(self.day), timeline.last_by(self.day)
        return RunEntry(
            id=timeline.run.id,
            begun=timeline.moments[0].isoformat() if timeline.moments else None,
            ended=last.isoformat() if last else None,
            finished=finished,
            goes_on=not finished and (row.state == "training" or timeline.done is not None),
            seconds=row.minutes * 60,
            what=row.what,
            score=row.score if finished else None,
            interval=row.score_interval if finished else None,
            folds_done=timeline.folds_by(self.day),
            num_folds=timeline.num_folds,
            flags=row.flags,
            original=timeline.original,
            pruned_by=pruned_by(timeline.run),
            base=None,
        )

    def scored(self) -> list[RunTimeline]:
        """Cross-validated runs of the whole label that finished before the end of the day, by number."""
        rows = [row for row in self.rows.values() if row.what == JOINT and row.score is not None and not row.flags]
        return [timeline for row in rows if (timeline := self.timelines[row.id]).finished_by(self.day)]

    def score(self, timeline: RunTimeline) -> float:
        """The score of a scored run."""
        return self.rows[timeline.run.id].score or 0.0

    def _unusable(self, timeline: RunTimeline) -> bool:
        return timeline.record is None or not self.rows[timeline.run.id].usable

    def _compared_with_base(self, timeline: RunTimeline) -> BaseComparison | None:
        base = nearest(timeline, [other for other in self.timelines.values() if self._may_be_base(other, timeline)])
        if base is None:
            return None
        changes = recipe_changes(base.recipe, timeline.recipe)
        other_fields_changed = other_fields(base.fields, timeline.fields, changes)
        paired = self.paired(base, timeline) if timeline.finished_by(self.day) else None
        return BaseComparison(base.run.id, changes, count_changes(changes), other_fields_changed, paired)

    def _may_be_base(self, other: RunTimeline, timeline: RunTimeline) -> bool:
        return (
            run_number(other.run.id) < run_number(timeline.run.id)
            and other.finished_by(self.day)
            and not self._unusable(other)
            and self.rows[other.run.id].score is not None
            and other.fields.get("manifest") == timeline.fields.get("manifest")
            and other.by_image == timeline.by_image
            and not set(other.attributes).isdisjoint(timeline.attributes)
        )

    def paired(self, base: RunTimeline, timeline: RunTimeline) -> PairedDifference | None:
        """The paired difference of two finished runs; None when they cannot be compared or folds are split by image."""
        hashes = [predictions_hash(base.run), predictions_hash(timeline.run)]
        if None in hashes or base.by_image or timeline.by_image:
            return None
        try:
            return PairedDifference.of(
                self.cache.get(["paired", *hashes], lambda: asdict(self._paired(base, timeline)))
            )
        except FacetwiseError:
            return None

    def _paired(self, base: RunTimeline, timeline: RunTimeline) -> PairedDifference:
        one, two = (read_scored_run(self.project, self.manifest, side.run) for side in (base, timeline))
        pair = Pair.of(one, two)
        found = pair.difference(pair.names, name_of(pair.names, self.project.space))
        return PairedDifference(found.name, found.difference, found.interval, pair.first.truth.num_people)


def nearest(timeline: RunTimeline, earlier: Sequence[RunTimeline]) -> RunTimeline | None:
    """The run whose recipe has the fewest changes, then the fewest changed keys, then the latest."""

    def distance(other: RunTimeline) -> tuple[int, int, bool, int]:
        changes = recipe_changes(other.recipe, timeline.recipe)
        return count_changes(changes), len(changes), other.attributes != timeline.attributes, -run_number(other.run.id)

    return min(earlier, key=distance, default=None)
