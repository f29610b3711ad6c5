"""A distribution over the values of an ordinal attribute, summed into classes by the cuts (Gao et al. 2017)."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, FloatArray, IntArray, LabelSpace
from facetwise.core.tables import year_columns
from facetwise.core.text.counting import count
from facetwise.data.labels.bins import soft_bins
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.model.blocks.block import Block, Logs, floored

MIN_BINS, MAX_BINS = 40, 400
"""Fewest bins of numbers that are not whole, and most bins."""


@dataclass(frozen=True)
class Bins(Block):
    """A logit a value, and a target a value: its bin."""

    kind = "bins"
    for_numbers = True
    needs_values = True
    refused: ClassVar[Mapping[str, str]] = {
        "binary": "`binary` cannot be taken over `{name}`, which `model.head` predicts as `bins`; take another loss, "
        "or the kind `ordinal`"
    }

    class_of_bin: tuple[int, ...] = ()
    """Class of each bin by the training view's cuts."""
    edges: tuple[float, ...] = ()
    """Ascending edges between the bins, one fewer than bins."""

    @classmethod
    def of(cls, attribute: Attribute, values: tuple[float, ...]) -> Self:
        """The block with its bins laid out by the attribute's cuts.

        A bin holds the numbers nearest to its value, but where a cut lies between two values, the edge is the cut. So
        the bins of a class sum to the training view's probability of the class, and the mean of the values by their
        probabilities is the expected number. Raises SettingError for two cuts between the same two values: the class
        between them would have no bin.
        """
        classes, cuts = attribute.codes_of_values(values), attribute.cuts or ()
        between = [[c for c in cuts if low < c <= high] for low, high in pairwise(values)]
        if crowded := next((own for own in between if len(own) > 1), None):
            name = attribute.classes[cuts.index(crowded[0]) + 1]
            raise SettingError(
                f"`model.head`: `{attribute.name}` cannot be `bins` with cuts {list(cuts)}: they are "
                f"{values[1] - values[0]:g} apart, and none is in class `{name}`, from {crowded[0]:g} to below "
                f"{crowded[1]:g}",
                hint=f"move `labels.cuts.{attribute.name}` apart, or use the kind `ordinal` or `softmax`",
            )
        middles = [(low + high) / 2 for low, high in pairwise(values)]
        edges = tuple(own[0] if own else middle for own, middle in zip(between, middles, strict=True))
        of_bin = tuple(classes.tolist())
        return cls(attribute.name, attribute.size, values=values, class_of_bin=of_bin, edges=edges)

    @property
    def num_outputs(self) -> int:
        """A logit a value."""
        return len(self.values)

    @property
    def num_targets(self) -> int:
        """A target a value."""
        return len(self.values)

    @property
    def besides(self) -> tuple[str, ...]:
        """The values."""
        return year_columns(self.name, self.values)

    @property
    def bins_of_classes(self) -> list[slice]:
        """The bins of each class: as values ascend, so do classes. A class may have none."""
        of_bin = self.class_of_bin
        return [slice(bisect_left(of_bin, k), bisect_right(of_bin, k)) for k in range(self.num_classes)]

    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K): sums over their values, -inf where a class has none."""
        bins = log_softmax(logits, dim=1)
        nothing = bins.new_full((len(bins),), -math.inf)
        sums = [bins[:, own] for own in self.bins_of_classes]
        return torch.stack([torch.logsumexp(own, dim=1) if own.shape[1] else nothing for own in sums], dim=1)

    def table_parts(self, logits: Tensor) -> list[Tensor]:
        """The classes and the values."""
        return [self.class_logs(logits), log_softmax(logits, dim=1)]

    def soft_targets(self, view: TrainingView, space: LabelSpace) -> npt.NDArray[np.float32]:
        """Each value's probability of each bin; a row known by its class alone spreads over the class's bins."""
        classes, values = view.classes[space.index(self.name)], view.values[self.name]
        return self._bin_targets(classes, values, view.spread.get(self.name))

    def losses(self, kept: Logs, truth: IntArray, values: FloatArray | None) -> FloatArray:
        """The cross-entropy of each image's value; of a row known by its class alone, of the class's values."""
        known = np.full(len(truth), np.nan) if values is None else values
        targets = self._bin_targets(one_hot(truth, self.num_classes), known, None)
        total: FloatArray = -(targets * floored(kept[:, self.num_classes :])).sum(axis=1)
        return total

    def class_targets(self, targets: Tensor) -> Tensor:
        """Sums over each class's values."""
        return torch.stack([targets[:, own].sum(dim=1) for own in self.bins_of_classes], dim=1)

    def of_targets(self, of_classes: Tensor) -> Tensor:
        """For each value the number of its class."""
        return of_classes[torch.tensor(self.class_of_bin, device=of_classes.device)]

    def scores(self, logits: Tensor) -> Tensor:
        """The logits themselves."""
        return logits

    def _bin_targets(
        self, classes: npt.NDArray[np.float32], values: FloatArray, spread: float | None
    ) -> npt.NDArray[np.float32]:
        """Probability of each bin, (n, t), of class probabilities, (n, K), and of values, (n,), NaN if not known."""
        known = ~np.isnan(values)
        targets: npt.NDArray[np.float32] = classes @ self._spread_over_bins()
        if spread is None:
            targets[known] = one_hot(np.searchsorted(self.edges, values[known], side="right"), len(self.values))
        else:
            targets[known] = soft_bins(values[known], self.edges, spread)
        return targets

    def _spread_over_bins(self) -> npt.NDArray[np.float32]:
        """Each class as an even distribution over its bins, (K, bins); over all bins when it has none."""
        members = np.asarray(self.class_of_bin)[None, :] == np.arange(self.num_classes)[:, None]
        members[~members.any(axis=1)] = True
        spread: npt.NDArray[np.float32] = (members / members.sum(axis=1, keepdims=True)).astype(np.float32)
        return spread


def value_grid(attribute: str, values: FloatArray) -> tuple[float, ...]:
    """The values of a block, from the smallest to the largest known number, in its unit.

    Whole numbers where that makes a readable number of bins, else multiples of 1, 2 or 5 times a power of ten: at least
    `MIN_BINS` of numbers with fractions, and at most `MAX_BINS`. Raises SettingError when fewer than two numbers are
    known.
    """
    known = values[~np.isnan(values)]
    if len(distinct := np.unique(known)) < 2:
        different = count(len(distinct), "different number")
        raise SettingError(
            f"`model.head`: `{attribute}` cannot be `bins`: its {len(known)} known values are {different}",
            hint="use the kind `ordinal` or `softmax`",
        )
    step = _step(distinct)
    low, high = math.floor(distinct[0] / step), math.ceil(distinct[-1] / step)
    return tuple(float(f"{k * step:.12g}") for k in range(low, high + 1))


def _step(distinct: FloatArray) -> float:
    """How far the values of a block are apart, of ascending numbers."""
    span = float(distinct[-1] - distinct[0])
    are_whole = bool((distinct == np.round(distinct)).all())
    if span <= MAX_BINS - 2 + are_whole and (are_whole or span >= MIN_BINS):
        return 1.0
    steps = [factor * 10.0**power for power in range(-300, 300) for factor in (1, 2, 5)]
    at = bisect_right(steps, span / MIN_BINS) - 1 if span < MIN_BINS else bisect_left(steps, span / (MAX_BINS - 2))
    return steps[at]
