"""Optimizer groups and learning rates."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from facetwise.model.small import SmallResNet
from facetwise.recipe.duration import Duration
from facetwise.recipe.optim import AdamW, Cosine, StepLR
from facetwise.train.optim import build_optimizer, build_schedule


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


def test_the_rate_is_a_function_of_the_step_alone():
    rate = build_schedule(Cosine(warmup=Duration(1, "ep")), 1e-3, 60, 6)
    forward = [rate(s) for s in range(60)]
    assert [rate(s) for s in reversed(range(60))] == forward[::-1]
