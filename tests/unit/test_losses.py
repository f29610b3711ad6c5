"""Losses against torch and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, log_softmax

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.views import one_hot
from facetwise.model.heads import head_layout
from facetwise.recipe.loss import CrossEntropy
from facetwise.recipe.model import FlatHead, MultiLabelHead, SingleHead
from facetwise.train.losses import block_cross_entropy, build_loss

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
MULTI = head_layout(MultiLabelHead(), SPACE)
EVEN = torch.full((5,), 0.4)


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Logits (6, 5), hard targets (6, 5) of the multi-label head, and the codes (6, 2)."""
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(0, n, 6) for n in SPACE.sizes], axis=1)
    logits = torch.from_numpy(random.normal(0, 3, (6, 5)).astype(np.float32))
    targets = MULTI.soft_targets([one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)])
    return logits, torch.from_numpy(targets), codes


@given(st.integers(0, 2**31))
def test_hard_labels_are_plain_cross_entropy_averaged_over_the_blocks(seed):
    logits, targets, codes = drawn(seed)
    labels = torch.from_numpy(codes)
    expected = (cross_entropy(logits[:, :2], labels[:, 0]) + cross_entropy(logits[:, 2:], labels[:, 1])) / 2
    torch.testing.assert_close(build_loss(CrossEntropy(), MULTI, EVEN)(logits, targets), expected)


def test_soft_targets_are_the_mean_of_minus_target_times_log_probability():
    logits, _, _ = drawn()
    soft = torch.softmax(torch.randn(6, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    layout = head_layout(SingleHead(attribute="b"), SPACE)
    expected = -(soft * log_softmax(logits[:, :3], dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(block_cross_entropy(logits[:, :3], soft, layout), expected)


def test_a_certain_right_answer_costs_nothing_and_uniform_logits_the_log_of_the_classes():
    _, targets, _ = drawn()
    assert block_cross_entropy(100 * targets, targets, MULTI) == pytest.approx(0, abs=1e-6)
    uniform = block_cross_entropy(torch.zeros(6, 5), targets, MULTI)
    assert float(uniform) == pytest.approx((np.log(2) + np.log(3)) / 2)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_spreads_that_share_over_all_classes_of_a_block(smoothing):
    logits, targets, _ = drawn()
    got = build_loss(CrossEntropy(smoothing=smoothing), MULTI, EVEN)(logits, targets)
    sizes = torch.tensor([2, 2, 3, 3, 3])
    spread = (1 - smoothing) * targets + smoothing / sizes
    torch.testing.assert_close(got, block_cross_entropy(logits, spread, MULTI))


def test_a_prior_shifts_logits_by_the_log_shares():
    logits, targets, _ = drawn()
    shares = torch.tensor([0.9, 0.1, 0.2, 0.3, 0.5])
    got = build_loss(CrossEntropy(prior=0.5), MULTI, shares)(logits, targets)
    torch.testing.assert_close(got, block_cross_entropy(logits + 0.5 * shares.log(), targets, MULTI))


def test_with_a_full_prior_logits_that_know_nothing_cost_the_entropy_of_the_shares():
    """Balanced logits then stand for p(x | class): knowing nothing, the loss is that of always saying the shares."""
    codes = np.array([[0, 0], [0, 1], [0, 1], [1, 2]])
    targets = torch.from_numpy(MULTI.soft_targets([one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)]))
    shares = targets.mean(dim=0)
    got = build_loss(CrossEntropy(prior=1.0), MULTI, shares)(torch.zeros(4, 5), targets)
    entropies = [-(p * p.log()).sum() for p in (shares[:2], shares[2:])]
    torch.testing.assert_close(got, (entropies[0] + entropies[1]) / 2)


def test_a_class_nobody_has_does_not_break_the_prior():
    logits, targets, _ = drawn()
    shares = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    assert torch.isfinite(build_loss(CrossEntropy(prior=2.0), MULTI, shares)(logits, targets))


@given(st.permutations(range(6)))
def test_the_order_of_images_does_not_matter(order):
    logits, targets, _ = drawn()
    torch.testing.assert_close(
        block_cross_entropy(logits[list(order)], targets[list(order)], MULTI),
        block_cross_entropy(logits, targets, MULTI),
    )


def test_a_flat_head_is_one_cross_entropy_over_the_joint():
    _, _, codes = drawn()
    layout = head_layout(FlatHead(), SPACE)
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(2))
    targets = layout.soft_targets([one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)])
    expected = cross_entropy(logits, torch.from_numpy(SPACE.encode(codes)))
    torch.testing.assert_close(block_cross_entropy(logits, torch.from_numpy(targets), layout), expected)
