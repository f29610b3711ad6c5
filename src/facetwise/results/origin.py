"""Lists and notices of imported runs and predictions."""

from __future__ import annotations

from dataclasses import dataclass

from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.project import Project
from facetwise.core.records.external import ExternalMadeFrom
from facetwise.core.records.run import ImportRecord
from facetwise.data.manifest import Manifest
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.external import ExternalFolder, list_external
from facetwise.results.notices import Notice

OTHER_FOLDS = (
    "It was trained and validated in another project, on folds that this one does not have. Its out-of-fold table is "
    "kept but not scored, since nothing here says whom its models were trained on: it can be used for the test side "
    "only.",
)
"""The explanation for an imported run on folds of another project."""


@dataclass(frozen=True)
class ExternalRow:
    """A row in the list of imported predictions."""

    name: str
    content: str
    """`probabilities` or `submission`; empty when its record is damaged."""
    what: str
    """`joint`, or the predicted attributes."""
    num_images: int
    """Number of test images."""
    imported: str | None
    """UTC, ISO 8601."""
    flags: tuple[str, ...]
    """`of other images or labels`, `damaged`."""


def external_rows(project: Project, manifest: Manifest | None) -> tuple[ExternalRow, ...]:
    """All imported predictions, by name; damaged ones are flagged. `manifest`: the current one, to compare with."""
    return tuple(_external_row(project, manifest, folder) for folder in list_external(project.workspace))


def _external_row(project: Project, manifest: Manifest | None, folder: ExternalFolder) -> ExternalRow:
    try:
        record = folder.record()
    except ArtefactError as error:
        return ExternalRow(
            folder.name, "", "", 0, None, (error.summary if isinstance(error, DamagedError) else str(error),)
        )
    what = name_of(tuple(record.attributes), project.space)
    flags = ("of other images or labels than now",) if _is_stale(record.made_from, project, manifest) else ()
    return ExternalRow(folder.name, record.content, what, record.num_images, record.imported, flags)


def _is_stale(made_from: ExternalMadeFrom, project: Project, manifest: Manifest | None) -> bool:
    other_images = manifest is not None and made_from.manifest != manifest.hash
    return made_from.label_space != project.space_hash or other_images


def origin_flags(origin: ImportRecord | None) -> tuple[str, ...]:
    """Flags of an imported run in the list of runs."""
    if origin is None:
        return ()
    parts = ["other folds: for the test side only"] if origin.other_folds else []
    parts += ["tables only"] if origin.content == "tables" else []
    return ("imported" + (f", {', '.join(parts)}" if parts else ""),)


def origin_notices(origin: ImportRecord | None) -> tuple[Notice, ...]:
    """Notices about the score of an imported run."""
    if origin is None:
        return ()
    found = [
        Notice("note", f"Imported on {origin.imported[:10]}; where it was trained it is called {origin.original}.")
    ]
    if origin.other_folds:
        text = (
            f"It was validated on folds `{origin.folds_name}` of another project, which this one does not have: it has "
            "no score here, and can be used for the test side only."
        )
        found.insert(0, Notice("caution", text))
    if origin.content == "tables":
        found.append(Notice("note", "It was imported without its weights: it predicts nothing new."))
    return tuple(found)
