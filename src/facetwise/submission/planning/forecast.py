"""The leaderboard score to expect of a run, a blend or a submission, by out of fold and by what was scored already.

`forecast_file` is the one place where a file is forecast: when it is made, and whenever it is asked for later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.forecasts.forecast import LEVEL, ScoreForecast, Shift
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.planning.contenders import Contender, LeftOut, comparable, read_contender, submissions
from facetwise.submission.planning.outlook import OFFSET, Outlook, TestSet, read_outlook

FEW_SCORED = 3
"""With fewer scored submissions hardly anything is known of the shift that all share."""


@dataclass(frozen=True)
class FileForecast:
    """The forecast of one file."""

    outlook: Outlook
    """The file first, then the submissions whose public score it learns from."""
    left_out: tuple[LeftOut, ...]

    @property
    def whole(self) -> ScoreForecast:
        """Of the whole test set."""
        return self.outlook.forecast("all", 0)

    @property
    def num_scored(self) -> int:
        """How many public scores are known, its own among them."""
        return len(self.outlook.scored)


@dataclass(frozen=True)
class ScoredBefore:
    """A submission whose public score is known, and what it says of the one that is forecast."""

    id: str
    reference: str
    """In short: `s3`."""
    public: float
    expected: float
    """Public score to expect by out of fold alone."""
    apart: float
    """Share of the test images that the two answer otherwise, 0..1."""
    correlation: float
    """Of the two public scores, by out of fold alone, -1..1: at 1 the score of one is that of the other."""


@dataclass(frozen=True)
class ForecastView:
    """What `facetwise forecast` tells of one file that was sent, or could be."""

    project: str
    kind: str
    id: str
    level: float
    out_of_fold: float
    """Macro F1 in hand."""
    num_people: int
    """Labelled people that it is of."""
    test: TestSet
    public: float | None
    """Its public score, where it is known."""
    alone: tuple[ScoreForecast, ...]
    """Public part, private part, all: by out of fold alone, as before any score is known."""
    forecast: tuple[ScoreForecast, ...]
    """The same once public scores of others (and its own) are taken into account; `alone` where none is known."""
    scored: tuple[ScoredBefore, ...]
    """What it learns from, the most alike first."""
    shift: Shift | None
    """None while no public score is known."""
    averaged: bool
    """Whether several fold models predict the test images."""
    left_out: tuple[LeftOut, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "test": self.test.as_dict(), "notes": list(notes(self))}


def build_forecast_view(project: Project, reference: str, *, seed: int = 0) -> ForecastView:
    """Forecast what `reference` means; raises InputError when it cannot be, and ProblemsError for a wrong ledger."""
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
    """Forecast `target`, learning from the public scores in the ledger; without any by out of fold alone.

    Raises InputError when there are too few people, on the labelled side or on the test side.
    """
    found, left_out = submissions(project, manifest, ledger, sent_only=True)
    scored = [c for c in found if c.public is not None and (c.kind, c.id) != (target.kind, target.id)]
    used, narrow = comparable(scored, target)
    outlook = read_outlook(project, manifest, [target, *used], seed=seed)
    return FileForecast(outlook, (*narrow, *left_out))


def notes(view: ForecastView) -> Iterator[str]:
    """What a reader has to know of the numbers, a sentence or two each."""
    yield from people_notes(view.test)
    yield from shift_notes(view.shift, len(view.scored) + (view.public is not None), averaged=view.averaged)
    yield "Nothing here knows of people unlike the labelled ones."


def people_notes(test: TestSet) -> Iterator[str]:
    """Where the number of people and the split come from."""
    share = f"{test.public_share * 100:.0f} % of them in public"
    if test.share_assumed:
        share += ", which is assumed: `contest.public_share` in facetwise.toml would say it"
    yield (
        f"{test.people.number('all'):,} people on the test side ({test.why}), {share}. Public and private are taken to "
        "be different people; where they share people, the private score lies nearer to the public one."
    )


def shift_notes(shift: Shift | None, num_scored: int, *, averaged: bool) -> Iterator[str]:
    """What is known of leaderboard minus out of fold, as far as people do not explain it.

    `averaged`: whether test images are predicted by several fold models (of any that is told of).
    """
    why = "Submissions average fold models, which tends to score higher than out of fold"
    unknown = f"{why}; no public score tells yet by how much"
    if not averaged:
        why = unknown = (
            "What was scored on held-out people predicts the test images as it is: no fold models are averaged"
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
