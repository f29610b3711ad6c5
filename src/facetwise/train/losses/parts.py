"""What a loss is taken over: blocks of a head, or marginals of its joint block; and whether a recipe's loss fits.

Shapes: n images, d logits an image, K classes of a part, T targets of a part (K, or one a value).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, LabelSpace
from facetwise.model.blocks.block import Block
from facetwise.model.heads import HeadLayout
from facetwise.recipe.loss import AnyLoss, Binary, Loss, SoftF1, Sum

_LOG_ZERO = math.log(np.finfo(np.float32).tiny)
"""In place of the log of a probability 0, as in `model.blocks.block.floored`: a class that occurs with nothing."""


@dataclass(frozen=True)
class LossPart:
    """One block of a head, or a marginal of its joint block: of an attribute, or of what is known of some images."""

    name: str
    """The attribute's name, or `joint`."""
    block: Block
    layout: HeadLayout
    marginal: tuple[str, ...] = ()
    """Attributes of the marginal; none for a whole block."""
    partial: bool = False
    """Whether it is about the images alone of which just these attributes are known."""

    @property
    def num_classes(self) -> int:
        """K."""
        return self.layout.space.only(self.marginal).num_joint if self.marginal else self.block.num_classes

    def own_logits(self, logits: Tensor) -> Tensor:
        """The block's logits as the network gives them."""
        return logits[:, self.block.outputs]

    def scores(self, logits: Tensor, prior: Tensor | None = None) -> Tensor:
        """Numbers (n, T) whose softmax is the probabilities of what the targets are about.

        `prior`: what is added to those of each class; for what is known in part to those of the joint classes, before
        they are summed.
        """
        own, space = self.block.scores(self.own_logits(logits)), self.layout.space
        if prior is not None and self.partial:
            return _marginal(own + prior, space, self.marginal, torch.logsumexp)
        scores = _marginal(own, space, self.marginal, torch.logsumexp) if self.marginal else own
        return scores if prior is None else scores + prior

    def prior_shares(self, shares: Tensor) -> Tensor:
        """Shares of the classes whose prior `scores` takes, of mean targets, (t,)."""
        own = shares[None][:, self.block.targets] if self.partial else self.targets(shares[None])
        return own[0] if self.marginal else self.block.class_targets(own)[0]

    def targets(self, targets: Tensor) -> Tensor:
        """Target probabilities, (n, T); 0 where the class is not known."""
        space, layout = self.layout.space, self.layout
        if self.partial:
            return targets[:, layout.partial_targets(self.marginal)]
        own = targets[:, self.block.targets]
        if not self.marginal:
            return own
        total = _marginal(own, space, self.marginal, torch.sum)
        for names in layout.partly_known:
            if set(self.marginal) <= {*names}:
                part = targets[:, layout.partial_targets(names)]
                total = total + _marginal(part, space.only(names), self.marginal, torch.sum)
        return total

    def of_targets(self, of_classes: Tensor) -> Tensor:
        """Numbers of each target, (T,), from numbers of each class, (K,)."""
        return self.block.of_targets(of_classes)

    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K)."""
        if self.marginal:
            return torch.log_softmax(self.scores(logits), dim=1)
        return self.block.class_logs(self.own_logits(logits))

    def class_targets(self, targets: Tensor) -> Tensor:
        """Target probabilities of the classes, (n, K)."""
        own = self.targets(targets)
        return own if self.marginal else self.block.class_targets(own)


def parts_of(term: AnyLoss, layout: HeadLayout) -> list[LossPart]:
    """What a loss that fits the head is taken over, in the head's order.

    Of an image whose label is known in part, a mean over images takes the sum over the joint classes that it may have;
    other losses know no such sum and leave it out.
    """
    first = layout.blocks[0]
    if term.attributes is None:
        whole = [LossPart(b.name, b, layout) for b in layout.blocks]
        if isinstance(term, Binary | SoftF1):
            return whole
        return [*whole, *(LossPart("/".join(n), first, layout, n, partial=True) for n in layout.partly_known)]
    if first.name == JOINT:
        return [LossPart(n, first, layout, (n,)) for n in layout.space.names if n in term.attributes]
    return [LossPart(b.name, b, layout) for b in layout.blocks if b.name in term.attributes]


def check_loss(spec: Loss, layout: HeadLayout) -> None:
    """Raises SettingError with everything in which a recipe's loss does not fit the head, each naming its key."""
    keys = [f"loss.terms.{i}" for i in range(len(spec.terms))] if isinstance(spec, Sum) else ["loss"]
    problems = [p for key, term in zip(keys, spec.terms, strict=True) for p in _problems(key, term, layout)]
    if not problems and (left := _left_out(spec, layout)):
        names = ", ".join(f"`{n}`" for n in left)
        problems.append(
            f"`loss`: nothing is minimised for {names}, which `model.head` predicts; "
            "add a term, or leave it out of the head with `model.head.attributes`"
        )
    if problems:
        raise SettingError("\n".join(problems))


def _left_out(spec: Loss, layout: HeadLayout) -> list[str]:
    taken = {n for t in spec.terms for n in (layout.attributes if t.attributes is None else t.attributes)}
    return [n for n in layout.attributes if n not in taken]


def _problems(key: str, term: AnyLoss, layout: HeadLayout) -> Iterator[str]:
    """Problems of one term; the rest is checked only when its attributes are the head's."""
    if unknown := list(_unknown(key, term, layout)):
        yield from unknown
        return
    parts = parts_of(term, layout)
    if layout.blocks[0].name == JOINT:
        yield from _flat_problems(key, term)
    if isinstance(term, SoftF1) and term.joint:
        yield from _joint_problems(key, parts)
    yield from (f"`{key}`: {why.format(name=p.name)}" for p in parts if (why := p.block.refused.get(term.name)))


def _unknown(key: str, term: AnyLoss, layout: HeadLayout) -> Iterator[str]:
    for field, names in (("attributes", term.attributes or ()), ("attribute_weights", term.attribute_weights)):
        for name in names:
            if name not in layout.attributes:
                yield f"`{key}.{field}`: `model.head` predicts no `{name}`; {did_you_mean(name, layout.attributes)}"


def _flat_problems(key: str, term: AnyLoss) -> Iterator[str]:
    """A flat head is one block, and terms of single attributes are about their marginals."""
    if term.attributes is None:
        if term.attribute_weights:
            yield f"`{key}.attribute_weights`: a flat `model.head` is one block; for marginals name `{key}.attributes`"
    elif isinstance(term, Binary) or (isinstance(term, SoftF1) and term.joint):
        yield f"`{key}.attributes`: of a flat `model.head` this loss takes the joint classes as they are; leave it out"


def _joint_problems(key: str, parts: list[LossPart]) -> Iterator[str]:
    size = joint_size(parts)
    if size > MAX_LISTED_JOINT:
        yield f"`{key}.joint`: {size} joint classes are too many, at most {MAX_LISTED_JOINT} are supported"


def joint_space(parts: Sequence[LossPart]) -> LabelSpace | None:
    """The label space of the attributes that the parts are of; None when a part is the joint block."""
    names = [part.name for part in parts]
    return None if JOINT in names else parts[0].layout.space.only(names)


def joint_size(parts: Sequence[LossPart]) -> int:
    """Number of joint classes of the parts."""
    space = joint_space(parts)
    return parts[0].num_classes if space is None else space.num_joint


def _marginal(joint: Tensor, space: LabelSpace, names: tuple[str, ...], add: Callable[..., Tensor]) -> Tensor:
    """Sums, by `add`, of joint numbers (n, num_joint) over all attributes but those in `names`, (n, joint classes)."""
    if space.combinations is not None:
        nothing = joint.new_full((len(joint), 1), 0.0 if add is torch.sum else _LOG_ZERO)
        return add(torch.cat([joint, nothing], dim=1)[:, _members(space, names, joint.device)], dim=2)
    others = tuple(i + 1 for i, other in enumerate(space.names) if other not in names)
    cube = joint.reshape(joint.shape[0], *space.sizes)
    return add(cube, dim=others).flatten(1) if others else joint


@cache
def _members(space: LabelSpace, names: tuple[str, ...], device: torch.device) -> Tensor:
    """The joint classes, (K, m), of each joint class of the attributes called `names`, filled up with num_joint."""
    part, columns = space.only(names), [space.index(name) for name in space.names if name in names]
    of_joint = part.encode(space.joint_codes[:, columns])
    groups = [np.flatnonzero(of_joint == k) for k in range(part.num_joint)]
    members = np.full((len(groups), max(map(len, groups))), space.num_joint, np.int64)
    for row, own in zip(members, groups, strict=True):
        row[: len(own)] = own
    return torch.from_numpy(members).to(device)
