"""Pretrained backbones of timm that are worth a first try, by what timm itself knows of them, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from facetwise.core.records.shelf import PretrainedBackbone
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


def backbones_to_try(memory: float) -> list[PretrainedBackbone]:
    """Those of `NAMES` whose training takes at most `memory` GiB beside the activations, the smallest first."""
    fitting = [known for known in _all() if known.training_bytes <= memory * 2**30]
    return sorted(fitting, key=lambda known: known.num_weights)


def _all() -> Iterator[PretrainedBackbone]:
    for name in NAMES:
        height, width = own_size(name)
        weights = sum(prod(shape) for shape in whole_names(name).values())
        licence = hub_origin(name)[1]
        yield PretrainedBackbone(name=name, licence=licence, num_weights=weights, height=height, width=width)
