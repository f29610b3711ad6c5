"""Which people each model trains on."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from facetwise.core.files.settings import Spec
from facetwise.core.text.spelling import normal

FOLDS_NAME = re.compile(r"[^\W_][\w.-]*")
"""What can name folds."""


class FoldsSpec(Spec):
    """Cross-validation, a hold-out, or all people."""

    plan: Annotated[int, Field(ge=2, le=20)] | Literal["holdout", "none"] = 5
    """Number of folds; `holdout` trains one model and validates on fold 0; `none` trains one model on all people."""
    name: str = "default"
    """The saved folds to use (`facetwise folds --name NAME`)."""

    @field_validator("name")
    @classmethod
    def _can_name_folds(cls, name: str) -> str:
        if not FOLDS_NAME.fullmatch(normal(name)):
            raise ValueError("cannot name folds; letters, digits, `.`, `_` and `-`, a letter first")
        return name
