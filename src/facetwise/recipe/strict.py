"""The base of all settings of a recipe: a value is of the kind that is asked for, and nothing else is read as one.

What a run does must be what its recipe says, so `"3"` and `true` are no numbers, `1` is no `true` and `3.0` no whole
number. A whole number does where any number is asked for.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from facetwise.core.files.settings import Spec


class RecipeSpec(Spec):
    """As `Spec`, and strict."""

    model_config = ConfigDict(strict=True)


LISTED: Any = Field(strict=False)
"""For the annotation of a tuple: TOML has lists only, so it is read from one. What it holds stays strict."""
