"""Backbones and optimizers by name; the only module that imports timm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.text.counting import listed
from facetwise.model.blocks.layer import output_layer
from facetwise.model.heads import HeadLayout
from facetwise.model.limits import within_limits
from facetwise.model.network import IMAGENET_MEAN, IMAGENET_STD
from facetwise.model.network import Network as Network
from facetwise.model.small import SmallResNet
from facetwise.model.weights import (
    Weights,
    differing_keys,
    fit_positions,
    hub_file,
    load_fitting,
    read_weights,
    unused,
)
from facetwise.recipe.model import SMALL, ModelSpec, SmallArgs


def build_network(spec: ModelSpec, layout: HeadLayout, height: int, width: int) -> Network:
    """A new network, initialised from torch's global generator.

    Raises SettingError for an unknown backbone or argument, InputError for weights that cannot be loaded.
    """
    weights = _weights(spec)
    with within_limits():
        backbone = _create_small(spec, weights) if spec.backbone == SMALL else _create(spec, weights, height, width)
        num_features = _check_features(backbone, spec, height, width)
    network = Network(backbone, output_layer(layout.blocks, num_features), spec.dropout)
    if weights is not None:
        network.load_state_dict(weights.normalisation, strict=False)
    if spec.freeze:
        network.freeze(layer_ids(backbone, coarse=True), spec.freeze)
    if spec.freeze_norms:
        network.freeze_norms(spec.backbone)
    if spec.activation_checkpointing:
        network.checkpoint_activations(spec.backbone)
    return network


def layer_ids(backbone: nn.Module, *, coarse: bool = False) -> dict[str, int]:
    """Weight name -> number of its layer, from 0 (the stem); a layer is a block, or a stage if `coarse`, as timm groups
    them.

    A few of timm's models (PiT) have no groups: there the numbers in the weights' names decide.
    """
    matcher: Any = getattr(backbone, "group_matcher", None)
    if matcher is None:
        return _numbered([name for name, _ in backbone.named_parameters()], 1 if coarse else 2)
    ids: dict[str, int] = group_parameters(backbone, matcher(coarse=coarse), reverse=True)
    return ids


def _numbered(names: list[str], depth: int) -> dict[str, int]:
    """Layers by the prefix up to the `depth`-th number of a name, in the names' order; weights without a number belong
    to the layer before them."""
    layers, found = dict[str, int](), dict[str, int]()
    for name in names:
        numbers = list(re.finditer(r"\.\d+(?=\.)", name))[:depth]
        if numbers:
            found.setdefault(name[: numbers[-1].end()], len(found) + 1)
        layers[name] = found[name[: numbers[-1].end()]] if numbers else len(found)
    return layers


def input_statistics(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, as shares of 255, that timm knows for this name; ImageNet's for another."""
    cfg = _published(backbone)
    return (IMAGENET_MEAN, IMAGENET_STD) if cfg is None else (cfg.mean, cfg.std)


def mean_colour(backbone: str) -> tuple[float, float, float]:
    """What a network of this backbone subtracts from images of 0 to 255; ImageNet's mean for a name without another."""
    red, green, blue = (255.0 * share for share in input_statistics(backbone)[0])
    return red, green, blue


def hub_origin(backbone: str) -> tuple[str | None, str | None]:
    """The repository of `weights = "hub"` and its licence, as far as timm knows them."""
    cfg = _published(backbone)
    return (None, None) if cfg is None else (cfg.hf_hub_id, cfg.license)


def own_size(backbone: str) -> tuple[int, int]:
    """Height and width that a timm model was made for."""
    cfg = _published(backbone) or timm.models.PretrainedCfg()
    return int(cfg.input_size[1]), int(cfg.input_size[2])


def _published(backbone: str) -> timm.models.PretrainedCfg | None:
    """What timm knows of its pretrained weights of this name; None where there are none."""
    try:
        return timm.get_pretrained_cfg(backbone, allow_unregistered=False)
    except RuntimeError:  # no such tag
        return None


# ------------------------------------------------------------------------------------------------ making a backbone


def _create_small(spec: ModelSpec, weights: Weights | None) -> nn.Module:
    args = SmallArgs.model_validate(spec.args)
    backbone = SmallResNet(args.stem, args.widths, args.depths, spec.drop_path)
    if weights is not None:
        try:
            backbone.load_state_dict(weights.tensors)
        except RuntimeError as error:
            raise _no_weights(spec, error) from None
    return backbone


def _create(spec: ModelSpec, weights: Weights | None, height: int, width: int) -> nn.Module:
    arguments: dict[str, Any] = {**spec.args, "num_classes": 0}
    if spec.drop_path:
        arguments["drop_path_rate"] = spec.drop_path
    plain = _create_plain(spec, height, width, arguments)
    if weights is None:
        return plain
    head = head_parts(spec.backbone, spec.args) if unused(weights.tensors, plain.state_dict()) else ()
    tensors = {name: tensor for name, tensor in weights.tensors.items() if not name.startswith(head)}
    if load_fitting(plain, tensors):
        return plain
    return _create_converted(spec, fit_positions(tensors, plain), height, width, arguments)


def head_parts(backbone: str, args: dict[str, Any]) -> tuple[str, ...]:
    """How the names begin of what a timm model has for its classes and its backbone has not, such as `head.fc.`."""
    whole, bare = (set(_outline(backbone, args, num_classes)) for num_classes in (1, 0))
    return tuple(sorted({name.rpartition(".")[0] + "." for name in whole - bare}))


def has_grouped_convolutions(spec: ModelSpec) -> bool:
    """Whether a backbone convolves some channels apart from others, as depthwise convolutions do."""
    if spec.backbone == SMALL:
        return False
    arguments: dict[str, Any] = {**spec.args, "num_classes": 0}
    with torch.device("meta"):
        model = timm.create_model(spec.backbone, **arguments)
    return any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in model.modules())


def whole_names(backbone: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a timm model's weights in its order, its head for one class."""
    return _outline(backbone, {}, 1)


def _outline(backbone: str, args: dict[str, Any], num_classes: int) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):  # nothing is drawn or filled
        model = timm.create_model(backbone, **{**args, "num_classes": num_classes})
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def bare_model(backbone: str) -> nn.Module:
    """A timm model without a head, at its own size."""
    with within_limits():
        made: nn.Module = timm.create_model(backbone, num_classes=0)
    return made


def whole_model(backbone: str, num_classes: int) -> nn.Module:
    """A timm model with a head of its own kind, at its own size."""
    made: nn.Module = timm.create_model(backbone, num_classes=num_classes)
    return made


def converted_by_timm(backbone: str, tensors: dict[str, Tensor]) -> nn.Module:
    """A bare model with weights that timm renames as it does with those it knows; raises InputError."""
    return _create_converted(ModelSpec(backbone=backbone, weights=""), tensors, *own_size(backbone), {"num_classes": 0})


def _create_converted(
    spec: ModelSpec, tensors: dict[str, Tensor], height: int, width: int, arguments: dict[str, Any]
) -> nn.Module:
    """Let timm rename and resize tensors that do not fit, as it does with its own downloads."""
    if not tensors:  # timm would take its own from the hub
        raise _no_weights(spec, KeyError("the file has no tensor of a backbone"))
    overlay = {"state_dict": tensors, "custom_load": False}
    try:
        with differing_keys() as differing:
            backbone = _create_sized(
                spec.backbone, height, width, {**arguments, "pretrained": True, "pretrained_cfg_overlay": overlay}
            )
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise _no_weights(spec, error) from None  # timm's conversions expect the names that they convert
    left_over = [] if spec.weights == "hub" else unused(differing.unexpected, ())  # timm knows what it publishes
    if differing.missing or left_over:
        raise _no_weights(spec, KeyError(_differences(differing.missing, left_over)))
    cfg: Any = backbone.pretrained_cfg
    cfg.pop("state_dict")  # else every copy of the network would copy the file's tensors too
    return backbone


def _differences(missing: list[str], left_over: list[str]) -> str:
    """Which weights only a file or only a backbone has."""
    missing, left_over = ([f"`{name}`" for name in names] for names in (missing, left_over))
    parts = [f"the file has no {listed(missing)}"] if missing else []
    parts += [f"the backbone has no {listed(left_over)}, which the file has"] if left_over else []
    return "; ".join(parts) + ": it is of another network"


def _create_plain(spec: ModelSpec, height: int, width: int, arguments: dict[str, Any]) -> nn.Module:
    _check_name(spec.backbone)
    try:
        return _create_sized(spec.backbone, height, width, arguments)
    except (TypeError, AssertionError, RuntimeError) as error:
        if "drop_path_rate" in str(error) and spec.drop_path:
            raise SettingError(f"`model.drop_path`: `{spec.backbone}` has no stochastic depth") from None
        raise SettingError(
            f"`model`: timm cannot make `{spec.backbone}` with {spec.args}: {error}",
            hint="arguments of another backbone? leave them out with `--set model.args={}`" if spec.args else None,
        ) from None


def _create_sized(name: str, height: int, width: int, arguments: dict[str, Any]) -> nn.Module:
    """Pass the image size to models with position embeddings; the others reject the argument."""
    try:
        return timm.create_model(name, img_size=(height, width), **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return timm.create_model(name, **arguments)


def check_pretrained(backbone: str) -> None:
    """Raise SettingError unless timm may have weights for this name."""
    if backbone == SMALL:
        raise SettingError(
            f"`{SMALL}` has no pretrained weights", hint="`model.weights` takes `none`, or a run's file by its path"
        )
    _check_name(backbone)


def _check_name(name: str) -> None:
    if ":" in name or not timm.is_model(name.split(".")[0]):
        hint = _similar(name.split("/")[-1].split(".")[0], timm.list_models())
        raise SettingError(
            f"`model.backbone`: timm has no `{name}`", hint=hint or "`timm.list_models()` lists all names"
        )
    if "." in name and _published(name) is None:
        model, _, tag = name.partition(".")
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{model}.*")]
        raise SettingError(
            f"`model.backbone`: timm has no `{tag}` of `{model}`",
            hint=did_you_mean(tag, tags) if tags else "leave it out",
        )


def _similar(name: str, known: list[str]) -> str:
    return did_you_mean(name, known).split("allowed:")[0].rstrip()


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


# ---------------------------------------------------------------------------------------------------- first weights


def _weights(spec: ModelSpec) -> Weights | None:
    if spec.weights == "none":
        return None
    if spec.weights != "hub":
        return read_weights(Path(spec.weights))
    try:
        return read_weights(hub_weights(spec.backbone))
    except InputError as error:
        what = f"`model.weights`: no weights for `{spec.backbone}` from `hub`: {error}"
        raise InputError(what, hint=error.hint) from None


def hub_weights(backbone: str) -> Path:
    """The file of `weights = "hub"` in the local cache; downloaded if it is not there.

    Raises SettingError for a backbone that timm does not have, InputError when the hub has no weights or does not
    answer.
    """
    check_pretrained(backbone)
    repository, _ = hub_origin(backbone)
    if not repository:
        raise InputError("timm has none there", hint="another tag or backbone, a file, or `model.weights=none`")
    return hub_file(repository)


def _no_weights(spec: ModelSpec, error: Exception) -> InputError:
    lines = [line.strip() for line in str(error.args[0] if error.args else error).strip().splitlines()]
    reason = " ".join(lines[:3])[:300] or type(error).__name__
    return InputError(
        f"`model.weights`: no weights for `{spec.backbone}` from `{spec.weights}`: {reason}",
        hint="give a file of this backbone, made with the same `model.args`, or train with `model.weights=none`",
    )


# ------------------------------------------------------------------------------------------------------- optimizers


def timm_optimizer(
    name: str, groups: list[dict[str, Any]], lr: float, weight_decay: float, args: dict[str, Any]
) -> torch.optim.Optimizer:
    """One of timm's optimizers; raises SettingError for an unknown name, and for one with which a resumed run would
    differ."""
    import timm.optim  # here, since predicting needs none

    optimizers: Any = timm.optim  # its types do not export its functions
    known = [str(known) for known in optimizers.list_optimizers()]
    if name not in known:
        hint = _similar(name, known) or "`timm.optim.list_optimizers()` lists all names"
        raise SettingError(f"`optimizer.optimizer`: timm has no `{name}`", hint=hint)
    info = optimizers.get_optimizer_info(name)
    if info.second_order:
        raise SettingError(f"`optimizer.optimizer`: `{name}` needs second derivatives, which are not computed")
    if getattr(info.opt_class, "__name__", "") == "Kron":
        raise SettingError(
            f"`optimizer.optimizer`: `{name}` draws random numbers of its own, so that a resumed run would differ"
        )
    try:
        made = optimizers.create_optimizer_v2(groups, opt=name, lr=lr, weight_decay=weight_decay, **args)
    except (TypeError, ValueError, AssertionError, ImportError) as error:
        raise SettingError(f"`optimizer`: timm cannot make `{name}` with {args}: {error}") from None
    optimizer: torch.optim.Optimizer = made
    return optimizer
