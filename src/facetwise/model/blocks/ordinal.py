"""One score, cut into classes by ascending thresholds (McCullagh 1980, the proportional-odds model)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from facetwise.core.tables import score_column
from facetwise.model.blocks.block import Block


class Ordinal(Block):
    """K - 1 logits, the score minus each threshold: the sigmoid of logit k is the probability of a class above k.

    The last layer has one linear output, the score, and thresholds with mean zero (the score's bias moves them all).
    """

    kind = "ordinal"
    for_numbers = True
    is_linear = False
    num_scores = 1

    @property
    def num_outputs(self) -> int:
        """A logit a threshold."""
        return self.num_classes - 1

    @property
    def besides(self) -> tuple[str, ...]:
        """The score."""
        return (score_column(self.name),)

    @property
    def num_linear(self) -> int:
        """The score alone."""
        return 1

    @property
    def num_gaps(self) -> int:
        """Between thresholds."""
        return self.num_classes - 2

    def logits(self, linear: Tensor, gaps: Tensor) -> Tensor:
        """The score minus each threshold."""
        return linear - thresholds(gaps)

    def class_logs(self, logits: Tensor) -> Tensor:
        """Class log-probabilities, (n, K), of descending logits c: P(k) = s(c_k) - s(c_k+1), s the sigmoid.

        Written as s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), which loses no digits where the two are close.
        """
        above, below = logsigmoid(logits), logsigmoid(-logits)
        gaps = (logits[:, :-1] - logits[:, 1:]).clamp_min(1e-6)
        middle = above[:, :-1] + below[:, 1:] + torch.log(-torch.expm1(-gaps))
        return torch.cat([below[:, :1], middle, above[:, -1:]], dim=1)

    def table_parts(self, logits: Tensor) -> list[Tensor]:
        """The classes, and the score: thresholds have mean zero."""
        return [self.class_logs(logits), logits.mean(dim=1, keepdim=True)]

    def yes(self, targets: Tensor) -> Tensor:
        """Probability of a class above k, k = 0 .. K - 2, (n, K - 1)."""
        return targets[:, 1:].flip(1).cumsum(dim=1).flip(1)


def thresholds(gaps: Tensor) -> Tensor:
    """Ascending thresholds with mean zero, (..., K - 1), of the softplus of their `gaps`, (..., K - 2)."""
    rising = torch.cat([gaps.new_zeros(*gaps.shape[:-1], 1), softplus(gaps).cumsum(-1)], dim=-1)
    return rising - rising.mean(dim=-1, keepdim=True)
