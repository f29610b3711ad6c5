"""What every backbone must do, with every head and loss: a few tiny ones of timm's families, and our own."""

import numpy as np
import pytest
import torch

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import build_network
from facetwise.model.heads import head_layout
from facetwise.recipe.augment import Affine, Cutout, Flip, Light
from facetwise.recipe.loss import CrossEntropy
from facetwise.recipe.model import FlatHead, ModelSpec, MultiLabelHead, SingleHead
from facetwise.recipe.optim import AdamW, Cosine
from facetwise.train.augment import Augmenter
from facetwise.train.checkpoint import TrainState
from facetwise.train.losses import build_loss
from facetwise.train.optim import build_optimizer, build_schedule
from facetwise.train.step import Stepper

SPACE = LabelSpace(
    (Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r")), Attribute("c", ("0", "1", "2", "3"), cuts=(1, 2, 3)))
)
BACKBONES = {
    "small_resnet": {"stem": 4, "widths": [4, 8, 8], "depths": [1, 2, 1]},
    "test_resnet": {},
    "test_efficientnet": {},
    "test_convnext": {},
    "test_vit": {"dynamic_img_pad": True},
    "test_byobnet": {},
}
HEADS = (FlatHead(), MultiLabelHead(), SingleHead(attribute="b"))
LOSSES = (CrossEntropy(), CrossEntropy(smoothing=0.1, prior=1.0))
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


@pytest.mark.parametrize("loss", LOSSES, ids=["plain", "smoothed-prior"])
@pytest.mark.parametrize("head", HEADS, ids=lambda h: h.name)
@pytest.mark.parametrize("name", BACKBONES)
def test_a_step_reaches_every_weight(name, head, loss):
    torch.manual_seed(0)
    layout = head_layout(head, SPACE)
    network = build_network(ModelSpec(backbone=name, args=BACKBONES[name]), layout, 48, 36).train()
    before = network.head.weight.detach().clone()
    optimizer = AdamW(lr=1e-2)
    state = TrainState(network, None, build_optimizer(optimizer, network))
    stepper = Stepper(
        Augmenter([Flip(), Affine(), Light(colour=0.1), Cutout()]),
        build_loss(loss, layout, torch.full((layout.num_outputs,), 0.2)),
        build_schedule(Cosine(), optimizer.lr, 10, 5),
        (0, 0),
        "fp32",
    )
    random = np.random.default_rng(0)
    soft = [random.dirichlet(np.ones(n), 4).astype(np.float32) for n in SPACE.sizes]
    value = stepper(state, images_of(48, 36), torch.from_numpy(layout.soft_targets(soft)), 0)
    assert torch.isfinite(value)
    assert not value.requires_grad
    unreached = [k for k, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert unreached == []
    assert not torch.equal(network.head.weight, before)
