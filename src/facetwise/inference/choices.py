"""Automatic choices for the machine, made once, recorded in the run with their reason, and reused on resume.

They are rules, not timings, so that the same kind of machine always makes the same choices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch

from facetwise.core.errors import SettingError
from facetwise.core.records.run import ChoiceRecord
from facetwise.model.backbone import has_grouped_convolutions
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.train import TrainSpec

TENSOR_CORES = (7, 0)
"""The first compute capability whose fp16 is much faster: Volta's. Those from 8.0 on have bf16 too."""


@dataclass(frozen=True)
class Choice:
    """A value and the reason for it."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Choices:
    """How this machine trains this run."""

    device: Choice
    precision: Choice
    channels_last: Choice
    threads: Choice

    def as_dict(self) -> dict[str, Any]:
        """JSON data for `run.json`."""
        return asdict(self)

    @classmethod
    def of(cls, recorded: Mapping[str, ChoiceRecord]) -> Choices:
        """The recorded choices of a run."""
        return cls(**{name: Choice(choice.value, choice.reason) for name, choice in recorded.items()})


def make_choices(spec: TrainSpec, model: ModelSpec, side_by_side: int = 1) -> Choices:
    """Choose device, precision, memory layout and threads for one of `side_by_side` processes training in parallel.

    Raises SettingError for a device that this machine does not have.
    """
    device = _device(spec.device)
    return Choices(
        device=device,
        precision=_precision(spec.precision, device.value, model),
        channels_last=Choice(True, "convolutions are faster on pixels whose channels lie together"),
        threads=_threads(side_by_side),
    )


def predicting(spec: TrainSpec) -> TrainSpec:
    """The settings with which every machine can predict: fp16, which only GPUs have, becomes `auto`."""
    return spec.model_copy(update={"precision": "auto"}) if spec.precision == "fp16" else spec


def _threads(side_by_side: int) -> Choice:
    found, reason = torch.get_num_threads(), "as torch found them: one a core, or OMP_NUM_THREADS"
    return (
        Choice(found, reason)
        if side_by_side == 1
        else Choice(max(1, found // side_by_side), f"{found} shared by {side_by_side} processes")
    )


def apply_choices(choices: Choices) -> torch.device:
    """Apply torch's global settings (threads, deterministic algorithms) and return the device."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts; needed for deterministic sums
    device = torch.device(_device(choices.device.value).value)
    torch.set_num_threads(choices.threads.value)
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    # Filling uninitialised memory costs 8 % of a step of `cpu-small` and would only reveal reads of it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """A context of the chosen precision."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _device(setting: str) -> Choice:
    has_gpu = torch.cuda.is_available()
    if setting == "auto":
        return Choice("cuda", "a GPU is here") if has_gpu else Choice("cpu", "no GPU is here")
    try:
        device = torch.device(setting)
    except RuntimeError:
        raise SettingError(f"`train.device`: `{setting}` is not a device", hint="`auto`, `cpu`, `cuda`") from None
    if device.type not in ("cpu", "cuda"):
        raise SettingError(f"`train.device`: `{setting}` is not supported", hint="`auto`, `cpu`, `cuda` or `cuda:1`")
    if device.type == "cuda" and not has_gpu:
        raise SettingError(
            f"`train.device`: `{setting}` was requested, but this machine has no GPU", hint="use `auto` or `cpu`"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingError(f"`train.device`: there is no `{setting}`, only {torch.cuda.device_count()} GPU(s)")
    return Choice(setting, "the recipe says so")


def _precision(setting: str, device: str, model: ModelSpec) -> Choice:
    if setting == "fp16" and not device.startswith("cuda"):
        raise SettingError(
            "`train.precision`: `fp16` is for GPUs", hint="`auto`, `fp32` or `bf16` where there is a processor only"
        )
    if setting not in ("auto", "fast"):
        return Choice(setting, "the recipe says so")
    if not device.startswith("cuda"):
        return _on_a_processor(setting, model)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Choice("bf16", "the GPU multiplies bf16 faster")
    if torch.cuda.get_device_capability(device) >= TENSOR_CORES:
        return Choice("fp16", "the GPU multiplies fp16 faster and has no bf16; the loss is scaled")
    return Choice("fp32", "the GPU multiplies neither bf16 nor fp16 faster")


def _on_a_processor(setting: str, model: ModelSpec) -> Choice:
    if setting == "auto":
        return Choice("fp32", "the same numbers on every processor but for the order of sums; `fast` may take bf16")
    if not torch.cpu._is_amx_tile_supported():
        return Choice("fp32", "the processor has no units that multiply bf16 (AMX)")
    if has_grouped_convolutions(model):
        return Choice("fp32", "bf16 is slower on a processor for convolutions in groups, as depthwise ones")
    return Choice("bf16", "the processor multiplies bf16 faster (AMX), and the network has no convolutions in groups")
