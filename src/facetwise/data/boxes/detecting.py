"""A detector's boxes in every image of a manifest, found once.

    .cache/boxes/<key>.jsonl    a line an image: the sha256 of its file, and all of its boxes

The key is of the detector, so that another threshold or class to keep, or a further image, finds nothing anew. Lines
are appended as they come; one that a killed process did not finish is passed over and its image looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.jsonlines import adding_to
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.workspace import content_hash
from facetwise.data.boxes.detectors import Detector
from facetwise.data.boxes.layouts import Array, Detections
from facetwise.data.boxes.reading import EYES, SIDES
from facetwise.data.images.fill import checked_pixels, raise_changed
from facetwise.data.images.scan import in_parallel
from facetwise.data.manifest import Manifest

FORMAT = 1
"""Raise it when the same detector finds other boxes in the same images."""
COLUMNS = (*SIDES, "score", "label", *EYES)
_PLACES = (2, 2, 2, 2, 4, 0, 2, 2, 2, 2)
"""Digits after the point; what processors differ in lies beyond."""


def detect(
    project: Project,
    manifest: Manifest,
    detector: Detector,
    *,
    root: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Array], int]:
    """sha256 of each readable image -> its boxes (N, 10), columns as in `COLUMNS`; and how many were looked at now.

    Boxes are in pixels of the upright image; eyes are NaN where the detector does not say. `root`: the folder of the
    images, by default the project's dataset. `workers`: threads, by default one a core; they change nothing. Raises
    MismatchError with every file that is not as the manifest says, after the others are done, and LockedError.
    """
    folder = root or project.dataset_root
    key = content_hash([FORMAT, detector.sha256, detector.layout.name, manifest.depth])
    journal = project.workspace.cache / "boxes" / f"{key[:16]}.jsonl"
    table = manifest.table.filter(pl.col("status") == "ok").select("image", "sha256", "bytes")
    with adding_to(journal, "the boxes of this detector"), disk_full_errors(journal):
        known = dict(_read(journal))
        todo = table.filter(~pl.col("sha256").is_in(list(known))).unique("sha256", maintain_order=True).rows()
        done, problems = len(table) - len(todo), []
        look = partial(_look, folder, detector, manifest.depth)
        with journal.open("ab", buffering=0) as file:
            file.write(b"\n" if todo else b"")  # ends a line that was cut off
            for (_, sha256, _), (found, problem) in zip(todo, in_parallel(look, todo, workers), strict=True):
                if found is None:
                    problems.append(problem)
                else:
                    file.write(json.dumps([sha256, found]).encode() + b"\n")
                    known[sha256] = _array(found)
                done += 1
                if progress is not None:
                    progress(done, len(table))
    raise_changed(folder, problems)
    return {sha256: known[sha256] for sha256 in table["sha256"]}, len(todo)


Listed = list[list[float | None]]


def _look(root: Path, detector: Detector, depth: int | None, row: tuple[str, str, int]) -> tuple[Listed | None, str]:
    """The boxes of an image; or None and what is wrong with it."""
    try:
        return _listed(detector.find(checked_pixels(root, row, depth))), ""
    except InputError as error:
        return None, str(error)


def _listed(found: Detections) -> Listed:
    columns = np.concatenate([found.boxes, found.scores[:, None], found.labels[:, None], found.eyes], axis=1)
    rows = columns.tolist()
    return [[None if v != v else round(v, n) for v, n in zip(row, _PLACES, strict=True)] for row in rows]


def _array(listed: Listed) -> Array:
    return np.array([[np.nan if v is None else v for v in row] for row in listed], np.float64).reshape(-1, len(COLUMNS))


def _read(journal: Path) -> Iterator[tuple[str, Array]]:
    """The images of a journal, and their boxes; lines that are not whole are passed over."""
    if not journal.is_file():
        return
    with journal.open("rb") as file:
        for line in file:
            try:
                sha256, listed = _parsed(json.loads(line))
            except ValueError:
                continue
            yield sha256, listed


def _parsed(line: Any) -> tuple[str, Array]:
    sha256, listed = line
    return str(sha256), _array(listed)
