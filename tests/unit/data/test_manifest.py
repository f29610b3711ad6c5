"""The manifest: order, hashes, what is reread, and when it may not be used."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_project import (
    GLASSES,
    PEOPLE,
    PHOTOS,
    attribute,
    encoded,
    open_project,
    picture,
    project_at,
    replace_in,
    write_contest,
    write_table,
)
from PIL import Image

import facetwise.data.manifest
from facetwise.core.errors import ArtefactError, InputError, MismatchError, ProblemsError
from facetwise.core.project import Project
from facetwise.core.tables import MANIFEST
from facetwise.data.findings import errors
from facetwise.data.images.scan import read_cache, scan, write_cache
from facetwise.data.images.store import StoreSpec, prepare_store
from facetwise.data.manifest import (
    CACHE,
    build_manifest,
    describe_other,
    list_images,
    load_manifest,
    saved_depth,
)
from facetwise.data.reading.readers import read_dataset


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_project(tmp_path / "project", write_contest(tmp_path / "data"))


def test_what_is_saved_is_what_was_built(project: Project) -> None:
    built, loaded = build_manifest(project), load_manifest(project)
    assert loaded.table.equals(built.table)
    assert (loaded.hash, loaded.labels_hash, loaded.findings) == (built.hash, built.labels_hash, built.findings)
    assert list(built.table.columns)[: len(MANIFEST)] == list(MANIFEST)
    assert built.codes(project.space)[:7].tolist() == [[0, 0, 0]] * 5 + [[1, 0, 0], [2, 0, 0]]
    assert np.array_equal(built.values("age"), [29.0] * 7 + [60.0] * 7)
    assert built.test["group"].is_null().all()


def test_hashes_tell_labels_from_content(project: Project) -> None:
    first = build_manifest(project, workers=1)
    assert build_manifest(project, workers=3).hash == first.hash
    replace_in(project.dataset_root / "train" / "train.csv", {",29,": ",28,"})
    relabelled = build_manifest(project)
    assert relabelled.hash == first.hash
    assert relabelled.labels_hash != first.labels_hash
    (project.dataset_root / relabelled.table["image"][0]).write_bytes(encoded(picture(50)))
    assert build_manifest(project).hash != first.hash


def test_damaged_and_missing_images_stay_as_rows(project: Project) -> None:
    root = project.dataset_root
    bad = root / "train" / "images" / "000001_male_Asian_29" / "mask3.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    (root / "eval" / "images" / "a.jpg").unlink()
    (root / "eval" / "images" / "b.jpg").write_bytes(b"")
    (root / "eval" / "images" / "c.jpg").write_bytes(encoded(picture(9)))
    write_table(root / "eval" / "info.csv", "ImageID,ans", "a.jpg,0", "b.jpg,0", "c.jpg,0")
    manifest = build_manifest(project)
    assert manifest.train.height == 13
    assert manifest.codes(project.space).shape == (13, 3)
    assert manifest.test["status"].to_list() == ["missing", "damaged", "ok"]
    assert {f.code for f in manifest.findings} == {"train-image-damaged", "test-image-missing", "test-image-damaged"}
    assert any(str(f).startswith("train/images/000001_male_Asian_29/mask3.jpg: the JPEG is") for f in manifest.findings)
    assert load_manifest(project).findings == manifest.findings


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def test_a_side_without_a_usable_image_is_one_error(project: Project) -> None:
    images = list((project.dataset_root / "train" / "images").rglob("*.jpg"))
    for path in images:
        path.write_bytes(POINTER)
    for path in (project.dataset_root / "eval" / "images").iterdir():
        path.write_bytes(b"")
    found = build_manifest(project).findings
    assert [(f.level, f.code) for f in found] == [("error", "no-usable-image")] * 2
    test, train = (str(f) for f in found)
    assert "2 images of the test side can be used: empty file (2)" in test
    assert "14 images of the train side" in train
    assert "git lfs pull" in train
    assert "`[dataset.test]`" in str(found[0].hint)
    with pytest.raises(ArtefactError):
        load_manifest(project)
    with pytest.raises(ProblemsError, match="git lfs pull"):
        describe_other(project, project.dataset_root)


def test_a_link_to_an_image_elsewhere_is_not_read(project: Project, tmp_path: Path) -> None:
    image = project.dataset_root / "train" / "images" / "000001_male_Asian_29" / "mask1.jpg"
    image.rename(tmp_path / "secret.jpg")
    image.symlink_to(tmp_path / "secret.jpg")
    assert build_manifest(project).table["note"][0] == "a link that leads out of the dataset"


def test_only_changed_files_are_read_again(project: Project) -> None:
    images = build_manifest(project).table["image"].to_list()
    cache = read_cache(project.workspace.manifest / CACHE)
    assert cache is not None
    marked = cache.with_columns(note=cache["image"])
    (project.dataset_root / images[3]).write_bytes(encoded(picture(77)))
    again = scan(project.dataset_root, images, marked)
    assert [image for image, note in zip(images, again["note"], strict=True) if note != image] == [images[3]]


@pytest.mark.parametrize("fact", ["bytes", "modified", "changed"])
def test_a_file_is_known_by_its_size_and_by_both_times(project: Project, fact: str) -> None:
    first = build_manifest(project)
    cache = project.workspace.manifest / CACHE
    known = read_cache(cache)
    assert known is not None
    other = pl.when(pl.int_range(pl.len()) == 0).then(pl.col(fact) - 1).otherwise(fact)
    write_cache(known.with_columns(other.alias(fact), note=pl.lit("as before")), cache)
    assert build_manifest(project).table["note"].to_list() == [None, *["as before"] * (first.table.height - 1)]
    status = (project.dataset_root / first.table["image"][0]).stat()
    again = read_cache(cache)
    assert again is not None
    assert again.row(0, named=True)["changed"] == status.st_ctime_ns


def test_everything_is_read_anew_when_asked(project: Project) -> None:
    first = build_manifest(project)
    cache = project.workspace.manifest / CACHE
    known = read_cache(cache)
    assert known is not None
    write_cache(known.with_columns(note=pl.lit("as it was told before")), cache)
    assert set(build_manifest(project).table["note"]) == {"as it was told before"}
    assert build_manifest(project, anew=True).table.equals(first.table)


def deep_photo(largest: int) -> bytes:
    levels = np.linspace(0, largest, 48 * 64).reshape(64, 48).astype(np.uint16)
    return encoded(Image.fromarray(levels), "PNG")


def test_the_depth_is_one_for_the_dataset_and_stores_follow_it(project: Project) -> None:
    assert build_manifest(project).depth is None
    images = [project.dataset_root / name for name in load_manifest(project).table["image"][:3]]
    for path, largest in zip(images, (4095, 4000, 1000), strict=True):
        path.write_bytes(deep_photo(largest))
    manifest = build_manifest(project)
    assert manifest.depth == load_manifest(project).depth == saved_depth(project) == 12
    told = [f for f in manifest.findings if f.code == "depth"]
    assert [(f.level, f.where) for f in told] == [("info", manifest.table["image"][0])]
    assert "3 images" in told[0].message
    assert "12-bit" in told[0].message
    store = prepare_store(project, manifest, StoreSpec(64, 48))
    assert store.images[:3].max(axis=(1, 2, 3)).tolist() == [255, 250, 62]
    images[2].write_bytes(deep_photo(65535))
    outlier = build_manifest(project)
    assert [(f.level, f.where) for f in outlier.findings if f.code == "depth"] == [
        ("warning", outlier.table["image"][2])
    ]
    assert outlier.depth == 16


def test_a_manifest_from_before_depths_reads_upper_bytes(project: Project) -> None:
    build_manifest(project)
    done = project.workspace.manifest / "DONE.json"
    record = json.loads(done.read_text(encoding="utf-8"))
    del record["made_from"]["depth"]
    done.write_text(json.dumps(record), encoding="utf-8")
    assert load_manifest(project).depth == 16


@pytest.mark.parametrize("damage", [b"", b"PAR1 not really"])
def test_a_damaged_cache_is_made_again(project: Project, damage: bytes) -> None:
    first = build_manifest(project)
    (project.workspace.manifest / CACHE).write_bytes(damage)
    assert build_manifest(project).table.equals(first.table)
    assert read_cache(project.workspace.manifest / CACHE) is not None


def test_errors_are_returned_and_nothing_is_saved(project: Project) -> None:
    with pytest.raises(ArtefactError) as caught:
        load_manifest(project)
    assert "facetwise check" in str(caught.value.hint)
    build_manifest(project)
    replace_in(table := project.dataset_root / "train" / "train.csv", {",29,": ",299,"})
    assert [f.code for f in build_manifest(project).errors] == ["out-of-range"]
    with pytest.raises(ArtefactError, match="last check found 1 error"):
        load_manifest(project)
    replace_in(table, {",299,": ",29,"})
    build_manifest(project)
    assert load_manifest(project).train.height == 14


def test_a_manifest_of_other_tables_or_settings_is_refused(project: Project) -> None:
    build_manifest(project)
    replace_in(table := project.dataset_root / "eval" / "info.csv", {"a.jpg,0": "a.jpg,1"})
    with pytest.raises(MismatchError, match=r"eval/info\.csv changed"):
        load_manifest(project)
    replace_in(table, {"a.jpg,1": "a.jpg,0"})
    load_manifest(project)
    replace_in(project.workspace.project_file, {"cuts = [30, 60]": "cuts = [29, 60]"})
    with pytest.raises(MismatchError, match="attributes"):
        load_manifest(Project.open(project.root))


def test_a_damaged_table_and_a_missing_dataset(project: Project) -> None:
    build_manifest(project)
    project.dataset_root.rename(project.root.parent / "away")
    assert load_manifest(project).train.height == 14
    with pytest.raises(InputError, match="no such folder"):
        build_manifest(project)
    table = project.workspace.manifest / "manifest.parquet"
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(ArtefactError, match="changed since it was made"):
        load_manifest(project)


def test_another_dataset_of_the_layout(project: Project, tmp_path: Path) -> None:
    other = write_contest(tmp_path / "other", PEOPLE[:1], tests=("x.jpg",))
    (other / "train" / "train.csv").unlink()
    (other / "train" / "images").rename(other / "unrelated")
    assert describe_other(project, other).test["name"].to_list() == ["x.jpg"]
    write_table(other / "eval" / "info.csv", "file", "x.jpg")
    with pytest.raises(ProblemsError, match="no column `ImageID`"):
        describe_other(project, other)
    assert not project.workspace.manifest.exists()


def test_any_folder_of_photos(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name, data in {
        "b.jpg": encoded(picture(1)),
        "deep/er/사진": encoded(picture(2), "PNG"),
        ".hidden.jpg": encoded(picture(3)),
        "broken.jpg": b"x",
        "notes.txt": b"x",
    }.items():
        (tmp_path / name).write_bytes(data)
    manifest = list_images(tmp_path)
    assert dict(manifest.test.select("image", "status").rows()) == {
        "b.jpg": "ok",
        "broken.jpg": "damaged",
        "deep/er/사진": "ok",
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images"):
        list_images(tmp_path / "empty")


def test_a_disk_is_no_folder_of_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facetwise.data.manifest, "MAX_OTHERS", 3)
    for i in range(4):
        (tmp_path / f"program-{i}").touch()
    (tmp_path / "a.jpg").write_bytes(encoded(picture(1)))
    with pytest.raises(InputError, match=r"no folder of photos, of its first . files 4 have no image's ending"):
        list_images(tmp_path)
    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(picture(i)))
    (tmp_path / "program-3").unlink()
    assert list_images(tmp_path).test.height == 5


def test_names_that_are_not_utf8(project: Project, tmp_path: Path) -> None:
    root = project.dataset_root
    latin, korean = os.fsdecode(b"caf\xe9.jpg"), os.fsdecode("한글".encode("cp949") + b".png")
    for folder in ("train/images", "train/images/000001_male_Asian_29", "eval/images"):
        (root / folder / latin).write_bytes(encoded(picture(1)))
    (root / "eval" / "images" / os.fsdecode(b"d\xe9")).mkdir()
    (root / "eval" / "images" / os.fsdecode(b"d\xe9") / "x.jpg").write_bytes(encoded(picture(1)))
    manifest = build_manifest(project)
    assert manifest.errors == ()
    assert [f.where for f in manifest.findings] == [
        "train/images/000001_male_Asian_29/caf\\xe9.jpg",
        "train/images/caf\\xe9.jpg",
        "eval/images/caf\\xe9.jpg",
        "eval/images/d\\xe9/x.jpg",
    ]
    assert {(f.level, f.code) for f in manifest.findings} == {("warning", "bad-file-name")}
    assert load_manifest(project).findings == manifest.findings
    (photos := tmp_path / "photos").mkdir()
    for name in (latin, korean, "good.jpg", os.fsdecode(b"caf\xe9.txt"), "caf\\xe9.jpg"):
        (photos / name).write_bytes(encoded(picture(2)) if not name.endswith("txt") else b"x")
    listed = list_images(photos)
    assert dict(listed.test.select("image", "status").rows()) == {
        "caf\\xe9.jpg": "ok",  # a file of that very name
        "good.jpg": "ok",
        "\\xc7ѱ\\xdb.png": "damaged",
    }
    (photos / "caf\\xe9.jpg").unlink()
    assert list_images(photos).test["note"][0] == "its name is not UTF-8"


def test_progress_counts_to_the_end(project: Project) -> None:
    seen: list[tuple[int, int]] = []
    build_manifest(project, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 16) for k in range(1, 17)]


def test_a_link_in_a_circle_is_a_damaged_image(project: Project) -> None:
    image = project.dataset_root / "eval" / "images" / "a.jpg"
    image.unlink()
    image.symlink_to(image.name)
    manifest = build_manifest(project)
    assert manifest.test["status"].to_list() == ["damaged", "ok"]
    assert "symbolic links" in manifest.test["note"][0]
    assert [(f.code, "--fill-missing" in str(f.hint)) for f in manifest.findings] == [("test-image-damaged", True)]


def test_a_project_or_dataset_that_is_a_link_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="leads back to itself"):
        Project.open(tmp_path / "loop")
    with pytest.raises(InputError, match="leads back to itself"):
        open_project(tmp_path / "project", tmp_path / "loop")


def test_a_folder_without_a_usable_image_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("broken.jpg", ".hidden.jpg", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    (tmp_path / "photos" / "link.jpg").symlink_to("link.jpg")
    with pytest.raises(InputError, match="no images in it that can be read; left out: ") as caught:
        list_images(tmp_path / "photos")
    for words in (r".hidden.jpg (hidden)", "broken.jpg (not an image", "link.jpg (a link)", "notes.txt (not an image"):
        assert words in str(caught.value)


def test_a_scanned_row_names_its_circle_and_its_long_name(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert scan(tmp_path, ["loop.jpg", "x" * 300])["status"].to_list() == ["damaged", "damaged"]


def test_stems_in_another_case(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    project = open_project(tmp_path / "project", dataset)
    plain = read_dataset(project).table
    folder = dataset / "train" / "images" / "000001_male_Asian_29"
    (folder / "mask3.jpg").rename(folder / "MASK3.JPG")
    found = read_dataset(project)
    assert [(f.level, f.code) for f in found.findings] == [("info", "respelt-name")]
    assert found.table["image"][2].endswith("/MASK3.JPG")
    assert found.table.drop("image").equals(plain.drop("image"))
    (folder / "mask3.jpg").write_bytes(encoded(picture(9)))
    assert [f.code for f in errors(read_dataset(project).findings)] == ["same-stem"]


@pytest.mark.parametrize(("in_table", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_another_normal_form(tmp_path: Path, in_table: str, on_disk: str) -> None:
    person, image = "000003_male_김_40", "é한.jpg"
    row = f"000003,male,Asian,40,{unicodedata.normalize(on_disk, person)}"
    dataset = write_contest(tmp_path / "data", (*PEOPLE, row), tests=(unicodedata.normalize(on_disk, image),))
    for table in ("train/train.csv", "eval/info.csv"):
        text = (dataset / table).read_text(encoding="utf-8")
        (dataset / table).write_text(unicodedata.normalize(in_table, text), encoding="utf-8")
    found = read_dataset(project := open_project(tmp_path / "project", dataset))
    assert [(f.level, f.code, f.where) for f in found.findings] == [
        ("info", "respelt-name", "train/train.csv"),
        ("info", "respelt-name", "eval/info.csv"),
    ]
    assert all((dataset / image).is_file() for image in found.table["image"])
    assert found.table.filter(split="test")["name"].to_list() == [unicodedata.normalize(in_table, image)]
    both = dataset / "eval" / "images" / unicodedata.normalize(in_table, image)
    both.write_bytes(encoded(picture(5)))
    exact = read_dataset(project)
    assert exact.table["image"][-1] == both.relative_to(dataset).as_posix()


TEST_SIDE = """
[dataset.test]
table = "test.csv"
images = "test"
image = "name"
answer = "ans"
"""
OLD_FILE = (
    PHOTOS.format(name="old", data="data", more=TEST_SIDE) + GLASSES + attribute("age", "young", "old", cuts=[50])
)


def test_keys_that_are_new_leave_the_hash_of_old_project_files_as_it_was(tmp_path: Path) -> None:
    """As computed by the version of 25 November 2026: else every manifest made by it would have to be made again."""
    old = "f133d65191abfbf33f78f6abf24c4557f008f5dea2e80b68f2ad74436ef20d74"
    assert project_at(tmp_path, OLD_FILE).file.data_hash == old
    for changed in (
        OLD_FILE + "valid = [0, 99]",
        OLD_FILE.replace('image = "file"', 'image = "file"\nunknown = []'),
        OLD_FILE + '\n[labels]\ncombinations = "all"\n',
    ):
        assert project_at(tmp_path, changed).file.data_hash != old
