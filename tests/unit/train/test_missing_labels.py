"""Labels that are known in part: what is missing trains nothing, and changes nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import BINS, FLAT, GRIDS, LOSSES, MULTI, ORDINAL, SPACE, codes_drawn, drawn, made, view_of

from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.model.heads import HeadLayout, head_layout
from facetwise.recipe.head import Head, SingleHead
from facetwise.recipe.loss import Binary, CrossEntropy, Focal, Loss, SoftF1
from facetwise.recipe.sampling import AllImages, Oversample, Undersample, Weighted
from facetwise.train.losses import log_loss
from facetwise.train.sampling import Pool, epoch_rows, rare_weights

FACTORED = {"multilabel": MULTI, "ordinal": ORDINAL, "bins": BINS}
APART = ("cross-entropy", "focal", "soft-f1", "binary")
PAIRS = [(head, loss) for head in FACTORED for loss in APART if (head, loss) != ("bins", "binary")]


def view_without(codes: np.ndarray, missing: np.ndarray) -> TrainingView:
    """Hard labels, (n, 3), without those that `missing`, (n, 3), marks."""
    known = np.where(missing, -1, codes)
    return view_of([one_hot(known[:, i], n) for i, n in enumerate(SPACE.sizes)])


def layout_for(head: Head, loss: Loss, view: TrainingView) -> HeadLayout:
    return head_layout(head, SPACE, sigmoid=loss.wants_sigmoid, grids=GRIDS).trained_on(view)


def loss_of(layout: HeadLayout, loss: Loss, view: TrainingView, logits: torch.Tensor) -> torch.Tensor:
    targets = torch.from_numpy(layout.soft_targets(view))
    return made(loss, layout, targets.mean(dim=0))(logits, targets)


@pytest.mark.parametrize(("head", "name"), PAIRS)
@given(st.integers(0, 2**31))
def test_dropping_a_label_changes_no_other_attribute(head: str, name: str, seed: int) -> None:
    """The gradients of the other blocks are the same bits, and those of the block without a label are 0 there."""
    loss = LOSSES[name]
    codes, missing = codes_drawn(8, seed), np.zeros((8, 3), bool)
    missing[:3, 1] = True
    gradients = []
    for view in (view_without(codes, np.zeros_like(missing)), view_without(codes, missing)):
        layout = layout_for(FACTORED[head], loss, view)
        logits = drawn(layout, 8, seed)[0].requires_grad_()
        loss_of(layout, loss, view, logits).backward()
        gradients.append(logits.grad)
    whole, part = gradients
    for block in layout.blocks:
        if block.name == "b":
            assert not part[:3, block.outputs].any()
        else:
            assert torch.equal(whole[:, block.outputs], part[:, block.outputs])


@given(st.integers(0, 2**31))
def test_a_flat_head_learns_the_sum_over_the_classes_that_an_image_may_have(seed: int) -> None:
    codes, missing = codes_drawn(8, seed), np.random.default_rng(seed).random((8, 3)) < 0.4
    missing[0] = False  # an image that is known whole
    view = view_without(codes, missing)
    layout = layout_for(FLAT, CrossEntropy(), view)
    logits = drawn(layout, 8, seed)[0]
    probabilities = torch.softmax(logits.double(), dim=1).numpy().reshape(8, *SPACE.sizes)
    expected = 0.0
    for row, (code, lacks) in enumerate(zip(codes, missing, strict=True)):
        may_be = tuple(slice(None) if lack else int(c) for c, lack in zip(code, lacks, strict=True))
        expected -= np.log(probabilities[row][may_be].sum()) / 8
    assert float(loss_of(layout, CrossEntropy(), view, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(smoothing=0.1), Focal()], ids=["cross-entropy", "focal"])
def test_mixed_images_inherit_what_is_not_known(loss: Loss) -> None:
    """The loss of a mixture is the mixture of the losses, whatever each image lacks."""
    codes, missing = codes_drawn(2, 5), np.array([[False, True, False], [False, False, True]])
    view = view_without(codes, missing)
    layout = layout_for(FLAT, loss, view)
    logits = drawn(layout, 1)[0]
    targets = torch.from_numpy(layout.soft_targets(view))
    function = made(loss, layout, targets.mean(dim=0))
    one, other, mixed = (function(logits, t[None]) for t in (*targets, 0.3 * targets[0] + 0.7 * targets[1]))
    torch.testing.assert_close(mixed, 0.3 * one + 0.7 * other)


def test_marginals_of_a_flat_head_take_all_images_that_have_the_attribute() -> None:
    loss = CrossEntropy(attributes=["a", "b", "c"])
    codes, missing = codes_drawn(6, 1), np.zeros((6, 3), bool)
    missing[0, 0] = missing[1, 2] = missing[2, 1] = missing[2, 2] = True
    view = view_without(codes, missing)
    layout = layout_for(FLAT, loss, view)
    logits = drawn(layout, 6)[0]
    cube = torch.softmax(logits.double(), dim=1).numpy().reshape(6, *SPACE.sizes)
    expected = 0.0
    for row, attribute in np.argwhere(~missing):
        others = tuple(i for i in range(3) if i != attribute)
        expected -= np.log(cube[row].sum(axis=others)[codes[row, attribute]]) / 3 / 6
    assert float(loss_of(layout, loss, view, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [SoftF1(), Binary()], ids=["soft-f1", "binary"])
def test_other_losses_of_a_flat_head_leave_such_images_out(loss: Loss) -> None:
    codes, missing = codes_drawn(8), np.zeros((8, 3), bool)
    missing[:3, 0] = True
    view = view_without(codes, missing)
    layout = layout_for(FLAT, loss, view)
    logits = drawn(layout)[0].requires_grad_()
    loss_of(layout, loss, view, logits).backward()
    assert not logits.grad[:3].any()
    assert logits.grad[3:].any()


def test_the_loss_on_held_out_images_is_of_what_is_known_of_them() -> None:
    layout = head_layout(MULTI, SPACE)
    logits = drawn(layout, 6)[0]
    logs, codes = layout.log_probs(logits).numpy(), codes_drawn(6)
    lacking = codes.copy()
    lacking[:2, 0] = -1
    parts = [
        -np.mean([logs[i, block.columns][codes[i, a]] for i in range(2 if a == 0 else 0, 6)])
        for a, block in enumerate(layout.blocks)
    ]
    assert log_loss(logs, lacking, {}, layout) == pytest.approx(np.mean(parts), rel=1e-6)
    assert np.isnan(log_loss(logs, np.full_like(codes, -1), {}, layout))


def test_a_head_whose_attributes_nobody_knows_cannot_be_trained() -> None:
    missing = np.zeros((4, 3), bool)
    missing[:, 1] = True
    with pytest.raises(ValueError, match="no image to train on has a class of `b`"):
        head_layout(SingleHead(attribute="b"), SPACE).trained_on(view_without(codes_drawn(4), missing))


class TestSampling:
    POOL = Pool(np.array([[0, 0, 0]] * 6 + [[1, -1, 0]] * 3 + [[1, 1, 0]] * 2), np.arange(11).astype(str), SPACE)

    def times(self, spec: AllImages | Undersample | Oversample) -> list[int]:
        return np.bincount(epoch_rows(spec, self.POOL, (0,), 0), minlength=11).tolist()

    @pytest.mark.parametrize("by", ["b", "joint"])
    def test_rows_without_a_class_come_once(self, by: str) -> None:
        assert self.times(AllImages()) == [1] * 11
        over, under = self.times(Oversample(by=by)), self.times(Undersample(by=by))
        assert over == [1] * 9 + [3, 3]
        assert under[6:] == [1] * 5
        assert sum(under[:6]) == 2

    def test_a_cap_counts_them_as_a_class_of_their_own(self) -> None:
        pool = Pool(self.POOL.codes, np.array(["p"] * 11), SPACE)
        drawn_rows = epoch_rows(AllImages(per_person=3), pool, (0,), 0)
        assert sorted(pool.joint[drawn_rows].tolist()) == sorted([-1, 0, SPACE.encode([1, 1, 0]).item()])

    def test_by_weight_they_are_as_likely_as_the_mean_of_the_others(self) -> None:
        weights = rare_weights(self.POOL.joint)
        assert weights[6] == pytest.approx(weights[[*range(6), 9, 10]].mean())
        assert weights.sum() == pytest.approx(1)
        assert len(epoch_rows(Weighted(by="b", length=50), self.POOL, (0,), 0)) == 50

    def test_when_none_has_a_class_all_are_alike(self) -> None:
        assert rare_weights(np.array([-1, -1])).tolist() == [0.5, 0.5]


def test_a_prior_of_what_is_known_in_part_is_that_of_the_joint_classes() -> None:
    """As for whole labels: -log of the sum over the compatible classes of the softmax of logits plus log shares."""
    codes, missing = codes_drawn(40), np.zeros((40, 3), bool)
    missing[0, 1] = True
    view = view_without(codes, missing)
    layout = layout_for(FLAT, CrossEntropy(), view)
    logits = drawn(layout, 40)[0]
    targets = torch.from_numpy(layout.soft_targets(view))
    shares = targets.mean(dim=0)
    loss = made(CrossEntropy(prior=1.0), layout, shares)(logits[:1], targets[:1])
    adjusted = logits[0].double() + shares[: SPACE.num_joint].double().clamp_min(1e-8).log()
    a, _, c = codes[0]
    expected = -torch.softmax(adjusted, dim=0).reshape(SPACE.sizes)[a, :, c].sum().log()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
