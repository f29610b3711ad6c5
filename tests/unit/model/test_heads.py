"""Head layouts: what the outputs mean, what is trained on, and what is kept."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import (
    BINS,
    CLASS_OF_BIN,
    FLAT,
    GRIDS,
    HEADS,
    MULTI,
    ORDINAL,
    SPACE,
    drawn,
    layout_of,
)

from facetwise.core.errors import SettingError
from facetwise.core.labels import JOINT, Attribute, LabelSpace
from facetwise.model.blocks.bins import MAX_BINS, value_grid
from facetwise.model.blocks.layer import BlockLinear, output_layer
from facetwise.model.blocks.ordinal import thresholds
from facetwise.model.heads import grids_wanted, head_layout
from facetwise.recipe.head import FlatHead, MultiLabelHead, SingleHead
from facetwise.recipe.loss import Binary, CrossEntropy

ALL = {**HEADS, "single": SingleHead(attribute="b"), "single-ordinal": SingleHead(attribute="c", kind="ordinal")}
ONE_ORDINAL, ONE_BINS = ALL["single-ordinal"], SingleHead(attribute="c", kind="bins")
SEEDS = st.integers(0, 2**32 - 1)


class TestLayouts:
    @pytest.mark.parametrize(
        ("head", "sizes"),
        [
            (FLAT, [(JOINT, "softmax", 18, 18, 18)]),
            (MULTI, [("a", "softmax", 2, 2, 2), ("b", "softmax", 3, 3, 3), ("c", "softmax", 3, 3, 3)]),
            (ORDINAL, [("a", "softmax", 2, 2, 2), ("b", "softmax", 3, 3, 3), ("c", "ordinal", 2, 3, 4)]),
            (BINS, [("a", "softmax", 2, 2, 2), ("b", "softmax", 3, 3, 3), ("c", "bins", 7, 7, 10)]),
            (SingleHead(attribute="b"), [("b", "softmax", 3, 3, 3)]),
            (MultiLabelHead(attributes=["c", "a"]), [("a", "softmax", 2, 2, 2), ("c", "softmax", 3, 3, 3)]),
        ],
    )  # fmt: skip
    def test_logits_targets_and_columns_of_each_block(self, head, sizes):
        layout = layout_of(head)
        spans = [(b.outputs, b.targets, b.columns) for b in layout.blocks]
        found = [
            (b.name, b.kind, *(s.stop - s.start for s in own)) for b, own in zip(layout.blocks, spans, strict=True)
        ]
        assert found == sizes
        for before, after in zip([(slice(0),) * 3, *spans], spans, strict=False):
            assert [s.start for s in after] == [s.stop for s in before]
        assert (layout.num_outputs, layout.num_columns) == (spans[-1][0].stop, spans[-1][2].stop)
        assert len(set(layout.columns())) == layout.num_columns

    def test_names(self):
        assert layout_of(FLAT).attributes == layout_of(BINS).attributes == SPACE.names
        assert layout_of(MultiLabelHead(attributes=["c", "a"])).attributes == ("a", "c")
        assert layout_of(ONE_ORDINAL).columns() == ["c=0", "c=1", "c=2", "c:score"]
        assert layout_of(ONE_BINS).columns() == ["c=0", "c=1", "c=2", *(f"c:year={y}" for y in range(7))]
        assert layout_of(ORDINAL).is_log_prob().tolist() == [True] * 8 + [False]
        assert layout_of(BINS).is_log_prob().all()
        assert layout_of(BINS).grids == GRIDS
        assert (grids_wanted(BINS, SPACE), grids_wanted(ORDINAL, SPACE)) == (["c"], [])
        assert layout_of(MULTI).block("b").outputs == slice(2, 5)
        with pytest.raises(KeyError):
            layout_of(MULTI).block("z")

    def test_a_binary_loss_turns_softmax_blocks_only(self):
        assert [b.kind for b in layout_of(FLAT, Binary()).blocks] == ["sigmoid"]
        assert [b.kind for b in layout_of(ORDINAL, Binary()).blocks] == ["sigmoid", "sigmoid", "ordinal"]
        assert layout_of(MULTI, Binary()).columns() == layout_of(MULTI).columns()

    def test_moved_cuts_sum_values_into_other_classes(self):
        moved = head_layout(ONE_BINS, SPACE, cuts={"c": (1, 4)}, grids=GRIDS)
        assert moved.blocks[0].class_of_bin == (0, 1, 1, 1, 2, 2, 2)
        assert layout_of(ONE_BINS).blocks[0].class_of_bin == CLASS_OF_BIN

    @pytest.mark.parametrize("cuts", [(2.2, 2.7), (2.5, 3)])
    def test_a_class_between_two_whole_numbers_has_no_bin_and_is_refused(self, cuts):
        """Values of class 1 would be labelled class 2."""
        with pytest.raises(
            SettingError, match=r"`c` cannot be `bins` with cuts .*: they are 1 apart, and none is in class `1`"
        ):
            head_layout(ONE_BINS, SPACE, cuts={"c": cuts}, grids=GRIDS)

    @pytest.mark.parametrize("cuts", [(3, 3.5), (2.5, 3.5), (6.5, 7.5), (-3, -2)])
    def test_cuts_with_a_value_between_them_or_beyond_all_values_are_fine(self, cuts):
        classes = head_layout(ONE_BINS, SPACE, cuts={"c": cuts}, grids=GRIDS).blocks[0].class_of_bin
        assert classes == tuple(np.searchsorted(cuts, GRIDS["c"], side="right").tolist())


class TestProbabilities:
    @pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("loss", [CrossEntropy(), Binary()], ids=["softmax", "sigmoid"])
    @pytest.mark.parametrize("head", ALL.values(), ids=ALL)
    def test_every_block_is_a_distribution_in_float32(self, head, loss, kind):
        layout = layout_of(head, loss)
        logits = 10 * drawn(layout)[0]
        kept = layout.log_probs(logits.to(kind))
        assert kept.dtype == torch.float32
        assert kept.shape == (8, layout.num_columns)
        for block in layout.blocks:
            torch.testing.assert_close(kept[:, block.classes].exp().sum(dim=1), torch.ones(8), atol=1e-5, rtol=0)
            if block.kind == "bins":
                years = kept[:, block.classes.stop : block.columns.stop]
                torch.testing.assert_close(years.exp().sum(dim=1), torch.ones(8), atol=1e-5, rtol=0)

    def test_sigmoids_are_renormalised(self):
        layout = layout_of(ALL["single"], Binary())
        logits = drawn(layout)[0]
        expected = torch.sigmoid(logits) / torch.sigmoid(logits).sum(dim=1, keepdim=True)
        torch.testing.assert_close(layout.blocks[0].class_logs(logits).exp(), expected)

    @given(SEEDS, st.floats(0.1, 30))
    def test_of_an_ordinal_block_they_are_differences_of_sigmoids(self, seed, scale):
        layout = layout_of(ONE_ORDINAL)
        logits = scale * drawn(layout, 8, seed)[0]
        found = layout.blocks[0].class_logs(logits)
        above = 1 / (1 + np.exp(-logits.double().numpy()))
        naive = np.stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]], axis=1)
        assert torch.isfinite(found).all()
        np.testing.assert_allclose(found.exp().numpy(), naive, rtol=1e-4, atol=1e-6)

    def test_of_an_ordinal_block_no_class_is_impossible_and_close_thresholds_lose_no_digits(self):
        layout = layout_of(ONE_ORDINAL)
        logits = torch.tensor([[80.0, 79.0], [-79.0, -80.0], [90.0, -90.0], [0.0005, -0.0005]])
        logs = layout.blocks[0].class_logs(logits).double()
        assert torch.isfinite(logs).all()
        tails = [-79 + np.log(1 - np.exp(-1))] * 2
        np.testing.assert_allclose(logs[:2, 1], tails, rtol=1e-6)
        np.testing.assert_allclose(logs[3, 1], np.log(np.tanh(0.00025)), rtol=1e-3)

    @given(SEEDS)
    def test_of_a_block_of_bins_they_are_sums_for_any_cuts(self, seed):
        random = np.random.default_rng(seed)
        cuts = np.sort(random.choice(np.arange(-1, 10), 2, replace=False)) - random.choice([0, 0.5])
        layout = head_layout(ONE_BINS, SPACE, cuts={"c": cuts}, grids=GRIDS)
        logits = drawn(layout, 5, seed)[0]
        kept = layout.log_probs(logits).exp().numpy()
        classes = np.searchsorted(cuts, GRIDS["c"], side="right")
        sums = np.stack([kept[:, 3:][:, classes == k].sum(axis=1) for k in range(3)], axis=1)
        np.testing.assert_allclose(kept[:, :3], sums, atol=1e-6)


class TestCumulative:
    @given(SEEDS)
    def test_logits_descend_and_a_higher_score_makes_higher_classes_likelier(self, seed):
        space = LabelSpace((Attribute("c", tuple("01234"), cuts=(1, 2, 3, 4)),))
        layout = head_layout(SingleHead(attribute="c", kind="ordinal"), space)
        generator = torch.Generator().manual_seed(seed)
        layer = output_layer(layout.blocks, 6)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            logits = layer(torch.randn(9, 6, generator=generator))
        assert (logits.diff(dim=1) < 0).all()
        kept = layout.log_probs(logits)
        p = kept[kept[:, -1].argsort(), :5].exp()
        assert (p > 0).all()
        above = p.flip(1).cumsum(dim=1).flip(1)[:, 1:]
        assert (above.diff(dim=0) >= -1e-6).all()

    @given(st.lists(st.floats(-20, 20), min_size=1, max_size=6))
    def test_thresholds_ascend_around_zero(self, gaps):
        found = thresholds(torch.tensor(gaps, dtype=torch.float64))
        assert found.shape == (len(gaps) + 1,)
        assert (found.diff() > 0).all()
        assert float(found.mean()) == pytest.approx(0, abs=1e-9)

    def test_the_kept_score_is_the_linear_output(self):
        layout = layout_of(ORDINAL)
        layer, features = output_layer(layout.blocks, 5), torch.randn(4, 5)
        assert isinstance(layer, BlockLinear)
        torch.testing.assert_close(layout.log_probs(layer(features))[:, -1], layer.linear(features)[:, -1])
        torch.testing.assert_close(layer(features)[:, :5], layer.linear(features)[:, :5])

    def test_first_three_classes_are_about_equally_likely(self):
        layout = layout_of(ONE_ORDINAL)
        layer = output_layer(layout.blocks, 3)
        torch.nn.init.zeros_(layer.linear.bias)
        p = layout.blocks[0].class_logs(layer(torch.zeros(1, 3))).exp()
        assert ((p > 0.25) & (p < 0.5)).all()

    def test_two_classes_have_one_threshold_at_zero(self):
        space = LabelSpace((Attribute("c", ("low", "high"), cuts=(3,)),))
        layout = head_layout(SingleHead(attribute="c", kind="ordinal"), space)
        layer, features = output_layer(layout.blocks, 5), torch.randn(4, 5)
        p = layout.blocks[0].class_logs(layer(features)).exp()
        torch.testing.assert_close(p[:, 1], torch.sigmoid(layer.linear(features)[:, 0]))


def test_years_is_an_old_name_of_bins():
    old = MultiLabelHead(kinds={"c": "years"})
    assert layout_of(old) == layout_of(BINS)
    assert old.model_dump()["kinds"] == {"c": "years"}  # so a recipe that says so keeps its fingerprint


class TestGrids:
    def test_whole_numbers_from_the_smallest_to_the_largest(self):
        assert value_grid("c", np.array([3.0, np.nan, 5.0, 1.0])) == (1.0, 2.0, 3.0, 4.0, 5.0)
        assert value_grid("c", np.array([18.25, 58.5])) == tuple(map(float, range(18, 60)))
        assert len(value_grid("c", np.array([0.0, MAX_BINS - 1]))) == MAX_BINS

    @pytest.mark.parametrize(
        ("values", "first", "step"),
        [
            ([0.03, 0.98], 0.02, 0.02),  # shares
            ([-3.5, 3.5], -3.5, 0.1),
            ([0.0, MAX_BINS], 0.0, 2.0),
            ([1500.0, 72000.0], 1500.0, 200.0),  # such as pounds
            ([1.5e-9, 3.2e-9], 1.5e-9, 2e-11),
        ],
    )
    def test_another_unit_has_coarser_or_finer_steps(self, values, first, step):
        grid = value_grid("c", np.array(values))
        assert (grid[0], grid[1] - grid[0]) == pytest.approx((first, step), rel=0.2)
        assert grid[0] <= values[0]
        assert values[-1] <= grid[-1] <= values[-1] + step
        assert 2 <= len(grid) <= MAX_BINS
        assert all(len(f"{v:g}") < 12 for v in grid)

    @given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20).filter(lambda drawn: max(drawn) - min(drawn) > 1e-6))
    def test_a_grid_spans_the_numbers(self, values):
        grid = np.array(value_grid("c", np.array(values)))
        steps = np.diff(grid)
        assert grid[0] - 1e-6 <= min(values) <= max(values) <= grid[-1] + 1e-6
        assert len(grid) <= MAX_BINS
        np.testing.assert_allclose(steps, steps[0], rtol=1e-2)

    @pytest.mark.parametrize("values", [[], [np.nan], [4.0, 4.0]])
    def test_too_few(self, values):
        with pytest.raises(
            SettingError, match=r"`c` cannot be `bins`: its . known values are . different number"
        ) as error:
            value_grid("c", np.array(values))
        assert "`ordinal`" in error.value.hint


class TestRefusals:
    @pytest.mark.parametrize(
        ("head", "words"),
        [
            (SingleHead(attribute="cc"), "no attribute is called `cc`"),
            (MultiLabelHead(attributes=["a", "cc"]), "no attribute is called `cc`"),
            (MultiLabelHead(kinds={"cc": "ordinal"}), "no attribute is called `cc`"),
            (SingleHead(attribute="b", kind="bins"), "`b` cannot be `bins`: its classes are not made from numbers"),
            (MultiLabelHead(kinds={"b": "ordinal"}), "`b` cannot be `ordinal`"),
        ],
    )
    def test_heads_that_do_not_fit_the_labels(self, head, words):
        with pytest.raises(SettingError, match=words) as error:
            layout_of(head)
        assert "`c`" in error.value.hint or "softmax" in error.value.hint

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"attributes": ["a", "a"]}, "names one twice"),
            ({"attributes": ["a"], "kinds": {"c": "bins"}}, "`kinds` names `c`, which is not among `attributes`"),
            ({"attributes": []}, "at least 1 item"),
        ],
    )
    def test_heads_that_contradict_themselves(self, fields, words):
        with pytest.raises(ValueError, match=words):
            MultiLabelHead(**fields)

    def test_a_flat_head_of_too_many_classes(self):
        large = LabelSpace(tuple(Attribute(n, tuple(map(str, range(30)))) for n in "abc"))
        with pytest.raises(SettingError, match="27000 outputs") as error:
            head_layout(FlatHead(), large)
        assert "multilabel" in error.value.hint
        assert head_layout(MultiLabelHead(), large).num_outputs == 90
