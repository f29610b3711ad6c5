"""A softmax over the classes, and one sigmoid per class, which replaces it under a binary loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from facetwise.model.blocks.block import Block


class Softmax(Block):
    """A logit a class."""

    kind = "softmax"
    refused: ClassVar[Mapping[str, str]] = {
        "binary": "`binary` wants `{name}` as one sigmoid a class, another term wants a softmax; mix `binary` with "
        "`soft-f1` only, or take it over attributes of the kind `ordinal`"
    }

    @classmethod
    def as_yes_or_no(cls) -> type[Block]:
        """One sigmoid a class."""
        return Sigmoid

    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K)."""
        return log_softmax(logits, dim=1)

    def scores(self, logits: Tensor) -> Tensor:
        """The logits themselves."""
        return logits


class Sigmoid(Block):
    """A logit a class, each against the rest."""

    kind = "sigmoid"

    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K): the sigmoids renormalised."""
        return log_softmax(logsigmoid(logits), dim=1)

    def yes(self, targets: Tensor) -> Tensor:
        """The probability of each class."""
        return targets
