"""Training where some combinations of classes cannot occur: a flat head has no outputs for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import FLAT, GRIDS, LOSSES, MULTI, SPACE, made, view_of

from facetwise.core.errors import SettingError
from facetwise.core.labels import LabelSpace
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.model.heads import HeadLayout, head_layout
from facetwise.recipe.head import Head
from facetwise.recipe.loss import CrossEntropy, Loss, SoftF1

OCCUR = np.random.default_rng(0).permutation(SPACE.num_joint)[: SPACE.num_joint // 2]
SOME = SPACE.with_combinations(SPACE.decode(OCCUR))
SEEDS = st.integers(0, 2**31)


def hard_view(codes: np.ndarray) -> TrainingView:
    return view_of([one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)])


def logits_for(layout: HeadLayout, count: int, seed: int) -> torch.Tensor:
    drawn = np.random.default_rng(seed).normal(0, 2, (count, layout.num_outputs)).astype(np.float32)
    return torch.from_numpy(drawn)


def loss_of(layout: HeadLayout, loss: Loss, view: TrainingView, logits: torch.Tensor) -> torch.Tensor:
    targets = torch.from_numpy(layout.soft_targets(view))
    return made(loss, layout, targets.mean(dim=0))(logits, targets)


def drawn_labels(seed: int, count: int = 8) -> np.ndarray:
    return SOME.decode(np.random.default_rng(seed).integers(0, SOME.num_joint, count))


@given(SEEDS)
def test_a_flat_head_has_an_output_for_what_can_occur(seed: int) -> None:
    codes = drawn_labels(seed)
    layout = head_layout(FLAT, SOME).trained_on(hard_view(codes))
    assert layout.num_outputs == SOME.num_joint
    assert layout.columns() == list(SOME.joint_columns)
    logits = logits_for(layout, 8, seed)
    expected = -torch.log_softmax(logits.double(), dim=1)[np.arange(8), SOME.encode(codes)].mean()
    assert float(loss_of(layout, CrossEntropy(), hard_view(codes), logits)) == pytest.approx(float(expected), rel=1e-4)


@given(SEEDS)
def test_a_term_of_one_attribute_takes_the_sum_over_the_combinations_with_its_class(seed: int) -> None:
    codes = drawn_labels(seed)
    layout = head_layout(FLAT, SOME).trained_on(hard_view(codes))
    logits = logits_for(layout, 8, seed)
    p = torch.softmax(logits.double(), dim=1).detach().numpy()
    own = codes[:, None, :] == SOME.joint_codes  # (n, joint classes, attributes)
    of_each = -np.log((p[:, :, None] * own).sum(axis=1)).mean(axis=0)
    for weights in ((1.0, 1.0, 1.0), (1.0, 5.0, 2.0)):
        given = dict(zip(SPACE.names, weights, strict=True))
        loss = CrossEntropy(attributes=list(SPACE.names), attribute_weights=given)
        found = loss_of(layout, loss, hard_view(codes), logits)
        assert float(found) == pytest.approx(np.average(of_each, weights=weights), rel=1e-4)


@given(SEEDS)
def test_an_image_known_in_part_may_have_what_can_occur(seed: int) -> None:
    codes = drawn_labels(seed)
    known = codes.copy()
    known[1:, 0] = -1
    layout = head_layout(FLAT, SOME).trained_on(hard_view(known))
    logits = logits_for(layout, 8, seed)
    p = torch.softmax(logits.double(), dim=1).detach().numpy()
    may_be = ((known[:, None, :] == SOME.joint_codes) | (known[:, None, :] == -1)).all(axis=2)
    expected = -np.log((p * may_be).sum(axis=1)).mean()
    assert float(loss_of(layout, CrossEntropy(), hard_view(known), logits)) == pytest.approx(expected, rel=1e-4)


@given(SEEDS)
def test_the_joint_f1_of_attributes_is_over_what_can_occur(seed: int) -> None:
    codes = drawn_labels(seed)
    layout = head_layout(MULTI, SOME)
    logits = logits_for(layout, 8, seed)
    parts = [torch.softmax(logits[:, b.outputs].double(), dim=1).detach().numpy() for b in layout.blocks]
    p = np.prod([part[:, own] for part, own in zip(parts, SOME.joint_codes.T, strict=True)], axis=0)
    t = np.eye(SOME.num_joint)[SOME.encode(codes)]
    there = t.any(axis=0)
    f1 = 2 * (p * t).sum(axis=0)[there] / (p.sum(axis=0) + t.sum(axis=0))[there]
    found = loss_of(layout, SoftF1(joint=True), hard_view(codes), logits)
    assert float(found) == pytest.approx(1 - f1.mean(), rel=1e-4)


def test_soft_labels_share_what_can_occur() -> None:
    soft = [np.random.default_rng(i).dirichlet(np.ones(n), 4).astype(np.float32) for i, n in enumerate(SPACE.sizes)]
    every = head_layout(FLAT, SPACE).soft_targets(view_of(soft))[:, np.sort(OCCUR)]
    found = head_layout(FLAT, SOME).soft_targets(view_of(soft))
    np.testing.assert_allclose(found, every / every.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("head", [FLAT, MULTI])
@pytest.mark.parametrize("name", ["cross-entropy", "focal", "soft-f1"])
def test_a_class_that_occurs_with_nothing_leaves_gradients_finite(head: Head, name: str) -> None:
    without = SPACE.with_combinations(SPACE.joint_codes[SPACE.joint_codes[:, 1] != 0])
    codes = without.joint_codes[:8]
    smooth = {"smoothing": 0.1} if name == "cross-entropy" else {}
    for loss in (LOSSES[name], LOSSES[name].model_copy(update={"attributes": list(SPACE.names), **smooth})):
        layout = head_layout(head, without, grids=GRIDS)
        logits = logits_for(layout, len(codes), 0).requires_grad_()
        value = loss_of(layout, loss, hard_view(codes), logits)
        value.backward()
        assert float(value.detach()) < 100
        assert torch.isfinite(logits.grad).all()


def test_a_flat_head_refuses_labels_that_moved_to_what_cannot_occur() -> None:
    gone = np.setdiff1d(np.arange(SPACE.num_joint), OCCUR)[:2]
    codes = np.concatenate([drawn_labels(0), SPACE.decode(gone)])
    with pytest.raises(SettingError, match="no output for 2 images whose combination cannot occur") as error:
        head_layout(FLAT, SOME).trained_on(hard_view(codes))
    assert "model.head=multilabel" in str(error.value.hint)
    head_layout(MULTI, SOME).trained_on(hard_view(codes))


def test_heads_of_attributes_are_as_without() -> None:
    assert head_layout(MULTI, SOME).blocks == head_layout(MULTI, LabelSpace(SPACE.attributes)).blocks
