"""The sentences of this layer: who is better, by how much, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from facetwise.evaluate.intervals import LEVEL, Interval
from facetwise.report.wording import count, percent
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


def standing(own: Interval, widened: Interval) -> Standing:
    """A change against the base by its own interval and by the one widened for all comparisons of the study."""
    sure, alone = better(widened), better(own)
    if alone == "neither":
        return "cannot be told apart"
    side: Literal["better", "worse"] = "better" if alone == "second" else "worse"
    if sure == "neither":
        return "perhaps better" if side == "better" else "perhaps worse"
    return side


def verdict(difference: float, interval: Interval, num_people: int, first: str = "A", second: str = "B") -> str:
    """Who is better and by how much, or that it cannot be told: `B is better by 0.012 [0.003, 0.021]`."""
    winner = better(interval)
    if winner == "second":
        return f"{second} is better by {difference:.3f} {plain(interval)}"
    if winner == "first":
        return f"{first} is better by {-difference:.3f} {plain(turned(interval))}"
    people = count(num_people, "person", "people")
    return f"cannot be told apart on {people} (difference {number(difference)} {plain(interval)})"


def no_verdict(first_by_image: bool, second_by_image: bool) -> str:
    """In place of a verdict, where folds were split by image."""
    who = "both runs were" if first_by_image and second_by_image else f"{'A' if first_by_image else 'B'} was"
    return f"no verdict: {who} validated on people that the models had seen"


def signed(value: float) -> str:
    """`+0.012`, `-0.003`; what rounds to nothing has no sign."""
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text


def number(value: float) -> str:
    """`0.004`, `-0.003`; what rounds to nothing has no sign."""
    return signed(value).removeprefix("+")


def plain(interval: Interval) -> str:
    """`[-0.006, 0.014]`."""
    return f"[{number(interval.low)}, {number(interval.high)}]"


def with_signs(difference: float, interval: Interval) -> str:
    """`+0.012 [+0.003, +0.021]`."""
    return f"{signed(difference)} [{signed(interval.low)}, {signed(interval.high)}]"


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


def bonferroni(num_comparisons: int, level: float = LEVEL) -> float:
    """The level each of several intervals needs, so that all hold together with `level` (Dunn 1961)."""
    return 1 - (1 - level) / max(1, num_comparisons)
