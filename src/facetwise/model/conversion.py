"""From the tensors of a file to those of a timm backbone: by name, by timm's own conversion, or by order and shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor, nn

from facetwise.core.errors import InputError
from facetwise.core.text.counting import count, listed
from facetwise.model.backbone import bare_model, converted_by_timm, head_parts, whole_names
from facetwise.model.families import EFFICIENTNET_PYTORCH, in_their_order
from facetwise.model.weights import BACKBONE, COUNTER, load_fitting, unused

BY_NAME = "by name"
_NETWORKS = (BACKBONE, "model.", "module.", "net.", "encoder.")
"""What programs for training put before the names of a network that stands beside a head or a loss."""
_BESIDE = ("head", "fc.", "classifier", "cls_head", "last_linear", "neck", "mean", "std", "criterion", "loss")
"""How names begin that may stand beside it."""


@dataclass(frozen=True)
class Converted:
    """A backbone with the weights of a file."""

    backbone: nn.Module
    head: Mapping[str, Tensor]
    """The file's own head, by timm's names."""
    matched: str
    """How it was found, in words."""
    num_unused: int = 0
    """Tensors of a head by names that only timm's conversion knows."""

    @property
    def left_out(self) -> str | None:
        """What does not serve as a backbone, in words."""
        if self.num_classes is not None:
            return f"its head of {self.num_classes:,} classes"
        return f"its head, {count(self.num_unused, 'tensor')}" if self.num_unused else None

    @property
    def num_classes(self) -> int | None:
        """Classes of the file's head; None without one."""
        return next(
            (len(t) for name, t in reversed(list(self.head.items())) if name.endswith(("weight", "bias"))), None
        )


def converted(tensors: Mapping[str, Tensor], backbone: str) -> Converted:
    """The timm backbone with these weights, `unwrapped`; raises InputError that names the first tensors that differ."""
    if any(name.startswith(EFFICIENTNET_PYTORCH) for name in tensors) and not backbone.startswith("tf_"):
        raise InputError(
            f"these are the names of efficientnet-pytorch, whose networks pad and norm as timm's `tf_...` do, and "
            f"`{backbone}` does not",
            hint=f"`--as tf_{backbone}`",
        )
    bare, parts = bare_model(backbone), head_parts(backbone, {})
    body = {name: tensor for name, tensor in tensors.items() if not name.startswith(parts)}
    head = {name: tensor for name, tensor in tensors.items() if name.startswith(parts)}
    if load_fitting(bare, body):
        return Converted(bare, head, BY_NAME)
    with suppress(InputError):
        made = converted_by_timm(backbone, dict(body))
        unused_here = sum(_weights_in(body)) - sum(_weights_in(made.state_dict()))
        return Converted(made, head, "by timm's conversion of names", max(0, unused_here))
    ordered, known = in_order(in_their_order(tensors, backbone), whole_names(backbone), parts), bare.state_dict().keys()
    if isinstance(ordered, str):
        raise InputError(_differing(body, bare, ordered), hint="name another backbone with `--as`")
    bare.load_state_dict({name: tensor for name, tensor in ordered.items() if name in known}, strict=False)
    head = {name: tensor for name, tensor in ordered.items() if name not in known}
    return Converted(bare, head, f"by order and shape, {len(ordered)} of {len(ordered)}")


def _weights_in(names: Iterable[str]) -> Iterator[bool]:
    return (not name.endswith(COUNTER) for name in names)


def unwrapped(tensors: Mapping[str, Tensor], expected: Iterable[str]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of the network without what programs for training put before their names, and the names of those
    beside it, a head or a loss.

    Before the names stands a word that all begin with, and none of the `expected` does.
    """
    known, found = {name.partition(".")[0] for name in expected}, dict(tensors)
    while len(first := {name.partition(".")[0] for name in found}) == 1 and not first & known:
        if not all("." in name for name in found):
            break
        found = {name.partition(".")[2]: tensor for name, tensor in found.items()}
    for network in _NETWORKS:
        beside = [name for name in found if not name.startswith(network)]
        if 0 < len(beside) < len(found) and all(name.startswith(_BESIDE) for name in beside):
            inside = {name.removeprefix(network): found[name] for name in found if name.startswith(network)}
            further, more = unwrapped(inside, known)
            return further, [*beside, *more]
    return found, []


def in_order(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]], head: tuple[str, ...]
) -> dict[str, Tensor] | str:
    """Tensors by timm's names, matched one to one in their order: of the same shape and kind (`weight`, `running_var`,
    ...), a head's for any number of classes; else what differs first, in words.

    `expected`: names and shapes of the whole model in its order. What counts a norm's batches is left out.
    """
    given = [(name, t) for name, t in tensors.items() if not name.endswith(COUNTER)]
    wanted = [(name, tuple(shape)) for name, shape in expected.items() if not name.endswith(COUNTER)]
    bare = [(name, shape) for name, shape in wanted if not name.startswith(head)]
    wanted = bare if len(given) == len(bare) else wanted
    for number, (one, other) in enumerate(zip_longest(given, wanted), start=1):
        if one is None or other is None or not _alike(one[0], one[1], other[0], other[1], other[0].startswith(head)):
            has = "nothing" if one is None else f"`{one[0]}` {tuple(one[1].shape)}"
            needs = "nothing" if other is None else f"`{other[0]}` {other[1]}"
            return f"tensor {number} is {has} where the backbone has {needs}"
    return {name: tensor for (name, _), (_, tensor) in zip(wanted, given, strict=True)}


def _alike(name: str, tensor: Tensor, other: str, shape: tuple[int, ...], of_head: bool) -> bool:
    own = tuple(tensor.shape)
    same = own[1:] == shape[1:] and len(own) == len(shape) if of_head else own == shape
    return same and name.rpartition(".")[2] == other.rpartition(".")[2]


def _differing(body: Mapping[str, Tensor], bare: nn.Module, in_order: str) -> str:
    """Why a file is not of the backbone: by names where most are its own, else in order."""
    expected = bare.state_dict()
    if 2 * len(body.keys() & expected.keys()) < min(len(body), len(expected)):
        return f"its tensors are not those of the backbone, neither by name nor in order: {in_order}"
    missing, left_over = ([f"`{name}`" for name in names] for names in (unused(expected, body), unused(body, expected)))
    reshaped = [
        f"`{name}` is {tuple(body[name].shape)} where the backbone's is {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in body and body[name].shape != tensor.shape
    ]
    told = [f"it has no {listed(missing)}"] if missing else []
    told += [f"the backbone has no {listed(left_over)}, which it has"] if left_over else []
    told += [listed(reshaped)] if reshaped else []
    return "its tensors are not those of the backbone: " + "; ".join(told)
