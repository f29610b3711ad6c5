"""What members say of the same rows, as numbers that can be added up: one representation for both ways of blending.

A *block* is something that an argmax is taken over. Blending whole predictions has one block, the joint class;
blending attribute by attribute has a block an attribute, and the joint class is made of what the blocks decide. A
member has a block or not: a one-attribute specialist has that attribute's only, and no joint.

What a member says in a block is turned into votes by one of the ways in `methods.py`.
`combine` goes back from weighted sums of votes to log-probabilities a block.

Shapes: n rows, k members that have a block, M members in all, B blocks, C classes of a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from facetwise.blending.methods import Places, VoteArray, as_votes, logs_of
from facetwise.core.choices import BlendMethod
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT, FloatArray, IntArray, LabelSpace
from facetwise.evaluate.predictions import Predictions

By = Literal["whole", "attribute"]
"""What is blended: whole predictions (one block), or each attribute by itself (a block an attribute)."""
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Votes over the classes of one block."""

    name: str
    """An attribute, or `joint`."""
    members: IntArray
    """Which candidates have it, shape (k,), ascending."""
    votes: VoteArray
    """What they say, shape (k, n, C), never NaN; larger is likelier."""


@dataclass(frozen=True)
class Votes:
    """What `num_members` candidates say of the same n rows."""

    space: LabelSpace
    method: BlendMethod
    num_members: int
    blocks: tuple[Block, ...]

    @property
    def num_rows(self) -> int:
        """n."""
        return int(self.blocks[0].votes.shape[1])

    @property
    def has(self) -> BoolArray:
        """Whether a member has a block, shape (B, M)."""
        found = np.zeros((len(self.blocks), self.num_members), np.bool_)
        for row, block in zip(found, self.blocks, strict=True):
            row[block.members] = True
        return found

    def rows(self, which: npt.ArrayLike) -> Votes:
        """The same members on some of the rows: a mask or positions. Copies these rows' votes."""
        return replace(self, blocks=tuple(replace(b, votes=b.votes[:, np.asarray(which)]) for b in self.blocks))

    def classes_of(self, joint: npt.ArrayLike) -> list[IntArray]:
        """The class in each block, B times (n,), of joint classes, (n,)."""
        if self.blocks[0].name == JOINT:
            return [np.asarray(joint, np.int64)]
        codes = self.space.decode(joint)
        return [codes[..., self.space.index(b.name)] for b in self.blocks]

    def joint_of(self, classes: Sequence[IntArray]) -> IntArray:
        """Joint classes, (n,), of the class in each block, B times (n,)."""
        return classes[0] if self.blocks[0].name == JOINT else self.space.encode(np.stack(classes, axis=-1))


def cast(
    members: Sequence[Predictions],
    *,
    by: By,
    method: BlendMethod,
    references: Sequence[Predictions | None] | None = None,
) -> tuple[Votes, BoolArray]:
    """Votes of members on the rows that all of them cover; and which rows those are, shape (rows,).

    Rows left out are the caller's to tell. A member without any of the blocks (a specialist, where whole predictions
    are blended) has no say in what is covered either. `references` are what the members predict out of fold, which
    `rank` is fitted on; without them `members` are out of fold themselves. Raises ValueError for members of other rows,
    InputError when a block has no member, when no row is covered by all, or when there is nothing to fit `rank` on.
    """
    _check_same_rows(members)
    space, stated = members[0].space, [_blocks_in(member, by) for member in members]
    names = (JOINT,) if by == "whole" else space.names
    if alone := [n for n in names if not any(n in have for have in stated)]:
        raise InputError(
            f"no member predicts {', '.join(f'`{n}`' for n in alone)}",
            hint="add a member that does" if by == "attribute" else "only members with every attribute have a joint",
        )
    kept = np.logical_and.reduce([m.covered for m, have in zip(members, stated, strict=True) if have])
    if not kept.any():
        raise InputError("no row is predicted by every member", hint="leave out members that cover other rows")
    blocks = {n: _empty_block(n, space, [n in have for have in stated], int(kept.sum())) for n in names}
    for number, (member, have) in enumerate(zip(members, stated, strict=True)):
        fitted_on = member if references is None else references[number]
        for name, votes in _member_votes(member, fitted_on, have, method).items():
            block = blocks[name]
            block.votes[np.searchsorted(block.members, number)] = votes[kept]
    return Votes(space, method, len(members), tuple(blocks.values())), kept


def combine(votes: Votes, weights: npt.ArrayLike) -> list[FloatArray]:
    """Log-probabilities of the blend, B times (n, C), for `weights` of shape (B, M), 0 or more, some positive a block.

    `soft`: the log of the weighted mean. `geometric`: the weighted mean of logs, normalised. `hard` and `rank`: the
    share that each class has of all votes of the row, which orders the classes but is no calibrated probability.
    Raises ValueError for weights of another shape, negative ones, and ones given to a member without the block.
    """
    return [logs_of(mean, votes.method) for mean in mean_votes(votes, weights)]


def decided(votes: Votes, weights: npt.ArrayLike) -> IntArray:
    """Joint classes, shape (n,), that the weighted sums of votes decide; ties go to the lowest class of the block."""
    return top_classes(votes, mean_votes(votes, weights))


def mean_votes(votes: Votes, weights: npt.ArrayLike) -> list[FloatArray]:
    """Weighted means of votes, B times (n, C); `weights` and what is raised as in `combine`."""
    given = np.asarray(weights, np.float64)
    _check_weights(given, votes)
    return [_mean(block.votes, row[block.members]) for block, row in zip(votes.blocks, given, strict=True)]


def top_classes(votes: Votes, sums: Sequence[FloatArray]) -> IntArray:
    """Joint classes, (n,), of sums of votes, B times (n, C): the argmax of each block, the lowest of equals."""
    return votes.joint_of([s.argmax(axis=1).astype(np.int64) for s in sums])


def used_by(weights: FloatArray) -> BoolArray:
    """Which members have a weight in any block, shape (M,), by weights of shape (B, M)."""
    return np.asarray((weights > 0).any(axis=0), np.bool_)


def _blocks_in(member: Predictions, by: By) -> tuple[str, ...]:
    if by == "attribute":
        return member.attributes
    return (JOINT,) if member.is_whole else ()


def _empty_block(name: str, space: LabelSpace, have: Sequence[bool], num_rows: int) -> Block:
    size = space.num_joint if name == JOINT else space.attribute(name).size
    members = np.flatnonzero(have).astype(np.int64)
    return Block(name, members, np.empty((len(members), num_rows, size), np.float32))


def _member_votes(
    member: Predictions, reference: Predictions | None, have: Sequence[str], method: BlendMethod
) -> dict[str, VoteArray]:
    """Votes, (rows, C), in the blocks that one member has; of no meaning in rows that it does not cover."""
    if not have:
        return {}
    logs, own = _logs_in(member, have), _own_classes(member, have)
    known: Mapping[str, Places | None] = dict.fromkeys(have)
    if method == "rank":
        if reference is None:
            raise InputError("`rank` needs out-of-fold predictions of every member", hint="use another method")
        fitted_on = logs if reference is member else _logs_in(reference, have)
        known = {name: Places.fit(fitted_on[name]) for name in have}
    return {name: as_votes(logs[name], own[name], method, known[name]) for name in have}


def _logs_in(member: Predictions, have: Sequence[str]) -> Mapping[str, FloatArray]:
    return {JOINT: member.joint} if have == (JOINT,) else member.marginals


def _own_classes(member: Predictions, have: Sequence[str]) -> Mapping[str, IntArray]:
    if have == (JOINT,):
        return {JOINT: member.classes}
    return {name: member.codes[:, member.space.index(name)] for name in have}


def _mean(votes: VoteArray, weights: FloatArray) -> FloatArray:
    """The weighted mean over members, (n, C), one member at a time: no float64 copy of all votes."""
    total = np.zeros(votes.shape[1:])
    for member in np.flatnonzero(weights):
        total += weights[member] * votes[member]
    mean: FloatArray = total / weights.sum()
    return mean


def _check_weights(weights: FloatArray, votes: Votes) -> None:
    wanted = (len(votes.blocks), votes.num_members)
    if weights.shape != wanted:
        raise ValueError(f"weights have shape {weights.shape}, expected {wanted} (blocks, members)")
    if not (weights >= 0).all() or not (weights.sum(axis=1) > 0).all():
        raise ValueError("weights must be 0 or more, and some positive in every block")
    if (weights[~votes.has] > 0).any():
        raise ValueError("a weight stands at a member that does not have the block")


def _check_same_rows(members: Sequence[Predictions]) -> None:
    if not members:
        raise ValueError("no members to blend")
    for number, member in enumerate(members):
        if not np.array_equal(member.images, members[0].images):
            raise ValueError(f"member {number} is of other rows than member 0: a row stands for the same image in all")
