"""Detection of exchanged classes of an attribute, by comparison with other answers to the same images.

Exchanging two rare classes leaves most answers, and most of the agreement, intact. But among the images to which both
sides give one of the two classes, the agreement is then *worse* than chance. A predictor that is merely bad, even one
that always answers the same class, cannot be that wrong. So the criterion is: agreement below chance as it is, and well
above chance once the classes are read in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import Attribute, IntArray, LabelSpace
from facetwise.evaluate.agreement import chance_agreement, cohen_kappa
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.resampling import group_numbers
from facetwise.submission.gate.faults import best_order
from facetwise.submission.gate.opinions import Opinion, TrainingSide

ERRORS = 3.0
"""Standard errors above chance required of the agreement after the exchange, with at least one opinion; high because
several attributes and opinions are tested."""
MIN_UNDONE = 0.25
"""Kappa required after the exchange: only a good file can be shown to be exchanged."""
MIN_PEOPLE = 8
"""Fewest people with these classes."""
SOME = 0.1
"""Out-of-fold kappa with the labels in that attribute from which an opinion is used."""


@dataclass(frozen=True)
class Mapping:
    """Classes of an attribute that a file numbers differently from another opinion."""

    attribute: str
    answered: tuple[tuple[str, str], ...]
    """Each of these classes in the opinion, and the class that the file answers instead."""
    share: float
    """Share of agreement among the images to which both give one of these classes."""
    undone: float
    """The same share with the exchange undone."""


@dataclass(frozen=True)
class Exchanged:
    """A mapping supported by more opinions than the file as it is."""

    mapping: Mapping
    """With the numbers of the first opinion."""
    names: tuple[str, ...]
    """All opinions that support it."""

    def text(self) -> str:
        """The finding's text."""
        first, *more = (f"`{other}` is answered as `{here}`" for other, here in self.mapping.answered)
        what = ", ".join([first, *(text.replace(" is answered as", " as") for text in more)])
        others = len(self.names) - 1
        likewise = f" ({others} other{'s' if others > 1 else ''} likewise)" if others else ""
        return (
            f"`{self.mapping.attribute}`: {what}. Of these images {self.mapping.share:.0%} agree with "
            f"`{self.names[0]}`, and {self.mapping.undone:.0%} when that is undone{likewise}"
        )


def exchanged_classes(
    codes: IntArray, opinions: Sequence[Opinion], known: TrainingSide, space: LabelSpace
) -> tuple[Exchanged, ...]:
    """Classes exchanged in a file according to most opinions; `codes`: (n, num_attributes), none missing.

    An opinion is used for the attributes that it predicts well enough out of fold. If at least as many support the file
    as it is, it is accepted.
    """
    return tuple(
        found
        for place, attribute in enumerate(space.attributes)
        for found in _of_attribute(
            codes[:, place], [o for o in opinions if _knows(o, known, place)], known, place, attribute
        )
    )


def _of_attribute(
    codes: IntArray, opinions: Sequence[Opinion], known: TrainingSide, place: int, attribute: Attribute
) -> Iterator[Exchanged]:
    cycles = {o.name: dict(_mappings(codes, o.codes[:, place], known, place, attribute)) for o in opinions}
    for cycle in dict.fromkeys(cycle for found in cycles.values() for cycle in found):
        sides = [(o.name, _as_it_is(codes, o.codes[:, place], cycle)) for o in opinions]
        against, agreeing = [n for n, value in sides if value < 0], [n for n, value in sides if value > 0]
        if len(against) > len(agreeing):
            sure = [name for name in cycles if cycle in cycles[name]]
            names = (*sure, *(name for name in against if name not in sure))
            yield Exchanged(cycles[sure[0]][cycle], names)


def _knows(opinion: Opinion, known: TrainingSide, place: int) -> bool:
    """Whether it predicts this attribute well enough out of fold."""
    if opinion.oof is None:
        return False
    there = (opinion.oof[:, place] != MISSING) & (known.truth[:, place] != MISSING)
    if not there.any():
        return False
    value = cohen_kappa(known.truth[there, place], opinion.oof[there, place])
    return value is not None and value >= SOME


Cycle = tuple[int, ...]
"""Classes of the file, each to be read as the next one and the last as the first; starts with the smallest."""


def _mappings(
    codes: IntArray, other: IntArray, known: TrainingSide, place: int, attribute: Attribute
) -> Iterator[tuple[Cycle, Mapping]]:
    """Every cycle of classes that one opinion supports."""
    for cycle in _cycles(best_order(codes, other, attribute.classes)):
        here, there = _both(codes, other, cycle)
        read = np.arange(attribute.size)
        read[list(cycle)] = [*cycle[1:], cycle[0]]
        if _is_exchanged(here, read[here], there, cycle, people_of(len(here), known, place, cycle)):
            answered = tuple((attribute.classes[read[code]], attribute.classes[code]) for code in sorted(cycle))
            shares = float((here == there).mean()), float((read[here] == there).mean())
            yield cycle, Mapping(attribute.name, answered, *shares)


def _is_exchanged(here: IntArray, undone: IntArray, there: IntArray, cycle: Cycle, num_people: float) -> bool:
    """Whether agreement is below chance as it is, and well above once undone, in each of the classes."""
    as_it_is, then = cohen_kappa(here, there), cohen_kappa(undone, there)
    if num_people < MIN_PEOPLE or as_it_is is None or then is None:
        return False
    if as_it_is >= 0 or then < max(MIN_UNDONE, ERRORS * kappa_error(undone, there, num_people)):
        return False
    return all(_lift(undone, there, code) > _lift(here, there, code) for code in cycle)


def _lift(here: IntArray, there: IntArray, code: int) -> float:
    """Odds of a class being answered where the opinion has it, relative to elsewhere, up to a common factor."""
    answered = here == code
    return float(answered[there == code].mean() / answered.mean()) if answered.any() and (there == code).any() else 0.0


def _cycles(order: Sequence[int]) -> Iterator[Cycle]:
    """The non-trivial cycles of a permutation."""
    seen: set[int] = set()
    for start in range(len(order)):
        cycle, place = [], start
        while place not in seen:
            seen.add(place)
            cycle.append(place)
            place = order[place]
        if len(cycle) > 1:
            yield tuple(cycle)


def _both(codes: IntArray, other: IntArray, cycle: Cycle) -> tuple[IntArray, IntArray]:
    """Both sides' answers to the images to which both give one of these classes."""
    rows = np.isin(codes, cycle) & np.isin(other, cycle)
    return codes[rows], other[rows]


def people_of(num_images: int, known: TrainingSide, place: int, classes: Sequence[int]) -> float:
    """Estimated number of people in `num_images` images of some classes, from the images of a labelled person; 0 if
    there are none."""
    rows = np.isin(known.truth[:, place], classes)
    if not rows.any():
        return 0.0
    _, num_people = group_numbers(np.asarray(known.groups)[rows])
    return float(num_images * num_people / rows.sum())


def _as_it_is(codes: IntArray, other: IntArray, cycle: Cycle) -> float:
    """Kappa of a file with an opinion, among the images to which both give one of these classes."""
    return cohen_kappa(*_both(codes, other, cycle)) or 0.0


def kappa_error(one: IntArray, two: IntArray, num_people: float) -> float:
    """Standard error of Cohen's kappa under independence, with people as the units.

    Fleiss, Cohen and Everitt, *Large sample standard errors of kappa and weighted kappa* (1969), equation 14. 0 if
    chance agreement is 1.
    """
    size, chance = int(max(one.max(), two.max())) + 1, chance_agreement(one, two)
    p, q = (np.bincount(side, minlength=size) / len(side) for side in (one, two))
    variance = max(0.0, chance + chance**2 - float((p * q * (p + q)).sum()))
    return 0.0 if chance == 1 else float(np.sqrt(variance / num_people) / (1 - chance))
