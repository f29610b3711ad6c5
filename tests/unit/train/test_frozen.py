"""Heads on a frozen backbone: trained together, they are what each would be alone; and the formulas of the updates."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.choices import Choice
from facetwise.inference.source import ImageSource
from facetwise.model.blocks.layer import output_layer
from facetwise.model.heads import head_layout
from facetwise.recipe import Recipe
from facetwise.recipe.head import FlatHead, MultiLabelHead
from facetwise.recipe.optim import SGD, Adam, AdamP, AdamW, TimmOptimizer
from facetwise.train.fold.optim import build_optimizer
from facetwise.train.frozen.lanes import Lane
from facetwise.train.frozen.stacked import (
    StackedOptimizer,
    check_stackable,
    clip_heads,
    logits_of,
    move_averages,
    new_heads,
    one_head,
    trains_on_features,
)
from facetwise.train.frozen.together import batch_loss
from facetwise.train.losses import build_loss
from facetwise.train.seeds import derive_seed

SPACE = LabelSpace(
    (
        Attribute("a", ("x", "y")),
        Attribute("b", ("p", "q", "r")),
        Attribute("age", ("0", "1", "2", "3"), cuts=(1, 2, 3)),
    )
)
GRID = {"age": tuple(float(v) for v in range(5))}
HEADS = {
    "flat": FlatHead(),
    "multilabel": MultiLabelHead(),
    "ordinal": MultiLabelHead(kinds={"age": "ordinal"}),
    "years": MultiLabelHead(kinds={"age": "years"}),
}
SEEDS = [(0, 0), (0, 1), (7, 0)]
BASE = {
    "input": {"height": 16, "width": 12},
    "model": {"backbone": "small_resnet", "freeze": "backbone"},
    "train": {"length": "1ep"},
}


def layout_of(name):
    return head_layout(HEADS[name], SPACE, grids=GRID)


@pytest.mark.parametrize("name", HEADS)
def test_stacked_heads_give_the_logits_of_each(name):
    blocks = layout_of(name).blocks
    heads = new_heads(blocks, 6, SEEDS)
    x_HBF = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0))
    together = logits_of(heads, blocks, x_HBF)
    for i in range(3):
        alone = output_layer(blocks, 6)
        alone.load_state_dict(one_head(heads, i))
        torch.testing.assert_close(together[i], alone(x_HBF[i]))
    assert not torch.equal(together[0], together[1])  # each from its own seed


@pytest.mark.parametrize("name", HEADS)
def test_first_weights_follow_the_seed_of_run_and_fold_alone(name):
    heads = new_heads(layout_of(name).blocks, 6, SEEDS)
    torch.manual_seed(derive_seed(7, 0, "weights"))
    for key, tensor in output_layer(layout_of(name).blocks, 6).state_dict().items():
        assert torch.equal(heads[key][2], tensor)


OPTIMIZERS = {
    "adamw": (AdamW(), lambda p, lr, wd: torch.optim.AdamW(p, lr=lr, weight_decay=wd)),
    "adam": (Adam(), lambda p, lr, wd: torch.optim.Adam(p, lr=lr, weight_decay=wd)),
    "sgd": (SGD(), lambda p, lr, wd: torch.optim.SGD(p, lr=lr, weight_decay=wd, momentum=0.9, nesterov=True)),
    "plain": (
        SGD(momentum=0.0, nesterov=False),
        lambda p, lr, wd: torch.optim.SGD(p, lr=lr, weight_decay=wd),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_torch_for_each_head(name):
    spec, reference = OPTIMIZERS[name]
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(2, 3, 4, generator=generator), torch.randn(2, 3, generator=generator)
    rates, decays = [0.1, 0.01], [0.1, 0.0]
    heads = {"weight": weight.clone(), "bias": bias.clone()}
    stacked = StackedOptimizer(spec, torch.tensor(decays))
    alone = [(nn.Parameter(weight[i].clone()), nn.Parameter(bias[i].clone())) for i in range(2)]
    optimizers = [
        reference([{"params": [w], "weight_decay": decays[i]}, {"params": [b], "weight_decay": 0.0}], rates[i], 0.0)
        for i, (w, b) in enumerate(alone)
    ]
    for step in range(5):
        gradients = {k: torch.randn(t.shape, generator=generator) for k, t in heads.items()}
        stacked.update(heads, gradients, torch.tensor(rates), step)
        for i, (w, b) in enumerate(alone):
            w.grad, b.grad = gradients["weight"][i].clone(), gradients["bias"][i].clone()
            optimizers[i].step()
    for i, (w, b) in enumerate(alone):
        torch.testing.assert_close(heads["weight"][i], w.data)
        torch.testing.assert_close(heads["bias"][i], b.data)


def upright(weight: torch.Tensor, kind: str, generator: torch.Generator) -> torch.Tensor:
    """A gradient for weights, (D, F): upright on each output's, on the whole layer's alone, or on neither."""
    gradient = torch.randn(weight.shape, generator=generator)
    if kind == "each output":
        return gradient - weight * (gradient * weight).sum(1, keepdim=True) / weight.square().sum(1, keepdim=True)
    gradient = gradient + torch.tensor([[1.0], [-1.0], [2.0]]) * weight
    return gradient - weight * (gradient * weight).sum() / weight.square().sum() * (kind == "whole layer")


@pytest.mark.parametrize("nesterov", [False, True])
def test_adamp_is_that_of_timm_for_each_head(nesterov):
    """Heads side by side of which one is projected output by output, one as a whole, and one not at all."""
    kinds, rates, decays = ("each output", "whole layer", "neither"), [0.1, 0.03, 0.01], [0.5, 0.0, 0.3]
    generator = torch.Generator().manual_seed(4)
    heads = {"weight": torch.randn(3, 3, 7, generator=generator), "bias": torch.randn(3, 3, generator=generator)}
    spec = AdamP(nesterov=nesterov)
    stacked, plain = StackedOptimizer(spec, torch.tensor(decays)), StackedOptimizer(AdamW(), torch.tensor(decays))
    layers, adamw = [nn.Linear(7, 3) for _ in kinds], {name: tensor.clone() for name, tensor in heads.items()}
    for i, layer in enumerate(layers):
        layer.load_state_dict(one_head(heads, i))
    optimizers = [
        build_optimizer(spec.model_copy(update={"lr": rate, "weight_decay": decay}), layer)
        for layer, rate, decay in zip(layers, rates, decays, strict=True)
    ]
    for step in range(5):
        gradients = {
            "weight": torch.stack([upright(heads["weight"][i], kind, generator) for i, kind in enumerate(kinds)]),
            "bias": torch.randn(3, 3, generator=generator),
        }
        stacked.update(heads, gradients, torch.tensor(rates), step)
        plain.update(adamw, gradients, torch.tensor(rates), step)
        for i, layer in enumerate(layers):
            layer.weight.grad, layer.bias.grad = gradients["weight"][i].clone(), gradients["bias"][i].clone()
            optimizers[i].step()
            torch.testing.assert_close(heads["weight"][i], layer.weight.data)
            torch.testing.assert_close(heads["bias"][i], layer.bias.data)
    moved = [not torch.allclose(heads["weight"][i], adamw["weight"][i], atol=1e-3) for i in range(3)]
    assert moved == [True, True, nesterov]  # so that each way of projecting was taken


def test_a_heads_step_of_adamp_does_not_depend_on_the_others():
    generator = torch.Generator().manual_seed(5)
    weight, gradient = (torch.randn(3, 18, 2048, generator=generator) for _ in range(2))
    together, alone = {"weight": weight.clone()}, {"weight": weight[:1].clone()}
    StackedOptimizer(AdamP(), torch.full((3,), 0.1)).update(together, {"weight": gradient}, torch.full((3,), 0.1), 0)
    StackedOptimizer(AdamP(), torch.full((1,), 0.1)).update(alone, {"weight": gradient[:1]}, torch.full((1,), 0.1), 0)
    assert torch.equal(together["weight"][:1], alone["weight"])


def test_heads_that_are_done_do_not_move():
    heads = {"weight": torch.ones(3, 2, 2)}
    StackedOptimizer(AdamW(), torch.zeros(3)).update(
        heads, {"weight": torch.ones(2, 2, 2)}, torch.tensor([0.1, 0.2]), 0
    )
    assert torch.equal(heads["weight"][2], torch.ones(2, 2))
    assert (heads["weight"][:2] < 1).all()
    averages = {"weight": torch.zeros(3, 2, 2)}
    move_averages(averages, heads, torch.tensor([1.0, 0.5]))
    assert torch.equal(averages["weight"][0], heads["weight"][0])
    torch.testing.assert_close(averages["weight"][1], heads["weight"][1] / 2)
    assert (averages["weight"][2] == 0).all()


def test_each_head_is_clipped_by_its_own_norm():
    gradients = {"weight": torch.full((2, 2, 2), 3.0), "bias": torch.full((2, 4), 4.0)}
    clipped = clip_heads(gradients, torch.tensor([1.0, torch.inf]))
    assert torch.cat([g[0].flatten() for g in clipped.values()]).norm().item() == pytest.approx(1.0, rel=1e-5)
    assert all(torch.equal(clipped[k][1], gradients[k][1]) for k in gradients)


def test_a_loss_over_accumulated_parts_is_their_mean_as_for_networks():
    layout, random = layout_of("multilabel"), torch.Generator().manual_seed(2)
    recipe = Recipe.model_validate(
        {
            **BASE,
            "loss": {"name": "sum", "terms": [{"name": "cross-entropy"}, {"name": "soft-f1"}]},
            "train": {"length": "1ep", "batch_size": 4, "accumulate": 3},
        }
    )
    logits = torch.randn(12, layout.num_outputs, generator=random)
    targets = torch.cat([torch.randn(12, n, generator=random).softmax(1) for n in SPACE.sizes], dim=1)
    weights, shares = torch.rand(12, generator=random), targets.mean(0)
    loss = build_loss(recipe.loss, layout, shares, 12)
    expected = sum(loss(logits[part], targets[part], weights[part]) for part in torch.arange(12).split(4)) / 3
    found = batch_loss(recipe, layout, logits, targets, weights, shares, torch.tensor(12))
    torch.testing.assert_close(found, expected)
    assert abs(found - loss(logits, targets, weights)) > 1e-3  # which is what soft F1 of the whole batch would say


def test_batches_of_other_parts_are_other_stacks():
    def shape(**train):
        recipe = Recipe.model_validate({**BASE, "train": {"length": "1ep", **train}})
        plan = SimpleNamespace(recipe=recipe, layout=layout_of("flat"))
        return Lane(SimpleNamespace(plan=plan), None, 1, 1, float).shape

    assert shape(batch_size=8, accumulate=1) != shape(batch_size=4, accumulate=2)
    assert shape(batch_size=8, seed=1) == shape(batch_size=8, seed=2, ema=0.9)


def test_a_store_moves_to_the_device_with_the_first_batch_and_leaves_it():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3)).astype(np.uint8)
    source = ImageSource(images, torch.device("cpu"))
    source.placed = Choice("device", "as on a GPU")
    rows = np.array([3, 0])
    assert source._resident is None
    for _ in range(2):
        assert (source.batch(rows).permute(0, 2, 3, 1).numpy() == images[rows]).all()
        assert source._resident is not None
        source.release()
        assert source._resident is None


def test_an_optimizer_that_would_mix_heads_is_refused_with_ways_out():
    with pytest.raises(SettingError, match=r"`optimizer\.name`: .* `lamb` of timm may .* mix them") as error:
        check_stackable(TimmOptimizer(optimizer="lamb"))
    assert all(name in error.value.hint for name in ("`adamw`", "`adam`", "`adamp`", "`sgd`", "augment+=flip"))
    for spec in (AdamW(), Adam(), AdamP(), SGD()):
        check_stackable(spec)


def test_when_features_are_enough():
    assert trains_on_features(Recipe.model_validate(BASE))
    assert not trains_on_features(Recipe.model_validate({**BASE, "augment": [{"name": "flip"}]}))
    for model in ({"backbone": "small_resnet"}, {**BASE["model"], "weights": "runs/1/fold-{fold}/model.safetensors"}):
        assert not trains_on_features(Recipe.model_validate({**BASE, "model": model}))
