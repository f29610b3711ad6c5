"""Runs that came from another project: what is noted of them, and what they may be used for here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from facetwise.core.errors import ArtefactError
from facetwise.core.workspace import read_json

IMPORTED = "imported.json"
SCHEMA_VERSION = 1

Content = Literal["whole", "tables"]
FoldsHere = Literal["same", "other", "none"]


@dataclass(frozen=True)
class Imported:
    """`imported.json` of a run."""

    original: str
    """What the run is called where it was trained."""
    content: Content
    """`whole`, or only the `tables`: then its weights are not here."""
    folds: FoldsHere
    """`same` as folds of this project, `other`, or `none` for a run that was trained on all people."""
    folds_name: str | None
    """What those folds are called here, or where it was trained when they are `other`."""
    pack_sha256: str
    """Of the file that it came in."""
    imported: str
    """When: UTC, ISO 8601."""
    facetwise: str
    """The version that packed it."""
    commit: str | None
    """Of the Facetwise that trained it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the file."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @property
    def other_folds(self) -> bool:
        """Whether it was validated on folds that this project does not have."""
        return self.folds == "other"


def read_imported(folder: Path) -> Imported | None:
    """The note in the folder of a run; None when it was trained here. Raises ArtefactError when it is damaged."""
    path = folder / IMPORTED
    if not path.is_file():
        return None
    data = read_json(path)
    if not isinstance(data, Mapping) or data.get("schema_version") != SCHEMA_VERSION:
        raise ArtefactError(f"{path}: damaged, or of another version", hint="import the run again")
    try:
        return Imported(**{name: value for name, value in data.items() if name != "schema_version"})
    except TypeError as error:
        raise ArtefactError(f"{path}: damaged ({error})", hint="import the run again") from None
