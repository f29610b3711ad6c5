"""Optimizer groups and learning rates."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from facetwise.core.errors import SettingError
from facetwise.core.files.settings import parse
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import Network, build_network, layer_ids
from facetwise.model.heads import head_layout
from facetwise.model.small import SmallResNet
from facetwise.recipe.duration import Duration
from facetwise.recipe.head import MultiLabelHead
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.optim import (
    SGD,
    Adam,
    AdamP,
    AdamW,
    Constant,
    Cosine,
    OneCycle,
    OptimizerSpec,
    StepLR,
    TimmOptimizer,
)
from facetwise.train.fold.optim import build_optimizer, build_schedule, warmup_steps

LAYOUT = head_layout(MultiLabelHead(), LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r")))))
SMALL = {"stem": 4, "widths": [4, 8], "depths": [2, 1]}
FAMILIES = (AdamW(), Adam(), AdamP(), SGD(), TimmOptimizer(optimizer="lamb"))


def build(name: str = "small_resnet", **spec: object) -> Network:
    args = SMALL if name == "small_resnet" else {}
    return build_network(ModelSpec(backbone=name, args=args, **spec), LAYOUT, 32, 32)


def scales_of(spec: OptimizerSpec, network: Network) -> dict[str, float]:
    """Scale of the learning rate of every weight that trains."""
    scales = {p: group["scale"] for group in build_optimizer(spec, network).param_groups for p in group["params"]}
    return {name: scales[p] for name, p in network.named_parameters() if p in scales}


def test_vectors_are_not_decayed_and_every_weight_is_in_one_group():
    network = nn.Sequential(SmallResNet(4, (4, 8), (1, 1)), nn.Linear(8, 3))
    optimizer = build_optimizer(AdamW(lr=0.1, weight_decay=0.3, betas=(0.8, 0.9)), network)
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim <= 1 for p in plain["params"])
    found = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in network.parameters())
    assert decayed["betas"] == (0.8, 0.9)


def test_a_step_without_gradient_decays_matrices_only():
    network = nn.Linear(3, 2)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimizer = build_optimizer(AdamW(lr=0.1, weight_decay=0.5), network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(network.weight, before["weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(network.bias, before["bias"])


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda s: s.short)
def test_every_family_moves_the_weights_that_train_and_no_others(spec):
    torch.manual_seed(0)
    network = build(freeze=2).train()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = build_optimizer(spec, network)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    moved = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, p in network.named_parameters() if p.requires_grad}
    assert {group["scale"] for group in optimizer.param_groups} == {1.0}


def test_the_head_has_its_own_rate_and_layers_decay_downwards():
    network = build("test_resnet")
    spec = AdamW(lr=0.01, head_lr=0.1, layer_decay=0.5)
    scales, layers = scales_of(spec, network), layer_ids(network.backbone)
    assert scales["head.weight"] == scales["head.bias"] == pytest.approx(10)
    top = max(layers.values())
    assert top >= 4
    for name, layer in layers.items():
        assert scales[f"backbone.{name}"] == pytest.approx(0.5 ** (top + 1 - layer)), name
    optimizer = build_optimizer(spec, network)
    assert all(group["lr"] == pytest.approx(0.01 * group["scale"]) for group in optimizer.param_groups)


def test_layers_of_our_own_family_are_its_blocks():
    scales = scales_of(AdamW(layer_decay=0.1), build())
    of_module = {name.split(".")[2]: scale for name, scale in scales.items() if name.startswith("backbone")}
    assert [of_module[k] for k in ("0", "1", "3", "4", "5")] == pytest.approx([1e-4, 1e-4, 1e-3, 1e-2, 1e-1])
    assert set(layer_ids(build().backbone, coarse=True).values()) == {0, 1, 2}


def test_position_embeddings_are_not_decayed():
    network = build("test_vit")
    plain = {p for g in build_optimizer(AdamW(), network).param_groups if g["weight_decay"] == 0 for p in g["params"]}
    assert network.backbone.pos_embed in plain
    assert network.backbone.patch_embed.proj.weight not in plain


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("lambb", {}, "timm has no `lambb`"),
        ("lamb", {"beta": [0.9, 0.99]}, "cannot make `lamb`"),
        ("adahessian", {}, "second derivatives"),
        ("kron", {}, "random numbers of its own"),
        ("fusedadam", {}, "cannot make `fusedadam`"),
    ],
)
def test_optimizers_that_cannot_be(name, args, words):
    with pytest.raises(SettingError, match=words) as error:
        build_optimizer(TimmOptimizer(optimizer=name, args=args), nn.Linear(2, 2))
    assert len(error.value.hint or "") < 100


@pytest.mark.parametrize(
    ("spec", "data", "words"),
    [
        (TimmOptimizer, {"optimizer": "lamb", "args": {"lr": 0.1}}, "a key of the optimizer itself"),
        (SGD, {"momentum": 0}, "needs a `momentum`"),
        (AdamW, {"layer_decay": 1.5}, "less than or equal to 1"),
        (AdamW, {"clip": 0}, "greater than 0"),
        (AdamP, {"head_lr": -1}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be(spec, data, words):
    with pytest.raises(SettingError, match=words):
        parse(spec, data, "recipe.toml")


# --------------------------------------------------------------------------------------------------------- schedules


@given(st.integers(2, 500), st.integers(0, 50), st.floats(0, 1), st.data())
def test_cosine_in_closed_form(num_steps, warmup, final, data):
    warmup = min(warmup, num_steps - 1)
    spec = Cosine(final=final, warmup=Duration(warmup, "st") if warmup else None)
    rate = build_schedule(spec, 2.0, num_steps, 10)
    step = data.draw(st.integers(0, num_steps - 1))
    if step < warmup:
        assert rate(step) == pytest.approx(2.0 * (step + 1) / (warmup + 1))
    else:
        done = (step - warmup) / (num_steps - warmup)
        assert rate(step) == pytest.approx(2.0 * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2))
    assert rate(warmup) == pytest.approx(2.0)
    assert all(0 < rate(s) <= 2.0 + 1e-9 for s in range(warmup + 1))
    assert all(rate(s) >= rate(s + 1) - 1e-12 for s in range(warmup, num_steps - 1))


def test_step_in_closed_form():
    rate = build_schedule(StepLR(every=Duration(2, "ep"), gamma=0.1), 1.0, 100, 5)
    assert [rate(s) for s in (0, 9, 10, 19, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_step_with_warm_up_begins_low():
    rate = build_schedule(StepLR(every=Duration(10, "ep"), warmup=Duration(4, "st")), 1.0, 100, 5)
    assert [rate(s) for s in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


@pytest.mark.parametrize(("asked", "steps"), [("9st", 9), ("10st", 5), ("3ep", 5), ("1ep", 5), ("4st", 4)])
def test_a_warm_up_as_long_as_the_training_is_cut_to_half(asked, steps):
    spec = Cosine(warmup=Duration(int(asked[:-2]), asked[-2:]))
    assert warmup_steps(spec, 10, 10) == steps
    rate = build_schedule(spec, 1.0, 10, 10)
    assert max(range(10), key=rate) == steps
    assert warmup_steps(spec, 1, 1) == 0, "of a single step none is left"


@pytest.mark.parametrize("spec", [StepLR(), Cosine(), OneCycle(), Constant()], ids=lambda s: s.name)
def test_the_rate_is_a_function_of_the_step_alone(spec):
    rate = build_schedule(spec.model_copy(update={"warmup": Duration(1, "ep")}), 1e-3, 60, 6)
    forward = [rate(s) for s in range(60)]
    assert [rate(s) for s in reversed(range(60))] == forward[::-1]


@given(st.integers(4, 300), st.floats(0.05, 0.9), st.floats(1.5, 50), st.floats(2, 1e5))
def test_one_cycle_is_that_of_torch(num_steps, rise, start, final):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, num_steps, pct_start=rise, div_factor=start, final_div_factor=final, cycle_momentum=False
    )
    rate = build_schedule(OneCycle(start=1 / start, final=1 / start / final, rise=rise), 0.3, num_steps, 10)
    for step in range(num_steps):
        assert rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), step
        optimizer.step()
        if step < num_steps - 1:
            reference.step()


@given(st.integers(2, 300), st.integers(1, 100))
def test_one_cycle_is_highest_at_the_end_of_its_warm_up(num_steps, warmup):
    warmup = min(warmup, num_steps - 1)
    rate = build_schedule(OneCycle(warmup=Duration(warmup, "st")), 1.0, num_steps, 7)
    rates = [rate(step) for step in range(num_steps)]
    assert all(4e-6 * 0.999 <= r <= 1 for r in rates)
    assert rates.index(max(rates)) == warmup - 1
    assert rates[-1] == pytest.approx(4e-6)


def test_constant_stays_after_its_warm_up():
    rate = build_schedule(Constant(warmup=Duration(3, "st")), 2.0, 9, 5)
    assert [rate(s) for s in range(6)] == pytest.approx([0.5, 1, 1.5, 2, 2, 2])
