"""Near copies: thumbnails, their neighbours, and pictures laid over each other."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_project import cropped, encoded, exif_turned, open_project, picture, write_contest
from PIL import Image, ImageEnhance, ImageOps
from rich.console import Console

from facetwise.core.project import Project
from facetwise.data.audit import audit
from facetwise.data.features.nearest import with_length_1
from facetwise.data.features.table import Features
from facetwise.data.images.aligning import aligned
from facetwise.data.images.images import probe
from facetwise.data.images.nearcopies import FURTHER as FURTHER_WORDS
from facetwise.data.images.nearcopies import LOOKED_FOR, near_pairs
from facetwise.data.images.neighbours import NearPoints
from facetwise.data.images.phash import perceptual_hash
from facetwise.data.images.thumbnails import descriptors, sample, thumbnail, views
from facetwise.data.manifest import CACHE, build_manifest
from facetwise.screens.text.check import audit_text

SIZE = (192, 256)


COPIES: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "quality 40": ("recoded", lambda image: encoded(image, quality=40)),
    "png": ("recoded", lambda image: encoded(image, "PNG")),
    "smaller": ("recoded", lambda image: encoded(image.resize((144, 192)))),
    "larger": ("recoded", lambda image: encoded(image.resize((384, 512)))),
    "grey": ("recoded", lambda image: encoded(image.convert("L"))),
    "turned by exif": ("recoded", exif_turned),
    "brighter": ("recoded", lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.15))),
    "mirrored": ("mirrored", lambda image: encoded(ImageOps.mirror(image), quality=60)),
    "cropped 5": ("cropped", lambda image: encoded(cropped(image, 0.05))),
    "cropped 10": ("cropped", lambda image: encoded(cropped(image, 0.1))),
    "mirrored and cropped": ("mirrored and cropped", lambda image: encoded(cropped(ImageOps.mirror(image), 0.05))),
    "turned": ("turned", lambda image: encoded(image.rotate(3, Image.Resampling.BICUBIC))),
    "framed": ("cropped", lambda image: encoded(ImageOps.expand(image, 4, "white"))),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_project(tmp_path / "project", write_contest(tmp_path / "data"))


@pytest.mark.parametrize("name", COPIES)
def test_each_kind_of_copy_is_found_between_people_and_sides(project: Project, name: str) -> None:
    kind, make = COPIES[name]
    places = sorted((project.dataset_root / "train" / "images").glob("*/mask1.jpg"))
    other = project.dataset_root / "eval" / "images" / "b.jpg"
    image = picture(77, SIZE)
    places[0].write_bytes(encoded(image, quality=90))
    places[1].write_bytes(make(image))
    found = audit(project, build_manifest(project)).copies.pairs
    assert [(p.kind, p.between, p.people is not None) for p in found] == [(kind, "groups", True)]
    places[1].write_bytes(encoded(picture(78, SIZE)))
    other.write_bytes(make(image))
    found = audit(project, build_manifest(project)).copies.pairs
    assert [(p.kind, p.between, p.people) for p in found] == [(kind, "sides", None)]


FURTHER: dict[str, Callable[[Image.Image], bytes]] = {
    "the middle": lambda image: encoded(cropped(image, 0.17)),
    "a corner": lambda image: encoded(image.crop((40, 0, 192, 204))),
    "turned": lambda image: encoded(image.rotate(12, Image.Resampling.BICUBIC)),
    "mirrored and turned": lambda image: encoded(ImageOps.mirror(image).rotate(-8, Image.Resampling.BICUBIC)),
}


@pytest.mark.parametrize("name", FURTHER)
def test_by_features_copies_are_found_that_differ_more_and_nothing_else(project: Project, name: str) -> None:
    """Features find whom to compare, and the pixels decide: every image is as alike as a copy here."""
    places = sorted((project.dataset_root / "train" / "images").glob("*/mask1.jpg"))
    image = picture(77, SIZE)
    places[0].write_bytes(encoded(image, quality=90))
    places[1].write_bytes(FURTHER[name](image))
    manifest = build_manifest(project)
    vectors = np.random.default_rng(0).normal(size=(manifest.table.height, 4)).astype(np.float32)
    for place in places[:2]:
        vectors[manifest.table["image"].to_list().index(place.relative_to(project.dataset_root).as_posix())] = 9
    features = Features("f.parquet", np.arange(len(vectors)), with_length_1(vectors))
    assert audit(project, manifest).copies.pairs == ()
    found = audit(project, manifest, features=features)
    (pair,) = found.copies.pairs
    assert (pair.between, {pair.first, pair.second}) == (
        "groups",
        {place.relative_to(project.dataset_root).as_posix() for place in places[:2]},
    )
    console = Console(width=600, file=io.StringIO())
    console.print(audit_text(found))
    assert f"{FURTHER_WORDS} (f.parquet)" in console.file.getvalue()  # type: ignore[attr-defined]


def test_without_the_scan_s_thumbnails_the_files_are_read(project: Project) -> None:
    places = sorted((project.dataset_root / "train" / "images").glob("*/mask1.jpg"))
    places[1].write_bytes(encoded(ImageOps.mirror(picture(77, SIZE))))
    places[0].write_bytes(encoded(picture(77, SIZE)))
    manifest = build_manifest(project)
    with_cache = audit(project, manifest).copies
    (project.workspace.manifest / CACHE).unlink()
    assert audit(project, manifest).copies == with_cache
    assert len(with_cache.pairs) == 1
    places[1].unlink()  # gone since the check
    assert audit(project, manifest).copies.pairs == ()


def test_the_check_says_what_it_looked_for(project: Project) -> None:
    console = Console(width=400, file=io.StringIO())
    console.print(audit_text(audit(project, build_manifest(project))))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "no copies found between people" in told
    assert all(words in told for words in LOOKED_FOR.values())
    assert FURTHER_WORDS not in told
    assert "not looked for: other pictures of a person under another name" in told


def test_different_pictures_of_one_layout_are_no_copies(project: Project) -> None:
    """Soft pictures that share their coarse half, as faces cut the same way do."""
    coarse = picture(1, SIZE)
    for number, place in enumerate(sorted((project.dataset_root / "train" / "images").glob("*/*.jpg"))):
        place.write_bytes(encoded(Image.blend(coarse, picture(100 + number, SIZE), 0.5)))
    assert audit(project, build_manifest(project)).copies.pairs == ()


@pytest.mark.parametrize("seed", range(4))
def test_near_points_are_those_that_comparing_all_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(600, 77)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    step = rng.normal(size=points.shape).astype(np.float32)
    queries = points + 0.15 * step / np.linalg.norm(step, axis=1, keepdims=True)
    query, point, square = NearPoints(points).within(queries, 0.3)
    exact = ((queries[:, None] - points[None]) ** 2).sum(axis=2)
    assert set(zip(query.tolist(), point.tolist(), strict=True)) == set(map(tuple, np.argwhere(exact <= 0.09).tolist()))
    np.testing.assert_allclose(square, exact[query, point], atol=1e-4)


def test_pairs_are_each_named_once_and_only_across_sides() -> None:
    pictures = [picture(seed, SIZE) for seed in range(6)]
    small = [probe(encoded(image), "a").grey for image in (*pictures, ImageOps.mirror(pictures[0]), pictures[1])]
    thumbnails = np.stack([thumbnail(grey) for grey in small])
    found = near_pairs(thumbnails, np.arange(8))
    assert found.select("a", "b").sort("a").rows() == [(0, 6), (1, 7)]
    assert near_pairs(thumbnails, np.array([0, 1, 2, 3, 4, 5, 6, 1])).select("a", "b").rows() == [(0, 6)]
    assert near_pairs(thumbnails[:1], np.arange(1)).is_empty()


def test_a_picture_is_laid_over_what_was_made_of_it() -> None:
    whole = np.asarray(picture(5, (64, 64)).convert("L"))[None, None].astype(np.float32)
    true = np.array([[[0.93, 0.03, 0.02], [-0.02, 0.95, -0.03]]], np.float32)
    shown, _ = sample(whole, true)
    found, alike, fine = aligned(whole[:, 0], 0.7 * shown[:, 0] + 20, views()[:1], steps=12)
    np.testing.assert_allclose(found, true, atol=2e-3)
    assert alike[0] > 0.999
    assert fine[0] > 0.99


def test_a_descriptor_of_a_view_is_that_of_the_picture_seen_so() -> None:
    thumbnails = thumbnail(np.asarray(picture(9, SIZE).convert("L")))[None]
    mirror = next(view for view in views() if np.array_equal(view[:, :2], np.diag([-1, 1])))
    np.testing.assert_allclose(descriptors(thumbnails, mirror), descriptors(thumbnails[:, :, ::-1]), atol=1e-4)


def test_flat_pictures_have_one_hash_and_no_descriptor() -> None:
    grey, black = np.full((40, 30), 127, np.uint8), np.zeros((64, 64), np.uint8)
    assert perceptual_hash(grey) == perceptual_hash(black) == 0
    assert not descriptors(np.stack([thumbnail(grey), thumbnail(black)])).any()


@pytest.mark.parametrize("seed", range(4))
def test_the_hash_hardly_changes_with_the_encoding(seed: int) -> None:
    image = picture(seed, SIZE)
    original, other = (perceptual_hash(probe(encoded(i), "a").grey) for i in (image, picture(seed + 100, SIZE)))
    for size, quality in [(SIZE, 40), ((180, 240), 80), ((384, 512), 80)]:
        copy = perceptual_hash(probe(encoded(image.resize(size), quality=quality), "a").grey)
        assert (original ^ copy).bit_count() <= 7
    assert (original ^ other).bit_count() > 7
