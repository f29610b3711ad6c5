"""Labels that the most alike photos of others contradict: votes by made features, without any run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_features import write_features
from made_runs import add_run, made_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project
from facetwise.data.features.table import Features, read_features
from facetwise.data.manifest import Manifest
from facetwise.label_issues.neighbours import neighbour_votes

FLIPPED, SWAPPED = "000005", ("000008_x_Asian_61/normal.jpg", "wear")
"""A person recorded with the other gender than the features show, and a photo recorded with another mask."""


def shown(project: Project, manifest: Manifest, seed: int = 0) -> np.ndarray:
    """Vectors that show every label but those two."""
    space, codes = project.space, manifest.codes(project.space).copy()
    train = manifest.train
    codes[(train["group"] == FLIPPED).to_numpy(), 1] ^= 1
    codes[train["image"].str.ends_with(SWAPPED[0]).to_numpy(), 0] = space.attribute("mask").code_of(SWAPPED[1])
    parts = [3 * np.eye(a.size)[codes[:, k]] for k, a in enumerate(space.attributes)]
    vectors = np.zeros((manifest.table.height, 8 + 4))
    vectors[: train.height, :8] = np.hstack(parts)
    return vectors + 0.5 * np.random.default_rng(seed).normal(size=vectors.shape)


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest, Path]:
    """Thirty people and a file of features that contradict two labels."""
    root = tmp_path_factory.mktemp("neighbours")
    project, manifest = made_contest(root)
    return project, manifest, write_features(root / "f.parquet", manifest, shown(project, manifest))


def test_the_wrong_labels_are_the_first_without_any_run(contest) -> None:
    project, _, file = contest
    view = fw.suspects(project, method="neighbours", features=file, limit=1)
    mask, gender, _ = view.attributes
    assert (view.source, view.why) == ("f.parquet", "the votes of the 40 most alike photos of others")
    assert [(r.suspect.image, r.suspect.proposed) for r in mask.rows] == [(f"train/images/{SWAPPED[0]}", SWAPPED[1])]
    assert [(r.suspect.group, r.suspect.proposed, r.neighbours) for r in gender.rows] == [(FLIPPED, "male", None)]
    assert gender.rows[0].suspect.num_agreeing == 7
    done = fw.accept_labels(project, str(gender.rows[0].rank), reason="seen", author="ann")
    assert done.scores is None  # no run
    project.workspace.overlay_file.unlink()


def test_nobody_votes_on_their_own_photos_and_unknown_labels_do_not_vote(contest) -> None:
    project, manifest, file = contest
    features, space = read_features(file, manifest), project.space
    votes = neighbour_votes(features, manifest, space)
    for name, logs in votes.marginals.items():
        assert np.isfinite(logs).all(), name
        np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-6)
    own = pl.col("group") == FLIPPED
    changed = Manifest.of(
        manifest.table.with_columns(
            pl.when(own).then(1 - pl.col("label:gender")).otherwise("label:gender").alias("label:gender")
        )
    )
    mine = (manifest.train["group"] == FLIPPED).to_numpy()
    again = neighbour_votes(features, changed, space).marginals["gender"]
    np.testing.assert_allclose(again[mine], votes.marginals["gender"][mine], atol=0.02)  # but for the usual shares
    unknown = Manifest.of(manifest.table.with_columns(pl.lit(-1, pl.Int16).alias("label:gender")))
    nothing = np.exp(neighbour_votes(features, unknown, space).marginals["gender"])
    np.testing.assert_allclose(nothing, 0.5, atol=1e-6)


def test_the_order_of_rows_does_not_matter(contest) -> None:
    project, manifest, file = contest
    features = read_features(file, manifest)
    votes = neighbour_votes(features, manifest, project.space)
    train = manifest.train.height
    order = np.concatenate([np.random.default_rng(1).permutation(train), np.arange(train, manifest.table.height)])
    shuffled = Features(features.name, features.rows, features.vectors[order])
    again = neighbour_votes(shuffled, Manifest.of(manifest.table[order]), project.space)
    np.testing.assert_allclose(again.marginals["mask"], votes.marginals["mask"][order[:train]], atol=1e-6)


def test_beside_the_predictions_of_a_run_the_votes_are_told_and_move_nothing(tmp_path: Path) -> None:
    project, manifest = made_contest(tmp_path, 12)
    file = write_features(tmp_path / "f.parquet", manifest, shown(project, manifest))
    add_run(project, manifest, 1, skill=1.0)
    plain, told = fw.suspects(project), fw.suspects(project, features=file)
    assert [row.suspect for row in told.rows] == [row.suspect for row in plain.rows]
    assert all(row.neighbours is None for row in plain.rows)
    assert all(row.neighbours is not None and 0 < sum(row.neighbours) <= 1 for row in told.rows)
    words = ["-p", str(project.root), "labels", "suspects", "--features", str(file), "--html", str(tmp_path / "p.html")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "most alike of others" in " ".join(done.stdout.split())
    assert "most alike photos of others: " in (tmp_path / "p.html").read_text("utf-8")


def test_what_does_not_fit_is_told(contest) -> None:
    project, _, file = contest
    with pytest.raises(SettingError, match="`neighbours` are those by features"):
        fw.suspects(project, method="neighbours")
    with pytest.raises(SettingError, match="`neighbours` need no predictions, and `1` has some"):
        fw.suspects(project, "1", method="neighbours", features=file)
    with pytest.raises(InputError) as told:
        fw.suspects(project, features=file)
    assert "--method neighbours" in str(told.value.hint)
