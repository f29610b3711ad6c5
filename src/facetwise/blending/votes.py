"""Votes of the members on the same rows: one representation for blending whole predictions and single attributes.

A *block* is a set of classes that one argmax is taken over. Blending whole predictions has one block, the joint class;
blending by attribute has one block for each attribute, and the joint class follows from the classes of the blocks. A
member may lack a block: a specialist for one attribute has that attribute's block only.

The methods in `methods.py` turn a member's predictions into votes;
`combine` turns weighted votes back into log-probabilities for each block.

Shapes: n rows, k members that have a block, M members in total, B blocks, C classes of a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from facetwise.blending.methods import RankTransform, VoteArray, as_votes, logs_of
from facetwise.core.choices import BlendMethod
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT, FloatArray, IntArray, LabelSpace
from facetwise.evaluate.compose import most_probable
from facetwise.evaluate.predictions import Predictions

By = Literal["whole", "attribute"]
"""What is blended: whole predictions (one block), or each attribute separately (one block each)."""
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VoteBlock:
    """Votes over the classes of one block."""

    name: str
    """An attribute, or `joint`."""
    members: IntArray
    """Numbers of the members that have the block, shape (k,), ascending."""
    votes: VoteArray
    """Shape (k, n, C), never NaN; larger is likelier."""
    classes: npt.NDArray[np.uint16] | None = None
    """Of a block that has some classes of each row only (`candidates`), which class each column is, (n, C)."""


@dataclass(frozen=True)
class Votes:
    """Votes of `num_members` members on the same n rows."""

    space: LabelSpace
    method: BlendMethod
    num_members: int
    blocks: tuple[VoteBlock, ...]

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

    @property
    def is_whole(self) -> bool:
        """Whether its one block is the joint class."""
        return self.blocks[0].name == JOINT

    @property
    def decided_in(self) -> LabelSpace:
        """The space in which decisions are numbered: blocks of their own may come to combinations that cannot occur."""
        return self.space if self.is_whole else self.space.product

    def numbered(self, joint: npt.ArrayLike) -> IntArray:
        """Joint classes, (n,), by their number in `decided_in`."""
        classes = np.asarray(joint, np.int64)
        return classes if self.decided_in is self.space else self.decided_in.encode(self.space.decode(classes))

    def classes_of(self, joint: npt.ArrayLike) -> list[IntArray]:
        """The class in each block, B arrays (n,), of joint classes, (n,), numbered in `decided_in`."""
        if self.is_whole:
            return [np.asarray(joint, np.int64)]
        codes = self.decided_in.decode(joint)
        return [codes[..., self.space.index(b.name)] for b in self.blocks]

    def joint_of(self, classes: Sequence[IntArray]) -> IntArray:
        """Joint classes, (n,), numbered in `decided_in`, of the class in each block, B arrays (n,)."""
        return classes[0] if self.is_whole else self.decided_in.encode(np.stack(classes, axis=-1))


def collect_votes(
    members: Sequence[Predictions],
    *,
    by: By,
    method: BlendMethod,
    references: Sequence[Predictions | None] | None = None,
) -> tuple[Votes, BoolArray]:
    """Votes on the rows that all members cover, and the mask of these rows, shape (rows,).

    The caller reports rows that are left out. A member without any of the blocks (a specialist, when whole predictions
    are blended) does not restrict the rows. `references` are the members' out-of-fold predictions, which `rank` is
    fitted on; without them `members` are out-of-fold predictions themselves. Raises ValueError when the members have
    different rows, InputError when a block has no member, when no row is covered by all, or when `rank` cannot be
    fitted.
    """
    _check_same_rows(members)
    space, stated = members[0].space, [_blocks_in(member, by) for member in members]
    names = (JOINT,) if by == "whole" else space.names
    if alone := [n for n in names if not any(n in have for have in stated)]:
        raise InputError(
            f"no member predicts {', '.join(f'`{n}`' for n in alone)}",
            hint="add a member that does" if by == "attribute" else "only members with every attribute have a joint",
        )
    common = np.logical_and.reduce([m.covered for m, have in zip(members, stated, strict=True) if have])
    if not common.any():
        raise InputError("no row is predicted by every member", hint="leave out members that cover other rows")
    blocks = {n: _empty_block(n, space, [n in have for have in stated], int(common.sum())) for n in names}
    for number, (member, have) in enumerate(zip(members, stated, strict=True)):
        fitted_on = member if references is None else references[number]
        for name, votes in _member_votes(member, fitted_on, have, method).items():
            block = blocks[name]
            block.votes[np.searchsorted(block.members, number)] = votes[common]
    return Votes(space, method, len(members), tuple(blocks.values())), common


def combine(votes: Votes, weights: npt.ArrayLike) -> list[FloatArray]:
    """Log-probabilities of the blend, B arrays (n, C), for `weights`, (B, M), not negative, some positive in each
    block.

    `soft`: the log of the weighted mean. `geometric`: the weighted mean of logs, normalised. `hard` and `rank`: the log
    of each class's share of the row's votes, which ranks the classes but is not a calibrated probability.
    Raises ValueError for weights of another shape, negative weights, and weights of a member without the block.
    """
    return [logs_of(mean, votes.method) for mean in mean_votes(votes, weights)]


def decide_classes(votes: Votes, weights: npt.ArrayLike) -> IntArray:
    """Joint classes, shape (n,), as `top_classes` has them, by weighted votes."""
    return top_classes(votes, mean_votes(votes, weights))


def mean_votes(votes: Votes, weights: npt.ArrayLike) -> list[FloatArray]:
    """Weighted means of votes, B arrays (n, C); `weights` and errors as in `combine`."""
    checked = np.asarray(weights, np.float64)
    _check_weights(checked, votes)
    return [_mean(block.votes, row[block.members]) for block, row in zip(votes.blocks, checked, strict=True)]


def top_classes(votes: Votes, sums: Sequence[FloatArray]) -> IntArray:
    """Joint classes, (n,), numbered in `votes.decided_in`, from sums of votes, B arrays (n, C).

    The argmax of each block, the lowest of ties; where such a combination cannot occur, the most probable that can.
    """
    if votes.decided_in == votes.space:
        return votes.joint_of([s.argmax(axis=1).astype(np.int64) for s in sums])
    codes = most_probable([logs_of(s, votes.method) for s in sums], votes.space)
    return votes.joint_of(list(codes.T))


def used_members(weights: FloatArray) -> BoolArray:
    """Which members have a weight above 0 in any block, shape (M,); `weights` has shape (B, M)."""
    return np.asarray((weights > 0).any(axis=0), np.bool_)


def _blocks_in(member: Predictions, by: By) -> tuple[str, ...]:
    if by == "attribute":
        return member.attributes
    return (JOINT,) if member.is_whole else ()


def _empty_block(name: str, space: LabelSpace, have: Sequence[bool], num_rows: int) -> VoteBlock:
    size = space.num_joint if name == JOINT else space.attribute(name).size
    members = np.flatnonzero(have).astype(np.int64)
    return VoteBlock(name, members, np.empty((len(members), num_rows, size), np.float32))


def _member_votes(
    member: Predictions, reference: Predictions | None, have: Sequence[str], method: BlendMethod
) -> dict[str, VoteArray]:
    """Votes, (rows, C), in the blocks that one member has; meaningless in rows that it does not cover."""
    if not have:
        return {}
    logs, decided = _logs_in(member, have), _decided_classes(member, have)
    transforms: Mapping[str, RankTransform | None] = dict.fromkeys(have)
    if method == "rank":
        if reference is None:
            raise InputError("`rank` needs out-of-fold predictions of every member", hint="use another method")
        fitted_on = logs if reference is member else _logs_in(reference, have)
        transforms = {name: RankTransform.fit(fitted_on[name]) for name in have}
    return {name: as_votes(logs[name], decided[name], method, transforms[name]) for name in have}


def _logs_in(member: Predictions, have: Sequence[str]) -> Mapping[str, FloatArray]:
    return {JOINT: member.joint} if have == (JOINT,) else member.marginals


def _decided_classes(member: Predictions, have: Sequence[str]) -> Mapping[str, IntArray]:
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
    expected = (len(votes.blocks), votes.num_members)
    if weights.shape != expected:
        raise ValueError(f"weights have shape {weights.shape}, expected {expected} (blocks, members)")
    if not (weights >= 0).all() or not (weights.sum(axis=1) > 0).all():
        raise ValueError("weights must be 0 or more, and some positive in every block")
    if (weights[~votes.has] > 0).any():
        raise ValueError("a member without the block has a weight")


def _check_same_rows(members: Sequence[Predictions]) -> None:
    if not members:
        raise ValueError("no members to blend")
    for number, member in enumerate(members):
        if not np.array_equal(member.images, members[0].images):
            raise ValueError(f"member {number} has other rows than member 0: a row must be the same image in all")
