"""Sentences about comparisons: which is better, by how much, and with what certainty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.evaluate.intervals import LEVEL, MIN_BEYOND, Interval, PairedInterval
from facetwise.results.wording import percent, with_signs
from facetwise.study.changes import Change, count_changes

Better = Literal["first", "second", "neither"]
"""Which of two has the higher score; `neither` when the interval of the difference contains zero."""
Standing = Literal["better", "worse", "perhaps better", "perhaps worse", "cannot be told apart"]


def of_seeds() -> str:
    """The sentence that no interval knows of other seeds."""
    return (
        f"The interval covers the choice of {PEOPLE}, not the randomness of training: another seed changes a score "
        "too. Train with another `train.seed` to see by how much."
    )


def winner(interval: Interval) -> Better:
    """Which is better, by the interval of second minus first."""
    return "second" if interval.low > 0 else "first" if interval.high < 0 else "neither"


def standing(single: Interval, widened: PairedInterval) -> Standing:
    """The verdict on a change from its single interval and from the one widened for all comparisons of the study.

    An unresolved widened interval (its ends are a few extreme resamples) never makes a verdict certain.
    """
    sure, alone = winner(widened) if widened.resolved else "neither", winner(single)
    if alone == "neither":
        return "cannot be told apart"
    side: Literal["better", "worse"] = "better" if alone == "second" else "worse"
    if sure == "neither":
        return "perhaps better" if side == "better" else "perhaps worse"
    return side


def verdict(difference: float, interval: Interval, num_people: int) -> str:
    """Which run is better and by how much, if that is clear: `B is better by +0.012 [+0.003, +0.021]`."""
    better = winner(interval)
    if better == "second":
        return f"B is better by {with_signs(difference, interval)}"
    if better == "first":
        return f"A is better by {with_signs(-difference, reversed_interval(interval))}"
    people = count_people(num_people)
    return f"cannot be told apart on {people} (difference {with_signs(difference, interval)})"


def no_verdict(first_by_image: bool, second_by_image: bool) -> str:
    """The text instead of a verdict for folds split by image."""
    who = "both runs were" if first_by_image and second_by_image else f"{'A' if first_by_image else 'B'} was"
    return f"no verdict: {who} validated on {PEOPLE} that the models had seen"


def reversed_interval(interval: Interval) -> Interval:
    """The interval of the negated difference."""
    return Interval(-interval.high, -interval.low, interval.level)


def pairing(num_people: int, num_images: int, level: float) -> str:
    """How the intervals of a comparison are computed."""
    images = f"{count_people(num_people)} ({count(num_images, 'image')})"
    return (
        f"Both are scored on the dataset's own labels of the same {images}. The {level * 100:.0f} % intervals come "
        f"from drawing those {PEOPLE} again and again, the same ones for both (paired BCa bootstrap)."
    )


def several_changes(changes: Iterable[Change]) -> str | None:
    """A warning when two recipes differ in more than one change."""
    listed = list(changes)
    if (things := count_changes(listed)) < 2:
        return None
    return f"{things} things changed between the recipes: the difference is that of all of them together."


def many_comparisons(num_changes: int) -> str | None:
    """How verdicts account for several comparisons with one base; None for a single one."""
    if num_changes < 2:
        return None
    chance = percent(1 - LEVEL**num_changes)
    return (
        f"With {num_changes} changes that do nothing, an interval of {LEVEL * 100:.0f} % would leave out zero in up to "
        f"{chance} of such tables. `better` and `worse` hold for all {num_changes} together (Bonferroni: intervals of "
        f"{bonferroni(num_changes) * 100:.4g} %); `perhaps`: only the change's own interval leaves out zero."
    )


def unresolved(widened: Iterable[PairedInterval | None]) -> str | None:
    """Why some verdicts are uncertain although the intervals look clear; None when none are."""
    intervals = [w for w in widened if w is not None]
    if all(w.resolved for w in intervals):
        return None
    which = "no change is" if not any(w.resolved for w in intervals) else "some changes are not"
    return (
        f"Too few {PEOPLE}, or {PEOPLE} of rare classes, decide: fewer than {MIN_BEYOND} of the resamples lie beyond "
        f"the ends that the widened intervals should have, so these ends are not known and {which} called `better` or "
        f"`worse`, at most `perhaps`. More {PEOPLE}, or fewer changes in one study, would decide it."
    )


def bonferroni(num_comparisons: int) -> float:
    """The level of each of several intervals so that all hold simultaneously with `LEVEL` (Dunn 1961)."""
    return 1 - (1 - LEVEL) / max(1, num_comparisons)
