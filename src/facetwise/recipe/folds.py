"""Which people each model trains on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facetwise.recipe.strict import RecipeSpec


class FoldsSpec(RecipeSpec):
    """Cross-validation, a hold-out, or all people."""

    plan: Annotated[int, Field(ge=2, le=20)] | Literal["holdout", "none"] = 5
    """Number of folds; `holdout` trains one model and validates on fold 0; `none` trains one model on all people."""
    name: str = "default"
    """The saved folds to use (`facetwise folds --name NAME`)."""
