"""What `facetwise doctor` looks at on the machine: versions, extras, device, weights."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from facetwise.core.records.provenance import machine, versions
from facetwise.core.text.counting import in_bytes
from facetwise.upkeep.doctor_lines import Check, DoctorLine

EXTRAS = {"train": "training and prediction; all else works without it"}
"""What each extra brings, for people."""
GPU_FILE = Path("/dev/nvidia0")
"""Exists when the system has an NVIDIA GPU and a driver, independent of torch."""
TRUE_WORDS = {"1", "on", "yes", "true"}


def checks() -> dict[str, Check]:
    """Topic -> check, in the order of the report."""
    return {"python": _python, "extras": _extras, "device": device, "weights": _weights}


def _python() -> Iterator[DoctorLine]:
    yield DoctorLine("python", "ok", ", ".join(f"{name} {number}" for name, number in versions().items()))


def _extras() -> Iterator[DoctorLine]:
    for extra, brings in EXTRAS.items():
        lacking = [p for p in packages_of(extra) if not is_installed(p)]
        if lacking:
            message = f"extra `{extra}` is not installed (lacks {', '.join(lacking)}): {brings}"
            yield DoctorLine("extras", "warning", message, f"install it with `pip install 'facetwise[{extra}]'`")
        else:
            yield DoctorLine("extras", "ok", f"extra `{extra}` is installed")


def packages_of(extra: str) -> list[str]:
    """Names of the packages that an extra of facetwise requires, from its metadata."""
    found = (re.match(rf"([\w.-]+).*;.*\bextra == ['\"]{extra}['\"]", line) for line in requires("facetwise") or ())
    return [match.group(1) for match in found if match]


def is_installed(package: str) -> bool:
    """Whether a distribution called `package` is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def device() -> Iterator[DoctorLine]:
    """Cores and memory, and what torch can compute on; loads torch when it is installed."""
    here = machine()
    yield DoctorLine("device", "ok", f"{here['cores']} cores, {here['memory_gib']} GiB memory, {here['processor']}")
    if not is_installed("torch"):
        return  # the missing extra is reported
    try:
        import torch
    except (ImportError, OSError) as error:
        hint = "install it again: `pip install --force-reinstall torch torchvision`"
        yield DoctorLine("device", "problem", f"torch is installed but does not load: {error}", hint)
        return
    yield from gpus(torch)


def gpus(torch: Any) -> Iterator[DoctorLine]:
    """The GPUs that the module `torch` can use, or why it uses none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index in range(num_devices):
        about = torch.cuda.get_device_properties(index)
        yield DoctorLine("device", "ok", f"GPU {index}: {about.name}, {in_bytes(about.total_memory)}")
    if num_devices:
        return
    if GPU_FILE.exists():
        why = str(caught[0].message) if caught else f"torch {torch.__version__} was built without it"
        hint = "update the driver, or install the torch build that fits it"
        yield DoctorLine("device", "warning", f"there is a GPU, but torch cannot use it: {why}", hint)
    else:
        yield DoctorLine("device", "ok", "no GPU: training runs on the processor", "start with `cpu-tiny`")


def weights_folder() -> Path:
    """Where timm keeps downloaded weights: the Hugging Face cache, wherever its variables put it."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or caches / "huggingface") / "hub"


def _weights() -> Iterator[DoctorLine]:
    folder = weights_folder()
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE_WORDS
    models = sorted(folder.glob("models--*")) if folder.is_dir() else []
    if models:
        held = sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
        yield DoctorLine("weights", "ok", f"{len(models)} cached models in {folder} ({in_bytes(held)})")
    elif offline:
        message = f"`HF_HUB_OFFLINE` is set and {folder} has no models: pretrained weights cannot be loaded"
        hint = "unset it, or give `model.weights` a file, or train from scratch with `model.weights` = `none`"
        yield DoctorLine("weights", "warning", message, hint)
    else:
        yield DoctorLine("weights", "ok", f"no cached models in {folder}: pretrained weights need the network once")
    if models and offline:
        yield DoctorLine("weights", "ok", "`HF_HUB_OFFLINE` is set: only cached models can be loaded")
