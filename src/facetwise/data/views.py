"""The two views of the labels. *Scored*: the dataset's own labels with the true cuts, all images, always
(`Manifest.codes`). *Training*: what a recipe makes of them, here."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, FloatArray, IntArray, LabelSpace
from facetwise.data.manifest import Manifest
from facetwise.data.overlay import Overlay, apply
from facetwise.recipe.labels import LabelsSpec

Targets = tuple[npt.NDArray[np.float32], ...]
"""For each attribute, in order, class probabilities of shape (n_train, classes)."""


def training_targets(manifest: Manifest, space: LabelSpace, spec: LabelsSpec, overlay: Overlay) -> Targets:
    """What to train on: overlay first, then moved cuts, then softening. Hard labels are rows of one 1.

    A row whose class is known by name, without a number, keeps its class: cuts and softening have nothing to go by.
    Raises SettingError when `spec` names no ordinal attribute or another number of cuts.
    """
    moved = space.with_cuts(spec.cuts)
    codes, values = apply(overlay if spec.overlay else Overlay(), manifest, space)
    _check_ordinal(spec, space)
    return tuple(
        _from_values(values[a.name], codes[:, i], a, spec.soften.get(a.name))
        if a.name in spec.soften or a.name in spec.cuts
        else one_hot(codes[:, i], a.size)
        for i, a in enumerate(moved.attributes)
    )


def one_hot(codes: IntArray, num_classes: int) -> npt.NDArray[np.float32]:
    """Rows of one 1, shape (n, num_classes)."""
    return np.eye(num_classes, dtype=np.float32)[codes]


def soft_classes(values: FloatArray, attribute: Attribute, deviation: float) -> npt.NDArray[np.float32]:
    """Probability of each class, shape (n, classes), of values with a normal error of this standard deviation."""
    assert attribute.cuts is not None
    normal = NormalDist()
    distinct, row = np.unique(values, return_inverse=True)
    below = np.array([[normal.cdf((cut - v) / deviation) for cut in attribute.cuts] for v in distinct])
    below = below.reshape(len(distinct), len(attribute.cuts))  # also when there are no values
    bounds = np.hstack([np.zeros((len(distinct), 1)), below, np.ones((len(distinct), 1))])
    return np.diff(bounds, axis=1).astype(np.float32)[row]


def _from_values(
    values: FloatArray, codes: IntArray, moved: Attribute, deviation: float | None
) -> npt.NDArray[np.float32]:
    """Targets by the numbers where there are any, with the `moved` cuts; elsewhere by class number."""
    targets = one_hot(codes, moved.size)
    known = ~np.isnan(values)
    if deviation is None:
        targets[known] = one_hot(moved.codes_of_values(values[known]), moved.size)
    else:
        targets[known] = soft_classes(values[known], moved, deviation)
    return targets


def _check_ordinal(spec: LabelsSpec, space: LabelSpace) -> None:
    plain = [name for name in spec.soften if not space.attribute(name).is_ordinal]
    if plain:
        raise SettingError(f"`labels.soften`: `{plain[0]}` has no cuts to soften around")
