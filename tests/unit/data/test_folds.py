"""Folds: what must hold for every split of every dataset, and that saved folds are never silently others."""

import dataclasses
import io
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from facetwise.core.errors import ArtefactError, DamagedError, InputError, MismatchError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import MANIFEST
from facetwise.core.workspace import Workspace
from facetwise.data.dealing import fold_stats, given_folds, split_folds
from facetwise.data.folds import MAX_FOLDS, MIN_FOLDS
from facetwise.data.manifest import Manifest
from facetwise.data.saved_folds import list_folds, load_folds, make_folds
from facetwise.recipe.folds import FoldsSpec
from facetwise.screens.text.folds import MAX_LISTED, folds_text

SPACE = LabelSpace((Attribute("a", ("x", "y", "z")), Attribute("b", ("p", "q"))))


def manifest_of(groups: list[int], codes: np.ndarray) -> Manifest:
    """A manifest of images with these people and class numbers, shape (n, 2)."""
    count = len(groups)
    filled: dict[str, object] = {
        "image": [f"p{g}/{i}.jpg" for i, g in enumerate(groups)],
        "split": ["train"] * count,
        "group": [f"p{g}" for g in groups],
        "name": [""] * count,
        "sha256": [f"{i:064x}" for i in range(count)],
        "status": ["ok"] * count,
    }
    table = pl.DataFrame(
        {name: pl.Series(filled.get(name, [None] * count), dtype=kind) for name, kind in MANIFEST.items()}
    )
    labels = [pl.Series(f"label:{n}", codes[:, i], dtype=pl.Int16) for i, n in enumerate(SPACE.names)]
    return Manifest.of(table.with_columns(labels))


@st.composite
def tables(draw) -> Manifest:
    """2 to 40 people of 1 to 6 images; `a` differs within a person, `b` does not."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=6, max_size=40))
    groups = [g for g, size in enumerate(sizes) for _ in range(size)]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    person = random.choice(2, len(sizes), p=[0.8, 0.2])
    order = random.permutation(len(groups))
    codes = np.stack([random.choice(3, len(groups), p=[0.7, 0.2, 0.1]), person[groups]], axis=1)
    return manifest_of([groups[i] for i in order], codes[order])


@pytest.mark.parametrize("split", ["group", "image"])
@pytest.mark.parametrize("classes", [[0, 0, 1], [0, 1, 2], [0, 0, 0], [0, 1, 1]])
def test_as_many_folds_as_people_have_one_each(classes, split):
    manifest = manifest_of([0, 1, 2], np.stack([np.asarray(classes), np.zeros(3, int)], axis=1))
    for seed in range(4):
        folds = split_folds(
            manifest, SPACE, name="unsafe" if split == "image" else "f", num_folds=3, seed=seed, split=split
        )
        assert sorted(folds.table["fold"].to_list()) == [0, 1, 2]


MANIFEST_30 = manifest_of(
    [g for g in range(30) for _ in range(4)],
    np.stack([np.tile([0, 0, 1, 2], 30), np.repeat(np.arange(30) % 2, 4)], axis=1),
)


@given(tables(), st.integers(2, 5), st.integers(0, 100))
def test_no_person_twice_and_every_image_once(manifest, num_folds, seed):
    folds = split_folds(manifest, SPACE, name="f", num_folds=num_folds, seed=seed)
    fold = folds.of(manifest.train)
    assert fold.shape == (manifest.train.height,)
    assert set(fold) == set(range(num_folds))
    people = manifest.train.with_columns(pl.Series("fold", fold)).group_by("group").agg(pl.col("fold").n_unique())
    assert people["fold"].max() == 1
    assert folds.stats.shared_groups == 0
    assert sum(folds.stats.num_images) == manifest.train.height
    assert sum(folds.stats.num_groups) == manifest.train["group"].n_unique()


@given(tables(), st.integers(2, 5))
def test_the_same_seed_deals_the_same_folds(manifest, num_folds):
    one, two = (split_folds(manifest, SPACE, name="f", num_folds=num_folds, seed=7) for _ in range(2))
    assert one.hash == two.hash
    assert one.table.equals(two.table)


def test_another_seed_deals_other_folds():
    hashes = {split_folds(MANIFEST_30, SPACE, name="f", num_folds=5, seed=s).hash for s in range(4)}
    assert len(hashes) == 4


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(0, 3)), min_size=6, max_size=80),
)
def test_evenness_is_reported_as_it_is(rows):
    fold, groups, joint = (np.array(column) for column in zip(*rows, strict=True))
    stats = fold_stats(fold, groups.astype(str).astype(object), joint, 3)
    worst, missing = 0.0, set()
    for k in range(3):
        for c in np.unique(joint):
            inside = int(((fold == k) & (joint == c)).sum())
            if inside == 0:
                missing.add((k, int(c)))
            if (joint == c).sum() >= 3:
                share = inside / max(1, (fold == k).sum())
                worst = max(worst, abs(share / (joint == c).mean() - 1))
    assert stats.deviation == pytest.approx(worst)
    assert set(stats.missing) == missing
    assert stats.num_images == tuple(int((fold == k).sum()) for k in range(3))
    shared = sum(len(set(groups[fold == k])) for k in range(3)) - len(set(groups))
    assert stats.shared_groups == shared


def test_even_people_are_dealt_evenly():
    stats = split_folds(MANIFEST_30, SPACE, name="f", num_folds=5, seed=0).stats
    assert stats.deviation == pytest.approx(0)
    assert stats.missing == ()
    assert stats.num_images == (24,) * 5


def test_a_class_missing_from_a_fold_is_named_and_does_not_stop():
    codes = np.zeros((20, 2), int)
    codes[0] = [2, 1]
    stats = split_folds(manifest_of(list(range(20)), codes), SPACE, name="f", num_folds=4, seed=0).stats
    lacking = [fold for fold, joint in stats.missing if joint == SPACE.encode([2, 1])]
    assert len(lacking) == 3


def test_fewer_people_than_folds():
    with pytest.raises(InputError, match="3 people cannot be dealt into 4 folds") as caught:
        split_folds(manifest_of([0, 0, 1, 2], np.zeros((4, 2), int)), SPACE, name="f", num_folds=4, seed=0)
    assert "`facetwise folds --name f --folds 3`" in str(caught.value.hint)
    with pytest.raises(InputError, match="0 people cannot be dealt into 4 folds") as caught:
        split_folds(manifest_of([], np.zeros((0, 2), int)), SPACE, name="f", num_folds=4, seed=0)
    assert "`facetwise check`" in str(caught.value.hint)


def test_the_unsafe_split_is_marked_and_shares_people():
    folds = split_folds(MANIFEST_30, SPACE, name="f", num_folds=5, seed=0, split="image")
    assert folds.split == "image"
    assert folds.table.columns == ["image", "fold"]
    assert folds.stats.shared_groups > 30
    assert folds.hash != split_folds(MANIFEST_30, SPACE, name="f", num_folds=5, seed=0).hash


# ----------------------------------------------------------------------------------------------------- saved folds


@pytest.mark.parametrize(("split", "name"), [("group", "mine"), ("image", "unsafe-mine")])
def test_saved_folds_are_read_back_as_they_were(tmp_path, split, name):
    made = make_folds(Workspace(tmp_path), MANIFEST_30, SPACE, name=name, seed=3, split=split)
    read = load_folds(Workspace(tmp_path), MANIFEST_30, name)
    assert read.table.equals(made.table)
    assert dataclasses.replace(read, table=made.table) == made
    assert list_folds(Workspace(tmp_path)) == [name]


def test_folds_are_not_remade_unless_asked(tmp_path):
    workspace = Workspace(tmp_path)
    first = make_folds(workspace, MANIFEST_30, SPACE)
    with pytest.raises(ArtefactError, match="folds `default` exist") as error:
        make_folds(workspace, MANIFEST_30, SPACE, seed=1)
    assert "--new" in error.value.hint
    assert load_folds(workspace, MANIFEST_30).hash == first.hash
    second = make_folds(workspace, MANIFEST_30, SPACE, seed=1, new=True)
    assert load_folds(workspace, MANIFEST_30).hash == second.hash != first.hash


def test_folds_of_another_manifest_are_refused(tmp_path):
    make_folds(Workspace(tmp_path), MANIFEST_30, SPACE)
    other = Manifest.of(MANIFEST_30.table.with_columns(sha256=pl.lit("0" * 64)))
    with pytest.raises(MismatchError, match="another manifest"):
        load_folds(Workspace(tmp_path), other)


def test_a_corrected_label_does_not_void_folds(tmp_path):
    made = make_folds(Workspace(tmp_path), MANIFEST_30, SPACE)
    corrected = Manifest.of(MANIFEST_30.table.with_columns(pl.lit(1, pl.Int16).alias("label:a")))
    assert corrected.labels_hash != MANIFEST_30.labels_hash
    assert load_folds(Workspace(tmp_path), corrected).hash == made.hash


def test_folds_that_are_not_there_or_damaged(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(ArtefactError, match="no folds are called `mine`"):
        load_folds(workspace, MANIFEST_30, "mine")
    asked = (workspace, MANIFEST_30, SPACE)
    make_folds(*asked, name="mine")
    path = workspace.folds / "mine" / "folds.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="changed since it was made"):
        load_folds(workspace, MANIFEST_30, "mine")
    (workspace.folds / "mine" / "DONE.json").unlink()
    assert list_folds(workspace) == ["mine"]
    for again in (lambda: load_folds(workspace, MANIFEST_30, "mine"), lambda: make_folds(*asked, name="mine")):
        with pytest.raises(DamagedError, match=r"mine/DONE\.json: missing"):
            again()
    assert make_folds(*asked, name="mine", new=True).hash == load_folds(workspace, MANIFEST_30, "mine").hash


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "_x", "a b"])
def test_names_that_would_leave_the_folder(tmp_path, name):
    with pytest.raises(SettingError, match="cannot name folds"):
        make_folds(Workspace(tmp_path), MANIFEST_30, SPACE, name=name)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"num_folds": 1}, "1 folds: expected 2 to 20"),
        ({"num_folds": 0}, "expected 2 to 20"),
        ({"num_folds": 21}, "expected 2 to 20"),
        ({"name": "image", "split": "image"}, "split by image cannot be called `image`"),
        ({"name": "unsafe-x"}, "`unsafe-x` names folds split by image"),
    ],
)
def test_folds_that_no_recipe_could_use_or_tell_apart(tmp_path, wrong, words):
    with pytest.raises(SettingError, match=words):
        make_folds(Workspace(tmp_path), MANIFEST_30, SPACE, **wrong)
    assert list_folds(Workspace(tmp_path)) == []


def test_recipes_name_as_many_folds_as_can_be_made():
    for plan in (MIN_FOLDS, MAX_FOLDS):
        assert FoldsSpec(plan=plan).plan == plan
    for plan in (MIN_FOLDS - 1, MAX_FOLDS + 1):
        with pytest.raises(ValueError, match="plan"):
            FoldsSpec(plan=plan)


def test_many_missing_classes_are_counted():
    space = LabelSpace(tuple(Attribute(f"a{i}", tuple(map(str, range(30)))) for i in range(4)))
    made = split_folds(MANIFEST_30, SPACE, name="f", num_folds=5, seed=0)
    many = dataclasses.replace(made, stats=dataclasses.replace(made.stats, missing=tuple((0, k) for k in range(20))))
    console = Console(width=100, file=io.StringIO())
    console.print(folds_text(many, space))
    text = console.file.getvalue()
    assert text.count("has no image of class") == MAX_LISTED
    assert "class 11 (0/0/0/11)" in text
    assert "and 8 more" in text


def test_korean_names_are_fine(tmp_path):
    decomposed = unicodedata.normalize("NFD", "다섯")
    made = make_folds(Workspace(tmp_path), MANIFEST_30, SPACE, name=decomposed)
    assert list_folds(Workspace(tmp_path)) == ["다섯"]
    for name in ("다섯", decomposed):
        assert load_folds(Workspace(tmp_path), MANIFEST_30, name).hash == made.hash


def with_split(parts: list[str]) -> Manifest:
    """The manifest of 30 people, whose table gives the `parts` in a column, one after the other, person by person."""
    column = pl.Series("meta:part", [parts[g % len(parts)] for g in range(30) for _ in range(4)])
    return Manifest.of(MANIFEST_30.table.with_columns(column))


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        (["train", "val"], ("val", "train")),
        (["10", "9", "2.0"], ("2", "9", "10")),
        (["b", "Dev", "a"], ("Dev", "a", "b")),
    ],
)
def test_a_given_split_is_kept_and_decides_how_many_folds_there_are(parts, values, tmp_path):
    manifest = with_split(parts)
    assert given_folds(manifest, "part")[0] == values
    made = make_folds(Workspace(tmp_path), manifest, SPACE, given="part")
    assert made.num_folds == len(values)
    by_fold = (
        manifest.train.with_columns(fold=made.of(manifest.train)).group_by("fold").agg(pl.col("meta:part").unique())
    )
    assert {f: v[0].removesuffix(".0") for f, v in by_fold.rows()} == dict(enumerate(values))
    assert make_folds(Workspace(tmp_path), manifest, SPACE, given="part").hash == made.hash
    other = with_split([*parts[1:], parts[0]])
    assert other.hash == manifest.hash  # a split is no part of it
    with pytest.raises(ArtefactError, match="folds `default` exist"):
        make_folds(Workspace(tmp_path), other, SPACE, given="part")


def test_a_given_split_that_parts_a_person_or_is_none_is_refused(tmp_path):
    images = pl.Series("meta:part", ["a", "b", "a", "a"] * 30)
    parted = Manifest.of(MANIFEST_30.table.with_columns(images))
    with pytest.raises(InputError, match="30 people on several sides: p0, p1, p2 and 27 more"):
        make_folds(Workspace(tmp_path), parted, SPACE, given="part")
    for parts in (["a"], ["a", ""]):
        with pytest.raises(InputError, match="no split"):
            make_folds(Workspace(tmp_path), with_split(parts), SPACE, given="part")
    with pytest.raises(SettingError, match="5 folds, but the given split `part` has 2"):
        make_folds(Workspace(tmp_path), with_split(["a", "b"]), SPACE, num_folds=5, given="part")


@pytest.mark.parametrize("split", ["group", "image"])
def test_classes_that_all_have_fewer_images_than_there_are_folds_are_spread(split):
    codes = np.stack([np.repeat(np.arange(3), 20) % 3, np.repeat(np.arange(2), 30)], axis=1)
    small = manifest_of(list(range(12)), codes[np.r_[0:3, 20:23, 30:33, 40:43]])
    name = "unsafe-image" if split == "image" else "default"
    made = split_folds(small, SPACE, name=name, num_folds=5, seed=0, split=split)
    assert sorted(made.stats.num_images) == [2, 2, 2, 3, 3]
    joint, fold = SPACE.encode(small.codes(SPACE)), made.of(small.train)
    assert len({*zip(joint.tolist(), fold.tolist(), strict=True)}) == 12  # no class has two images in a fold
