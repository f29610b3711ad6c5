"""Features: their table, the nearest by them, and one person under two names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_features import made_vectors, write_features
from made_project import replace_in
from made_runs import made_contest
from rich.console import Console
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError, InputError, ProblemsError
from facetwise.core.project import Project
from facetwise.data.features import nearest
from facetwise.data.features.nearest import nearest_of_others, with_length_1
from facetwise.data.features.same_subject import find_same_subject
from facetwise.data.features.subject_space import main_components, subject_directions
from facetwise.data.features.table import Features, read_features
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.screens.text.same_person import same_person_text

FIRST, SECOND = "000004", "000017"
"""Two names of one person."""


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    """Thirty people with seven photos each; tests only read it."""
    return made_contest(tmp_path_factory.mktemp("features"))


def doubled(manifest: Manifest) -> list[str | None]:
    """The person behind each image: two names are one."""
    return [FIRST if group == SECOND else group for group in manifest.table["group"]]


# -------------------------------------------------------------------------------------------------------------- table


def test_features_are_matched_by_image_whatever_the_order_and_the_form(contest, tmp_path: Path) -> None:
    _, manifest = contest
    vectors = np.random.default_rng(0).normal(size=(manifest.table.height, 5))
    path = write_features(tmp_path / "a.parquet", manifest, vectors)
    found = read_features(path, manifest)
    assert found.rows.tolist() == list(range(manifest.table.height))
    np.testing.assert_allclose(found.vectors, with_length_1((vectors - vectors.mean(axis=0)).astype("f4")), atol=1e-5)
    rows, own = found.of_training(manifest)
    assert len(rows) == len(own) == manifest.train.height
    table = pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1)
    lists = table.select("image", pl.col("features").arr.to_list().cast(pl.List(pl.Float64)))
    lists.write_parquet(tmp_path / "b.parquet")
    np.testing.assert_array_equal(read_features(tmp_path / "b.parquet", manifest).vectors, found.vectors)


def test_an_unreadable_image_needs_no_features(contest, tmp_path: Path) -> None:
    _, manifest = contest
    status = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("damaged")).otherwise("status").alias("status")
    damaged = Manifest.of(manifest.table.with_columns(status))
    gone = pl.when(pl.int_range(pl.len()) != 3).then("features")
    path = write_features(tmp_path / "a.parquet", damaged, np.eye(damaged.table.height), features=gone)
    assert 3 not in read_features(path, damaged).rows
    with pytest.raises(ProblemsError, match=r"1 image of the manifest without features"):
        read_features(path, manifest)


FAULTS: dict[str, tuple[Any, str]] = {
    "another manifest": (lambda t: t.with_columns(image="other/" + pl.col("image")), r"230 images not in the manifest"),
    "other rows": (
        lambda t: t.vstack(t.head(1).with_columns(image=pl.lit("x.jpg"))),
        "1 image not in the manifest: `x",
    ),
    "missing rows": (lambda t: t.tail(-2), r"2 images of the manifest without features, of 230: `train"),
    "twice": (lambda t: t.vstack(t.tail(1)), r"1 image twice in it: `eval"),
    "changed photos": (lambda t: t.with_columns(sha256=pl.lit("0" * 64)), r"230 images changed since"),
    "no features": (lambda t: t.drop("features"), r"expected the columns `image` \(text\) and `features`"),
    "no numbers": (lambda t: t.with_columns(features=pl.lit("a")), r"an array of numbers"),
    "ragged": (
        lambda t: t.with_columns(features=pl.when(pl.int_range(pl.len()) > 1).then([1.0]).otherwise([1.0, 2.0])),
        r"rows of `features` are not of one length",
    ),
    "not finite": (
        lambda t: t.with_columns(features=pl.lit([float("nan")], dtype=pl.Array(pl.Float32, 1))),
        r"the features of `train/.*` are not numbers",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_of_anything_else_is_refused_and_told(contest, tmp_path: Path, fault: str) -> None:
    _, manifest = contest
    change, message = FAULTS[fault]
    path = write_features(tmp_path / "a.parquet", manifest, np.ones((manifest.table.height, 2)))
    change(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(InputError, match=message) as told:
        read_features(path, manifest)
    assert "facetwise embed" in str(told.value.hint)


@pytest.mark.parametrize("data", [None, b"image,features\n", b"PAR1 no parquet PAR1"])
def test_a_file_that_is_no_parquet_is_refused(contest, tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.parquet"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match="no such file" if data is None else "not readable as Parquet"):
        read_features(path, contest[1])


# ------------------------------------------------------------------------------------------------------------ nearest


@pytest.mark.parametrize("cells", [1, 50, 10**6])
def test_the_nearest_are_those_of_all_compared_in_blocks_of_any_size(cells: int, monkeypatch) -> None:
    monkeypatch.setattr(nearest, "_CELLS", cells)
    rng = np.random.default_rng(3)
    vectors, owners = with_length_1(rng.normal(size=(40, 6)).astype("f4")), rng.integers(0, 9, 40)
    which, alike = nearest_of_others(vectors, owners, 4)
    likeness = np.where(owners[:, None] == owners[None], -np.inf, vectors @ vectors.T)
    np.testing.assert_array_equal(which, np.argsort(-likeness, axis=1)[:, :4])
    np.testing.assert_allclose(alike, np.take_along_axis(likeness, which, axis=1), atol=1e-6)
    asked, _ = nearest_of_others(vectors, owners, 4, (vectors[5:7], owners[5:7]))
    np.testing.assert_array_equal(asked, which[5:7])


def test_where_there_are_fewer_others_the_rest_is_nobody() -> None:
    which, alike = nearest_of_others(np.eye(3, dtype="f4"), np.array([0, 0, 1]), 5)
    assert [sorted(row) for row in which.tolist()] == [[-1] * 4 + [2], [-1] * 4 + [2], [-1] * 3 + [0, 1]]
    assert np.isneginf(alike[which < 0]).all()


def test_what_varies_from_photo_to_photo_of_one_person_does_not_count(contest) -> None:
    _, manifest = contest
    owner = np.unique(manifest.train["group"].to_numpy().astype(str), return_inverse=True)[1]
    points = main_components(made_vectors(manifest.train["group"].to_list()).astype("f4"))
    moved = points @ subject_directions(points, owner)
    middle = np.stack([moved[owner == k].mean(axis=0) for k in range(owner.max() + 1)])
    within = (moved - middle[owner]).var(axis=0)
    assert middle.var(axis=0)[:8].min() > 10 * within[:8].max()
    alone = main_components(points) @ subject_directions(main_components(points), np.arange(len(points)))
    np.testing.assert_allclose(alone.std(axis=0), 1, rtol=1e-3)


# ------------------------------------------------------------------------------------------ one person under two names


def crowd(manifest: Manifest, *, doubles: bool) -> tuple[Manifest, Features]:
    """A manifest of 120 people with four photos each, and features; of `doubles` the two names are one person."""
    names = [f"{k:06d}" for k in range(120) for _ in range(4)]
    images = pl.Series([f"{name}_x/{i % 4}.jpg" for i, name in enumerate(names)])
    table = pl.concat([manifest.train.head(1)] * len(names)).with_columns(image=images, group=pl.Series(names))
    whose = [FIRST if doubles and name == SECOND else name for name in names]
    return Manifest.of(table), features_of(made_vectors(whose))


def features_of(vectors: np.ndarray) -> Features:
    return Features("made.parquet", np.arange(len(vectors)), with_length_1(vectors.astype("f4")))


@pytest.mark.parametrize("seed", range(3))
def test_one_person_under_two_names_is_the_surest_pair(contest, seed: int) -> None:
    manifest, features = crowd(contest[1], doubles=True)
    order = np.random.default_rng(seed).permutation(manifest.table.height) if seed else slice(None)
    found = find_same_subject(
        Features(features.name, features.rows, features.vectors[order]), Manifest.of(manifest.table[order]), 5
    )
    first, second = found.pairs[:2]
    assert (found.num_subjects, found.num_several, found.num_likely) == (120, 120, 1)
    assert (first.rank, first.first, first.second) == (1, FIRST, SECOND)
    assert first.sure is not None
    assert second.sure is not None
    assert first.sure > 0.5 > second.sure
    assert [len(images) for images in first.images] == [4, 4]
    assert all(image.startswith(FIRST) for image in first.images[0])
    assert found.found_if_split is not None
    assert 0.4 < found.found_if_split <= 1
    console = Console(width=1000, file=io.StringIO())
    console.print(same_person_text(found))
    assert f'same_person = [["{FIRST}", "{SECOND}"]]' in console.file.getvalue()  # type: ignore[attr-defined]


def test_all_images_are_counted_where_some_are_shown(contest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetwise.data.features.same_subject.MOST_SHOWN", 3)
    manifest, features = crowd(contest[1], doubles=True)
    found = find_same_subject(features, manifest, 1)
    assert [len(images) for images in found.pairs[0].images] == [3, 3]
    assert found.pairs[0].num_images == (4, 4)
    console = Console(width=1000, file=io.StringIO())
    console.print(same_person_text(found))
    assert "4 and 4" in console.file.getvalue()  # type: ignore[attr-defined]


def test_where_nobody_has_two_names_no_pair_is_likely(contest) -> None:
    manifest, features = crowd(contest[1], doubles=False)
    found = find_same_subject(features, manifest, 5)
    assert found.num_likely == 0
    assert len(found.pairs) == 5


def test_how_sure_is_not_said_where_nobody_has_several_photos(contest) -> None:
    _, manifest = contest
    alone = Manifest.of(manifest.table.with_columns(group=pl.int_range(pl.len()).cast(pl.String)))
    found = find_same_subject(features_of(made_vectors([*"ab"] * 115)), alone, 3)
    assert (found.found_if_split, found.num_several, [p.sure for p in found.pairs]) == (None, 0, [None] * 3)
    own = Manifest.of(manifest.table.with_columns(group="image"))
    with pytest.raises(InputError, match="each image is taken as a person of its own"):
        find_same_subject(features_of(made_vectors([*"ab"] * 115)), own, 3)


def test_joined_pairs_are_lists_with_those_that_there_are(contest) -> None:
    manifest, features = crowd(contest[1], doubles=True)
    found = find_same_subject(features, manifest, 5)
    two, others = [FIRST, SECOND], [found.pairs[1].first, found.pairs[1].second]
    assert found.joined([1]) == [two]
    assert found.joined([1], [[FIRST, "x"], ["y", "z"]]) == [["y", "z"], [FIRST, "x", SECOND]]
    assert found.joined([1], [[FIRST, "x"], [SECOND, "z"]]) == [[FIRST, "x", SECOND, "z"]]
    assert {name for names in found.joined([2, 1]) for name in names} == {*two, *others}
    with pytest.raises(InputError, match="no pair 6, only 1 to 5"):
        found.joined([6])


def test_screen_json_page_and_line_say_the_same_and_the_line_joins(tmp_path: Path) -> None:
    project, manifest = made_contest(tmp_path, 24)
    file = write_features(tmp_path / "f.parquet", manifest, made_vectors(doubled(manifest)))

    def call(*arguments: object) -> str:
        words = ["-p", str(project.root), "same-person", str(file), *map(str, arguments)]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    found, text = fw.same_person(project, file, limit=3), call("--limit", 3, "--html", tmp_path / "p.html")
    page, line = (tmp_path / "p.html").read_text("utf-8"), f'same_person = [["{FIRST}", "{SECOND}"]]'
    assert json.loads(call("--json", "--limit", 3)) == json.loads(json.dumps(found.as_dict()))
    for told in (text, page):
        assert all(pair.first in told and f"{pair.likeness:.3f}" in told for pair in found.pairs)
    assert "--html" in text
    assert "--html" not in page
    assert page.count("data:image/jpeg") == sum(len(images) for pair in found.pairs for images in pair.images)
    assert (found.pairs[0].first, found.pairs[0].second, found.pairs[0].sure) == (FIRST, SECOND, None)
    assert "cannot be said: only 24 people with several photos" in " ".join(text.split())
    assert call("--join", "1").strip() == line
    replace_in(project.workspace.project_file, {"[dataset.train]": f"[dataset.train]\n{line}"})
    joined = fw.open_project(project.root)
    fw.check(joined, workers=1)
    assert load_manifest(joined).train["group"].n_unique() == 23
    assert fw.same_person(joined, file).num_subjects == 23  # features are of images, whoever they are of
    for wrong in ("0", "x", "3-1", ""):
        with pytest.raises(FacetwiseError, match="expected"):
            call("--join", wrong)
