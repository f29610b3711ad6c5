"""The joint forecast of contenders: people, public share, shifts, and known scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray
from facetwise.core.project import Project
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.data.manifest import Manifest
from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.forecasts.forecast import JointScores, Offset, Part, ScoreForecast, Shift, TestPeople, simulate
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.sources import manifest_truth
from facetwise.submission.gate.mix import assumed_people
from facetwise.submission.planning.contenders import Contender

OFFSET = Offset(common=0.025, individual=0.005)
"""What leaderboard minus out of fold may be beyond the luck of people, before any score is known.

Averaged fold models score higher than single ones, by 0.03 in the contests that `benchmarks/forecast_coverage.py`
makes, and test photos may be other photos. The mean is 0 all the same: how much averaging brings depends on the models.
"""
PUBLIC_SHARE = 0.5
"""Assumed if `facetwise.toml` does not set it."""


@dataclass(frozen=True)
class TestSet:
    """Assumptions about the test side."""

    __test__ = False  # not a test class for pytest

    people: TestPeople
    num_images: int
    why: str
    """How the number of people was estimated."""
    public_share: float
    share_assumed: bool
    """Whether `contest.public_share` is not set."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        people = {part: self.people.number(part) for part in self.people.parts}
        return {**asdict(self), "people": people}


@dataclass(frozen=True)
class Outlook:
    """Contenders and the joint distribution of their scores, with and without known public scores."""

    contenders: tuple[Contender, ...]
    in_hand: tuple[float, ...]
    """Out-of-fold score of each contender."""
    num_people: int
    """Number of labelled people with out-of-fold predictions of all contenders."""
    test: TestSet
    alone: JointScores
    """From out-of-fold predictions alone, with the shifts of `OFFSET`, before any score is known."""
    joint: JointScores
    """Conditioned on all known public scores; equal to `alone` without any."""

    @property
    def scored(self) -> tuple[int, ...]:
        """Indices of contenders with a public score."""
        return tuple(k for k, c in enumerate(self.contenders) if c.public is not None)

    def forecast(self, part: Part, place: int) -> ScoreForecast:
        """The forecast conditioned on all known scores."""
        return self.joint.forecast(part, place)

    @property
    def shift(self) -> Shift | None:
        """The common shift; None without public scores."""
        return self.joint.shift if self.scored else None


def read_outlook(project: Project, manifest: Manifest, contenders: Sequence[Contender], *, seed: int = 0) -> Outlook:
    """The joint forecast of contenders that cover the same labelled images out of fold.

    Raises InputError when there are too few people on the labelled or the test side, or when they have no test image in
    common.
    """
    truth = manifest_truth(project, manifest)
    oof = [c.oof[truth.known] for c in contenders]
    truth = truth.where(truth.known)
    rows = np.flatnonzero(np.all([o != MISSING for o in oof], axis=0))
    num_people = truth.where(rows).num_people
    if num_people < 2:
        raise InputError(f"out of fold there are {num_people} {PEOPLE}: a forecast needs two or more")
    test = read_test_set(project, manifest, len(rows), num_people)
    alone = simulate(truth, oof, test.people, seed=seed)
    alone = alone.shifted(OFFSET, _apart(contenders), seed)
    known = np.array([np.nan if c.public is None else c.public for c in contenders])
    return Outlook(
        contenders=tuple(contenders),
        in_hand=tuple(truth.where(rows).score(o[rows]) for o in oof),
        num_people=num_people,
        test=test,
        alone=alone,
        joint=alone.conditioned_on(known),
    )


def _apart(contenders: Sequence[Contender]) -> FloatArray:
    """Shares of differing answers over the images that all answer, so that they are distances."""
    answered = np.all([c.test != MISSING for c in contenders], axis=0)
    if not answered.any():
        raise InputError("no image of the test side is answered by all: nothing says how alike they are")
    return disagreement_matrix([c.test[answered] for c in contenders])


def read_test_set(project: Project, manifest: Manifest, num_known_images: int, num_known_people: int) -> TestSet:
    """The assumed number of people in the parts of the test side; raises InputError for a single person."""
    contest, num_images = project.file.contest, manifest.test.height
    share = None if contest is None else contest.public_share
    num_people, why = assumed_people(num_images, num_known_images, num_known_people)
    if num_people < 2:
        raise InputError(f"the test side seems to be of one {PERSON} ({why}): it has no public and private part")
    people = TestPeople.split(num_people, PUBLIC_SHARE if share is None else share)
    return TestSet(people, num_images, why, PUBLIC_SHARE if share is None else share, share is None)
