"""Pretrained backbones of timm that are worth a first try, by what timm itself knows of them, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import prod

from facetwise.core.choices import WeightsTask
from facetwise.core.errors import DamagedError
from facetwise.core.records.shelf import PretrainedBackbone, ShelfRecord, Size, shelf_entries
from facetwise.model.backbone import hub_origin, own_size, whole_names

NAMES = (
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "tf_efficientnet_lite0.in1k",
    "mobilenetv2_100.ra_in1k",
    "efficientnet_b0.ra_in1k",
    "resnet18.a1_in1k",
    "convnextv2_nano.fcmae_ft_in22k_in1k",
    "tiny_vit_21m_224.dist_in22k_ft_in1k",
    "tf_efficientnetv2_s.in21k_ft_in1k",
    "vit_small_patch16_dinov3.lvd1689m",
    "convnext_small.in12k_ft_in1k",
    "vit_base_patch16_siglip_224.v2_webli",
    "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",
)
"""One or two a family, of several sizes. The choice is an opinion, and no measurement."""


def backbones_to_try(memory: float, task: WeightsTask, size: Size | None = None) -> list[PretrainedBackbone]:
    """Those of `NAMES` whose weights for `task` take at most `memory` GiB beside the activations, the smallest first.

    `size`: height and width of the images to come; by default those that each was made for.
    """
    fitting = [known for known in _all(task, size) if known.needed_bytes <= memory * 2**30]
    return sorted(fitting, key=lambda known: known.num_weights)


def _all(task: WeightsTask, size: Size | None) -> Iterator[PretrainedBackbone]:
    shelf = [*_on_shelf()]
    for name in NAMES:
        own = own_size(name)
        yield PretrainedBackbone(
            name=name,
            licence=hub_origin(name)[1],
            num_weights=sum(prod(shape) for shape in whole_names(name).values()),
            made_for=own,
            task=task,
            size=size or own,
            on_shelf=tuple(kept.name for kept in shelf if kept.backbone.split(".")[0] == name.split(".")[0]),
        )


def _on_shelf() -> Iterator[ShelfRecord]:
    """What is known of the weights on the shelf, damaged ones left out."""
    for entry in shelf_entries():
        with suppress(DamagedError):
            yield entry.record()
