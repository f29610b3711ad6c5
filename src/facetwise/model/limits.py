"""Limits on the size of networks, checked while they are built, before they fill the memory or take hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from facetwise.core.errors import SettingError

MAX_WEIGHTS = 2**30
"""Most weights of a network: 4 GiB, more than any of timm's that is trained on one machine."""
MAX_PARTS = 20_000
"""Most tensors of weights; the deepest of timm's networks have some 3,000."""
MAX_FEATURES = 2**28
"""Most values that one layer may make of one image: 1 GiB."""
_HINT = "make the network or its input smaller: `model.args`, `input.height`, `input.width`"


@contextmanager
def within_limits() -> Iterator[None]:
    """Raises SettingError as soon as a network that is built, or applied to an image, inside the block exceeds the
    limits."""
    weights = parts = 0

    def built(_module: nn.Module, _name: str, parameter: nn.Parameter) -> None:
        nonlocal weights, parts
        if parameter is not None:
            weights, parts = weights + parameter.numel(), parts + 1
        if weights > MAX_WEIGHTS or parts > MAX_PARTS:
            raise SettingError(f"`model`: more than {MAX_WEIGHTS:,} weights, or {MAX_PARTS:,} layers", hint=_HINT)

    def applied(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if (size := _values(module, inputs)) > MAX_FEATURES:
            raise SettingError(f"`model`: a layer makes {size:,} values of one image", hint=_HINT)

    with ExitStack() as stack:
        for handle in (
            hooks.register_module_parameter_registration_hook(built),
            hooks.register_module_forward_pre_hook(applied),
        ):
            stack.callback(handle.remove)
        yield


def _values(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """How many values a layer will compute from its input."""
    if isinstance(module, nn.Conv2d):
        height, width = (math.ceil(s / by) for s, by in zip(inputs[0].shape[-2:], module.stride, strict=True))
        return module.out_channels * height * width
    if isinstance(module, nn.Linear):
        return inputs[0].numel() // max(1, module.in_features) * module.out_features
    return 0
