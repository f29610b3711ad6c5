"""The contact sheet: the images that a recipe trains on, as the training loop would change them."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, SettingError
from facetwise.recipe import load_recipe
from facetwise.recipe.augment import Cutout, Flip, HalfCutMix, MixUp
from facetwise.train.augment import Augmenter
from facetwise.train.augment.contact import TrainingImages, make_sheet, training_images
from facetwise.train.augment.contact_picture import sheet_png

CLASSES = 5
sheet_of = partial(make_sheet, colour=(200.0, 100.0, 50.0))


@pytest.fixture
def images() -> TrainingImages:
    """Fifty constant images; the class of an image is its grey value modulo 5. The store holds others in between."""
    store = np.repeat(np.arange(100, dtype=np.uint8), 8 * 6 * 3).reshape(100, 8, 6, 3)
    rows = np.arange(0, 100, 2)
    joint = rows % CLASSES
    return TrainingImages(store, rows, joint, tuple(f"class {j}" for j in joint))


def test_the_first_column_is_the_stored_image_with_its_class(images):
    sheet = sheet_of(images, Augmenter([Cutout(p=1)]), "", rows=6, columns=3, seed=0)
    assert [len(row) for row in sheet.rows] == [3] * 6
    for row in sheet.rows:
        value = int(row[0].pixels[0, 0, 0])
        assert value % 2 == 0
        assert (row[0].pixels == value).all()
        assert row[0].caption == row[1].caption == (f"class {value % CLASSES}",)
        assert (row[1].pixels != value).any()
        assert not np.array_equal(row[1].pixels, row[2].pixels)


def test_cutout_paints_with_the_colour_that_is_given(images):
    sheet = sheet_of(images, Augmenter([Cutout(p=1, size=(1, 1))]), "", rows=1, columns=2, seed=0)
    assert (sheet.rows[0][1].pixels == (200, 100, 50)).all()


@pytest.mark.parametrize("partner", ["any", "rare"])
def test_a_caption_says_whose_parts_an_image_has(images, partner):
    sheet = sheet_of(images, Augmenter([HalfCutMix(p=1, partner=partner)]), "", rows=8, columns=3, seed=1)
    mixed = [(row[0], cell) for row in sheet.rows for cell in row[1:] if len(cell.caption) == 2]
    assert len(mixed) > 10
    for stored, cell in mixed:
        values = [int(v) for v in np.unique(cell.pixels)]
        own = int(stored.pixels[0, 0, 0])
        other = next((v for v in values if v != own), own)
        assert cell.caption == (f"50 % class {own % CLASSES}", f"50 % class {other % CLASSES}")


def test_the_same_seed_is_the_same_sheet_and_another_is_another(images):
    augmenter = Augmenter([Flip(), MixUp()])
    one, same, other = (sheet_of(images, augmenter, "", rows=4, columns=3, seed=s) for s in (0, 0, 1))
    assert sheet_png(one) == sheet_png(same)
    assert sheet_png(one) != sheet_png(other)


def test_fewer_images_than_rows_are_all_shown(images):
    few = TrainingImages(images.pixels, images.store_rows[:3], images.joint[:3], images.names[:3])
    assert len(sheet_of(few, Augmenter([]), "", rows=8, columns=2, seed=0).rows) == 3


def test_a_picture_of_long_names_and_tiny_images_can_be_drawn(images):
    long = TrainingImages(images.pixels, images.store_rows, images.joint, ("마스크/여성 " * 40,) * 50)
    sheet = sheet_of(long, Augmenter([MixUp()]), "a title " * 40, rows=2, columns=2, seed=0)
    drawn = Image.open(io.BytesIO(sheet_png(sheet)))
    assert drawn.width > 2 * 150


def test_only_images_that_are_trained_on_are_shown(ready_to_fit):
    """Of the training side, with the labels of the training view."""
    project = fw.open_project(ready_to_fit.project)
    given = load_recipe(ready_to_fit.recipe)
    everyone = training_images(project, given)
    assert len(everyone.joint) < len(everyone.pixels)  # the test images lie in the store too
    dropped = load_recipe(ready_to_fit.recipe, ["labels.drop.age=[[20, 40]]"])
    assert 0 < len(training_images(project, dropped).joint) < len(everyone.joint)
    second = everyone.batch(np.array([1]))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(second, everyone.pixels[everyone.store_rows[1]])


def test_from_the_command_line_and_from_python_it_is_the_same_picture(ready_to_fit, tmp_path):
    options = ["--rows", "2", "--columns", "3", "--set", 'augment+={name="half-cutmix", partner="rare"}']
    recipe = str(ready_to_fit.recipe)
    command = ["--project", str(ready_to_fit.project), "augment", recipe, "--out", str(tmp_path / "a.png"), *options]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    assert f"wrote {tmp_path / 'a.png'}" in done.output
    path = fw.augment(
        ready_to_fit.project, recipe, out=tmp_path / "b.png", rows=2, columns=3, settings=[options[-1]]
    )  # fmt: skip
    assert path == tmp_path / "b.png"
    assert path.read_bytes() == (tmp_path / "a.png").read_bytes()
    with Image.open(path) as drawn:
        assert drawn.format == "PNG"


@pytest.mark.parametrize(
    ("out", "says"),
    [("none/sheet.png", "no such folder"), ("sheet.jpg", r"ends in `\.png`"), ("sheet", r"ends in `\.png`")],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_done(ready_to_fit, tmp_path, out, says):
    with pytest.raises(InputError, match=says):
        fw.augment(ready_to_fit.project, ready_to_fit.recipe, out=tmp_path / out)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_does_not_fit_is_refused(ready_to_fit, tmp_path):
    with pytest.raises(SettingError, match="`gray`"):
        fw.augment(ready_to_fit.project, ready_to_fit.recipe, out=tmp_path / "a.png", settings=["augment+=gray"])
    with pytest.raises(SettingError, match="`columns` is 1, expected 2 to 64"):
        fw.augment(ready_to_fit.project, ready_to_fit.recipe, out=tmp_path / "a.png", columns=1)
