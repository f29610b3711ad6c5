"""What is minimised."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facetwise.core.settings import Spec


class CrossEntropy(Spec):
    """Cross-entropy of each block of the head, averaged over the blocks."""

    @property
    def short(self) -> str:
        """How run names call it."""
        return "CE_LS" if self.smoothing else "CE"

    name: Literal["cross-entropy"] = "cross-entropy"
    """The kind of loss."""
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Label smoothing: this share of the target is spread evenly over all classes (Szegedy et al. 2016, sec. 7)."""
    prior: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Logit adjustment: while training, `prior` times the log share of each class is added to its logit, so that the
    network leans to rare classes, as macro F1 does (Menon et al. 2021, eq. 10; 1 is balanced, 0 is plain)."""


Loss = CrossEntropy
