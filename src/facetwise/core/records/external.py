"""`foreign.json`: the origin of imported predictions, and how they were read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetwise.core.records.base import Record


class ExternalMadeFrom(Record):
    """The data that they predict, and the file."""

    label_space: str
    manifest: str
    csv_sha256: str


class ExternalRecord(Record):
    """`foreign.json`."""

    schema_version: Literal[1] = 1
    name: str
    imported: str
    """When: UTC, ISO 8601."""
    made_from: ExternalMadeFrom
    content: Literal["submission", "probabilities"]
    attributes: list[str]
    how: str
    """How the csv became probabilities, in words."""
    num_images: int
    num_normalised: int = 0
    num_respelt: int = 0
    """Images that are spelt differently in the csv."""
    num_impossible: int = 0
    """Answers that cannot occur, in whose place another one was taken."""
    ignored_columns: list[str] = Field(default_factory=list)
