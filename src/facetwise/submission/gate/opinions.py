"""What other predictions of the same images say of a file: faults that nothing else shows.

A file with swapped attributes or shuffled rows has all its names and a believable class mix. Only beside others does it
look like chance. How far two honest predictions agree depends on how good they are, so the measure is how far the same
two agree out of fold (`Opinion.oof`), in Cohen's kappa, which takes out what chance alone gives. Images of one person
are not independent; standard errors count people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from facetwise.core.labels import BoolArray, FloatArray, IntArray, LabelSpace
from facetwise.evaluate.agreement import chance_agreement, cohen_kappa
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.resampling import Groups, group_numbers
from facetwise.submission.gate.faults import Reading, readings
from facetwise.submission.gate.misplaced import Misplaced, misplaced_rows, misplaced_share

ERRORS = 4.0
"""Standard errors beyond which a difference is not taken for chance: several opinions and attributes are looked at."""
MIN_DROP = 0.25
"""Kappa on the test side must be lower than out of fold by at least this: test sides differ a little from training."""
CHANCE_ERRORS = 3.0
"""Standard errors within which agreement is taken for chance."""
GAIN_ERRORS = 3.0
"""Standard errors of a gain that are asked for: undoing a fault that was not made is expected to lose, not to gain."""
MIN_GAIN = 0.1
"""Share of the images, at least, that must agree in addition when a fault is undone, to say that it was made."""
GOOD = 0.4
"""Kappa with the labels, in some attribute, from which an opinion can judge a file that is not known out of fold."""

MIN_PEOPLE = 20
"""Fewer people on the test side say nothing of a file that is at chance, or has rows out of order."""

SOME = 0.2
"""Kappa with the labels, of all attributes together, below which a file at chance is no wonder."""

Word = Literal["agrees", "disagrees", "misplaced", "fault", "chance", "unknown"]


@dataclass(frozen=True)
class Opinion:
    """What one other says."""

    name: str
    """Id of an earlier submission, a run or a blend."""
    codes: IntArray
    """Class numbers of the test images in the file's order, shape (n, num_attributes); -1 where it has none."""
    oof: IntArray | None = None
    """The same of the training images, out of fold, shape (m, num_attributes); None when that is not known."""


@dataclass(frozen=True)
class TrainingSide:
    """The training images, in manifest order."""

    truth: IntArray
    """True class numbers, shape (m, num_attributes)."""
    groups: Groups
    """The person of each."""
    oof: IntArray | None = None
    """What the predictions in hand say of them out of fold; None when nothing is known."""


@dataclass(frozen=True)
class Kappa:
    """Agreement of two, Cohen's kappa (1960): 1 is the same throughout, 0 what chance gives."""

    share: float
    """Of the images."""
    value: float
    error: float
    """Standard error with people as the units: sqrt(p (1 - p) / people) / (1 - chance)."""
    by_chance: float
    """Standard error when the two know nothing of one another: sqrt(chance / (1 - chance) / images). Here images are
    the units: rows that are out of order have nothing to do with one another."""


@dataclass(frozen=True)
class Verdict:
    """A file beside one other opinion."""

    name: str
    word: Word
    """`fault`: it agrees far better when one is undone; `chance`: no better than chance; `misplaced`: some rows look
    like answers to other images; `disagrees`: far less than out of fold; `unknown`: nothing can be said, or an opinion
    that lacks attributes cannot vouch for a file from elsewhere."""
    share: float
    """Of the images that agree in all attributes that the opinion has."""
    kappa: float
    expected: float | None
    """Kappa of the same two out of fold."""
    attributes: dict[str, float]
    """Kappa of each attribute."""
    fault: str | None = None
    """Of `fault`: which, as in "when `mask` and `gender` are swapped"."""
    of_classes: bool = False
    """Of `fault`: whether it is that attributes' classes are in another order (`mapping` then says which)."""
    undone: float | None = None
    """Share that agrees when the fault is undone."""
    misplaced: Misplaced | None = None
    """Of `misplaced`: how many rows, and which."""
    at_chance: bool = False
    """Whether no attribute agrees more than two agree that know nothing of one another, though the other is known to
    know something, or nothing is known of it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    def text(self, start: str = "agrees with") -> str:
        """In words."""
        said = f"{start} `{self.name}` on {self.share:.0%} of the images"
        if self.word == "fault":
            return f"{said}, but on {self.undone:.0%} {self.fault}"
        wanted = "" if self.expected is None else f", out of fold {self.expected:z.2f}"
        rows = "" if self.misplaced is None else self.misplaced.told()
        return f"{said} (kappa {self.kappa:z.2f}{wanted}){rows}"


def judge(
    joint: IntArray, names: Sequence[str], opinion: Opinion, known: TrainingSide, space: LabelSpace, num_people: int
) -> Verdict | None:
    """Compare a file, its joint classes of shape (n,), with one opinion; None when they have no image in common.

    `num_people`: on the test side.
    """
    have = [name for name in space.names if (opinion.codes[:, space.index(name)] != MISSING).any()]
    if not have:
        return None
    seen = _agreement(space.decode(joint), opinion.codes, have, space, num_people)
    wanted, worth = _expected(opinion, known, have, space), _worth(opinion, known, have, space)
    whole = seen[""]
    judged: dict[str, Any] = {
        "share": whole.share,
        "kappa": whole.value,
        "expected": wanted[""].value if wanted else None,
        "attributes": {name: seen[name].value for name in have},
        "at_chance": _at_chance(seen) and (worth is None or worth[""].value >= SOME),
    }
    if wanted is None and (worth is None or max(one.value for one in worth.values()) < GOOD):
        return Verdict(opinion.name, "unknown", **judged)
    few, place = num_people < MIN_PEOPLE, [space.index(name) for name in have]
    misplaced = None if few else _misplaced(space.decode(joint), opinion, known, place, num_people)
    if wanted and misplaced is None and not any(_lower(seen[name], wanted[name]) for name in seen):
        return Verdict(opinion.name, "agrees", **judged)
    if found := _fault(joint, names, opinion, have, space, num_people):
        reading, share = found
        return Verdict(
            opinion.name, "fault", **judged, fault=reading.words, of_classes=reading.of_classes, undone=share
        )
    if _is_chance(seen, wanted, few):
        return Verdict(opinion.name, "chance", **judged)
    if misplaced is not None:
        return Verdict(opinion.name, "misplaced", **judged, misplaced=misplaced)
    if wanted:
        return Verdict(opinion.name, "disagrees", **judged)
    vouches = len(have) == len(space.names) and whole.value > max(MIN_DROP, ERRORS * whole.by_chance)
    return Verdict(opinion.name, "agrees" if vouches else "unknown", **judged)


def _misplaced(
    codes: IntArray, opinion: Opinion, known: TrainingSide, place: Sequence[int], num_people: int
) -> Misplaced | None:
    """Rows of a file, (n, num_attributes), that look like answers to other images; `place`: attributes that are seen.

    More of them than the opinion seems to have out of fold, beside the truth and the predictions in hand.
    """
    there = (opinion.codes[:, place] != MISSING).all(axis=1)
    usual = [
        misplaced_share(opinion.oof[both][:, place], side[both][:, place])
        for side in (known.truth, known.oof)
        if opinion.oof is not None and side is not None
        if (both := ((opinion.oof[:, place] != MISSING) & (side[:, place] != MISSING)).all(axis=1)).any()
    ]
    return misplaced_rows(codes[there][:, place], opinion.codes[there][:, place], num_people, max(usual, default=0.0))


def _fault(
    joint: IntArray, names: Sequence[str], opinion: Opinion, have: Sequence[str], space: LabelSpace, num_people: int
) -> tuple[Reading, float] | None:
    """The fault whose undoing agrees best, when it agrees far better than the file as it is."""
    place = [space.index(name) for name in have]
    there = (opinion.codes[:, place] != MISSING).all(axis=1)

    def agrees(codes: IntArray) -> BoolArray:
        same: BoolArray = (codes[there][:, place] == opinion.codes[there][:, place]).all(axis=1)
        return same

    tried = ((reading, agrees(reading.codes)) for reading in readings(joint, opinion.codes, names, space))
    best, undone = max(tried, key=lambda pair: pair[1].sum())
    as_it_is = agrees(space.decode(joint))
    gain, error = undone.mean() - as_it_is.mean(), np.sqrt((undone != as_it_is).mean() / num_people)
    return (best, float(undone.mean())) if gain > max(MIN_GAIN, GAIN_ERRORS * error) else None


def _is_chance(seen: dict[str, Kappa], wanted: dict[str, Kappa] | None, few: bool) -> bool:
    """Whether no attribute agrees more than by chance, while all together should, and there are people enough to tell.

    A weak file, which agrees in one attribute and guesses the others, is not meant.
    """
    whole = seen[""]
    enough = not few and ERRORS * whole.by_chance < MIN_DROP if wanted is None else _lower(whole, wanted[""])
    return enough and _at_chance(seen)


def _at_chance(seen: dict[str, Kappa]) -> bool:
    return all(one.value <= CHANCE_ERRORS * one.by_chance for one in seen.values())


def _lower(seen: Kappa, wanted: Kappa) -> bool:
    return seen.value < wanted.value - max(MIN_DROP, ERRORS * float(np.hypot(seen.error, wanted.error)))


def _expected(opinion: Opinion, known: TrainingSide, have: Sequence[str], space: LabelSpace) -> dict[str, Kappa] | None:
    """How far the two agree out of fold; None when either has nothing there, or they share no image."""
    if opinion.oof is None or known.oof is None:
        return None
    place = [space.index(name) for name in have]
    both = ((opinion.oof[:, place] != MISSING) & (known.oof[:, place] != MISSING)).all(axis=1)
    if not both.any():
        return None
    _, num_people = group_numbers(np.asarray(known.groups)[both])
    return _agreement(known.oof[both], opinion.oof[both], have, space, num_people)


def _worth(opinion: Opinion, known: TrainingSide, have: Sequence[str], space: LabelSpace) -> dict[str, Kappa] | None:
    """How far an opinion agrees with the labels out of fold; None where nothing is known of it there."""
    labels = TrainingSide(known.truth, known.groups, known.truth)
    return _expected(opinion, labels, have, space)


def _agreement(
    first: IntArray, second: IntArray, have: Sequence[str], space: LabelSpace, num_people: int
) -> dict[str, Kappa]:
    """Kappa of each attribute, and under an empty name that of all of `have` together; codes (n, num_attributes)."""
    place = [space.index(name) for name in have]
    both = ((first[:, place] != MISSING) & (second[:, place] != MISSING)).all(axis=1)
    sides = first[both][:, place], second[both][:, place]
    one, two = (space.only(have).encode(side) for side in sides)
    return {
        "": kappa(one, two, num_people),
        **{name: kappa(sides[0][:, i], sides[1][:, i], num_people) for i, name in enumerate(have)},
    }


def kappa(first: IntArray, second: IntArray, num_people: int) -> Kappa:
    """Agreement of two sides' class numbers, shape (n,), none missing; 1 for two that say one class throughout."""
    share, chance, value = float((first == second).mean()), chance_agreement(first, second), cohen_kappa(first, second)
    if value is None:
        return Kappa(share, 1.0, 0.0, 0.0)
    spread: FloatArray = np.array([_widened(share, num_people), chance])
    error, by_chance = np.sqrt(spread * (1 - spread) / [num_people, len(first)]) / (1 - chance)
    return Kappa(share, value, float(error), float(by_chance))


def _widened(share: float, num_people: int) -> float:
    """A share drawn a little to the middle (Agresti & Coull 1998), so that none of few is not taken for never."""
    return (share * num_people + 2) / (num_people + 4)
