"""What every backbone must do, with every head and loss: a few tiny ones of timm's families, and our own."""

import numpy as np
import pytest
import torch
from made_training import make_setup

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import build_network
from facetwise.model.heads import head_layout
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec
from facetwise.train.fold.loop import new_state, new_stepper
from facetwise.train.fold.step import Batch

SPACE = LabelSpace(
    (Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r")), Attribute("c", ("0", "1", "2", "3"), cuts=(1, 2, 3)))
)
GRIDS = {"c": (0.0, 1.0, 2.0, 3.0, 4.0)}
BACKBONES = {
    "small_resnet": {"stem": 4, "widths": [4, 8, 8], "depths": [1, 2, 1]},
    "test_resnet": {},
    "test_efficientnet": {},
    "test_convnext": {},
    "test_vit": {"dynamic_img_pad": True},
    "test_byobnet": {},
}
HEADS = {
    "flat": {"name": "flat"},
    "multilabel": {"name": "multilabel"},
    "single": {"name": "single", "attribute": "b"},
    "ordinal": {"name": "multilabel", "kinds": {"c": "ordinal"}},
    "bins": {"name": "multilabel", "kinds": {"c": "bins"}},
}
LOSSES = {
    "plain": {"name": "cross-entropy"},
    "weighted": {"name": "cross-entropy", "smoothing": 0.1, "prior": 1.0, "balance": "effective"},
    "focal": {"name": "focal", "balance": "inverse"},
    "soft-f1": {"name": "soft-f1"},
    "joint-f1": {"name": "soft-f1", "joint": True},
    "binary": {"name": "binary", "smoothing": 0.1},
    "sum": {"name": "sum", "terms": [{"name": "focal", "share": 0.5}, {"name": "soft-f1"}]},
}
FEW = ("small_resnet", "test_vit")
STEPS = [
    *((name, head, "plain") for name in BACKBONES for head in HEADS),
    *((name, head, loss) for name in FEW for head in HEADS for loss in LOSSES if loss != "plain"),
]
"""Every backbone with every head, and two of them with every loss: the others differ in what comes before the head."""
SIZES = ((48, 36), (33, 47))
"""Not square, and not multiples of the networks' strides."""


def images_of(height: int, width: int, count: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", BACKBONES)
def test_images_of_any_size_give_finite_logits_an_image_alone(name, size):
    layout = head_layout(MultiLabelHead(), SPACE)
    network = build_network(ModelSpec(backbone=name, args=BACKBONES[name]), layout, *size).eval()
    images = images_of(*size).float()
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert together.shape == (4, layout.num_outputs)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_size_that_a_backbone_cannot_take_is_a_setting_error():
    with pytest.raises(SettingError, match=r"`test_vit` cannot take 33x47 images: .*divisible by patch size"):
        build_network(ModelSpec(backbone="test_vit"), head_layout(MultiLabelHead(), SPACE), 33, 47)


@pytest.mark.parametrize(("name", "head", "loss"), [s for s in STEPS if s[1:] != ("bins", "binary")])
def test_a_step_reaches_every_weight(name, head, loss):
    recipe = {
        "input": {"height": 48, "width": 36},
        "model": {"backbone": name, "args": BACKBONES[name], "head": HEADS[head]},
        "loss": LOSSES[loss],
        "optimizer": {"name": "adamw", "lr": 1e-2},
        "augment": [{"name": "flip"}, {"name": "affine"}, {"name": "light", "colour": 0.1}, {"name": "cutout"}],
        "train": {"length": "1ep", "batch_size": 4, "device": "cpu"},
    }
    setup, task = make_setup(recipe, SPACE, 4, values={"c": np.array([0.0, 1.0, 4.0, np.nan])}, grids=GRIDS)
    state = new_state(setup, 0)
    before = {k: p.detach().clone() for k, p in state.network.head.named_parameters()}
    stepper = new_stepper(setup, task, state.optimizer, 10, 1)
    weights = torch.tensor([1.0, 0.5, 2.0, 1.0])
    batch = Batch(setup.source.batch(task.train_rows), torch.from_numpy(task.train_targets), weights)
    value = stepper(state, batch, 0)
    assert torch.isfinite(value)
    assert not value.requires_grad
    unreached = [k for k, p in state.network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert unreached == []
    assert [k for k, p in state.network.head.named_parameters() if torch.equal(p, before[k])] == []


def test_a_head_of_bins_with_a_binary_loss_is_refused_before_training():
    recipe = {
        "input": {"height": 48, "width": 36},
        "model": {"backbone": "small_resnet", "head": HEADS["bins"]},
        "loss": LOSSES["binary"],
        "train": {"length": "1ep", "batch_size": 4, "device": "cpu"},
    }
    setup, task = make_setup(recipe, SPACE, 4, values={"c": np.arange(4.0)}, grids=GRIDS)
    with pytest.raises(SettingError, match="`binary` cannot be taken over `c`"):
        new_stepper(setup, task, new_state(setup, 0).optimizer, 10, 1)
