"""What converted weights are compared with: the network that they were made for, where it can be run here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from facetwise.core.errors import InputError
from facetwise.model.backbone import own_size, whole_model
from facetwise.model.conversion import BY_NAME, Converted
from facetwise.model.families import torchvisions

TOLERANCE = 1e-4
"""Largest difference of outputs, as a share of the largest output; other orders of the same sums differ by 1e-6."""


def compared(found: Converted, tensors: Mapping[str, Tensor], backbone: str) -> str:
    """What the outputs of the converted network were compared with, in words.

    `tensors`: those that were converted, by the file's names. Raises InputError when the outputs are no numbers, or
    when torchvision's network of these names gives others.
    """
    images = torch.randn(2, 3, *own_size(backbone), generator=torch.Generator().manual_seed(0))
    if not bool(_outputs(found.backbone, images).isfinite().all()):
        raise InputError("the network made of its weights gives no numbers", hint="the file may be damaged")
    num_classes = found.num_classes
    source = None if num_classes is None else torchvision_network(backbone, tensors, num_classes)
    if source is None or num_classes is None:
        if found.matched == BY_NAME:
            return "nothing: it has timm's own names and shapes"
        return "nothing: the network that it was made for cannot be run here"
    model = whole_model(backbone, num_classes)
    model.load_state_dict({**found.backbone.state_dict(), **found.head})
    theirs, ours = _outputs(source, images), _outputs(model, images)
    difference = float((theirs - ours).abs().max() / theirs.abs().max())
    if not difference <= TOLERANCE:
        raise InputError(
            f"torchvision's network with these weights gives other outputs than `{backbone}`: they differ by "
            f"{difference:.2g} of the largest",
            hint="name another backbone with `--as`",
        )
    return f"torchvision's network, outputs of two images: largest difference {difference:.1g} of the largest"


def torchvision_network(backbone: str, tensors: Mapping[str, Tensor], num_classes: int) -> nn.Module | None:
    """torchvision's network of these names with these weights; None when there is none."""
    network = torchvisions(backbone, num_classes)
    if network is None:
        return None
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError:  # names or shapes are of somebody else
        return None
    return network


@torch.inference_mode()
def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    found: Tensor = network.eval()(images)
    return found
