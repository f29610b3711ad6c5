"""Laws that all losses keep, over all heads; class weights; what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import (
    BINS,
    FLAT,
    HEADS,
    LOSSES,
    MULTI,
    OF_IMAGES,
    ORDINAL,
    PAIRS,
    SPACE,
    codes_drawn,
    drawn,
    layout_of,
    made,
    targets_of,
    view_of,
)
from torch.nn.functional import cross_entropy

from facetwise.core.errors import SettingError
from facetwise.core.files.settings import parse
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.heads import head_layout
from facetwise.recipe import Recipe
from facetwise.recipe.head import SingleHead
from facetwise.recipe.loss import BalancedLoss, Binary, CrossEntropy, Focal, SoftF1, Sum
from facetwise.train.losses import build_loss
from facetwise.train.losses.class_weights import class_weights


class TestAllLosses:
    @pytest.mark.parametrize(("head", "kind"), PAIRS)
    def test_gradients_are_right(self, head, kind):
        layout = layout_of(HEADS[head], LOSSES[kind])
        logits, targets, weights = (x.double() for x in drawn(layout, 5))
        loss = made(LOSSES[kind], layout)
        assert torch.autograd.gradcheck(lambda z: loss(z, targets, weights), logits.requires_grad_())

    @pytest.mark.parametrize("scale", [0.0, 80.0])
    @pytest.mark.parametrize(("head", "kind"), PAIRS)
    def test_numbers_and_gradients_are_finite_at_extreme_logits(self, head, kind, scale):
        layout = layout_of(HEADS[head], LOSSES[kind])
        logits, soft, _ = drawn(layout)
        logits = (scale * logits.sign()).requires_grad_()
        for targets in (soft, targets_of(layout, codes_drawn(8))):
            value = made(LOSSES[kind], layout)(logits, targets)
            (gradient,) = torch.autograd.grad(value, logits)
            assert torch.isfinite(value)
            assert torch.isfinite(gradient).all()

    @pytest.mark.parametrize(("head", "kind"), PAIRS)
    def test_the_order_of_images_does_not_matter_and_weights_of_one_are_none(self, head, kind):
        layout = layout_of(HEADS[head], LOSSES[kind])
        logits, targets, weights = drawn(layout)
        loss, order = made(LOSSES[kind], layout), torch.randperm(8, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(loss(logits[order], targets[order], weights[order]), loss(logits, targets, weights))
        torch.testing.assert_close(loss(logits, targets, torch.ones(8)), loss(logits, targets))

    @pytest.mark.parametrize(("head", "kind"), OF_IMAGES)
    def test_the_mean_over_parts_of_a_batch_is_the_batch(self, head, kind):
        """So a batch of 8 is four of 2 by accumulation, with class weights and image weights too."""
        layout = layout_of(HEADS[head], LOSSES[kind])
        logits, targets, weights = drawn(layout)
        loss = made(LOSSES[kind], layout)
        parts = [loss(logits[i : i + 2], targets[i : i + 2], weights[i : i + 2]) for i in range(0, 8, 2)]
        torch.testing.assert_close(torch.stack(parts).mean(), loss(logits, targets, weights))

    @pytest.mark.parametrize(("head", "kind"), OF_IMAGES)
    def test_losses_of_images_are_linear_in_targets_and_weights(self, head, kind):
        layout = layout_of(HEADS[head], LOSSES[kind])
        logits, one, weights = drawn(layout)
        other, loss = drawn(layout, seed=5)[1], made(LOSSES[kind], layout)
        mixed = loss(logits, 0.3 * one + 0.7 * other, weights)
        torch.testing.assert_close(mixed, 0.3 * loss(logits, one, weights) + 0.7 * loss(logits, other, weights))
        torch.testing.assert_close(loss(logits, one, 3 * weights), 3 * loss(logits, one, weights))

    @pytest.mark.parametrize("kind", LOSSES)
    def test_relabelled_classes_give_relabelled_gradients(self, kind):
        """Of blocks whose classes have no order. An attribute's classes stand elsewhere in outputs and targets."""
        layout = layout_of(MULTI, LOSSES[kind])
        order = [1, 0, 4, 2, 3, 7, 5, 6]
        logits, targets, _ = drawn(layout)
        shares = drawn(layout, 32, 99)[1].mean(dim=0)
        before, after = logits.clone().requires_grad_(), logits[:, order].clone().requires_grad_()
        made(LOSSES[kind], layout, shares)(before, targets).backward()
        made(LOSSES[kind], layout, shares[order])(after, targets[:, order]).backward()
        torch.testing.assert_close(after.grad, before.grad[:, order])

    @pytest.mark.parametrize(("head", "kind"), PAIRS)
    def test_many_models_at_once_get_what_each_gets_alone(self, head, kind):
        """As `train.frozen` does it: one call for models that have their own batches, class shares and sizes."""
        layout = layout_of(HEADS[head], LOSSES[kind])
        numbers = [x.view(2, 4, *x.shape[1:]) for x in drawn(layout)]
        numbers += [drawn(layout, 16, 99)[1].view(2, 8, -1).mean(dim=1), torch.tensor([50, 500])]

        def gradient(logits, targets, weights, shares, size):
            return torch.func.grad(build_loss(LOSSES[kind], layout, shares, size))(logits, targets, weights)

        alone = [gradient(*one) for one in zip(*numbers, strict=True)]
        torch.testing.assert_close(torch.vmap(gradient)(*numbers), torch.stack(alone))

    @pytest.mark.parametrize("kind", LOSSES)
    def test_share_is_a_factor(self, kind):
        spec = LOSSES[kind]
        if isinstance(spec, Sum):
            doubled = Sum(terms=[t.model_copy(update={"share": 2 * t.share}) for t in spec.terms])
        else:
            doubled = spec.model_copy(update={"share": 2 * spec.share})
        layout = layout_of(MULTI, spec)
        logits, targets, weights = drawn(layout)
        one, two = (made(s, layout)(logits, targets, weights) for s in (spec, doubled))
        torch.testing.assert_close(two, 2 * one)


class TestAttributes:
    @pytest.mark.parametrize("loss", [CrossEntropy, Focal, SoftF1, Binary])
    def test_the_mean_over_attributes_is_a_sum_of_terms_over_one_each(self, loss):
        layout = layout_of(MULTI, loss())
        logits, targets, weights = drawn(layout)
        weighted = made(loss(attribute_weights={"c": 4.0}), layout)
        shares = {"a": 1 / 6, "b": 1 / 6, "c": 4 / 6}
        apart = made(Sum(terms=[loss(attributes=[name], share=share) for name, share in shares.items()]), layout)
        torch.testing.assert_close(apart(logits, targets, weights), weighted(logits, targets, weights))

    @pytest.mark.parametrize("loss", [CrossEntropy, Focal, SoftF1])
    def test_of_a_flat_head_an_attribute_is_the_marginal(self, loss):
        """Outputs that are sums of an output an attribute have the softmaxes of these as marginals."""
        multi, flat = layout_of(MULTI), layout_of(FLAT)
        logits, targets, weights = drawn(multi)
        a, b, c = logits[:, :2], logits[:, 2:5], logits[:, 5:]
        joint = (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).reshape(8, 18)
        soft = [targets[:, block.targets].numpy() for block in multi.blocks]
        joint_targets = torch.from_numpy(flat.soft_targets(view_of(soft)))
        options = {} if loss is SoftF1 else {"balance": "inverse"}
        spec = loss(attributes=["c", "a", "b"], attribute_weights={"b": 3.0}, **options)
        got = made(spec, flat, joint_targets.mean(dim=0))(joint, joint_targets, weights)
        plain = loss(attribute_weights={"b": 3.0}, **options)
        torch.testing.assert_close(got, made(plain, multi, targets.mean(dim=0))(logits, targets, weights))

    def test_an_attribute_may_have_a_loss_of_its_own(self):
        spec = Sum(terms=[CrossEntropy(attributes=["a", "b"]), Binary(attributes=["c"])])
        assert not spec.wants_sigmoid
        layout = layout_of(ORDINAL, spec)
        logits, targets, _ = drawn(layout)
        before = torch.zeros_like(logits).requires_grad_()
        value = made(spec, layout)(before, targets)
        assert float(value.detach()) == pytest.approx((np.log(2) + np.log(3)) / 2 + 2 * np.log(2))

    def test_marginals_of_sigmoids_are_those_of_the_renormalised_ones(self):
        spec = Sum(terms=[Binary(), SoftF1(attributes=["b"])])
        layout = layout_of(FLAT, spec)
        logits, targets, _ = drawn(layout)
        normalised = layout.blocks[0].class_logs(logits)
        alone = made(SoftF1(attributes=["a", "b", "c"], attribute_weights={"a": 1e-9, "c": 1e-9}), layout_of(FLAT))
        expected = made(Binary(), layout)(logits, targets) + alone(normalised, targets)
        torch.testing.assert_close(made(spec, layout)(logits, targets), expected)

    def test_one_attribute_spaces_have_flat_heads_too(self):
        space = LabelSpace((Attribute("only", ("x", "y", "z")),))
        layout = head_layout(FLAT, space)
        logits, targets = torch.randn(4, 3), torch.softmax(torch.randn(4, 3), dim=1)
        expected = cross_entropy(logits, targets)
        for spec in (CrossEntropy(attributes=["only"]), CrossEntropy()):
            torch.testing.assert_close(build_loss(spec, layout, torch.ones(3) / 3, 9)(logits, targets), expected)


SHARES = st.lists(st.integers(0, 200), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 0)
BALANCES = [
    {"balance": "inverse"},
    {"balance": "inverse", "power": 0.5},
    {"balance": "effective"},
    {"balance": "effective", "beta": 0.0},
    {"balance": "effective", "beta": 0.99999},
]


class TestClassWeights:
    @pytest.mark.parametrize("options", BALANCES, ids=str)
    @given(counts=SHARES)
    def test_the_mean_over_the_training_side_is_one_and_every_class_has_a_number(self, counts, options):
        shares = torch.tensor(counts, dtype=torch.float32) / sum(counts)
        weights = class_weights(CrossEntropy(**options), shares, sum(counts))
        assert torch.isfinite(weights).all()
        assert (weights > 0).all()
        assert float((shares * weights).sum()) == pytest.approx(1)
        rising = weights[torch.tensor(counts).argsort()]
        assert (rising.diff() <= 1e-9 * rising[:-1]).all()

    def test_the_formulas(self):
        shares = torch.tensor([0.8, 0.15, 0.05])
        inverse = class_weights(CrossEntropy(balance="inverse"), shares, 1000)
        np.testing.assert_allclose(inverse, 1 / (3 * np.array([0.8, 0.15, 0.05])), rtol=1e-6)
        effective = class_weights(CrossEntropy(balance="effective", beta=0.99), shares, 1000)
        raw = (1 - 0.99) / (1 - 0.99 ** np.array([800, 150, 50]))
        np.testing.assert_allclose(effective, raw / (raw * [0.8, 0.15, 0.05]).sum(), rtol=1e-6)

    def test_the_limits_of_the_effective_number_are_no_balance_and_inverse(self):
        shares = torch.tensor([0.7, 0.3])
        none = class_weights(CrossEntropy(balance="effective", beta=0.0), shares, 50)
        np.testing.assert_allclose(none, [1, 1], rtol=1e-6)
        near = class_weights(CrossEntropy(balance="effective", beta=1 - 1e-9), shares, 50)
        np.testing.assert_allclose(near, class_weights(CrossEntropy(balance="inverse"), shares, 50), rtol=1e-5)
        assert class_weights(CrossEntropy(), shares, 50) is None

    @pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
    @pytest.mark.parametrize("kind", [CrossEntropy, Focal, Binary])
    def test_images_weigh_by_their_class_and_one_on_average(self, head, kind):
        """An image of class k of attribute `c` costs w_k times what it costs unbalanced; smoothing changes nothing."""
        if kind is Binary and head is BINS:
            return
        codes = codes_drawn(30)
        layout = layout_of(head, kind())
        logits, targets = drawn(layout, 30)[0], targets_of(layout, codes)
        shares = targets.mean(dim=0)
        names = {} if layout.blocks[0].name == "joint" else {"attribute_weights": {"c": 1e9}}
        plain, balanced = (
            made(kind(smoothing=0.1, balance=b, **names), layout, shares, 30) for b in ("none", "inverse")
        )
        truth = SPACE.encode(codes) if layout.blocks[0].name == "joint" else codes[:, 2]
        counts = np.bincount(truth)[truth]
        expected = 30 / (len(np.unique(truth)) * counts)
        assert expected.mean() == pytest.approx(1)
        for i, factor in enumerate(expected):
            one = logits[i : i + 1], targets[i : i + 1]
            assert float(balanced(*one)) == pytest.approx(factor * float(plain(*one)), rel=1e-4)


CE_A, BCE_B = CrossEntropy(attributes=["a"]), Binary(attributes=["b"])
REFUSED = [
    (
        MULTI,
        CrossEntropy(attributes=["agee", "a"]),
        r"`loss.attributes`: `model.head` predicts no `agee`; allowed: `a`, `b`",
    ),
    (
        MULTI,
        Focal(attribute_weights={"cc": 2}),
        r"`loss.attribute_weights`: `model.head` predicts no `cc`; did you mean `c`",
    ),
    (SingleHead(attribute="b"), CrossEntropy(attributes=["a"]), "`model.head` predicts no `a`; allowed: `b`"),
    (MULTI, Sum(terms=[CE_A, BCE_B]), r"`loss.terms.1`: `binary` wants `b` as one sigmoid a class"),
    (MULTI, Sum(terms=[CrossEntropy(), Binary()]), r"`loss.terms.1`: `binary` wants `a`"),
    (BINS, Binary(), r"`loss`: `binary` cannot be taken over `c`, which `model.head` predicts as `bins`"),
    (MULTI, CE_A, r"nothing is minimised for `b`, `c`, which `model.head` predicts"),
    (FLAT, CE_A, r"nothing is minimised for `b`, `c`"),
    (
        FLAT,
        CrossEntropy(attribute_weights={"a": 2}),
        r"`loss.attribute_weights`: a flat `model.head` is one block; for marginals name `loss.attributes`",
    ),
    (FLAT, Binary(attributes=["a", "b", "c"]), r"`loss.attributes`: of a flat `model.head` this loss takes the joint"),
    (FLAT, SoftF1(joint=True, attributes=["a", "b", "c"]), r"`loss.attributes`: of a flat `model.head` this loss"),
]


class TestRefusals:
    @pytest.mark.parametrize(("head", "loss", "words"), REFUSED)
    def test_a_loss_that_does_not_fit_the_head(self, head, loss, words):
        with pytest.raises(SettingError, match=words):
            made(loss, layout_of(head, loss))

    def test_all_problems_are_told_at_once(self):
        loss = Sum(terms=[CrossEntropy(attributes=["z"]), Binary(attributes=["y"])])
        with pytest.raises(SettingError) as error:
            made(loss, layout_of(MULTI, loss))
        assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
            "`loss.terms.0.attributes`", "`loss.terms.1.attributes`",
        ]  # fmt: skip

    def test_too_many_joint_classes(self):
        space = LabelSpace(tuple(Attribute(n, tuple(map(str, range(30)))) for n in "abc"))
        layout = head_layout(MULTI, space)
        with pytest.raises(SettingError, match=r"`loss.joint`: 27000 joint classes are too many"):
            build_loss(SoftF1(joint=True), layout, torch.full((90,), 1 / 30), 10)

    @pytest.mark.parametrize(
        ("loss", "words"),
        [
            ({"name": "focl"}, "`loss.name`: unknown `focl`; did you mean `focal`?"),
            ({"name": "focal", "power": 0.5}, '`power` is for `balance = "inverse"`, not "none"'),
            ({"name": "binary", "balance": "inverse", "beta": 0.5}, '`beta` is for `balance = "effective"`'),
            ({"name": "focal", "attributes": ["a", "a"]}, "`attributes` names one twice"),
            ({"name": "focal", "attributes": ["a"], "attribute_weights": {"b": 1}}, "`b`, which is not among"),
            ({"name": "soft-f1", "joint": True, "attribute_weights": {"b": 1}}, "has no meaning with `joint`"),
            ({"name": "soft-f1", "balance": "inverse"}, "`loss.balance`: unknown key"),
            ({"name": "sum"}, "`loss.terms`: missing"),
            ({"name": "sum", "terms": []}, "at least 1 item"),
            ({"name": "sum", "terms": [{"gamma": 1}]}, "`loss.terms.0.name`: missing"),
            ({"name": "sum", "terms": [{"name": "sum"}]}, "`loss.terms.0.name`: unknown `sum`"),
            ({"name": "cross-entropy", "share": 0}, "greater than 0"),
        ],
    )
    def test_a_recipe_that_cannot_be(self, loss, words):
        base = {"input": {"height": 32, "width": 24}, "model": {"backbone": "resnet18"}, "train": {"length": "1ep"}}
        with pytest.raises(SettingError) as error:
            parse(Recipe, {**base, "loss": loss}, "recipe.toml")
        assert words in str(error.value)


def test_a_section_without_a_name_is_cross_entropy():
    base = {"input": {"height": 32, "width": 24}, "model": {"backbone": "resnet18"}, "train": {"length": "1ep"}}
    assert parse(Recipe, {**base, "loss": {"smoothing": 0.1}}, "recipe.toml").loss == CrossEntropy(smoothing=0.1)


def test_what_run_names_call_them_and_which_want_sigmoids():
    named = {key: (loss.short, loss.wants_sigmoid) for key, loss in LOSSES.items()}
    assert named == {
        "cross-entropy": ("CE", False), "cross-entropy+": ("CE_LS", False),
        "focal": ("FL", False), "focal+": ("FL_LS", False),
        "soft-f1": ("F1", False), "soft-f1-joint": ("F1", False),
        "binary": ("BCE", True), "binary+": ("BCE", True),
        "sum": ("CE.F1", False), "binary-sum": ("BCE.F1", True),
    }  # fmt: skip
    assert not Sum(terms=[SoftF1(), SoftF1(joint=True)]).wants_sigmoid
    assert Sum(terms=[SoftF1(), SoftF1(joint=True)]).short == "F1"
    assert all(isinstance(loss, BalancedLoss) for loss in (CrossEntropy(), Focal(), Binary()))
