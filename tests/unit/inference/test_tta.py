"""Test-time views: what they are, and how what tables keep is averaged over them."""

import made_training
import numpy as np
import pytest
import torch

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.predict import average_views, predict_rows, views

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("age", ("0", "1", "2"), cuts=(30, 60))))
TTAS = {"none": 1, "flip": 2, "crops": 5, "flip-crops": 10}


@pytest.mark.parametrize(("tta", "count"), TTAS.items(), ids=TTAS)
def test_the_views_of_an_image(tta, count):
    images = torch.rand(3, 3, 20, 10) * 255
    found = views(images, tta)
    assert [v.shape for v in found] == [images.shape] * count
    assert torch.equal(found[0], images)
    if "flip" in tta:
        half = count // 2
        assert all(torch.equal(found[i + half], found[i].flip(3)) for i in range(half))


def test_corner_crops_show_their_corner():
    images = torch.zeros(1, 3, 20, 10)
    images[:, :, :2, :1] = 255  # all of the tenth that the crops at the bottom and on the right leave out
    _, top_left, top_right, bottom_left, bottom_right = views(images, "crops")
    assert top_left.max() == 255
    assert max(v.max() for v in (top_right, bottom_left, bottom_right)) < 5


def test_views_of_a_plain_image_are_plain():
    assert all(
        torch.allclose(v, torch.full((1, 3, 9, 7), 80.0)) for v in views(torch.full((1, 3, 9, 7), 80.0), "flip-crops")
    )


@pytest.mark.parametrize(
    "head", [{"name": "multilabel", "kinds": {"age": "ordinal"}}, {"name": "flat"}], ids=["ordinal", "flat"]
)
def test_probabilities_and_scores_are_averaged(head):
    recipe = {
        "input": {"height": 16, "width": 12},
        "model": {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4], "depths": [1]}, "head": head},
        "train": {"length": "1ep", "batch_size": 4, "device": "cpu"},
    }
    setup, task = made_training.make_setup(recipe, SPACE, 6)
    network = setup.new_network().eval()
    rows = task.train_rows
    logs = predict_rows(network, setup.layout, setup.source, rows, batch_size=4, tta="flip-crops")
    with torch.no_grad():
        each = [setup.layout.log_probs(network(v)) for v in views(setup.source.batch(rows).float(), "flip-crops")]
    columns = setup.layout.columns()
    for i, column in enumerate(columns):
        parts = np.stack([part[:, i].numpy() for part in each])
        expected = parts.mean(axis=0) if column.endswith(":score") else np.log(np.exp(parts).mean(axis=0))
        np.testing.assert_allclose(logs[:, i], expected, atol=1e-5)
    np.testing.assert_array_equal(average_views(each[:1], setup.layout), each[0].numpy())
