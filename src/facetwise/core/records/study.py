"""`study.json`: the question of a study, its data, and its results so far."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from facetwise.core.choices import Metric
from facetwise.core.records.base import Record

StudyKind = Literal["ablation", "search"]


class StudyIdentity(Record):
    """The identity of a study; the rest of the question (a search's `space`, its `objective`, ...) is stored beside."""

    recipe: dict[str, Any]
    data: dict[str, Any] = Field(default_factory=dict)
    """Fields of the fingerprint that identify the data."""
    space: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """For a search: recipe key -> allowed values."""
    metric: Metric = "macro_f1"
    """For a search: what the scores of its trials are."""


class ChangeRecord(Record):
    """One change of an ablation."""

    change: str
    fingerprint: str
    run: str | None = None
    """Its run, once that is finished."""
    reason: str | None = None
    """Why it failed."""


class StudyRecord(Record):
    """`study.json`."""

    schema_version: Literal[1] = 1
    kind: StudyKind
    made: str | None = None
    """UTC, ISO 8601."""
    identity: StudyIdentity
    base: str | None = None
    """The run of an ablation's base, once it is finished."""
    changes: list[ChangeRecord] = Field(default_factory=list)
    """The changes of an ablation."""
    attributes: list[str] = Field(default_factory=list)
    """For a search: the attributes that its trials are scored on."""


class PrunedRecord(Record):
    """`pruned.json` in the folder of a run: which search stopped it, and after how many epochs of all folds."""

    study: str
    trial: int
    epochs: int
