"""Scanning image files once, in parallel: hash, size, whether they are whole. Unchanged files are not read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.files.outside import printable
from facetwise.core.tables import TEST, read_table, write_table
from facetwise.core.text.counting import count, listed
from facetwise.core.workspace import inside
from facetwise.data.findings import BAD_NAME, Findings
from facetwise.data.images.images import Probe, heavy, probe, read_bytes
from facetwise.data.images.phash import perceptual_hash
from facetwise.data.images.thumbnails import thumbnail

SCAN = {
    "image": pl.String(),
    "sha256": pl.String(),
    "bytes": pl.Int64(),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "phash": pl.UInt64(),
    "thumbnail": pl.Binary(),  # grey, 32x32 bytes: copies are looked for by it
    "status": pl.String(),
    "note": pl.String(),
    "depth": pl.Int32(),  # of a file with more than 8 bits a channel, how many its values take; else null
    "modified": pl.Int64(),  # nanoseconds since 1970; these two and `bytes` tell whether the file is as it was
    "changed": pl.Int64(),  # of the inode: no program sets it, so that a file with its old time put back is seen
}
_UNCHANGED = ("bytes", "modified", "changed")
"""Columns of the scan cache that tell whether a file changed; the others come from the file alone."""

FLAT = 3.0
"""Smallest standard deviation of grey levels (of 255); images below it are reported as nearly uniform."""
FLAT_NOTE = "nearly uniform"

Row = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")


def scan(
    root: Path,
    images: Sequence[str],
    cache: pl.DataFrame | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    into: Sequence[Path] = (),
) -> pl.DataFrame:
    """One row per image, in order, columns as in `SCAN`; the status is `ok`, `damaged` (`note` says why) or `missing`.

    `images` are paths relative to `root`; one that is not UTF-8 is a damaged row under its escaped name. Rows of
    `cache` whose file has the same size and times (of its content and of its inode) are reused. Links may lead `into`
    other folders (`workspace.inside`).
    """
    known = {} if cache is None else {row["image"]: row for row in cache.iter_rows(named=True)}
    seen = [_on_disk(root, image) for image in images]
    rows = [known[r["image"]] if _unchanged(r, known.get(r["image"])) else r for r in seen]
    new = [place for place, row in enumerate(rows) if row["status"] is None]
    looks = in_parallel(lambda place: _look(root, rows[place], into), new, workers)
    for done, (place, content) in enumerate(zip(new, looks, strict=True)):
        rows[place] = rows[place] | content
        if progress is not None:
            progress(len(images) - len(new) + done + 1, len(images))
    return pl.DataFrame(rows, schema=SCAN, orient="row")


def read_cache(path: Path) -> pl.DataFrame | None:
    """The rows of an earlier scan; None if there are none, or they cannot be read (the cache is then made again)."""
    try:
        return read_table(path, SCAN)
    except ArtefactError:
        return None


def write_cache(scanned: pl.DataFrame, path: Path) -> None:
    """Keep the rows of a scan for the next one."""
    write_table(scanned, path, SCAN)


def scan_findings(table: pl.DataFrame) -> Findings:
    """A warning for each missing or damaged image, and one line for each kind of note on readable ones.

    If no image of a side can be used, one error with the reasons instead.
    """
    found = Findings()
    useless = [side for (side,), rows in table.group_by("split") if not (rows["status"] == "ok").any()]
    for side in sorted(map(str, useless)):
        _note_useless(table.filter(pl.col("split") == side), side, found)
    for row in table.filter((pl.col("status") != "ok") & ~pl.col("split").is_in(useless)).iter_rows(named=True):
        test = row["split"] == TEST
        kept = "kept as a row without a prediction" if test else "left out of training"
        hint = "put the image back, or make the submission with `--fill-missing`" if test else None
        code = f"{'test' if test else 'train'}-image-{row['status']}"
        found.warning(code, row["image"], f"{row['note']}; {kept}", hint)
    noted = table.filter((pl.col("status") == "ok") & pl.col("note").is_not_null())
    for (note,), rows in noted.group_by("note", maintain_order=True):
        level = found.warning if FLAT_NOTE in str(note) else found.info
        others = f" ({len(rows)} images; also {listed(rows['image'][1:], 5)})" if len(rows) > 1 else ""
        level("odd-image", rows["image"][0], f"{note}{others}")
    return found


def _note_useless(rows: pl.DataFrame, side: str, found: Findings) -> None:
    reasons = rows["note"].value_counts(sort=True)
    counted = (f"{note} ({images})" for note, images in reasons.iter_rows())
    what = f"none of the {count(len(rows), 'image')} of the {side} side can be used: {listed(counted)}"
    hint = "put the images back" + (", or take `[dataset.test]` out of facetwise.toml" if side == TEST else "")
    found.error("no-usable-image", rows["image"][0], what, hint)


def depth_findings(scanned: pl.DataFrame) -> Findings:
    """How files with more than 8 bits per channel are read, and a warning if that makes most of them dark."""
    found = Findings()
    deep = scanned.filter(pl.col("depth").is_not_null()).sort("depth", descending=True, maintain_order=True)
    if deep.is_empty():
        return found
    first, depth, usual = deep["image"][0], int(deep["depth"][0]), int(deep["depth"][len(deep) // 2])
    message = f"{count(len(deep), 'image')} of more than 8 bits a channel, read as {depth}-bit, which it takes"
    if usual < depth:
        dark = f"{message}; half of them take no more than {usual}-bit, and come out darker by {2 ** (depth - usual)}"
        found.warning("depth", first, dark, "if that file is not like the others, mend it or leave it out")
    else:
        found.info("depth", first, message)
    return found


def in_parallel(work: Callable[[T], R], items: Sequence[T], workers: int | None) -> Iterator[R]:
    """`work` of each item, in order, on threads (decoding and hashing release the lock), with a bounded queue."""
    num_threads = workers or len(os.sched_getaffinity(0))
    if num_threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(num_threads) as pool:
        waiting = iter(items)
        queue = [pool.submit(work, item) for item in islice(waiting, 16 * num_threads)]
        try:
            for item in waiting:
                yield queue.pop(0).result()
                queue.append(pool.submit(work, item))
            yield from (job.result() for job in queue)
        finally:
            pool.shutdown(cancel_futures=True)


def _on_disk(root: Path, image: str) -> Row:
    """A row with what the file system knows; without a status if the content has to be read."""
    row: Row = {"image": printable(image), **dict.fromkeys(list(SCAN)[1:])}
    if row["image"] != image:
        return row | {"status": "damaged", "note": BAD_NAME}
    try:
        status = (root / image).stat()
    except (FileNotFoundError, NotADirectoryError):
        return row | {"status": "missing", "note": "no such file"}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return row | {"status": "damaged", "note": f"cannot be read ({reason})"}
    return row | {"bytes": status.st_size, "modified": status.st_mtime_ns, "changed": status.st_ctime_ns}


def _unchanged(row: Row, known: Row | None) -> bool:
    return known is not None and row["status"] is None and all(row[k] == known[k] for k in _UNCHANGED)


def _look(root: Path, row: Row, into: Sequence[Path]) -> Row:
    if inside(root, row["image"], into) is None:
        return {"status": "damaged", "note": "a link that leads out of the dataset"}
    return _content(root / row["image"], row["bytes"])


def _content(path: Path, size: int) -> Row:
    name = str(path)
    try:
        with heavy(size=size):
            data = read_bytes(path)
            sha256 = hashlib.sha256(data).hexdigest()
            try:
                seen = probe(data, name)
            except InputError as error:
                return {"sha256": sha256, "status": "damaged", "note": _without(name, error)}
    except InputError as error:
        return {"status": "damaged", "note": _without(name, error)}
    seen_size = {"width": seen.width, "height": seen.height}
    looks = {"phash": perceptual_hash(seen.grey), "thumbnail": thumbnail(seen.grey).tobytes()}
    return {"sha256": sha256, "status": "ok", "note": _note(seen), "depth": seen.depth, **seen_size, **looks}


def _note(seen: Probe) -> str | None:
    flat = FLAT_NOTE if float(np.std(seen.grey, dtype=np.float64)) < FLAT else None
    return "; ".join(filter(None, (flat, seen.note))) or None


def _without(name: str, error: InputError) -> str:
    return str(error).removeprefix(f"{name}: ")
