"""The two views of the labels. *Scored*: always the dataset's own labels with the true cuts, for all images
(`Manifest.codes`). *Training*: those that a recipe derives from them, made here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import SettingError
from facetwise.core.labels import MISSING, Attribute, BoolArray, FloatArray, IntArray, LabelSpace
from facetwise.data.labels.bins import soft_bins
from facetwise.data.labels.overlay import Overlay, apply, row_weights
from facetwise.data.manifest import Manifest
from facetwise.recipe.labels import Band, LabelsSpec

Targets = tuple[npt.NDArray[np.float32], ...]
"""For each attribute, in order, class probabilities of shape (n_train, classes)."""


@dataclass(frozen=True)
class TrainingView:
    """The labels of `manifest.train` (n rows, in order) as a recipe trains on them."""

    classes: Targets
    """An attribute: class probabilities, (n, K), with the moved cuts. Hard labels are rows of one 1; a row is 0 where
    the class is not known."""
    values: Mapping[str, FloatArray]
    """By ordinal attribute: values, (n,), after the overlay; NaN where only the class is known."""
    spread: Mapping[str, float]
    """By softened attribute: standard deviation of the values' error, in their unit."""
    included: npt.NDArray[np.bool_]
    """(n,): False for rows that no model trains on. They are validated and predicted like any other."""
    weights: npt.NDArray[np.float32]
    """(n,): weight of each row in the loss, 0 or more; 1 where the overlay corrects nothing."""

    @property
    def codes(self) -> IntArray:
        """The most probable classes, (n, A): what samplers go by. Of equals the highest, as a value on a cut; -1 where
        the class is not known."""
        likeliest = np.stack([c.shape[1] - 1 - c[:, ::-1].argmax(axis=1) for c in self.classes], axis=1)
        return np.where(self.known, likeliest, MISSING).astype(np.int64)

    @cached_property
    def known(self) -> BoolArray:
        """Whether the class of each attribute is known, (n, A)."""
        return np.stack([c.any(axis=1) for c in self.classes], axis=1)


def training_view(manifest: Manifest, space: LabelSpace, spec: LabelsSpec, overlay: Overlay) -> TrainingView:
    """The training view: overlay first, then moved cuts, then softening; bands are dropped by the overlay's values.

    A row with a class but no number keeps its class and is never dropped, as cuts, softening and bands need a number.
    Raises SettingError with every attribute of `spec` that is not ordinal, every wrong number of cuts, and when no row
    is left.
    """
    if problems := list(_problems(spec, space)):
        raise SettingError("\n".join(problems))
    used = overlay if spec.overlay else Overlay()
    codes, values = apply(used, manifest, space)
    weights = row_weights(used, manifest, space, spec.overlay_weight)
    dropped = _in_bands(values, spec.drop, len(codes))
    included = ~dropped & (weights > 0)
    if len(included) and not included.any():
        raise SettingError(
            f"`labels` leaves nothing to train on: of {len(included)} images `labels.drop` drops {int(dropped.sum())}, "
            f"and {int((weights == 0).sum())} weigh 0"
        )
    return TrainingView(_classes(codes, values, spec, space), values, dict(spec.soften), included, weights)


def one_hot(codes: IntArray, num_classes: int) -> npt.NDArray[np.float32]:
    """Rows of one 1, shape (n, num_classes); of zeros where the class is -1."""
    return np.eye(num_classes + 1, num_classes, dtype=np.float32)[codes]


def _classes(codes: IntArray, values: Mapping[str, FloatArray], spec: LabelsSpec, space: LabelSpace) -> Targets:
    """Class probabilities of corrected labels, by attribute."""
    return tuple(
        _from_values(values[a.name], codes[:, i], a, spec.soften.get(a.name))
        if a.name in spec.soften or a.name in spec.cuts
        else one_hot(codes[:, i], a.size)
        for i, a in enumerate(space.with_cuts(spec.cuts).attributes)
    )


def _from_values(
    values: FloatArray, codes: IntArray, moved: Attribute, deviation: float | None
) -> npt.NDArray[np.float32]:
    """Class probabilities from values with the `moved` cuts, where there are any; otherwise from class numbers."""
    targets = one_hot(codes, moved.size)
    known = ~np.isnan(values)
    if deviation is None:
        targets[known] = one_hot(moved.codes_of_values(values[known]), moved.size)
    else:
        targets[known] = soft_bins(values[known], moved.cuts or (), deviation)
    return targets


def _in_bands(
    values: Mapping[str, FloatArray], drop: Mapping[str, Sequence[Band]], count: int
) -> npt.NDArray[np.bool_]:
    """Rows with a value in a band [low, high), shape (count,); NaN is in none."""
    found = np.zeros(count, bool)
    for name, bands in drop.items():
        for low, high in bands:
            found |= (values[name] >= low) & (values[name] < high)
    return found


def _problems(spec: LabelsSpec, space: LabelSpace) -> Iterator[str]:
    """Settings that do not fit the label space, each with its key."""
    for key, names, wanted in (
        ("cuts", spec.cuts, "to move"),
        ("drop", spec.drop, "to drop a band by"),
        ("soften", spec.soften, "to soften around"),
    ):
        for name in names:
            try:
                attribute = space.attribute(name)
                if not attribute.is_ordinal:
                    yield f"`labels.{key}`: `{name}` has no cuts {wanted}: its classes are not made from numbers"
                elif key == "cuts":
                    attribute.with_cuts(spec.cuts[name])
            except SettingError as error:
                yield f"`labels.{key}`: {error}" + (f"; {error.hint}" if error.hint else "")
