"""`run.json`, and the origin of an imported run: `imported.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from facetwise.core.choices import Metric
from facetwise.core.records.base import Provenance, Record
from facetwise.core.records.data import FoldCopies
from facetwise.core.records.shelf import BaseWeights

Split = Literal["group", "image", "none"]
Content = Literal["whole", "tables"]
FoldsHere = Literal["same", "other", "none"]


class FingerprintFields(Record):
    """Fields of a fingerprint: hashes, and the recipe as plain data."""

    recipe: dict[str, Any] = Field(default_factory=dict)
    space: str = Field(alias="label space")
    manifest: str
    labels: str
    folds: str | None
    store: str
    overlay: str | None
    weights: list[str] | None
    metric: Metric | None = None
    """What epochs are chosen by where that is not macro F1; else it is left out, also of the hash."""

    @model_serializer(mode="wrap")
    def _of_what_counts(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        return {name: value for name, value in data.items() if name != "metric" or value is not None}


class ChoiceRecord(Record):
    """An automatic choice made when the run began."""

    value: bool | int | float | str | None
    reason: str


class RunRecord(Record):
    """`run.json`: the inputs and settings of a run."""

    schema_version: Literal[1] = 1
    id: str
    """The run's name, and that of its folder."""
    fingerprint: str
    """sha256 of `fingerprint_fields`."""
    fingerprint_fields: FingerprintFields
    recipe: dict[str, Any]
    """The effective recipe as plain data; `facetwise.recipe.Recipe` reads it."""
    attributes: list[str]
    """The predicted attributes, in the label's order."""
    folds: list[int]
    """The folds that have a model; [0] for one model on everybody."""
    num_folds: int
    """Number of folds; 0 if it was trained on everybody."""
    fold_name: str | None
    """Name of the folds."""
    split: Split
    """How the folds were split; `image` is unsafe."""
    copies: FoldCopies | None = None
    """Copies between people, and how many the folds part; None where they were not looked for."""
    grids: dict[str, list[float]] = Field(default_factory=dict)
    """Values of a head of the kind `bins`, by attribute; older versions had no such head."""
    choices: dict[str, ChoiceRecord]
    base: BaseWeights | None = None
    """The weights of others that it started from; older versions did not keep it."""
    provenance: Provenance

    @field_validator("recipe")
    @classmethod
    def _has_sections(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        if wrong := [key for key, section in recipe.items() if key != "augment" and not isinstance(section, dict)]:
            raise ValueError(f"`{wrong[0]}` is no section of keys")
        return recipe

    @property
    def fold_plan(self) -> int | str:
        """The number of folds, or `holdout`, or `none` for one model on everybody."""
        plan: int | str = self.setting("folds", "plan")
        return plan

    def setting(self, section: str, key: str) -> Any:
        """A value of the recipe; None if unset."""
        return self.recipe.get(section, {}).get(key)

    @property
    def by_image(self) -> bool:
        """Whether the folds were split by image, which makes the scores too high."""
        return self.split == "image"

    @property
    def epochs_by(self) -> Metric:
        """What its epochs are chosen by, where they are."""
        return self.fingerprint_fields.metric or "macro_f1"

    @property
    def parts_copies(self) -> bool:
        """Whether copies of one picture, under two people, stand on both sides of the split."""
        return self.copies is not None and self.copies.across > 0


class EpochEvent(Record):
    """A line of `events.jsonl`: an epoch of a fold. Values are None without validation, NaN where the loss diverged."""

    model_config = ConfigDict(allow_inf_nan=True)

    event: Literal["epoch"] = "epoch"
    time: str | None = None
    """UTC, ISO 8601."""
    fold: int
    epoch: int
    """From 1."""
    train_loss: float | None = None
    val_loss: float | None = None
    val_macro_f1: float | None = None
    val_score: float | None = None
    """By the score that the project chooses by, where that is not macro F1."""
    lr: float | None = None
    seconds: float | None = None
    images_per_second: float | None = None

    @property
    def score(self) -> float | None:
        """What epochs and trials are chosen by."""
        return self.val_macro_f1 if self.val_score is None else self.val_score

    def score_by(self, metric: Metric) -> float | None:
        """The validation score by the `metric` that the run's epochs are chosen by."""
        return self.val_macro_f1 if metric == "macro_f1" else self.score


class ImportRecord(Record):
    """`imported.json` of a run that came from another project."""

    schema_version: Literal[1] = 1
    original: str
    """The run's id where it was trained."""
    content: Content
    """`whole`, or only the `tables`, without weights."""
    folds: FoldsHere
    """`same` as folds of this project, `other`, or `none` for a run that was trained on all people."""
    folds_name: str | None
    """Name of those folds here or, if they are `other`, where it was trained."""
    pack_sha256: str
    """sha256 of the pack."""
    imported: str
    """When: UTC, ISO 8601."""
    facetwise: str
    """The version that packed it."""
    commit: str | None
    """The commit of the Facetwise that trained it."""

    @property
    def other_folds(self) -> bool:
        """Whether it was validated on folds other than those of this project."""
        return self.folds == "other"
