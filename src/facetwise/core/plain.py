"""Conversion to JSON data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any


def plain(value: Any) -> Any:
    """Convert to JSON data: tuples to lists, non-finite numbers to None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


class Plain:
    """A frozen dataclass with plain JSON data: each field under its name."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {name: plain(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]
