"""Weights of all members on the test side, unscored ones included."""

from __future__ import annotations

import numpy as np

from facetwise.blending.fit import ChosenVariant
from facetwise.blending.members import Members, UnscoredMember
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT, FloatArray
from facetwise.predictors.sources import Source


def weights_on_test(members: Members, blend: ChosenVariant) -> tuple[list[Source], FloatArray]:
    """All sources that predict the test side, and their weights, shape (B, num_sources), each row summing to 1.

    An unscored member with a sibling gets the sibling's weight; one with a share gets that share of the total in every
    block that it predicts. Raises InputError when shares sum to 1 or more, or when a member predicts none of the
    blocks.
    """
    sources = [m.source for m in members.scored]
    weights = blend.fitted.weights
    names = [block.name for block in blend.votes.blocks]
    for member in members.unscored:
        if member.sibling is not None:
            weights = np.column_stack([weights, weights[:, members.ids.index(member.sibling)]])
            sources.append(member.source)
    weights = weights / weights.sum(axis=1, keepdims=True)
    with_share = [g for g in members.unscored if g.share is not None]
    shares = np.zeros((len(names), len(with_share)))
    for column, member in enumerate(with_share):
        shares[:, column] = [_share(member, name, blend.votes.space.names) for name in names]
    if (shares.sum(axis=1) >= 1).any():
        raise InputError("the shares of members without out-of-fold predictions sum to 1 or more")
    if unused := [g.source.reference for g, column in zip(with_share, shares.T, strict=True) if not column.any()]:
        raise InputError(
            f"`{unused[0]}` lacks an attribute, and whole predictions are blended", hint="blend `--by attribute`"
        )
    sources += [g.source for g in with_share]
    return sources, np.hstack([weights * (1 - shares.sum(axis=1, keepdims=True)), shares])


def _share(member: UnscoredMember, block: str, names: tuple[str, ...]) -> float:
    """The member's share of a block; 0 where it does not predict it."""
    has = member.source.attributes == names if block == JOINT else block in member.source.attributes
    return (member.share or 0.0) if has else 0.0
