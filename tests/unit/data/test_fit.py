"""`input.fit`: what becomes of photos of another shape than the network's input, and that nothing else changes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_project import encoded, photo_project, picture
from rich.console import Console

from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.core.workspace import content_hash
from facetwise.data.audit import audit
from facetwise.data.images.crops import (
    PAD,
    crop_resize,
    cut_regions,
    fitted_sizes,
    fraction_regions,
    place,
    shape_note,
)
from facetwise.data.images.images import decode
from facetwise.data.images.store import VIEW, StoreSpec, described, prepare_store, recipe_store
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.recipe import load_recipe
from facetwise.screens.text.check import audit_text

WIDE, TALL = (60, 20), (20, 60)
SIDES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


def regions_of(*extents: tuple[int, int]) -> np.ndarray:
    return fraction_regions(np.array(extents, np.float64), (0, 0, 1, 1))


@given(SIDES, SIDES)
def test_a_letterbox_holds_the_whole_image_in_its_middle(extent, canvas):
    height, width = fitted_sizes(regions_of(extent), *canvas, "letterbox")[0].tolist()
    assert height == canvas[0] or width == canvas[1]
    scale = min(canvas[0] / extent[1], canvas[1] / extent[0])
    assert abs(height - scale * extent[1]) <= 1
    assert abs(width - scale * extent[0]) <= 1
    rows, columns = place(canvas, (height, width), "letterbox")
    for part, whole in ((rows, canvas[0]), (columns, canvas[1])):
        assert 0 <= part.start <= whole - part.stop <= part.start + 1


@given(SIDES, SIDES)
def test_a_crop_is_the_largest_part_in_the_middle_of_the_inputs_shape(extent, canvas):
    (left, top, right, bottom) = cut_regions(regions_of(extent), *canvas)[0]
    width, height = right - left, bottom - top
    assert min(left, top) >= 0
    assert left + right == pytest.approx(extent[0])
    assert top + bottom == pytest.approx(extent[1])
    assert width * canvas[0] == pytest.approx(height * canvas[1])
    assert width == pytest.approx(extent[0]) or height == pytest.approx(extent[1])


def test_images_of_the_inputs_shape_are_alike_by_every_fit():
    regions = regions_of((30, 40), (300, 400))
    assert np.allclose(cut_regions(regions, 64, 48), regions)
    assert (fitted_sizes(regions, 64, 48, "letterbox") == fitted_sizes(regions, 64, 48, "stretch")).all()
    assert [shape_note(regions, 64, 48, fit) for fit in ("stretch", "letterbox", "crop")] == [None] * 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory):
    """Two photos, one three times as wide as high, one as high; each of another person. Tests only read them."""
    root = tmp_path_factory.mktemp("shapes")
    project = photo_project(
        root, ["file,person,glasses", "0.png,0,no", "1.png,1,yes"], ["photos/0.png", "photos/1.png"]
    )
    for name, size in (("0.png", WIDE), ("1.png", TALL)):
        (root / "data" / "photos" / name).write_bytes(encoded(picture(1, size), "PNG"))
    return project, build_manifest(project, workers=1)


def pixels(photos) -> list[np.ndarray]:
    project, manifest = photos
    return [decode((project.dataset_root / image).read_bytes(), image).pixels for image in manifest.train["image"]]


def test_a_store_of_letterboxes_has_grey_on_both_sides(photos):
    store = prepare_store(*photos, StoreSpec(24, 24, fit="letterbox"), workers=1)
    wide, tall = pixels(photos)
    assert (store.images[0, :8] == PAD).all()
    assert (store.images[0, 16:] == PAD).all()
    np.testing.assert_array_equal(store.images[0, 8:16], crop_resize(wide, (0, 0, 60, 20), 8, 24))
    np.testing.assert_array_equal(store.images[1, :, 8:16], crop_resize(tall, (0, 0, 20, 60), 24, 8))
    np.testing.assert_array_equal(store.picture(1), store.images[1, :, 8:16])


def test_a_store_of_crops_has_the_middle(photos):
    store = prepare_store(*photos, StoreSpec(20, 20, fit="crop"), workers=1)
    wide, tall = pixels(photos)
    np.testing.assert_array_equal(store.images[0], wide[:, 20:40])
    np.testing.assert_array_equal(store.images[1], tall[20:40])
    half = prepare_store(*photos, StoreSpec(20, 20, box=(0, 0, 0.5, 1), fit="crop"), workers=1)
    np.testing.assert_array_equal(half.images[0], wide[:, 5:25])


def test_what_was_there_before_is_called_as_before():
    assert described(StoreSpec(12, 9)) == {"height": 12, "width": 9, "fit": "stretch", "box": [0.0, 0.0, 1.0, 1.0]}
    assert described(VIEW)["fit"] == "letterbox"
    assert load_recipe("cpu-tiny", "input.fit=stretch").as_dict()["input"].keys() == {"height", "width", "box"}
    assert load_recipe("cpu-tiny", "input.fit=stretch") == load_recipe("cpu-tiny")
    assert load_recipe("cpu-tiny", "input.fit=crop").as_dict()["input"]["fit"] == "crop"


def test_every_fit_is_a_store_of_its_own():
    fits = [StoreSpec(384, 384, fit=fit) for fit in ("stretch", "letterbox", "crop", "shrink")]
    assert len({content_hash(described(spec)) for spec in fits}) == 4
    assert recipe_store(load_recipe("cpu-tiny", "input.fit=letterbox").input).fit == "letterbox"


@pytest.mark.parametrize(
    ("fit", "told"),
    [("stretch", "they are stretched"), ("letterbox", "is grey beside"), ("crop", "of them is cut off")],
)
def test_what_a_fit_does_to_other_shapes_is_told(photos, fit, told):
    (note,) = prepare_store(*photos, StoreSpec(24, 12, fit=fit), workers=1).notes
    assert note.startswith("2 of 2 images, as cropped, have another shape than height 24, width 12 by more than 25%")
    assert told in note
    assert prepare_store(*photos, VIEW, workers=1).notes == ()


def told_by_check(project: Project, manifest: Manifest) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(audit_text(audit(project, manifest)))
    return console.export_text()


def test_check_tells_that_shapes_differ(photos, tmp_path: Path):
    assert "width / height of nine in ten is" in told_by_check(*photos)
    shapes = audit(*photos).shapes
    assert shapes is not None
    assert (shapes.narrow < 0.5, shapes.wide > 2.5, shapes.differ) == (True, True, True)
    names = [f"photos/{k}.png" for k in range(4)]
    alike = photo_project(tmp_path, ["file,person,glasses", *(f"{k}.png,{k},no" for k in range(4))], names)
    manifest: Manifest = build_manifest(alike, workers=1)
    assert "width / height of" not in told_by_check(alike, manifest)


def test_another_fit_is_refused():
    with pytest.raises(SettingError, match=r"input\.fit"):
        load_recipe("cpu-tiny", "input.fit=fill")
