"""Losses against torch, scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import (
    CLASS_OF_BIN,
    FLAT,
    GRIDS,
    HEADS,
    MULTI,
    ORDINAL,
    SPACE,
    codes_drawn,
    drawn,
    layout_of,
    made,
    targets_of,
    view_of,
)
from sklearn.metrics import f1_score
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid

from facetwise.data.labels.views import one_hot
from facetwise.model.heads import head_layout
from facetwise.recipe.head import SingleHead
from facetwise.recipe.loss import Binary, CrossEntropy, Focal, SoftF1
from facetwise.train.losses import log_loss


class TestCrossEntropy:
    @given(st.integers(0, 2**31))
    def test_hard_labels_are_plain_cross_entropy_averaged_over_the_blocks(self, seed):
        layout, codes = layout_of(MULTI), codes_drawn(8, seed)
        logits = drawn(layout, 8, seed)[0]
        labels = torch.from_numpy(codes)
        parts = [cross_entropy(logits[:, b.outputs], labels[:, i]) for i, b in enumerate(layout.blocks)]
        got = made(CrossEntropy(), layout)(logits, targets_of(layout, codes))
        torch.testing.assert_close(got, torch.stack(parts).mean())

    def test_a_flat_head_is_one_cross_entropy_over_the_joint(self):
        layout, codes = layout_of(FLAT), codes_drawn(8)
        logits = drawn(layout)[0]
        expected = cross_entropy(logits, torch.from_numpy(SPACE.encode(codes)))
        torch.testing.assert_close(made(CrossEntropy(), layout)(logits, targets_of(layout, codes)), expected)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
    def test_soft_and_smoothed_targets_are_those_of_torch(self, smoothing):
        layout = head_layout(SingleHead(attribute="b"), SPACE)
        logits, targets, _ = drawn(layout)
        expected = cross_entropy(logits, targets, label_smoothing=smoothing)
        torch.testing.assert_close(made(CrossEntropy(smoothing=smoothing), layout)(logits, targets), expected)

    def test_a_certain_right_answer_costs_nothing_and_uniform_logits_the_log_of_the_classes(self):
        layout = layout_of(MULTI)
        targets, loss = targets_of(layout, codes_drawn()), made(CrossEntropy(), layout)
        assert float(loss(100 * targets, targets)) == pytest.approx(0, abs=1e-6)
        assert float(loss(0 * targets, targets)) == pytest.approx(np.log([2, 3, 3]).mean())

    def test_a_prior_shifts_logits_by_the_log_shares(self):
        layout = layout_of(MULTI)
        logits, targets, _ = drawn(layout)
        shares = torch.tensor([0.9, 0.1, 0.2, 0.3, 0.5, 0.6, 0.3, 0.1])
        got = made(CrossEntropy(prior=0.5), layout, shares)(logits, targets)
        torch.testing.assert_close(got, made(CrossEntropy(), layout)(logits + 0.5 * shares.log(), targets))

    def test_with_a_full_prior_logits_that_know_nothing_cost_the_entropy_of_the_shares(self):
        """Balanced logits stand for p(x | class): knowing nothing, the loss is that of always saying the shares."""
        layout = layout_of(MULTI)
        targets = targets_of(layout, codes_drawn(40))
        shares = targets.mean(dim=0)
        got = made(CrossEntropy(prior=1.0), layout, shares)(torch.zeros(40, 8), targets)
        entropies = [-(p * p.log()).sum() for p in (shares[b.targets] for b in layout.blocks)]
        torch.testing.assert_close(got, torch.stack(entropies).mean())

    def test_of_an_ordinal_block_a_prior_is_of_the_classes(self):
        layout, codes = head_layout(SingleHead(attribute="c", kind="ordinal"), SPACE), codes_drawn(8)
        logits, targets = drawn(layout)[0], targets_of(layout, codes)
        shares = torch.tensor([0.7, 0.2, 0.1])
        scores = layout.blocks[0].class_logs(logits) + 0.7 * shares.log()
        expected = cross_entropy(scores, torch.from_numpy(codes[:, 2]))
        torch.testing.assert_close(made(CrossEntropy(prior=0.7), layout, shares)(logits, targets), expected)

    def test_of_a_years_block_a_prior_shifts_each_value_by_its_class(self):
        """So that values nobody has are not pushed up once it is left out, as shares of values would."""
        layout = head_layout(SingleHead(attribute="c", kind="years"), SPACE, grids=GRIDS)
        logits, targets, _ = drawn(layout)
        shares = torch.tensor([0.5, 0.0, 0.1, 0.1, 0.0, 0.3, 0.0])
        of_values = torch.tensor([0.5, 0.5, 0.2, 0.2, 0.2, 0.3, 0.3])
        got = made(CrossEntropy(prior=0.7), layout, shares)(logits, targets)
        torch.testing.assert_close(got, cross_entropy(logits + 0.7 * of_values.log(), targets))

    def test_a_class_nobody_has_does_not_break_the_prior(self):
        layout = layout_of(MULTI)
        logits, targets, _ = drawn(layout)
        shares = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        assert torch.isfinite(made(CrossEntropy(prior=2.0), layout, shares)(logits, targets))

    def test_of_an_ordinal_block_it_is_the_likelihood_of_the_classes(self):
        layout = head_layout(SingleHead(attribute="c", kind="ordinal"), SPACE)
        logits = torch.tensor([[1.5, -0.5], [3.0, 2.0]])
        above = torch.sigmoid(logits)
        probabilities = torch.stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]], dim=1)
        targets = torch.tensor([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
        expected = -(targets * probabilities.log()).sum(dim=1).mean()
        torch.testing.assert_close(made(CrossEntropy(), layout)(logits, targets), expected)

    def test_of_a_years_block_it_is_the_cross_entropy_of_the_values(self):
        layout = head_layout(SingleHead(attribute="c", kind="years"), SPACE, grids=GRIDS)
        logits, targets, _ = drawn(layout)
        assert targets.shape == (8, 7)
        torch.testing.assert_close(made(CrossEntropy(), layout)(logits, targets), cross_entropy(logits, targets))


class TestFocal:
    @given(st.integers(0, 2**31), st.floats(0, 5))
    def test_hard_labels_are_the_formula_of_lin_et_al(self, seed, gamma):
        layout, codes = head_layout(SingleHead(attribute="b"), SPACE), codes_drawn(8, seed)
        logits = drawn(layout, 8, seed)[0]
        p = torch.softmax(logits, dim=1)[torch.arange(8), torch.from_numpy(codes[:, 1])]
        expected = (-((1 - p) ** gamma) * p.log()).mean()
        got = made(Focal(gamma=gamma), layout)(logits, targets_of(layout, codes))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
    def test_without_gamma_it_is_cross_entropy(self, head):
        layout = layout_of(head)
        logits, targets, weights = drawn(layout)
        common = {"smoothing": 0.1, "prior": 0.5, "balance": "inverse"}
        focal, plain = made(Focal(gamma=0, **common), layout), made(CrossEntropy(**common), layout)
        torch.testing.assert_close(focal(logits, targets, weights), plain(logits, targets, weights))

    def test_what_is_right_already_counts_less(self):
        layout = head_layout(SingleHead(attribute="a"), SPACE)
        targets, loss = torch.tensor([[1.0, 0.0]]), made(Focal(), layout)
        easy, hard = (float(loss(torch.tensor([[z, 0.0]]), targets)) for z in (2.0, -2.0))
        plain = made(CrossEntropy(), layout)
        ratios = [value / float(plain(torch.tensor([[z, 0.0]]), targets)) for value, z in ((easy, 2.0), (hard, -2.0))]
        assert ratios == pytest.approx([(1 / (1 + np.exp(z))) ** 2 for z in (2.0, -2.0)], rel=1e-4)


class TestSoftF1:
    @given(st.integers(0, 2**31))
    def test_at_certain_answers_it_is_one_minus_the_macro_f1_of_the_classes_that_are_there(self, seed):
        truth, said = codes_drawn(12, seed), codes_drawn(12, seed + 1)
        layout = layout_of(MULTI)
        got = made(SoftF1(), layout)(200 * targets_of(layout, said), targets_of(layout, truth))
        scores = [
            f1_score(truth[:, i], said[:, i], labels=np.unique(truth[:, i]), average="macro", zero_division=0)
            for i in range(3)
        ]
        assert float(got) == pytest.approx(1 - np.mean(scores), abs=1e-6)

    @pytest.mark.parametrize(("head", "joint"), [(MULTI, True), (FLAT, True), (FLAT, False), (ORDINAL, True)])
    def test_joint_is_the_scored_f1(self, head, joint):
        truth, said = codes_drawn(12, 3), codes_drawn(12, 4)
        layout = layout_of(head)
        logits = 200 * targets_of(layout_of(FLAT if head is FLAT else MULTI), said)
        if head is ORDINAL:
            above = 200.0 * (said[:, 2:] > np.arange(2)) - 100
            logits = torch.cat([logits[:, :5], torch.from_numpy(above.astype(np.float32))], dim=1)
        encoded = SPACE.encode(truth), SPACE.encode(said)
        expected = f1_score(*encoded, labels=np.unique(encoded[0]), average="macro", zero_division=0)
        got = made(SoftF1(joint=joint), layout)(logits, targets_of(layout, truth))
        assert float(got) == pytest.approx(1 - expected, abs=1e-6)

    def test_by_hand_with_weights(self):
        layout = head_layout(SingleHead(attribute="a"), SPACE)
        p, t = torch.tensor([[0.8, 0.2], [0.4, 0.6]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        got = made(SoftF1(), layout)(p.log(), t, torch.tensor([1.0, 2.0]))
        scores = [2 * 0.8 / (1 + 1.6), 2 * 1.2 / (2 + 1.4)]
        assert float(got) == pytest.approx(1 - np.mean(scores))

    def test_less_than_one_image_of_a_class_counts_for_that_part(self):
        layout = head_layout(SingleHead(attribute="a"), SPACE)
        p, t = torch.full((2, 2), 0.5), torch.tensor([[1.0, 0.0], [0.75, 0.25]])
        scores = np.array([2 * 0.875 / (1.75 + 1), 2 * 0.125 / (0.25 + 1)])
        got = made(SoftF1(), layout)(p.log(), t)
        assert float(got) == pytest.approx(1 - (scores * [1, 0.25]).sum() / 1.25)

    def test_weights_of_nothing_but_zero_are_a_number(self):
        layout = layout_of(MULTI)
        logits, targets, weights = drawn(layout)
        assert float(made(SoftF1(), layout)(logits, targets, 0 * weights)) == 1


class TestBinary:
    def test_softmax_blocks_become_a_sigmoid_a_class(self):
        layout, codes = layout_of(MULTI, Binary()), codes_drawn(8)
        assert {b.kind for b in layout.blocks} == {"sigmoid"}
        logits, hard = drawn(layout)[0], targets_of(layout, codes)
        parts = [
            binary_cross_entropy_with_logits(logits[:, b.outputs], hard[:, b.targets], reduction="none").sum(1).mean()
            for b in layout.blocks
        ]
        torch.testing.assert_close(made(Binary(), layout)(logits, hard), torch.stack(parts).mean())

    def test_smoothing_spreads_over_yes_and_no(self):
        layout = layout_of(FLAT, Binary())
        logits, targets, _ = drawn(layout)
        smooth = 0.8 * targets + 0.1
        expected = binary_cross_entropy_with_logits(logits, smooth, reduction="none").sum(dim=1).mean()
        torch.testing.assert_close(made(Binary(smoothing=0.2), layout)(logits, targets), expected)

    def test_of_an_ordinal_block_it_is_coral(self):
        """Cao et al. 2020, eq. 4: over thresholds k, -log s(z_k) where the class is above k, else -log (1 - s(z_k))."""
        layout, codes = head_layout(SingleHead(attribute="c", kind="ordinal"), SPACE), codes_drawn(8)
        logits = drawn(layout)[0]
        above = torch.from_numpy((codes[:, 2:] > np.arange(2)).astype(np.float32))
        expected = -(above * logsigmoid(logits) + (1 - above) * logsigmoid(-logits)).sum(dim=1).mean()
        torch.testing.assert_close(made(Binary(), layout)(logits, targets_of(layout, codes)), expected)


class TestLogLoss:
    @pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
    def test_it_is_the_training_loss_without_extras_whatever_the_head(self, head):
        """So the two losses of an epoch are of one thing: of a `years` head both are of the values."""
        layout, codes = layout_of(head), codes_drawn(8)
        values = np.array([0.0, 1, 2, 3, 4, 5, 6, np.nan])
        codes[:7, 2] = CLASS_OF_BIN
        logits = drawn(layout)[0]
        classes = [one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)]
        targets = torch.from_numpy(layout.soft_targets(view_of(classes, values)))
        expected = float(made(CrossEntropy(), layout)(logits, targets))
        found = log_loss(layout.log_probs(logits).numpy(), codes, {"c": values}, layout)
        assert found == pytest.approx(expected, rel=1e-5)

    def test_without_values_a_years_block_is_measured_on_the_values_of_the_class(self):
        layout = head_layout(SingleHead(attribute="c", kind="years"), SPACE, grids=GRIDS)
        codes, logits = codes_drawn(8), drawn(layout)[0]
        expected = float(made(CrossEntropy(), layout)(logits, targets_of(layout, codes)))
        assert log_loss(layout.log_probs(logits).numpy(), codes, {}, layout) == pytest.approx(expected, rel=1e-5)

    def test_what_was_held_impossible_costs_much_but_a_number(self):
        layout = head_layout(SingleHead(attribute="a"), SPACE)
        logs = np.array([[-np.inf, 0.0]], np.float32)
        assert log_loss(logs, np.zeros((1, 3), np.int64), {}, layout) == pytest.approx(87.3, abs=0.1)
        assert np.isnan(log_loss(np.empty((0, 2), np.float32), np.zeros((0, 3), np.int64), {}, layout))
