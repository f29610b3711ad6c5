"""Whose weights a recipe starts from: where they come from and under which licence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from facetwise.core.errors import InputError
from facetwise.core.records.shelf import BASE, SHELF, BaseWeights, find_shelf_entry
from facetwise.model.backbone import hub_origin
from facetwise.model.weights import made_here, opened
from facetwise.recipe.model import ModelSpec


def base_of(model: ModelSpec, root: Path, fold: int) -> BaseWeights | None:
    """The weights of others that a network starts from; None where there are none.

    `root`: the project's folder; `fold`: one of the folds, if each has its own file. Raises DamagedError for weights
    that changed on the shelf, InputError for those of another backbone.
    """
    if model.weights == "none":
        return None
    if model.weights == "hub":
        source, licence = hub_origin(model.backbone)
        return BaseWeights(weights="hub", source=source, licence=licence)
    if model.weights.startswith(SHELF):
        return _on_shelf(model)
    with opened(Path(model.located(root, fold).weights)) as file:
        names, metadata = set(file.keys()), file.metadata() or {}
    if made_here(names) or BASE in metadata:
        return base_in(metadata)
    return BaseWeights(weights=Path(model.weights).name, licence=metadata.get("license"))


def base_in(metadata: Mapping[str, str]) -> BaseWeights | None:
    """What the metadata of weights say of those that they were trained from; raises InputError."""
    if BASE not in metadata:
        return None
    try:
        return BaseWeights.model_validate_json(metadata[BASE])
    except ValidationError:
        raise InputError(f"`model.weights`: its `{BASE}` is unusable") from None


def _on_shelf(model: ModelSpec) -> BaseWeights:
    entry = find_shelf_entry(model.weights)
    entry.verify()
    record = entry.record()
    if record.backbone.split(".")[0] != model.backbone.split(".")[0]:
        raise InputError(
            f"`{model.weights}` is a `{record.backbone}`, and `model.backbone` is `{model.backbone}`",
            hint=f"make `model.backbone` `{record.backbone}`, or take other weights",
        )
    return BaseWeights(weights=model.weights, source=record.source, licence=record.licence)
