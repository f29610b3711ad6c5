"""Networks: building them, what does not train, and what is refused."""

import copy
import inspect

import pytest
import timm
import torch
from timm.models import build_model_with_cfg
from torch import nn

from facetwise.core.errors import SettingError
from facetwise.core.files.settings import parse
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import Network, build_network, layer_ids, mean_colour
from facetwise.model.heads import head_layout
from facetwise.model.small import SmallResNet
from facetwise.recipe import Recipe
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
LAYOUT = head_layout(MultiLabelHead(), SPACE)
RECIPE = {"input": {"height": 32, "width": 32}, "train": {"length": "1ep"}}
SMALL = {"stem": 4, "widths": [4, 8], "depths": [1, 2]}


def build(name: str, height: int = 32, width: int = 32, **spec: object) -> Network:
    return build_network(ModelSpec(backbone=name, **spec), LAYOUT, height, width)


def test_first_weights_come_from_the_seed():
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(build("small_resnet", args=SMALL).state_dict())
    one, same, other = networks
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_normalisation_travels_with_the_network():
    network = build("test_resnet").eval()
    assert {"mean", "std"} <= network.state_dict().keys()
    cfg = network.backbone.pretrained_cfg
    torch.testing.assert_close(network.mean.flatten(), 255 * torch.tensor(cfg["mean"]))
    grey = network.mean.expand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(grey), network.head(network.backbone(torch.zeros(1, 3, 32, 32))))


def test_no_activation_copies_what_it_overwrites_and_gradients_are_those_of_timm():
    torch.manual_seed(0)
    network = build("test_efficientnet")
    copying = copy.deepcopy(network)
    parts = [part for part in copying.modules() if isinstance(part, nn.SiLU | nn.Hardtanh)]
    assert parts
    for part in parts:
        assert not part.inplace
        part.inplace = True  # as timm makes them
    images = 255 * torch.rand(4, 3, 32, 32)
    losses = [made.train()(images).square().mean() for made in (network, copying)]
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    for own, other in zip(network.parameters(), copying.parameters(), strict=True):
        assert torch.equal(own.grad, other.grad)


def test_arguments_reach_the_backbone():
    assert build("small_resnet", args={**SMALL, "widths": [4, 24]}).head.in_features == 24
    assert build("test_resnet", dropout=0.4).dropout.p == 0.4


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("resnet_18", {}, "timm has no `resnet_18`"),
        ("small_resnet", {"weights": "hub"}, "no pretrained weights"),
        ("test_resnet", {"args": {"depth": 9}}, "cannot make `test_resnet`"),
        ("test_resnet.other_tag", {}, "timm has no `other_tag` of `test_resnet`"),
        ("hf-hub:timm/resnet18.a1_in1k", {}, "timm has no `hf-hub:"),
        ("test_resnet", {"args": {"layers": [60_000, 1, 1, 1]}}, "more than 1,073,741,824 weights, or 20,000 layers"),
        ("densenet121", {"drop_path": 0.1}, "`densenet121` has no stochastic depth"),
        ("small_resnet", {"args": SMALL, "freeze": 4}, "`model.freeze` is 4, but the backbone has 3 stages"),
        ("small_resnet", {"args": SMALL, "freeze": -3}, "`model.freeze` is -3, but the backbone has 3 stages"),
    ],
)
def test_networks_that_cannot_be(name, spec, words):
    with pytest.raises(SettingError, match=words):
        build(name, **spec)


def test_an_image_too_large_for_a_layer_is_told_before_it_is_made():
    with pytest.raises(SettingError, match="a layer makes 536,870,912 values of one image"):
        build("small_resnet", 1024, 2048, args={"stem": 1024, "widths": [4], "depths": [1]})


def test_close_matches_of_a_backbone_are_few():
    with pytest.raises(SettingError) as error:
        build("resnet_18")
    assert error.value.hint.startswith("did you mean `resnet")
    assert len(error.value.hint) < 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"freeze": -65}, "freeze"),
        ({"freeze": "all"}, "freeze"),
        ({"drop_path": 1.0}, "less than 1"),
        ({"drop_path": 0.1, "args": {"drop_path_rate": 0.2}}, "not both"),
    ],
)
def test_settings_that_cannot_be(data, words):
    with pytest.raises(SettingError, match=words):
        parse(ModelSpec, {"backbone": "resnet18", **data}, "recipe.toml")


NOT_OF_THE_BACKBONE = sorted(
    {
        name
        for function in (timm.create_model, build_model_with_cfg)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    | {
        "num_classes",
        "in_chans",
        "img_size",
        "features_only",
        "out_indices",
        "feature_cls",
        "pruned",
        "device",
        "dtype",
    }
)
"""What timm's own functions take, besides what they hand on to the class of the backbone."""


@pytest.mark.parametrize("key", NOT_OF_THE_BACKBONE)
def test_arguments_that_are_not_of_the_backbone_are_refused(key):
    """`checkpoint_path` opens a pickle and knows no people; others would be overwritten in silence."""
    with pytest.raises(SettingError, match=rf"`model\.args`: .*`{key}` is not for `args`: "):
        parse(Recipe, {**RECIPE, "model": {"backbone": "test_resnet", "args": {key: 1}}}, "recipe.toml")


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("checkpoint_path", "`model.weights`"),
        ("pretrained", "`model.weights`"),
        ("num_classes", "`model.head`"),
        ("img_size", "`input.height` and `input.width`"),
        ("dtype", "`train.precision`"),
    ],
)
def test_what_to_use_instead_of_a_refused_argument_is_said(key, instead):
    with pytest.raises(ValueError, match=instead):
        ModelSpec(backbone="test_resnet", args={key: "x", "depth": 1})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "small_resnet"])
def test_the_mean_colour_is_what_the_network_subtracts(name):
    torch.testing.assert_close(torch.tensor(mean_colour(name)), build(name).mean.flatten())


@pytest.mark.parametrize("name", ["no_such_network", "resnet18.no_such_tag", "hf-hub:timm/resnet18"])
def test_the_mean_colour_of_what_cannot_be_built_is_that_of_most(name):
    assert mean_colour(name) == mean_colour("small_resnet")
    assert mean_colour("vit_small_patch16_224.augreg_in21k_ft_in1k") == (127.5,) * 3


# --------------------------------------------------------------------------------------------------- stochastic depth


def test_stochastic_depth_reaches_timm():
    rates = [m.drop_prob for m in build("test_resnet", drop_path=0.3).modules() if "DropPath" in type(m).__name__]
    assert max(rates) == pytest.approx(0.3)


def test_blocks_of_our_own_family_are_skipped_for_a_share_of_the_images():
    rates = [b.drop for b in SmallResNet(4, [4, 8], [1, 3], drop_path=0.4).layers[3:]]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])
    torch.manual_seed(0)
    block = SmallResNet(4, [4], [1], drop_path=0.25).layers[3].train()
    for norm in (m for m in block.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval().bias.data.fill_(1.0)
    x_BCHW = torch.rand(1, 4, 8, 8).expand(2000, -1, -1, -1)
    with torch.no_grad():
        trained, skipped = block(x_BCHW), torch.relu(block.shortcut(x_BCHW[:1]))
        plain = block.eval()(x_BCHW)
    was_skipped = torch.isclose(trained, skipped, atol=1e-6).flatten(1).all(dim=1)
    assert was_skipped.float().mean() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(plain, plain[:1].expand_as(plain))


# ------------------------------------------------------------------------------------------------------------ freezing


def step_once(network: Network) -> tuple[set[str], set[str]]:
    """Names of what a training step changes: weights by their gradient, and statistics of norms."""
    network.train()
    before = copy.deepcopy(network.state_dict())
    network(255 * torch.rand(4, 3, 32, 32)).square().sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.add_(1.0)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    weights = {name for name, _ in network.named_parameters()}
    return changed & weights, changed - weights


@pytest.mark.parametrize("amount", [1, 2, 3, -1, -2, "backbone"])
@pytest.mark.parametrize("name", ["small_resnet", "test_resnet", "test_efficientnet", "test_vit"])
def test_what_is_frozen_stays_and_so_do_its_norms(name, amount):
    network = build(name, args=SMALL if name == "small_resnet" else {}, freeze=amount)
    layers = layer_ids(network.backbone, coarse=True)
    num_layers = max(layers.values()) + 1
    limit = num_layers if amount == "backbone" else amount % num_layers if amount < 0 else amount
    trains = {f"backbone.{name}" for name, layer in layers.items() if layer >= limit} | {"head.weight", "head.bias"}
    weights, statistics = step_once(network)
    assert weights == trains
    modules = {name.rsplit(".", 1)[0] for name in trains}
    assert {name.rsplit(".", 1)[0] for name in statistics} <= modules
    assert name == "test_vit" or bool(statistics) == (limit <= max(layers.values()))


def test_a_frozen_backbone_gives_the_same_features_in_training():
    network = build("test_resnet", freeze="backbone", drop_path=0.5, dropout=0.5)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(network.eval().backbone(images), network.train().backbone(images))
    assert not network.backbone.training
    assert network.training
    assert network.dropout.training
    assert not copy.deepcopy(network).train().backbone.training


def test_a_resting_backbone_gets_no_gradient_and_keeps_its_statistics():
    network = build("test_resnet", freeze=1)
    network.train().rest(True)
    assert step_once(network)[0] == {"head.weight", "head.bias"}
    assert not network.train().backbone.training
    network.rest(False)
    weights, statistics = step_once(network)
    frozen = {name for name, layer in layer_ids(network.backbone, coarse=True).items() if layer == 0}
    assert weights == {name for name, _ in network.named_parameters()} - {f"backbone.{name}" for name in frozen}
    assert statistics


def test_a_backbone_without_groups_is_told_by_its_names():
    backbone = timm.create_model("pit_ti_224", num_classes=0, img_size=(32, 32))
    coarse, fine = layer_ids(backbone, coarse=True), layer_ids(backbone)
    assert coarse.keys() == fine.keys() == {name for name, _ in backbone.named_parameters()}
    assert [coarse[k] for k in ("pos_embed", "transformers.0.blocks.1.norm1.weight", "norm.weight")] == [0, 1, 3]
    order = [fine[f"transformers.{stage}.blocks.{block}.norm1.weight"] for stage, block in ((0, 0), (0, 1), (2, 0))]
    assert order == sorted(set(order))
    assert sorted(set(fine.values())) == list(range(max(fine.values()) + 1))
