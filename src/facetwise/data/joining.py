"""People who share a picture: dealt together, or counted where folds part them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from facetwise.core.records.data import FoldCopies
from facetwise.data.images.copies import CopyPair

_EXAMPLES = 2


def joined_groups(groups: npt.NDArray[np.object_], pairs: Sequence[CopyPair]) -> npt.NDArray[np.object_]:
    """The group of each row, shape (n,), where all who share pictures, be it through others, have one name.

    That is the first of their names. Pairs that are not between people join nobody.
    """
    leader: dict[str, str] = {}

    def first(name: str) -> str:
        while name in leader:
            name = leader[name]
        return name

    for one, other in (pair.people for pair in pairs if pair.people is not None):
        low, high = sorted((first(one), first(other)))
        if low != high:
            leader[high] = low
    return np.array([first(name) for name in groups], dtype=object)


def copies_across(
    pairs: Sequence[CopyPair], fold: Mapping[str, int], *, joined: bool, features: str | None = None
) -> FoldCopies:
    """What folds' record says of the pairs between people; `fold` is the fold of each image."""
    between = [pair for pair in pairs if pair.people is not None]
    across = [(pair.first, pair.second) for pair in between if fold[pair.first] != fold[pair.second]]
    people = {name for pair in between for name in pair.people or ()}
    return FoldCopies(
        joined=joined,
        pairs=len(between),
        people=len(people),
        across=len(across),
        examples=tuple(across[:_EXAMPLES]),
        features=features,
    )
