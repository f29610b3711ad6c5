"""Made leaves: bytes by seed, labels that lack, and what can occur."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import simplejpeg

import facetwise as fw
from facetwise.data.made import plants
from facetwise.data.made.plants import KINDS, SHOTS, SIDE, draw_plants


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 plants with labels and 9 without."""
    folder = tmp_path_factory.mktemp("made") / "plants"
    draw_plants(folder, plants=27, others=9, seed=3)
    return folder


def test_a_seed_draws_the_same_bytes_and_another_seed_others(root: Path, tmp_path: Path) -> None:
    first = contents(root)
    draw_plants(tmp_path / "same", plants=27, others=9, seed=3)
    assert contents(tmp_path / "same") == first
    draw_plants(tmp_path / "other", plants=27, others=9, seed=4)
    other = contents(tmp_path / "other")
    assert other.keys() == first.keys()
    assert not any(other[name] == first[name] for name in first if name.endswith(".jpg"))


def test_tables_name_every_photo_and_only_what_occurs(root: Path) -> None:
    known, hidden = pl.read_csv(root / "labels.csv"), pl.read_csv(root / "hidden" / "labels.csv")
    for table, column, folder, count in ((known, "photo", "photos", 27), (hidden, "image", "field", 9)):
        assert sorted(table[column]) == sorted(p.name for p in (root / folder).iterdir())
        assert table["plant"].n_unique() == count
        assert table.height == SHOTS * count
        told = table.drop_nulls().select("plant", "crop", "disease").unique()
        assert told["plant"].is_unique().all(), "a plant has one crop and one disease"
        assert set(told.select("crop", "disease").iter_rows()) == set(KINDS)
    assert 0 < known["disease"].null_count() < known.height / 2
    assert not set(known["plant"]) & set(hidden["plant"])
    assert len(KINDS) < len({crop for crop, _ in KINDS}) * len({disease for _, disease in KINDS})


def test_photos_have_their_size(root: Path) -> None:
    for photo in (*(root / "photos").iterdir(), *(root / "field").iterdir()):
        assert simplejpeg.decode_jpeg(photo.read_bytes()).shape == (*SIDE, 3)


def test_init_reads_it_as_it_is(root: Path, tmp_path: Path) -> None:
    project = fw.init(tmp_path / "project", root, table="labels.csv")
    assert [a.name for a in project.space.attributes] == ["crop", "disease"]
    assert project.file.dataset.train.group == "plant"
    assert project.file.dataset.test is None
    audit = fw.check(project)
    assert not audit.has_errors
    assert set(project.space.joint_names) == {"/".join(kind) for kind in KINDS}


def test_nothing_is_written_over_and_a_failure_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileExistsError, match="choose another folder"):
        draw_plants(root)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(plants, "_write_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        draw_plants(tmp_path / "new", plants=9, others=9)
    assert list(tmp_path.iterdir()) == []
