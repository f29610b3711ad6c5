"""Backbones: the only place that knows timm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.model.heads import HeadLayout
from facetwise.model.small import SmallResNet
from facetwise.recipe.model import ModelSpec

SMALL = "small_resnet"
"""The one backbone that is ours; every other name is timm's."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Network(nn.Module):
    """Backbone, dropout and one linear layer.

    Takes images (n, 3, height, width) of 0 to 255 in any floating type, returns logits (n, d). Normalisation belongs
    to the network, so that it travels with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, num_features: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        cfg = getattr(backbone, "pretrained_cfg", {})
        self.register_buffer("mean", 255 * torch.tensor(cfg.get("mean", _IMAGENET_MEAN)).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(cfg.get("std", _IMAGENET_STD)).view(1, 3, 1, 1))
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(num_features, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, d)."""
        features = self.backbone((images - self.mean) / self.std)
        logits: Tensor = self.head(self.dropout(features))
        return logits


def build_network(spec: ModelSpec, layout: HeadLayout, height: int, width: int) -> Network:
    """A new network; first weights come from torch's global generator.

    Raises SettingError for an unknown backbone or argument, InputError for weights that cannot be loaded.
    """
    backbone = _create(spec, height, width)
    num_features = _check_features(backbone, spec, height, width)
    return Network(backbone, num_features, layout.num_outputs, spec.dropout)


def _create(spec: ModelSpec, height: int, width: int) -> nn.Module:
    if spec.backbone == SMALL:
        return _create_small(spec)
    _check_name(spec.backbone)
    arguments: dict[str, Any] = {**spec.args, "num_classes": 0, **_weight_arguments(spec)}
    try:
        return _create_sized(spec.backbone, height, width, arguments)
    except (TypeError, AssertionError) as error:
        raise SettingError(
            f"`model`: timm cannot make `{spec.backbone}` with {spec.args}: {error}",
            hint="arguments of another backbone? leave them out with `--set model.args={}`" if spec.args else None,
        ) from None
    except (OSError, RuntimeError, SafetensorError) as error:
        raise _no_weights(spec, error) from None


def _create_small(spec: ModelSpec) -> nn.Module:
    if spec.weights != "none":
        raise SettingError(f"`model.weights`: `{SMALL}` has no pretrained weights", hint="use `none`")
    try:
        return SmallResNet(**spec.args)  # type: ignore[arg-type]
    except TypeError as error:
        raise SettingError(f"`model.args`: `{SMALL}` cannot be made: {error}") from None


def _create_sized(name: str, height: int, width: int, arguments: dict[str, Any]) -> nn.Module:
    """Models with position embeddings must be told the size; the others reject the argument."""
    try:
        return timm.create_model(name, img_size=(height, width), **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return timm.create_model(name, **arguments)


def _check_name(name: str) -> None:
    plain = name.split("/")[-1].split(".")[0]
    if not timm.is_model(plain):
        raise SettingError(f"`model.backbone`: timm has no `{name}`", hint=_similar(plain))


def _similar(name: str) -> str:
    known = timm.list_models()
    return did_you_mean(name, known).split("allowed:")[0].rstrip() or "`timm.list_models()` lists all names"


def _weight_arguments(spec: ModelSpec) -> dict[str, Any]:
    if spec.weights == "none":
        return {"pretrained": False}
    if spec.weights == "hub":
        return {"pretrained": True}
    path = Path(spec.weights)
    if not path.is_file() or path.suffix != ".safetensors":
        raise InputError(
            f"`model.weights`: {spec.weights} is not a .safetensors file",
            hint="give `none`, `hub`, or a .safetensors file of this backbone (pickled weights are refused)",
        )
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}


def _no_weights(spec: ModelSpec, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return InputError(
        f"`model.weights`: no weights for `{spec.backbone}` from `{spec.weights}`: {reason}",
        hint="offline? download them elsewhere and give the .safetensors path, or train with `model.weights=none`",
    )


def _check_features(backbone: nn.Module, spec: ModelSpec, height: int, width: int) -> int:
    """Width of the pooled features, by one forward pass of zeros."""
    training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(torch.zeros(1, 3, height, width))
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"`input`: `{spec.backbone}` cannot take {height}x{width} images: {error}") from None
    finally:
        backbone.train(training)
    if features.ndim != 2:
        raise SettingError(f"`model.backbone`: `{spec.backbone}` gives no feature vector an image")
    return int(features.shape[1])
