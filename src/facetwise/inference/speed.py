"""How fast this machine works with a backbone: measured once for each, and kept in the user's cache."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from facetwise.core.errors import SettingError
from facetwise.core.files.writing import write_atomic
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.progress import Progress
from facetwise.core.records.provenance import machine, versions
from facetwise.core.records.shelf import PretrainedBackbone, cache_folder
from facetwise.core.workspace import lock
from facetwise.inference.choices import Choices, autocast, make_choices
from facetwise.model.backbone import build_network
from facetwise.model.heads import head_layout
from facetwise.recipe.duration import Duration
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.train import TrainSpec

BATCH = 4
PATIENCE = 2.0
"""Seconds after which a backbone is not timed again."""
_LAYOUT = head_layout(MultiLabelHead(), LabelSpace((Attribute("a", ("x", "y")),)))


def with_speeds(
    backbones: Sequence[PretrainedBackbone], *, measure: bool = False, progress: Progress | None = None
) -> list[PretrainedBackbone]:
    """The backbones with what is known of their speed here; with `measure` those not known are measured and kept.

    A speed is of this processor or GPU, its threads and this torch, of `size` and of what the weights are for.
    """
    kept, found = _Kept(), []
    for number, backbone in enumerate(backbones):
        if measure and kept.speed(backbone) is None:
            kept.add(backbone, _measured(backbone))
        found.append(backbone.changed(images_per_second=kept.speed(backbone)))
        if progress is not None:
            progress(number + 1, len(backbones))
    return found


class _Kept:
    """The file of speeds; what cannot be read of it is measured again."""

    def __init__(self) -> None:
        self.path = cache_folder() / "speeds.json"
        self.speeds = _read(self.path)

    def speed(self, backbone: PretrainedBackbone) -> float | None:
        return self.speeds.get(_key(backbone))

    def add(self, backbone: PretrainedBackbone, speed: float) -> None:
        with lock(self.path.with_suffix(".lock"), f"{self.path}"):
            self.speeds = {**_read(self.path), _key(backbone): speed}
            write_atomic(self.path, json.dumps(self.speeds, indent=1) + "\n")


def _read(path: Path) -> dict[str, float]:
    with suppress(OSError, ValueError):
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and all(isinstance(speed, int | float) and speed >= 0 for speed in data.values()):
            return data
    return {}


def _choices(backbone: PretrainedBackbone) -> Choices:
    return make_choices(TrainSpec(length=Duration(1, "ep")), ModelSpec(backbone=backbone.name))


def _key(backbone: PretrainedBackbone) -> str:
    choices = _choices(backbone)
    gpu = torch.cuda.get_device_name() if choices.device.value == "cuda" else None
    where = [gpu or machine()["processor"], choices.threads.value, choices.precision.value, versions().get("torch")]
    return json.dumps([backbone.name, *backbone.size, backbone.task, *where])


def _measured(backbone: PretrainedBackbone) -> float:
    """Images a second, the best of some passes after a first one; 0 for a backbone that cannot take the size."""
    choices = _choices(backbone)
    device = torch.device(choices.device.value)
    frozen = backbone.task == "frozen"
    spec = ModelSpec(backbone=backbone.name, freeze="backbone" if frozen else 0)
    try:
        network = build_network(spec, _LAYOUT, *backbone.size)
    except SettingError:
        return 0.0
    network = network.to(device).to(memory_format=torch.channels_last).train(not frozen)
    images = torch.randint(0, 256, (BATCH, 3, *backbone.size), device=device).float()
    images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, fused=True)
    seconds = list[float]()
    started = time.perf_counter()
    while len(seconds) < 2 or (len(seconds) < 5 and time.perf_counter() - started < PATIENCE):
        before = time.perf_counter()
        _pass(network, images, None if frozen else optimizer, choices.precision.value)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - before)
    return round(BATCH / min(seconds[1:]), 2)


def _pass(network: nn.Module, images: torch.Tensor, optimizer: torch.optim.Optimizer | None, precision: str) -> None:
    """A pass as in training: forward alone for features, else a whole step."""
    with torch.set_grad_enabled(optimizer is not None):
        with autocast(images.device, precision):
            outputs = network(images)
        if optimizer is not None:
            optimizer.zero_grad(set_to_none=True)
            outputs.float().square().mean().backward()
            optimizer.step()
