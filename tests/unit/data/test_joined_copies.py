"""People who share a picture: counted where folds part them, and dealt together by `--join-copies`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_features import write_features
from made_project import HEADER, encoded, open_project, picture, replace_in, write_contest, write_table
from PIL import ImageOps
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, SettingError
from facetwise.core.project import Project
from facetwise.data.images.copies import CopyPair
from facetwise.data.joining import copies_across, joined_groups
from facetwise.data.manifest import load_manifest
from facetwise.data.saved_folds import load_folds

PEOPLE = tuple(f"{n:06d},{('male', 'female')[n % 2]},Asian,{20 + 5 * n},{n:06d}" for n in range(1, 9))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Eight people; pictures of 1 and 2, 2 and 3, and 7 and 8 are copies."""
    root = write_contest(tmp_path / "data", PEOPLE)
    images = root / "train" / "images"
    for seed, (one, other) in enumerate([("1/mask1", "2/mask1"), ("2/mask2", "3/mask1"), ("7/normal", "8/normal")]):
        original = picture(900 + seed, (96, 128))
        (images / f"00000{one}.jpg").write_bytes(encoded(original))
        (images / f"00000{other}.jpg").write_bytes(encoded(ImageOps.mirror(original)))
    made = open_project(tmp_path / "project", root)
    fw.check(made)
    return made


def pair(one: str, other: str) -> CopyPair:
    return CopyPair(f"{one}.jpg", f"{other}.jpg", "recoded", "groups", labels_differ=False, people=(one, other))


def test_who_shares_pictures_through_others_is_one() -> None:
    groups = np.array(list("abcdefa"), dtype=object)
    pairs = [pair("c", "b"), pair("e", "f"), pair("c", "a")]
    assert joined_groups(groups, pairs).tolist() == ["a", "a", "a", "d", "e", "e", "a"]
    assert joined_groups(groups, pairs[::-1]).tolist() == joined_groups(groups, pairs).tolist()
    within = CopyPair("a", "b", "exact", "sides", labels_differ=False)
    assert joined_groups(groups, [within]).tolist() == groups.tolist()


def test_pairs_across_folds_are_counted() -> None:
    told = copies_across([pair("a", "b"), pair("b", "c")], {"a.jpg": 0, "b.jpg": 0, "c.jpg": 1}, joined=False)
    assert (told.pairs, told.people, told.across, told.examples) == (2, 3, 1, (("b.jpg", "c.jpg"),))


def test_joined_people_are_in_one_fold_and_the_record_says_so(project: Project) -> None:
    made = fw.folds(project, num_folds=3, join_copies=True)
    fold = dict(made.table.rows())
    assert fold["000001"] == fold["000002"] == fold["000003"]
    assert fold["000007"] == fold["000008"]
    assert made.copies is not None
    assert (made.copies.joined, made.copies.pairs, made.copies.people, made.copies.across) == (True, 3, 5, 0)
    read = load_folds(project.workspace, load_manifest(project))
    assert read.copies == made.copies
    assert read.hash == made.hash
    assert fw.folds(project, num_folds=3, join_copies=True).hash == made.hash
    with pytest.raises(ArtefactError, match="exist"):
        fw.folds(project, num_folds=3)


def test_folds_by_features_say_so_and_are_not_taken_for_others(project: Project, tmp_path: Path) -> None:
    manifest = load_manifest(project)
    vectors = np.random.default_rng(0).normal(size=(manifest.table.height, 4))
    file = write_features(tmp_path / "f.parquet", manifest, vectors)
    made = fw.folds(project, num_folds=8, features=file)
    assert made.copies is not None
    assert (made.copies.features, made.copies.pairs) == ("f.parquet", 3)
    assert made.copies_note is not None
    assert made.copies_note.endswith(
        "together with `facetwise folds --folds 8 --features f.parquet --join-copies --new`"
    )
    assert fw.folds(project, num_folds=8, features=file).hash == made.hash
    with pytest.raises(ArtefactError, match="exist"):
        fw.folds(project, num_folds=8)


def test_copies_on_both_sides_are_told_with_the_command(project: Project) -> None:
    arguments = ["--project", str(project.root)]
    told = json.loads(CliRunner().invoke(app, [*arguments, "folds", "-k", "8", "--json"]).stdout)["copies"]
    assert (told["joined"], told["pairs"], told["across"], len(told["examples"])) == (False, 3, 3, 2)
    text = " ".join(CliRunner().invoke(app, [*arguments, "folds", "-k", "8"], env={"COLUMNS": "400"}).output.split())
    assert "3 pairs of copies between people, 3 on both sides of the split" in text
    assert "folds --folds 8 --join-copies --new`" in text
    doctor = " ".join(CliRunner().invoke(app, [*arguments, "doctor"], env={"COLUMNS": "400"}).output.split())
    assert "3 on both sides of the split" in doctor


def test_copies_are_joined_only_where_people_are_dealt(project: Project) -> None:
    with pytest.raises(SettingError, match="only where people are dealt"):
        fw.folds(project, join_copies=True, unsafe_split="image")


def test_copies_of_a_given_split_are_told_what_to_take_out(project: Project) -> None:
    rows = (f"{row},{('train', 'val')[n % 2]}" for n, row in enumerate(PEOPLE))
    write_table(project.dataset_root / "train" / "train.csv", f"{HEADER},part", *rows)
    replace_in(project.workspace.project_file, {'group = "id"': 'group = "id"\nsplit = "part"'})
    fw.check(given := Project.open(project.root))
    with pytest.raises(SettingError, match="only where people are dealt") as refused:
        fw.folds(given, join_copies=True)
    assert "take `split` out of facetwise.toml" in str(refused.value.hint)
