"""What lists and pages say of runs and predictions that came from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.project import Project
from facetwise.core.records.external import ExternalMadeFrom
from facetwise.core.records.run import Imported
from facetwise.data.manifest import Manifest
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.external import ForeignFolder, list_foreign
from facetwise.results.notices import Notice

OTHER_FOLDS = (
    "It was trained and validated in another project, on folds that this one does not have. Its out-of-fold table is "
    "kept but not scored, since nothing here says whom its models were trained on: it can be used for the test side "
    "only.",
)
"""How the number was made, of a run that has none here."""


@dataclass(frozen=True)
class ForeignRow:
    """One line of the list of predictions from elsewhere."""

    name: str
    content: str
    """`probabilities` or `submission`; empty when its record is damaged."""
    what: str
    """`joint`, or the attributes that are predicted."""
    num_images: int
    """Test images."""
    imported: str | None
    """UTC, ISO 8601."""
    flags: tuple[str, ...]
    """`of other images or labels`, `damaged`."""


def foreign_rows(project: Project, manifest: Manifest | None) -> tuple[ForeignRow, ...]:
    """All predictions from elsewhere, by name; what is damaged is listed and flagged. `manifest`: to compare with."""
    return tuple(_foreign_row(project, manifest, folder) for folder in list_foreign(project.workspace))


def _foreign_row(project: Project, manifest: Manifest | None, folder: ForeignFolder) -> ForeignRow:
    try:
        record = folder.record()
    except ArtefactError as error:
        return ForeignRow(
            folder.name, "", "", 0, None, (error.told if isinstance(error, DamagedError) else str(error),)
        )
    what = name_of(tuple(record.attributes), project.space)
    flags = ("of other images or labels than now",) if _is_stale(record.made_from, project, manifest) else ()
    return ForeignRow(folder.name, record.content, what, record.num_images, record.imported, flags)


def _is_stale(made_from: ExternalMadeFrom, project: Project, manifest: Manifest | None) -> bool:
    other_images = manifest is not None and made_from.manifest != manifest.hash
    return made_from.label_space != project.space_hash or other_images


def origin_flags(came: Imported | None) -> tuple[str, ...]:
    """What the list of runs says of a run that came from elsewhere."""
    if came is None:
        return ()
    parts = ["other folds: for the test side only"] if came.other_folds else []
    parts += ["tables only"] if came.content == "tables" else []
    return ("imported" + (f", {', '.join(parts)}" if parts else ""),)


def origin_notices(came: Imported | None) -> tuple[Notice, ...]:
    """What must be known of a run that came from elsewhere before believing its score."""
    if came is None:
        return ()
    found = [Notice("note", f"Imported on {came.imported[:10]}; where it was trained it is called {came.original}.")]
    if came.other_folds:
        text = (
            f"It was validated on folds `{came.folds_name}` of another project, which this one does not have: it has "
            "no score here, and can be used for the test side only."
        )
        found.insert(0, Notice("caution", text))
    if came.content == "tables":
        found.append(Notice("note", "It was imported without its weights: it predicts nothing new."))
    return tuple(found)
