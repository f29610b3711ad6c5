"""Provenance of an artefact: versions, commit, machine. It holds no local paths and no names of people."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("facetwise", "numpy", "pillow", "simplejpeg", "polars", "scikit-learn", "torch", "timm")


def now() -> str:
    """The time now, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance() -> dict[str, Any]:
    """Plain data: time, versions, commit, machine."""
    return {"made": now(), "versions": versions(), "commit": commit(), "machine": machine()}


def versions() -> dict[str, str]:
    """Installed versions of the packages that affect results."""
    return {"python": platform.python_version(), **{p: v for p in PACKAGES if (v := _version(p))}}


def commit() -> str | None:
    """The commit of facetwise's source, with `+changed` when the tree differs; None outside a checkout.

    Installed inside another project's repository (in its `.venv`, or as a copy), there is none: that commit is not
    ours.
    """
    root = Path(__file__).resolve().parents[4]  # of `src/facetwise/core/records/provenance.py`
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:
        return None
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    return head and head + ("+changed" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
