"""Leak check: weights record the people that they were trained on (`core.people`), and must not start a fold that
validates any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facetwise.core.errors import InputError, LeakError
from facetwise.core.labels import IntArray
from facetwise.core.people import PEOPLE_KEY, people_in
from facetwise.core.text.counting import listed
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest
from facetwise.model.weights import made_here, opened
from facetwise.recipe.model import weights_of_fold

_SHOWN = 5


def people_of_weights(path: Path) -> frozenset[str]:
    """Hashes of the people that weights were trained on; empty for weights that were not trained by facetwise.

    Raises InputError for a facetwise network without this record, such as that of an unfinished fold.
    """
    with opened(path) as file:
        names, metadata = set(file.keys()), file.metadata() or {}
    if PEOPLE_KEY not in metadata:
        if made_here(names):
            raise InputError(
                f"`model.weights`: {path} does not say on which {PEOPLE} it was trained",
                hint="give the `model.safetensors` of a finished fold, `runs/<id>/fold-<k>/model.safetensors`",
            )
        return frozenset()
    try:
        return people_in(metadata[PEOPLE_KEY])
    except ValueError as error:
        raise InputError(f"`model.weights`: {path}: its `{PEOPLE_KEY}` are unusable ({error})") from None


def refuse_leaks(
    weights: Path, manifest: Manifest, fold_of_row: IntArray | None, fold_numbers: Sequence[int]
) -> dict[int, frozenset[str]]:
    """Raise LeakError when a fold would validate people that its pretrained weights were trained on.

    `weights`: the file, with `{fold}` in its path for the fold's number; `fold_of_row`: the fold that holds out each
    training row, (n_train,), None when nothing is held out. Returns for each fold the people (hashes) that its weights
    were trained on, which are inherited by the model trained from them.
    """
    trained = {fold: people_of_weights(weights_of_fold(weights, fold)) for fold in fold_numbers}
    if fold_of_row is not None:
        groups = manifest.train["group"].to_numpy()
        held_out = {fold: np.unique(groups[fold_of_row == fold]) for fold in fold_numbers}
        hashes = manifest.people_hashes
        seen = {fold: [p for p in held_out[fold] if hashes[p] & trained[fold]] for fold in fold_numbers}
        if leaks := {fold: people for fold, people in seen.items() if people}:
            raise _leak(weights, leaks)
    return trained


def _leak(weights: Path, leaks: dict[int, list[str]]) -> LeakError:
    people = sorted({person for found in leaks.values() for person in found})
    names = listed((f"`{person}`" for person in people), _SHOWN)
    folds = ", ".join(map(str, leaks))
    return LeakError(
        f"`model.weights`: {weights} was trained on {len(people)} {PEOPLE} whom "
        f"{'fold' if len(leaks) == 1 else 'folds'} {folds} would validate: {names}",
        hint="of a run on the same folds, give each fold its own file (`runs/<id>/fold-{fold}/model.safetensors`); "
        'else train on everybody (`folds.plan="none"`), or from other weights',
    )
