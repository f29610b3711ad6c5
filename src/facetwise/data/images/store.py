"""The image store: every readable image of the manifest decoded, cropped and resized once, as one mapped uint8 array.

    stores/<key>/images.npy     (N, H, W, 3), rows in manifest order; zeros where the image is missing or damaged
                 chunks.jsonl   crc32 of each chunk, noted after its bytes are on the disk
                 spec.json      what it is made from, for lists
                 DONE.json      the same and all crc32, written last

The key is a hash of the files' contents, the spec and the format, so another dataset, size or box means another store,
and corrected labels do not. An interrupted store is continued and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError, MismatchError, SettingError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.data import StoreMadeFrom
from facetwise.core.records.done import read_done
from facetwise.core.records.provenance import versions
from facetwise.core.text.counting import count
from facetwise.core.workspace import (
    DONE,
    Workspace,
    content_hash,
    is_done,
    lock,
    mark_done,
    read_json,
    write_json,
)
from facetwise.data.boxes.reading import AS_THEY_ARE, Boxes, CropBy, read_boxes
from facetwise.data.images import crops
from facetwise.data.images.chunks import ChunkedArray
from facetwise.data.images.fill import FileSource, filled_chunks, raise_changed
from facetwise.data.manifest import Manifest
from facetwise.recipe.inputs import InputSpec

FORMAT = 1
"""Raise it when the same inputs give other bytes."""
MAX_SIDE = 4096
HOW_TO_FREE = "free some space (`facetwise clean --stores` shows what may go) and run `facetwise prepare RECIPE` again"
SPEC_FILE, LOCK_FILE = "spec.json", ".lock"


@dataclass(frozen=True)
class StoreSpec:
    """How the images of a store are cropped and resized. Raises SettingError for impossible sizes and boxes."""

    height: int
    """Rows of pixels, 1 to 4096."""
    width: int
    """Columns of pixels, 1 to 4096."""
    box: crops.Box = crops.WHOLE
    """The part of every image that is kept: left, top, right, bottom in fractions of it."""
    boxes: Path | None = None
    """A csv with a box for each image instead (`image,left,top,right,bottom` in pixels); relative to the project."""
    crop_by: CropBy = AS_THEY_ARE
    """How `boxes` become crops."""
    fit: crops.StoreFit = "stretch"
    """`stretch` and `crop` fill height x width, `letterbox` has grey beside the image; `shrink` is of pages."""

    def __post_init__(self) -> None:
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise SettingError(f"store size {self.height}x{self.width}: expected sides of 1 to {MAX_SIDE} pixels")
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise SettingError(
                f"box {list(self.box)}: expected left, top, right, bottom in fractions of the image, "
                "0 <= left < right <= 1 and 0 <= top < bottom <= 1"
            )
        if self.boxes is not None and self.box != crops.WHOLE:
            raise SettingError("give either `box` (one for all) or `boxes` (a csv), not both")


VIEW = StoreSpec(384, 384, fit="shrink")
"""For pages and pictures: uncropped, aspect kept, long side 384 at most. `Store.picture` cuts the canvas off."""


def recipe_store(spec: InputSpec) -> StoreSpec:
    """The spec of the store that a recipe's network reads."""
    boxes = None if spec.boxes is None else Path(spec.boxes)
    how = CropBy(spec.without_box, spec.margin, spec.align)
    return StoreSpec(spec.height, spec.width, box=spec.box, boxes=boxes, crop_by=how, fit=spec.fit)


def described(spec: StoreSpec) -> dict[str, Any]:
    """The spec as plain data, but for boxes; what is hashed, so that nothing may change for what it can say already."""
    fit = "letterbox" if spec.fit == "shrink" else spec.fit  # what the store of pages was called first
    pad = {"pad": crops.PAD} if spec.fit == "letterbox" else {}
    return {"height": spec.height, "width": spec.width, "fit": fit, "box": list(spec.box), **pad}


@dataclass(frozen=True)
class Store:
    """An opened store."""

    path: Path
    key: str
    spec: StoreSpec
    images: npt.NDArray[np.uint8]
    """(N, H, W, 3) RGB, mapped read-only, in manifest order."""
    rows: pl.DataFrame
    """`image, filled, height, width`: which rows hold pixels, and the size of their image on the canvas (else 0)."""
    notes: tuple[str, ...] = ()
    """What a person should know of how images became rows."""

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self.rows["image"])}

    def index(self, images: Sequence[str]) -> npt.NDArray[np.int64]:
        """Rows (len(images),) of these images, filled or not; raises MismatchError with the first unknown ones."""
        rows = [self._row_of.get(image, -1) for image in images]
        if unknown := [image for image, row in zip(images, rows, strict=True) if row < 0]:
            raise MismatchError(
                f"{self.path}: {count(len(unknown), 'image')} not in this store: {', '.join(unknown[:5])}",
                hint=_prepare(self.spec),
            )
        return np.asarray(rows, dtype=np.int64)

    def picture(self, row: int) -> npt.NDArray[np.uint8]:
        """The pixels (h, w, 3) of one row without the rest of the canvas; (0, 0, 3) if it is not filled."""
        rows, columns = crops.place(self.images.shape[1:3], self.rows.row(row)[2:], self.spec.fit)
        return self.images[row, rows, columns]


@dataclass(frozen=True)
class StoreInfo:
    """A store on the disk, whole or not, for lists."""

    path: Path
    key: str
    files_hash: str
    """Hash of the files it was made from; see `files_hash`."""
    spec: dict[str, Any]
    num_bytes: int
    """Its size on the disk in bytes."""
    finished: bool


def prepare_store(
    project: Project,
    manifest: Manifest,
    spec: StoreSpec,
    *,
    dataset: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Store:
    """Open the store of `spec`, after making it, continuing an interrupted one or repairing a damaged one.

    `dataset`: the folder of the images, by default the project's. `workers`: threads, by default one per core. Existing
    chunks with the right crc32 are kept. Raises MismatchError with every file that differs from the manifest (after the
    others are done), LockedError, and FacetwiseError when the disk is full.
    """
    plan = _plan(project, manifest, spec, dataset)
    if (store := _whole(plan)) is not None:
        return store
    full = disk_full_errors(plan.folder, plan.array.num_bytes, hint=HOW_TO_FREE)
    with lock(plan.folder / LOCK_FILE, str(plan.folder)), full:
        if (store := _whole(plan)) is not None:  # another process made it in the meantime
            return store
        _fill(plan, workers or len(os.sched_getaffinity(0)), progress or (lambda _done, _total: None))
    return _open(plan, verify=False)


def open_store(project: Project, manifest: Manifest, spec: StoreSpec, *, verify: bool = True) -> Store:
    """Open a finished store. `verify` reads it all and compares every crc32; otherwise only size and header are
    checked.

    Raises ArtefactError when it is absent, unfinished or damaged.
    """
    return _open(_plan(project, manifest, spec, None), verify=verify)


def list_stores(workspace: Workspace) -> list[StoreInfo]:
    """Every store of the workspace, by key."""
    folders = sorted(p for p in workspace.stores.glob("*") if (p / SPEC_FILE).is_file())
    return [info for folder in folders if (info := _info(folder)) is not None]


def files_hash(manifest: Manifest) -> str:
    """Hash of the contents of the readable files, in order: all stores of a manifest share it, whatever their size."""
    readable = manifest.table.select(pl.when(pl.col("status") == "ok").then("sha256"))
    return content_hash(readable.to_series().to_list())


@dataclass(frozen=True)
class _Plan:
    """Where a store is made, its sources, and the contents of its rows."""

    folder: Path
    spec: StoreSpec
    made_from: dict[str, Any]
    source: FileSource
    notes: tuple[str, ...]

    @property
    def array(self) -> ChunkedArray:
        return ChunkedArray(self.folder, (len(self.source.table), *self.source.shape))


def _prepare(spec: StoreSpec) -> str:
    return "make it with `facetwise prepare --view`" if spec == VIEW else "make it with `facetwise prepare RECIPE`"


def _plan(project: Project, manifest: Manifest, spec: StoreSpec, dataset: Path | None) -> _Plan:
    table = manifest.table.select("image", "sha256", "bytes", "width", "height", ok=pl.col("status") == "ok")
    extents = np.stack([_where_ok(table, "width"), _where_ok(table, "height")], axis=1)
    if spec.boxes is None:
        found = Boxes(crops.fraction_regions(extents, spec.box), (), np.zeros(len(table)))
    else:
        found = read_boxes(project.root / spec.boxes, table["image"].to_list(), extents, spec.crop_by)
    regions, fit_note = found.regions, crops.shape_note(found.regions, spec.height, spec.width, spec.fit)
    notes = found.notes if fit_note is None else (*found.notes, fit_note)
    regions = crops.cut_regions(regions, spec.height, spec.width) if spec.fit == "crop" else regions
    plain = _describe(spec, np.column_stack([regions, found.angles]) if spec.crop_by.align else regions)
    if manifest.depth not in (None, 16):
        plain["depth"] = manifest.depth
    files = files_hash(manifest)
    key = content_hash([FORMAT, files, plain])
    made_from = {"key": key, "files_hash": files, "spec": plain}
    sizes = crops.fitted_sizes(regions, spec.height, spec.width, spec.fit)
    shape = (spec.height, spec.width, 3)
    source = FileSource(
        dataset or project.dataset_root, table, found.angles, regions, sizes, shape, spec.fit, manifest.depth
    )
    return _Plan(project.workspace.stores / key[:16], spec, made_from, source, notes)


def _where_ok(table: pl.DataFrame, column: str) -> crops.FloatArray:
    values = table.select(pl.when("ok").then(pl.col(column).cast(pl.Float64)).otherwise(float("nan")))
    return values.to_series().to_numpy()


def _describe(spec: StoreSpec, crop: crops.FloatArray) -> dict[str, Any]:
    """The spec as plain data; boxes of a csv by value, so that the path of the csv does not matter."""
    boxes = None if spec.boxes is None else hashlib.sha256(np.ascontiguousarray(crop).tobytes()).hexdigest()
    return {**described(spec), "boxes_hash": boxes}


def _whole(plan: _Plan) -> Store | None:
    """The finished store, verified; None if it is absent, unfinished or damaged."""
    with suppress(ArtefactError):
        return _open(plan, verify=True)
    return None


def _fill(plan: _Plan, workers: int, progress: Progress) -> None:
    """Write every missing chunk, then the DONE mark."""
    array, source = plan.array, plan.source
    info = _info(plan.folder)
    ours = info is not None and info.key == plan.made_from["key"]  # else a folder copied or renamed by hand
    crcs = array.intact({**_done_crcs(plan.folder), **array.recorded()} if ours else {})
    (plan.folder / DONE).unlink(missing_ok=True)
    write_json(plan.folder / SPEC_FILE, plan.made_from)
    array.start(crcs)
    total, done = len(source.table), sum(len(array.rows(c)) for c in crcs)
    progress(done, total)
    problems: list[str] = []
    todo = {c: array.rows(c) for c in range(array.num_chunks) if c not in crcs}
    with closing(filled_chunks(source, todo, workers)) as chunks:
        for chunk, pixels, found in chunks:
            problems += found
            if not found:
                crcs[chunk] = array.write(chunk, pixels)
            done += len(pixels)
            progress(done, total)
    raise_changed(source.root, problems)
    array.write_journal(crcs)
    record = {**plan.made_from, "crc32": [crcs[c] for c in sorted(crcs)], "versions": versions()}
    mark_done(plan.folder, record, schema_version=FORMAT, hash_files=False)


def _open(plan: _Plan, *, verify: bool) -> Store:
    if not is_done(plan.folder):
        what = "not finished" if plan.folder.exists() else "no such store"
        size = f"{plan.spec.height}x{plan.spec.width}"
        raise ArtefactError(f"{plan.folder}: {what} (images of {size} for this manifest)", hint=_prepare(plan.spec))
    try:
        if read_done(plan.folder, StoreMadeFrom, version=FORMAT).made_from.key != plan.made_from["key"]:
            raise ArtefactError(f"{plan.folder}: was not made from this manifest and spec")
        images = plan.array.map()
        if verify:
            _verify(plan)
    except ArtefactError as error:
        raise ArtefactError(str(error), hint=_prepare(plan.spec)) from None
    rows = plan.source.table.select(
        "image",
        pl.col("ok").alias("filled"),
        height=pl.lit(plan.source.sizes[:, 0]),
        width=pl.lit(plan.source.sizes[:, 1]),
    )
    return Store(plan.folder, plan.made_from["key"], plan.spec, images, rows, plan.notes)


def _verify(plan: _Plan) -> None:
    recorded = _done_crcs(plan.folder)
    damaged = sorted(set(range(plan.array.num_chunks)) - set(plan.array.intact(recorded)))
    if damaged:
        rows = plan.array.rows(damaged[0])
        raise ArtefactError(
            f"{plan.array.file}: {len(damaged)} of {plan.array.num_chunks} chunks changed since they were written, "
            f"first rows {rows.start}..{rows.stop - 1}"
        )


def _done_crcs(folder: Path) -> dict[int, int]:
    """Chunk number -> crc32 from the DONE mark; empty without a valid one."""
    try:
        return dict(enumerate(read_done(folder, StoreMadeFrom, version=FORMAT).made_from.crc32))
    except ArtefactError:
        return {}


def _info(folder: Path) -> StoreInfo | None:
    try:
        made_from = read_json(folder / SPEC_FILE)
        key, files, spec = str(made_from["key"]), str(made_from["files_hash"]), dict(made_from["spec"])
    except (ArtefactError, KeyError, TypeError, ValueError):
        return None
    held = sum(p.stat().st_blocks * 512 for p in folder.iterdir())
    return StoreInfo(folder, key, files, spec, held, _is_whole(folder))


def _is_whole(folder: Path) -> bool:
    """Whether the store is finished and its files have their form; their bytes are verified when it is used."""
    try:
        read_done(folder, StoreMadeFrom, version=FORMAT)
        np.load(ChunkedArray(folder, (0,)).file, mmap_mode="r")
    except (ArtefactError, OSError, ValueError):
        return False
    return True
