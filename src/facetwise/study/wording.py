"""The sentences of this layer: who is better, by how much, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from facetwise.evaluate.intervals import LEVEL, MIN_BEYOND, Interval, PairedInterval
from facetwise.results.wording import count, percent, with_signs
from facetwise.study.changes import Change, num_things

Better = Literal["first", "second", "neither"]
"""Which of two has the higher score: `neither` when the interval of the difference holds zero."""
Standing = Literal["better", "worse", "perhaps better", "perhaps worse", "cannot be told apart"]

SEEDS = (
    "The interval is about people, not about training: another seed moves a score too. `train.seed` is a setting like "
    "any other; a run with another one shows by how much."
)


def better(interval: Interval) -> Better:
    """Who is better by the interval of second minus first."""
    return "second" if interval.low > 0 else "first" if interval.high < 0 else "neither"


def standing(own: Interval, widened: PairedInterval) -> Standing:
    """A change against the base by its own interval and by the one widened for all comparisons of the study.

    What is not resolved makes nothing sure: its ends are those of a few extreme resamples.
    """
    sure, alone = better(widened) if widened.resolved else "neither", better(own)
    if alone == "neither":
        return "cannot be told apart"
    side: Literal["better", "worse"] = "better" if alone == "second" else "worse"
    if sure == "neither":
        return "perhaps better" if side == "better" else "perhaps worse"
    return side


def verdict(difference: float, interval: Interval, num_people: int, first: str = "A", second: str = "B") -> str:
    """Who is better and by how much, or that it cannot be told: `B is better by +0.012 [+0.003, +0.021]`."""
    winner = better(interval)
    if winner == "second":
        return f"{second} is better by {with_signs(difference, interval)}"
    if winner == "first":
        return f"{first} is better by {with_signs(-difference, turned(interval))}"
    people = count(num_people, "person", "people")
    return f"cannot be told apart on {people} (difference {with_signs(difference, interval)})"


def no_verdict(first_by_image: bool, second_by_image: bool) -> str:
    """In place of a verdict, where folds were split by image."""
    who = "both runs were" if first_by_image and second_by_image else f"{'A' if first_by_image else 'B'} was"
    return f"no verdict: {who} validated on people that the models had seen"


def turned(interval: Interval) -> Interval:
    """The interval of the difference the other way round."""
    return Interval(-interval.high, -interval.low, interval.level)


def pairing(num_people: int, num_images: int, level: float) -> str:
    """How the intervals of a comparison are made."""
    images = f"{count(num_people, 'person', 'people')} ({count(num_images, 'image')})"
    return (
        f"Both are scored on the dataset's own labels of the same {images}. The {level * 100:.0f} % intervals come "
        "from drawing those people again and again, the same ones for both (paired BCa bootstrap)."
    )


def several_things(changes: Iterable[Change]) -> str | None:
    """A warning when more than one thing changed between two recipes."""
    listed = list(changes)
    if (things := num_things(listed)) < 2:
        return None
    return f"{things} things changed between the recipes: the difference is that of all of them together."


def many_comparisons(num_changes: int) -> str | None:
    """What several comparisons with one base do to the verdicts; nothing for a single one."""
    if num_changes < 2:
        return None
    chance = percent(1 - LEVEL**num_changes)
    return (
        f"With {num_changes} changes that do nothing, an interval of {LEVEL * 100:.0f} % would leave out zero in up to "
        f"{chance} of such tables. `better` and `worse` hold for all {num_changes} together (Bonferroni: intervals of "
        f"{bonferroni(num_changes) * 100:.4g} %); `perhaps`: only the change's own interval leaves out zero."
    )


def unresolved(widened: Iterable[PairedInterval | None]) -> str | None:
    """Why changes are not called better or worse although it may look so; nothing when all can be."""
    known = [w for w in widened if w is not None]
    if all(w.resolved for w in known):
        return None
    which = "no change is" if not any(w.resolved for w in known) else "some changes are not"
    return (
        f"Too few people, or people of rare classes, decide: fewer than {MIN_BEYOND} of the resamples lie beyond the "
        f"ends that the widened intervals should have, so these ends are not known and {which} called `better` or "
        "`worse`, at most `perhaps`. More people, or fewer changes in one study, would decide it."
    )


def bonferroni(num_comparisons: int, level: float = LEVEL) -> float:
    """The level each of several intervals needs, so that all hold together with `level` (Dunn 1961)."""
    return 1 - (1 - level) / max(1, num_comparisons)
