"""Forecast of the leaderboard score of a run, a blend or a submission, from out-of-fold predictions and known scores.

`forecast_file` is the one place where a file is forecast, both when it is made and later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from facetwise.core.project import Project
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.forecasts.forecast import LEVEL, ScoreForecast, Shift
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.planning.contenders import Contender, LeftOut, comparable, read_contender, submissions
from facetwise.submission.planning.outlook import OFFSET, Outlook, TestSet, read_outlook

FEW_SCORED = 3
"""Fewest scored submissions from which something is known of the common shift."""


@dataclass(frozen=True)
class FileForecast:
    """The forecast of one file."""

    outlook: Outlook
    """The file first, then the submissions with public scores."""
    left_out: tuple[LeftOut, ...]

    @property
    def whole(self) -> ScoreForecast:
        """The forecast for the whole test set."""
        return self.outlook.forecast("all", 0)

    @property
    def num_scored(self) -> int:
        """Number of known public scores, including its own."""
        return len(self.outlook.scored)


@dataclass(frozen=True)
class ScoredBefore:
    """A submission with a public score, and its relation to the one that is forecast."""

    id: str
    reference: str
    """Short reference: `s3`."""
    public: float
    expected: float
    """Public score expected from out-of-fold predictions alone."""
    apart: float
    """Share of differing test answers, 0..1."""
    correlation: float
    """Correlation of the two public scores given out-of-fold predictions alone, -1..1."""


@dataclass(frozen=True)
class ForecastView:
    """The view of `facetwise forecast` for a file that was sent or could be."""

    project: str
    kind: str
    id: str
    level: float
    out_of_fold: float
    """Out-of-fold score."""
    num_people: int
    """Number of labelled people behind it."""
    test: TestSet
    public: float | None
    """Its public score, if known."""
    alone: tuple[ScoreForecast, ...]
    """Public part, private part, all: from out-of-fold predictions alone, before any score is known."""
    forecast: tuple[ScoreForecast, ...]
    """The same given all public scores, including its own; equal to `alone` without any."""
    scored: tuple[ScoredBefore, ...]
    """Submissions with public scores, the most correlated first."""
    shift: Shift | None
    """None while no public score is known."""
    averaged: bool
    """Whether several fold models predict the test images."""
    left_out: tuple[LeftOut, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "test": self.test.as_dict(), "notes": list(notes(self))}


def build_forecast_view(project: Project, reference: str, *, seed: int = 0) -> ForecastView:
    """Forecast the file named by `reference`; raises InputError when that is impossible, ProblemsError for an invalid
    ledger."""
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    target = read_contender(project, manifest, ledger, reference)
    found = forecast_file(project, manifest, ledger, target, seed=seed)
    outlook, parts = found.outlook, found.outlook.joint.people.parts
    return ForecastView(
        project=project.file.name,
        kind=target.kind,
        id=target.id,
        level=LEVEL,
        out_of_fold=outlook.in_hand[0],
        num_people=outlook.num_people,
        test=outlook.test,
        public=target.public,
        alone=tuple(outlook.alone.forecast(part, 0) for part in parts),
        forecast=tuple(outlook.forecast(part, 0) for part in parts),
        scored=_scored_before(outlook),
        shift=outlook.shift,
        averaged=target.averaged,
        left_out=found.left_out,
    )


def forecast_file(
    project: Project, manifest: Manifest, ledger: Ledger, target: Contender, *, seed: int = 0
) -> FileForecast:
    """Forecast `target` from out-of-fold predictions and the public scores in the ledger.

    Raises InputError when there are too few people, on the labelled side or on the test side.
    """
    found, left_out = submissions(project, manifest, ledger, sent_only=True)
    scored = [c for c in found if c.public is not None and (c.kind, c.id) != (target.kind, target.id)]
    used, narrow = comparable(scored, target)
    outlook = read_outlook(project, manifest, [target, *used], seed=seed)
    return FileForecast(outlook, (*narrow, *left_out))


def notes(view: ForecastView) -> Iterator[str]:
    """Notes on the numbers, a sentence or two each."""
    yield from people_notes(view.test)
    yield from shift_notes(view.shift, len(view.scored) + (view.public is not None), averaged=view.averaged)
    yield f"Nothing here knows of {PEOPLE} unlike the labelled ones."


def people_notes(test: TestSet) -> Iterator[str]:
    """Notes on the assumed number of people and their split."""
    share = f"{test.public_share * 100:.0f} % of them in public"
    if test.share_assumed:
        share += ", which is assumed: `contest.public_share` in facetwise.toml would say it"
    yield (
        f"{test.people.number('all'):,} {PEOPLE} on the test side ({test.why}), {share}. Public and private are taken "
        f"to be different {PEOPLE}; where they share {PEOPLE}, the private score lies nearer to the public one."
    )


def shift_notes(shift: Shift | None, num_scored: int, *, averaged: bool) -> Iterator[str]:
    """Notes on the shift: leaderboard minus out of fold, as far as people do not explain it.

    `averaged`: whether several fold models predict the test images of any file.
    """
    why = "Submissions average fold models, which tends to score higher than out of fold"
    unknown = f"{why}; no public score tells yet by how much"
    if not averaged:
        why = unknown = (
            f"What was scored on held-out {PEOPLE} predicts the test images as it is: no fold models are averaged"
        )
    if shift is None:
        room = f"The intervals have room for ±{OFFSET.common} between leaderboard and out of fold"
        yield f"{unknown}. {room}, the expected scores have none of it."
        return
    known = f"from {num_scored} scored submission{'s' if num_scored > 1 else ''}"
    few = ", which says little of it" if num_scored < FEW_SCORED else ""
    what = "This, and whatever else all share," if averaged else "What all share"
    yield f"{why}. {what} is put at {shift.expected:+z.3f} ± {shift.spread:.3f} {known}{few}."


def _scored_before(outlook: Outlook) -> tuple[ScoredBefore, ...]:
    found = [_before(outlook, k) for k in outlook.scored if k > 0]
    return tuple(sorted(found, key=lambda s: (-s.correlation, s.id)))


def _before(outlook: Outlook, place: int) -> ScoredBefore:
    other: Contender = outlook.contenders[place]
    assert other.public is not None
    return ScoredBefore(
        id=other.id,
        reference=other.reference,
        public=other.public,
        expected=outlook.alone.forecast("public", place).expected,
        apart=disagreement(outlook.contenders[0].test, other.test),
        correlation=outlook.alone.correlation("public", 0, place),
    )
