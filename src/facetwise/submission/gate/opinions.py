"""Comparison of a file with other predictions of the same images, which reveals faults that nothing else shows.

A file with swapped attributes or shuffled rows has all names and a plausible class mix; only its agreement with other
predictions is at chance. Because the agreement of two correct predictions depends on how good they are, the reference
is the agreement of the same two out of fold (`Opinion.oof`), measured by Cohen's kappa. Images of one person are not
independent, so standard errors count people.
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
from facetwise.submission.gate.mix import Mix

ERRORS = 4.0
"""Standard errors from which a difference is significant; high because several opinions and attributes are tested."""
MIN_DROP = 0.25
"""Smallest drop of kappa from out of fold to the test side that is reported: test data differ a little."""
CHANCE_ERRORS = 3.0
"""Standard errors within which agreement counts as chance."""
GAIN_ERRORS = 3.0
"""Standard errors required of a gain: undoing a fault that was not made is expected to lower agreement."""
MIN_GAIN = 0.1
"""Smallest gain in the share of agreeing images for a fault to be reported."""
GOOD = 0.4
"""Kappa with the labels, in some attribute, from which an opinion can judge a file without out-of-fold predictions."""

MIN_PEOPLE = 20
"""Fewest people on the test side for findings about chance agreement or misplaced rows."""

SOME = 0.2
"""Kappa with the labels, over all attributes together, below which chance agreement is expected."""

Word = Literal["agrees", "disagrees", "misplaced", "fault", "chance", "unknown"]


@dataclass(frozen=True)
class Opinion:
    """The predictions of one other source."""

    name: str
    """Id of an earlier submission, a run or a blend."""
    codes: IntArray
    """Class numbers of the test images in the file's order, shape (n, num_attributes); -1 if missing."""
    oof: IntArray | None = None
    """Out-of-fold class numbers of the training images, shape (m, num_attributes); None if unknown."""


@dataclass(frozen=True)
class TrainingSide:
    """The training images, in manifest order."""

    truth: IntArray
    """True class numbers, shape (m, num_attributes); -1 where one is not known."""
    groups: Groups
    """The person in each image."""
    oof: IntArray | None = None
    """Out-of-fold class numbers of the file's own source; None if unknown."""

    def mix(self, space: LabelSpace) -> Mix:
        """Out-of-fold and true joint classes; without out-of-fold predictions, the true ones for both."""
        true = space.encode(self.truth, missing=True)
        decided = true if self.oof is None else space.encode(self.oof, missing=True)
        covered = (decided != MISSING) & (true != MISSING)
        return Mix(decided[covered], true[covered], np.asarray(self.groups)[covered])


@dataclass(frozen=True)
class Kappa:
    """Agreement of two sides by Cohen's kappa (1960): 1 for full agreement, 0 for chance."""

    share: float
    """Share of agreeing images."""
    value: float
    error: float
    """Standard error with people as the units: sqrt(p (1 - p) / people) / (1 - chance)."""
    by_chance: float
    """Standard error under independence: sqrt(chance / (1 - chance) / images). Images are the units, because shuffled
    rows are unrelated."""


@dataclass(frozen=True)
class Verdict:
    """Comparison of a file with one opinion."""

    name: str
    word: Word
    """`fault`: it agrees far better when a fault is undone; `chance`: agreement at chance; `misplaced`: some rows look
    like answers to other images; `disagrees`: far less agreement than out of fold; `unknown`: undecided, also when an
    opinion that lacks attributes cannot confirm a file from elsewhere."""
    share: float
    """Share of images that agree in all attributes of the opinion."""
    kappa: float
    expected: float | None
    """Kappa of the same two sides out of fold."""
    attributes: dict[str, float]
    """Kappa of each attribute."""
    fault: str | None = None
    """The fault, as in "when `mask` and `gender` are swapped"."""
    of_classes: bool = False
    """Whether the fault is that attributes' classes are in another order (`mapping` then names them)."""
    undone: float | None = None
    """Share of agreeing images when the fault is undone."""
    misplaced: Misplaced | None = None
    """The misplaced rows."""
    at_chance: bool = False
    """Whether no attribute agrees beyond chance, although the opinion is informative or its quality is unknown."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    def text(self, start: str = "agrees with") -> str:
        """The verdict as a phrase."""
        agreement = f"{start} `{self.name}` on {self.share:.0%} of the images"
        if self.word == "fault":
            return f"{agreement}, but on {self.undone:.0%} {self.fault}"
        wanted = "" if self.expected is None else f", out of fold {self.expected:z.2f}"
        rows = "" if self.misplaced is None else self.misplaced.text()
        return f"{agreement} (kappa {self.kappa:z.2f}{wanted}){rows}"


def judge(
    joint: IntArray, names: Sequence[str], opinion: Opinion, known: TrainingSide, space: LabelSpace, num_people: int
) -> Verdict | None:
    """Compare a file's joint classes, shape (n,), with one opinion; None if they have no image in common.

    `num_people`: number of people on the test side.
    """
    have = [name for name in space.names if (opinion.codes[:, space.index(name)] != MISSING).any()]
    if not have:
        return None
    seen = _agreement(space.decode(joint), opinion.codes, have, space, num_people)
    wanted, worth = _expected(opinion, known, have, space), _kappa_with_labels(opinion, known, have, space)
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
    """Rows of a file, (n, num_attributes), that look like answers to other images; `place`: attributes to compare.

    There must be more of them than out of fold, where the opinion is compared with the truth and the file's source.
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
    """The fault whose undoing agrees best, if it agrees far better than the file as it is."""
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
    """Whether no attribute agrees beyond chance although all together should, given enough people.

    Does not hold for a weak file that agrees in one attribute and guesses the others.
    """
    whole = seen[""]
    enough = not few and ERRORS * whole.by_chance < MIN_DROP if wanted is None else _lower(whole, wanted[""])
    return enough and _at_chance(seen)


def _at_chance(seen: dict[str, Kappa]) -> bool:
    return all(one.value <= CHANCE_ERRORS * one.by_chance for one in seen.values())


def _lower(seen: Kappa, wanted: Kappa) -> bool:
    return seen.value < wanted.value - max(MIN_DROP, ERRORS * float(np.hypot(seen.error, wanted.error)))


def _expected(opinion: Opinion, known: TrainingSide, have: Sequence[str], space: LabelSpace) -> dict[str, Kappa] | None:
    """Agreement of both sides out of fold; None if either has no such predictions, or they share no image."""
    if opinion.oof is None or known.oof is None:
        return None
    place = [space.index(name) for name in have]
    both = ((opinion.oof[:, place] != MISSING) & (known.oof[:, place] != MISSING)).all(axis=1)
    if not both.any():
        return None
    _, num_people = group_numbers(np.asarray(known.groups)[both])
    return _agreement(known.oof[both], opinion.oof[both], have, space, num_people)


def _kappa_with_labels(
    opinion: Opinion, known: TrainingSide, have: Sequence[str], space: LabelSpace
) -> dict[str, Kappa] | None:
    """Agreement of an opinion with the labels out of fold; None without out-of-fold predictions."""
    labels = TrainingSide(known.truth, known.groups, known.truth)
    return _expected(opinion, labels, have, space)


def _agreement(
    first: IntArray, second: IntArray, have: Sequence[str], space: LabelSpace, num_people: int
) -> dict[str, Kappa]:
    """Kappa of each attribute, and under the empty name that of all of `have` together; codes (n, num_attributes)."""
    place = [space.index(name) for name in have]
    both = ((first[:, place] != MISSING) & (second[:, place] != MISSING)).all(axis=1)
    sides = first[both][:, place], second[both][:, place]
    one, two = (space.only(have).encode(side) for side in sides)
    return {
        "": kappa(one, two, num_people),
        **{name: kappa(sides[0][:, i], sides[1][:, i], num_people) for i, name in enumerate(have)},
    }


def kappa(first: IntArray, second: IntArray, num_people: int) -> Kappa:
    """Agreement of two sides' class numbers, shape (n,), none missing; 1 if both always answer the same class."""
    share, chance, value = float((first == second).mean()), chance_agreement(first, second), cohen_kappa(first, second)
    if value is None:
        return Kappa(share, 1.0, 0.0, 0.0)
    spread: FloatArray = np.array([_widened(share, num_people), chance])
    error, by_chance = np.sqrt(spread * (1 - spread) / [num_people, len(first)]) / (1 - chance)
    return Kappa(share, value, float(error), float(by_chance))


def _widened(share: float, num_people: int) -> float:
    """A share shrunk towards 1/2 (Agresti & Coull 1998), so that 0 of few does not mean never."""
    return (share * num_people + 2) / (num_people + 4)
