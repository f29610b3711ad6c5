"""Networks of other libraries that are timm's by other names: what they are called there, and their tensors' order."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_TORCHVISION = {"mobilenetv2_100": "mobilenet_v2"}
"""timm's name -> torchvision's, where they differ and the tensors are the same in order."""
EFFICIENTNET_PYTORCH = ("_conv_stem.", "_blocks.")
"""How names begin in efficientnet-pytorch, and nowhere else."""
_ITS_ORDER = (
    *("_conv_stem", "_expand_conv", "_bn0", "_depthwise_conv", "_blocks", "_conv_head", "_bn1"),
    *("_se_reduce", "_se_expand", "_project_conv", "_bn2", "_fc", "weight", "bias", "running_mean", "running_var"),
)
"""Parts of its names: of those that stand beside each other the one that comes first in the network."""


def torchvisions(backbone: str, num_classes: int = 1) -> nn.Module | None:
    """torchvision's network for a timm backbone, untrained; None when there is none."""
    from torchvision.models import get_model, list_models  # type: ignore[import-untyped]

    name = backbone.split(".")[0].removeprefix("tf_")  # its weights in a `tf_` network would give other outputs
    name = _TORCHVISION.get(name, name)
    found: nn.Module | None = get_model(name, weights=None, num_classes=num_classes) if name in list_models() else None
    return found


def in_their_order(tensors: Mapping[str, Tensor], backbone: str) -> Mapping[str, Tensor]:
    """Tensors of torchvision's or efficientnet-pytorch's names in the order of their network, which a safetensors file
    does not keep; all others as they are."""
    if any(name.startswith(EFFICIENTNET_PYTORCH) for name in tensors):
        return {name: tensors[name] for name in sorted(tensors, key=_place)}
    with torch.device("meta"):
        theirs = torchvisions(backbone)
    names = [] if theirs is None else [name for name in theirs.state_dict() if name in tensors]
    return {name: tensors[name] for name in names} if len(names) == len(tensors) else tensors


def _place(name: str) -> list[int]:
    """Where a tensor stands in a network of efficientnet-pytorch; parts of a name that are not known come last."""
    ranks = {part: rank for rank, part in enumerate(_ITS_ORDER)}
    return [int(part) if part.isdigit() else ranks.get(part, len(ranks)) for part in name.split(".")]
