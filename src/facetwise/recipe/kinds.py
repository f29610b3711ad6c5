"""A family's default kind: what a section without a name is, so that `--set loss.smoothing=0.1` needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator


def default_kind(name: str) -> BeforeValidator:
    """For the annotation of a family whose sections may leave out their `name`."""

    def named(section: Any) -> Any:
        return {"name": name, **section} if isinstance(section, Mapping) else section

    return BeforeValidator(named)
