"""Who joins on the test side: their weights beside the chosen ones."""

from __future__ import annotations

import numpy as np

from facetwise.blending.fit import Blended
from facetwise.blending.members import Guest, Members
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT, FloatArray
from facetwise.predictors.sources import Source


def seat(members: Members, blend: Blended) -> tuple[list[Source], FloatArray]:
    """Everybody who has a say on the test side, and their weights, shape (B, number of them), each row summing to 1.

    A guest with a sibling weighs as much as it does; one with a share gets that share of the whole, in every attribute
    that it predicts. Raises InputError when shares come to 1 or more, or when a guest has nothing to say.
    """
    sources = [m.source for m in members.known]
    weights = blend.fitted.weights
    names = [block.name for block in blend.votes.blocks]
    for guest in members.guests:
        if guest.sibling is not None:
            weights = np.column_stack([weights, weights[:, members.ids.index(guest.sibling)]])
            sources.append(guest.source)
    weights = weights / weights.sum(axis=1, keepdims=True)
    given = [g for g in members.guests if g.share is not None]
    shares = np.zeros((len(names), len(given)))
    for column, guest in enumerate(given):
        shares[:, column] = [_share(guest, name, blend.votes.space.names) for name in names]
    if (shares.sum(axis=1) >= 1).any():
        raise InputError("the shares of the members that are known on the test side only come to 1 or more")
    if silent := [g.source.reference for g, column in zip(given, shares.T, strict=True) if not column.any()]:
        raise InputError(
            f"`{silent[0]}` lacks an attribute, and whole predictions are blended", hint="blend `--by attribute`"
        )
    sources += [g.source for g in given]
    return sources, np.hstack([weights * (1 - shares.sum(axis=1, keepdims=True)), shares])


def _share(guest: Guest, block: str, names: tuple[str, ...]) -> float:
    """The guest's share of a block; nothing where it does not predict it."""
    has = guest.source.attributes == names if block == JOINT else block in guest.source.attributes
    return (guest.share or 0.0) if has else 0.0
