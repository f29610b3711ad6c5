"""What the images most alike by features say of each label: votes of the nearest of other people.

Nobody votes on their own images, so that a wrong label does not speak for itself: the votes are out of fold by person
without any fold or run (k nearest neighbours: T. Cover and P. Hart, 1967, "Nearest neighbor pattern classification").
"""

from __future__ import annotations

import numpy as np

from facetwise.core.labels import MISSING, FloatArray, IntArray, LabelSpace
from facetwise.data.features.nearest import nearest_of_others, with_length_1
from facetwise.data.features.subject_space import main_components
from facetwise.data.features.table import Features
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions

NEIGHBOURS, COMPONENTS = 40, 64
"""How many vote on an image, and by how many main components, each as weighty as the others, they are the nearest."""


def neighbour_votes(features: Features, manifest: Manifest, space: LabelSpace) -> Predictions:
    """The shares of votes on each training image as predictions, one row each in manifest order.

    Of each attribute a neighbour votes where it is known. One vote more is split by how frequent the classes are, so
    that no share is 0. Not covered are images without features.
    """
    rows, vectors = features.of_training(manifest)
    train, codes = manifest.train, manifest.codes(space)
    owners = np.unique(train["group"].to_numpy().astype(str), return_inverse=True)[1].astype(np.int64)
    points = main_components(vectors)[:, :COMPONENTS]
    points /= np.maximum(points.std(axis=0), np.finfo(np.float32).tiny)
    which, _ = nearest_of_others(with_length_1(points), owners[rows], NEIGHBOURS)
    blocks = {}
    for place, attribute in enumerate(space.attributes):
        logs = np.full((train.height, attribute.size), np.nan, np.float32)
        logs[rows] = _log_shares(which, codes[rows, place], attribute.size)
        blocks[attribute.name] = logs
    nowhere = np.full(train.height, MISSING, np.int64)
    return Predictions(space, train["image"].to_numpy(), train["group"].to_numpy(), nowhere, blocks)


def _log_shares(which: IntArray, recorded: IntArray, size: int) -> FloatArray:
    """Log-shares of votes, (m, size), of the recorded classes, (m,), of the rows `which`, (m, k)."""
    known = recorded[recorded != MISSING]
    usual = (np.bincount(known, minlength=size) + 1) / (len(known) + size)
    said = np.where(which >= 0, recorded[which], MISSING)
    votes = np.stack([(said == c).sum(axis=1) for c in range(size)], axis=1) + usual
    logs: FloatArray = np.log(votes / votes.sum(axis=1, keepdims=True))
    return logs
