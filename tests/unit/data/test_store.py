"""The image store: rows equal the decoded files, however often interrupted; nothing damaged is taken for whole."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facetwise.core.errors import (
    ArtefactError,
    FacetwiseError,
    InputError,
    LockedError,
    MismatchError,
    SettingError,
)
from facetwise.core.project import Project
from facetwise.core.records.project_file import ProjectFile
from facetwise.core.workspace import DONE, Workspace, lock
from facetwise.data.images import chunks as chunks_module
from facetwise.data.images import fill as fill_module
from facetwise.data.images import store as store_module
from facetwise.data.images.chunks import ChunkedArray
from facetwise.data.images.crops import crop_resize, fitted_sizes, fraction_regions
from facetwise.data.images.images import decode
from facetwise.data.images.store import VIEW, StoreSpec, list_stores, open_store, prepare_store
from facetwise.data.manifest import Manifest

SMALL = StoreSpec(12, 9)


def draw(seed: int, height: int = 30, width: int = 24) -> np.ndarray[Any, Any]:
    """A smooth picture of its own."""
    rng = np.random.default_rng(seed)
    return np.asarray(Image.fromarray(rng.integers(0, 256, (4, 3, 3), dtype=np.uint8)).resize((width, height)))


def jpeg(seed: int, height: int = 30, width: int = 24) -> bytes:
    return bytes(simplejpeg.encode_jpeg(draw(seed, height, width), 90))


def pillow(pixels: np.ndarray[Any, Any], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def make_project(root: Path) -> Project:
    spec = {
        "name": "drawn",
        "dataset": {
            "path": "data",
            "layout": "images",
            "train": {"table": "t.csv", "images": ".", "group": "who", "image": "image"},
        },
        "attributes": [{"name": "colour", "classes": ["red", "blue"], "column": "colour"}],
    }
    (root / "data").mkdir(parents=True)
    return Project(Workspace(root), ProjectFile.model_validate(spec))


def make_manifest(project: Project, files: dict[str, bytes | None]) -> Manifest:
    """Write the files and describe them; None is a missing file, bytes that do not decode a damaged one."""
    rows = []
    for name, data in files.items():
        row: dict[str, Any] = {
            "image": name,
            "split": "train",
            "group": name,
            "name": name,
            "phash": None,
            "note": None,
        }
        row |= {"sha256": None, "bytes": None, "width": None, "height": None, "status": "missing"}
        if data is not None:
            (project.dataset_root / name).parent.mkdir(parents=True, exist_ok=True)
            (project.dataset_root / name).write_bytes(data)
            row |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "status": "damaged"}
            try:
                row["height"], row["width"] = decode(data, name).pixels.shape[:2]
                row["status"] = "ok"
            except InputError:
                pass
        rows.append(row)
    numbers = {"bytes": pl.Int64, "width": pl.Int32, "height": pl.Int32, "phash": pl.UInt64}
    texts = dict.fromkeys(("image", "split", "group", "name", "sha256", "status", "note"), pl.String)
    return Manifest.of(pl.DataFrame(rows, schema_overrides={**numbers, **texts}))


MIXED: dict[str, bytes | None] = {
    "a/쓴-마스크.jpg": jpeg(0),
    "b.png": pillow(draw(1, 40, 20), "PNG"),
    "grey.jpg": pillow(draw(2, 17, 50)[:, :, 0], "JPEG"),
    "gone.jpg": None,
    "cut.jpg": jpeg(3)[:200],
    **{f"c{i}.jpg": jpeg(10 + i, 20 + i, 33 - i) for i in range(9)},
}


@pytest.fixture(autouse=True, scope="module")
def without_waiting_for_the_disk() -> Iterator[None]:
    """No test pulls the plug, and a hundred flushes take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def manifest(project: Project) -> Manifest:
    return make_manifest(project, MIXED)


@pytest.fixture
def two_rows_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_module, "MAX_CHUNK_ROWS", 2)


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


# --- what a row holds -------------------------------------------------------------------------------------------------


def test_every_row_is_its_decoded_file(project: Project, manifest: Manifest) -> None:
    store = prepare_store(project, manifest, SMALL, workers=3)
    assert store.images.shape == (len(MIXED), 12, 9, 3)
    assert store.images.dtype == np.uint8
    assert store.rows["image"].to_list() == list(MIXED)
    for row, (name, data) in enumerate(MIXED.items()):
        if name in ("gone.jpg", "cut.jpg"):
            assert store.rows.row(row)[1:] == (False, 0, 0)
            assert not store.images[row].any()
            continue
        assert data is not None
        whole = Image.fromarray(decode(data, name).pixels)
        expected = np.asarray(whole.resize((9, 12), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(store.images[row], expected)
        assert store.rows.row(row)[1:] == (True, 12, 9)


sides = st.floats(0, 1).map(lambda x: round(x, 3))
spans = st.tuples(sides, sides).map(sorted).filter(lambda s: s[1] - s[0] > 0.04)


@settings(max_examples=25, deadline=None)
@given(
    source=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    across=spans,
    down=spans,
    fit=st.sampled_from(["stretch", "shrink"]),
)
def test_any_size_and_box(
    source: tuple[int, int], target: tuple[int, int], across: list[float], down: list[float], fit: Any
) -> None:
    spec = StoreSpec(*target, box=(across[0], down[0], across[1], down[1]), fit=fit)
    data = jpeg(5, *source)
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        store = prepare_store(project, make_manifest(project, {"x.jpg": data}), spec, workers=1)
        height, width = store.picture(0).shape[:2]
        region = [across[0] * source[1], down[0] * source[0], across[1] * source[1], down[1] * source[0]]
        expected = crop_resize(decode(data, "x").pixels, region, height, width)
        np.testing.assert_array_equal(store.picture(0), expected)
        assert store.images[0].sum() == expected.sum(dtype=np.int64)  # the canvas around it is zeros
        if fit == "stretch":
            assert (height, width) == target


def test_whole_pixel_box_without_scaling_is_a_slice() -> None:
    pixels = draw(7, 40, 30)
    np.testing.assert_array_equal(crop_resize(pixels, (5, 10, 25, 38), 28, 20), pixels[10:38, 5:25])


def test_halving_is_the_antialiased_triangle() -> None:
    """A step halved by a triangle filter of radius 2: weights 1/8, 3/8, 3/8, 1/8 (normalised at the border)."""
    row = np.array([0, 0, 0, 0, 200, 200, 200, 200], dtype=np.uint8)
    pixels = np.repeat(np.repeat(row[None, :, None], 8, axis=0), 3, axis=2)
    halved = crop_resize(pixels, (0, 0, 8, 8), 4, 4)
    assert halved[2, :, 0].tolist() == [0, 25, 175, 200]


@settings(max_examples=60, deadline=None)
@given(
    extent=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    canvas=st.tuples(st.integers(1, 400), st.integers(1, 400)),
)
def test_shrinking_keeps_aspect_and_never_enlarges(extent: tuple[int, int], canvas: tuple[int, int]) -> None:
    regions = fraction_regions(np.array([extent], dtype=np.float64), (0, 0, 1, 1))
    height, width = fitted_sizes(regions, *canvas, "shrink")[0].tolist()
    assert 1 <= height <= min(canvas[0], extent[1])
    assert 1 <= width <= min(canvas[1], extent[0])
    assert (height, width) == (extent[1], extent[0]) or height == canvas[0] or width == canvas[1]
    scale = min(1.0, canvas[0] / extent[1], canvas[1] / extent[0])
    assert abs(height - scale * extent[1]) <= 1
    assert abs(width - scale * extent[0]) <= 1


def test_view_keeps_small_images_as_they_are(project: Project) -> None:
    manifest = make_manifest(project, {"small.png": pillow(draw(1, 40, 20), "PNG"), "large.jpg": jpeg(2, 600, 450)})
    store = prepare_store(project, manifest, VIEW)
    np.testing.assert_array_equal(store.picture(0), draw(1, 40, 20))
    assert store.picture(1).shape == (384, 288, 3)
    assert not store.images[1, :, 288:].any()


def test_exif_orientation_comes_before_the_box(project: Project) -> None:
    upright, exif, buffer = draw(4, 40, 24), Image.Exif(), io.BytesIO()
    exif[0x0112] = 3
    Image.fromarray(upright).rotate(180).save(buffer, "PNG", exif=exif)
    store = prepare_store(
        project, make_manifest(project, {"x.png": buffer.getvalue()}), StoreSpec(20, 24, box=(0, 0, 1, 0.5))
    )
    np.testing.assert_array_equal(store.images[0], upright[:20])


def test_index_follows_the_request_and_names_the_unknown(project: Project, manifest: Manifest) -> None:
    store = prepare_store(project, manifest, SMALL)
    names = list(MIXED)
    assert store.index([names[5], names[0], names[5]]).tolist() == [5, 0, 5]
    with pytest.raises(MismatchError, match=r"1 image.*nobody\.jpg"):
        store.index([names[0], "nobody.jpg"])


def test_images_cannot_be_written_through_the_store(project: Project, manifest: Manifest) -> None:
    store = prepare_store(project, manifest, SMALL)
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 1


# --- what the key depends on ------------------------------------------------------------------------------------------


def test_labels_keep_the_store_and_content_does_not(project: Project, manifest: Manifest) -> None:
    key = prepare_store(project, manifest, SMALL).key
    relabelled = Manifest.of(manifest.table.with_columns(pl.lit(1, pl.Int16).alias("label:colour")))
    assert open_store(project, relabelled, SMALL).key == key
    fewer = Manifest.of(manifest.table.head(4))
    with pytest.raises(ArtefactError, match="no such store"):
        open_store(project, fewer, SMALL)
    with pytest.raises(ArtefactError, match="no such store"):
        open_store(project, manifest, StoreSpec(12, 10))


def test_boxes_count_by_value_not_by_file(project: Project, manifest: Manifest) -> None:
    readable = manifest.table.filter(status="ok")["image"].to_list()
    lines = [f"{name},1,2,15,16" for name in readable]
    (project.root / "one.csv").write_text("\n".join(["image,left,top,right,bottom", *lines]), encoding="utf-8")
    (project.root / "two.csv").write_text(
        "\n".join(["score,image,left,top,right,bottom", *("9," + x for x in lines[::-1])]), encoding="utf-8"
    )
    one = prepare_store(project, manifest, StoreSpec(12, 9, boxes=Path("one.csv")))
    two = open_store(project, manifest, StoreSpec(12, 9, boxes=Path("two.csv")))
    assert one.key == two.key
    row = one.index([readable[0]])[0]
    expected = crop_resize(draw_decoded(readable[0]), (1, 2, 15, 16), 12, 9)
    np.testing.assert_array_equal(one.images[row], expected)


def draw_decoded(name: str) -> np.ndarray[Any, Any]:
    data = MIXED[name]
    assert data is not None
    return decode(data, name).pixels


def test_stores_are_listed(project: Project, manifest: Manifest) -> None:
    assert list_stores(project.workspace) == []
    store = prepare_store(project, manifest, SMALL)
    other = prepare_store(project, manifest, VIEW)
    (other.path / DONE).unlink()
    (project.workspace.stores / "stranger").mkdir()
    found = {info.key: info for info in list_stores(project.workspace)}
    assert {key: info.finished for key, info in found.items()} == {store.key: True, other.key: False}
    assert found[store.key].spec["height"] == 12
    assert found[store.key].num_bytes >= store.images.nbytes


# --- interruption and damage ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_rows_a_chunk")
@pytest.mark.parametrize("stop", range(7))
def test_stopped_at_any_chunk_it_ends_with_the_same_bytes(
    project: Project, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    whole = content(prepare_store(project, manifest, SMALL).path)
    shutil.rmtree(project.workspace.stores)
    write, written = ChunkedArray.write, []

    def stopping(self: ChunkedArray, chunk: int, pixels: Any) -> int:
        if chunk == stop:
            raise KeyboardInterrupt
        written.append(chunk)
        return write(self, chunk, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(ChunkedArray, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            prepare_store(project, manifest, SMALL)
    with pytest.raises(ArtefactError, match="not finished"):
        open_store(project, manifest, SMALL)
    assert written == list(range(stop))
    reported: list[tuple[int, int]] = []
    store = prepare_store(project, manifest, SMALL, progress=lambda done, total: reported.append((done, total)))
    assert content(store.path) == whole
    assert reported == [(min(2 * c, 14), 14) for c in range(stop, 8)]  # finished chunks were kept


def torn_journal(folder: Path) -> None:
    """Killed while it noted a chunk."""
    (folder / DONE).unlink()
    journal = folder / "chunks.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])


def short_array(folder: Path) -> None:
    with (folder / "images.npy").open("r+b") as file:
        file.truncate(700)


def long_array(folder: Path) -> None:
    with (folder / "images.npy").open("ab") as file:
        file.write(b"more")


def flipped_byte(folder: Path) -> None:
    data = bytearray((folder / "images.npy").read_bytes())
    data[1500] ^= 1
    (folder / "images.npy").write_bytes(data)


def broken_header(folder: Path) -> None:
    data = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(data.replace(b"|u1", b"|i1", 1))


def no_array(folder: Path) -> None:
    (folder / "images.npy").unlink()


def no_done(folder: Path) -> None:
    (folder / DONE).unlink()


def garbled_done(folder: Path) -> None:
    (folder / DONE).write_text('{"schema_version": 1, "made', encoding="utf-8")


def odd_done(folder: Path) -> None:
    (folder / DONE).write_text('{"schema_version": 1, "made_from": [1]}', encoding="utf-8")


def short_done(folder: Path) -> None:
    done = json.loads((folder / DONE).read_text(encoding="utf-8"))
    done["made_from"]["crc32"].pop()
    (folder / DONE).write_text(json.dumps(done), encoding="utf-8")


def other_version(folder: Path) -> None:
    done = json.loads((folder / DONE).read_text(encoding="utf-8"))
    (folder / DONE).write_text(json.dumps(done | {"schema_version": 99}), encoding="utf-8")


DAMAGES = [
    torn_journal, short_array, long_array, flipped_byte, broken_header, no_array,
    no_done, garbled_done, odd_done, short_done, other_version,
]  # fmt: skip


@pytest.mark.usefixtures("two_rows_a_chunk")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_damage_is_noticed_and_repaired(project: Project, manifest: Manifest, damage: Any) -> None:
    path = prepare_store(project, manifest, SMALL).path
    whole = content(path)
    damage(path)
    with pytest.raises(ArtefactError) as caught:
        open_store(project, manifest, SMALL)
    assert "facetwise prepare" in (caught.value.hint or "")
    prepare_store(project, manifest, SMALL)
    assert content(path) == whole


def test_a_store_of_other_images_under_this_name_is_not_taken(project: Project, manifest: Manifest) -> None:
    path = prepare_store(project, manifest, SMALL).path
    whole = content(path)
    shutil.rmtree(path)
    other = prepare_store(project, manifest, StoreSpec(12, 9, box=(0, 0, 0.5, 0.5))).path
    other.rename(path)
    with pytest.raises(ArtefactError, match="not made from this manifest and spec"):
        open_store(project, manifest, SMALL)
    prepare_store(project, manifest, SMALL)
    assert content(path) == whole


@pytest.mark.usefixtures("two_rows_a_chunk")
def test_only_damaged_chunks_are_made_again(
    project: Project, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = prepare_store(project, manifest, SMALL).path
    flipped_byte(path)
    made: list[int] = []
    fill_row = fill_module.fill_row

    def noting(source: Any, row: int, out: Any) -> str | None:
        made.append(row)
        return fill_row(source, row, out)

    monkeypatch.setattr(fill_module, "fill_row", noting)
    prepare_store(project, manifest, SMALL)
    assert sorted(made) == [4, 5]  # byte 1500 = 128 of header + row 4 of 324 bytes each
    prepare_store(project, manifest, SMALL)
    assert len(made) == 2


def test_a_whole_store_is_never_written_again(project: Project, manifest: Manifest) -> None:
    path = prepare_store(project, manifest, SMALL).path
    before = {p.name: p.stat().st_mtime_ns for p in path.iterdir()}
    shutil.rmtree(project.dataset_root)
    prepare_store(project, manifest, SMALL)
    assert {p.name: p.stat().st_mtime_ns for p in path.iterdir()} == before


@pytest.mark.usefixtures("two_rows_a_chunk")
def test_changed_files_are_all_named_and_the_rest_is_kept(project: Project, manifest: Manifest) -> None:
    first = project.dataset_root / "b.png"
    first.write_bytes(jpeg(77))
    last = project.dataset_root / "c8.jpg"
    last.unlink()
    with pytest.raises(MismatchError, match=r"(?s)2 image.*b\.png.* was changed.*c8\.jpg") as caught:
        prepare_store(project, manifest, SMALL)
    assert "facetwise check" in (caught.value.hint or "")
    for path in (first, last):
        data = MIXED[path.name]
        assert data is not None
        path.write_bytes(data)
    reported: list[int] = []
    prepare_store(project, manifest, SMALL, progress=lambda done, _total: reported.append(done))
    assert reported == [10, 12, 14]


def test_same_size_change_is_noticed(project: Project) -> None:
    manifest = make_manifest(project, {"x.png": pillow(draw(1), "PNG")})
    path = project.dataset_root / "x.png"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(MismatchError, match="was changed"):
        prepare_store(project, manifest, SMALL)


def test_a_second_process_is_turned_away(project: Project, manifest: Manifest) -> None:
    path = prepare_store(project, manifest, SMALL).path
    (path / DONE).unlink()
    with lock(path / ".lock", "test"), pytest.raises(LockedError):
        prepare_store(project, manifest, SMALL)
    prepare_store(project, manifest, SMALL)


def test_a_store_that_another_process_made_meanwhile_is_not_made_again(
    project: Project, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, filled = store_module._fill, []

    @contextmanager
    def late(path: Path, what: str) -> Iterator[None]:
        """The lock is got when the other process has finished."""
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "lock", lock)
            prepare_store(project, manifest, SMALL)
        with lock(path, what):
            yield

    monkeypatch.setattr(store_module, "_fill", lambda *a: (filled.append(1), fill(*a)))
    monkeypatch.setattr(store_module, "lock", late)
    assert prepare_store(project, manifest, SMALL).images.shape == (len(MIXED), 12, 9, 3)
    assert len(filled) == 1


def test_no_room_is_told_before_anything_is_written(
    project: Project, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(FacetwiseError, match="needs 4,664 more bytes, the disk has 1,000 free"):
        prepare_store(project, manifest, SMALL)
    assert list(project.workspace.stores.rglob("images.npy")) == []


@pytest.mark.usefixtures("two_rows_a_chunk")
def test_a_disk_that_fills_up_is_told_and_can_be_resumed(
    project: Project, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = content(prepare_store(project, manifest, SMALL).path)
    shutil.rmtree(project.workspace.stores)
    flush, calls = chunks_module._flush, iter(range(100))

    def full(file: Any) -> None:
        if next(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(file)

    with monkeypatch.context() as patch:
        patch.setattr(chunks_module, "_flush", full)
        with pytest.raises(FacetwiseError, match="disk is full"):
            prepare_store(project, manifest, SMALL)
    assert content(prepare_store(project, manifest, SMALL).path) == whole


# --- settings and boxes from outside ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 0},
        {"width": 5000},
        {"box": (0.5, 0, 0.5, 1)},
        {"box": (0, 0, 1.01, 1)},
        {"box": (0, math.nan, 1, 1)},
        {"boxes": Path("b.csv"), "box": (0, 0, 1, 0.5)},
    ],
)
def test_impossible_specs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        StoreSpec(**({"height": 8, "width": 8} | wrong))
