"""The base class of recipe settings: values must have the declared type and are never converted.

A run must do what its recipe says, so `"3"` and `true` are not numbers, `1` is not `true` and `3.0` is not an integer.
An integer is accepted where any number is.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from facetwise.core.files.settings import Spec


class RecipeSpec(Spec):
    """As `Spec`, and strict."""

    model_config = ConfigDict(strict=True)


LISTED: Any = Field(strict=False)
"""For annotations of tuples, which are read from TOML lists. Their items stay strict."""
