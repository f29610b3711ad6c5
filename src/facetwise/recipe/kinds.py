"""Default kind of a section without `name`, so that `--set loss.smoothing=0.1` works by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator


def default_kind(name: str) -> BeforeValidator:
    """A validator for sections that may omit their `name`."""

    def named(section: Any) -> Any:
        return {"name": name, **section} if isinstance(section, Mapping) else section

    return BeforeValidator(named)
