"""What heads are trained on, and that training knows classes by their place only."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import (
    FLAT,
    GRIDS,
    LOSSES,
    MULTI,
    ORDINAL,
    SPACE,
    codes_drawn,
    layout_of,
    made,
    soft_classes,
    targets_of,
    view_of,
)

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.bins import soft_bins
from facetwise.data.labels.views import one_hot
from facetwise.model.backbone import build_network
from facetwise.model.heads import head_layout
from facetwise.recipe.head import FlatHead, SingleHead
from facetwise.recipe.model import ModelSpec

SEEDS = st.integers(0, 2**32 - 1)
SINGLE, ONE_BINS = SingleHead(attribute="b"), SingleHead(attribute="c", kind="bins")


class TestTargets:
    @given(st.lists(st.integers(0, 17), min_size=1, max_size=9))
    def test_hard_targets_of_a_flat_head_are_the_encoded_class(self, joint):
        targets = targets_of(layout_of(FLAT), SPACE.decode(joint))
        np.testing.assert_array_equal(targets, one_hot(np.array(joint), 18))

    @given(SEEDS)
    def test_soft_targets_are_probabilities_and_the_joint_has_the_attributes_as_marginals(self, seed):
        soft = soft_classes(seed)
        cube = layout_of(FLAT).soft_targets(view_of(soft)).reshape(4, *SPACE.sizes)
        for axis, part in enumerate(soft, start=1):
            np.testing.assert_allclose(cube.sum(axis=tuple({1, 2, 3} - {axis})), part, atol=1e-6)
        for head in (MULTI, ORDINAL):
            np.testing.assert_array_equal(layout_of(head).soft_targets(view_of(soft)), np.concatenate(soft, axis=1))
        np.testing.assert_array_equal(layout_of(SINGLE).soft_targets(view_of(soft)), soft[1])

    @given(SEEDS, st.sampled_from([None, 0.3, 2.0]), st.booleans())
    def test_targets_of_values_are_distributions_with_the_classes_of_the_view_as_sums(self, seed, spread, whole):
        """For any cuts within the grid, and values between whole numbers: a class by its values is the view's class."""
        random = np.random.default_rng(seed)
        values = random.integers(0, 7, 6).astype(float) if whole else random.uniform(0, 6.9, 6)
        low = random.uniform(0.1, 4)
        cuts = (np.floor(low) + 1, np.floor(low) + 2) if whole else (low, low + random.uniform(1, 2))
        moved = SPACE.attribute("c").with_cuts(cuts)
        classes = one_hot(moved.codes_of_values(values), 3) if spread is None else soft_bins(values, moved.cuts, spread)
        view = view_of([*soft_classes(seed, 6)[:2], classes], values, {} if spread is None else {"c": spread})
        layout = head_layout(ONE_BINS, SPACE, cuts={"c": cuts}, grids=GRIDS)
        targets = layout.soft_targets(view)
        assert targets.dtype == np.float32
        assert (targets >= 0).all()
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        sums = layout.blocks[0].class_targets(torch.from_numpy(targets))
        np.testing.assert_allclose(sums, classes, atol=1e-6)

    def test_a_value_is_in_the_nearest_bin_of_its_class(self):
        values = np.array([-3.0, 0.4, 0.6, 1.9, 2.0, 3.4, 3.6, 4.99, 9.0])
        view = view_of(soft_classes(0, 9), values)
        targets = layout_of(ONE_BINS).soft_targets(view)
        np.testing.assert_array_equal(targets.argmax(axis=1), [0, 0, 1, 1, 2, 3, 4, 4, 6])
        np.testing.assert_array_equal(targets.sum(axis=1), 1)

    def test_a_class_known_by_name_alone_spreads_over_its_values(self):
        classes = np.array([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]], np.float32)
        view = view_of([*soft_classes(0, 3)[:2], classes], np.array([np.nan, np.nan, 1.0]), {"c": 0.01})
        targets = layout_of(ONE_BINS).soft_targets(view)
        expected = [[1 / 2, 1 / 2, 0, 0, 0, 0, 0], [0, 0, 1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 4], [0, 0.5, 0, 0, 0, 0, 0]]
        np.testing.assert_allclose(targets[:2], expected[:2], atol=1e-6)
        assert targets[2, :2].tolist() == pytest.approx([0, 1])  # the value counts, not the class

    def test_a_class_without_values_spreads_over_all(self):
        layout = head_layout(ONE_BINS, SPACE, cuts={"c": (2, 50)}, grids=GRIDS)
        view = view_of([*soft_classes(0, 1)[:2], np.array([[0, 0, 1]], np.float32)])
        np.testing.assert_allclose(layout.soft_targets(view), np.full((1, 7), 1 / 7), atol=1e-7)

    @given(st.permutations(range(3)))
    def test_relabelled_classes_give_relabelled_columns(self, order):
        """The same outputs under class names in another order: each name still has the same column of numbers."""
        b = SPACE.attribute("b")
        renamed = LabelSpace(
            (SPACE.attribute("a"), Attribute("b", tuple(b.classes[i] for i in order)), SPACE.attribute("c"))
        )
        codes = SPACE.decode(np.arange(18))
        relabelled = codes.copy()
        relabelled[:, 1] = np.argsort(order)[codes[:, 1]]
        for head in (MULTI, SINGLE):
            columns = []
            for space, own in ((SPACE, codes), (renamed, relabelled)):
                layout = head_layout(head, space)
                targets = layout.soft_targets(view_of([one_hot(own[:, i], n) for i, n in enumerate(space.sizes)]))
                columns.append({c: tuple(v) for c, v in zip(layout.columns(), targets.T, strict=True)})
            assert columns[0] == columns[1]


def relabelled_outputs(head, order) -> list[int]:
    """Outputs of a head once the classes of `b` stand in another order: new output -> old output."""
    if isinstance(head, FlatHead):
        codes = SPACE.decode(np.arange(18))
        codes[:, 1] = np.asarray(order)[codes[:, 1]]
        return SPACE.encode(codes).tolist()
    return [0, 1, *(2 + i for i in order), 5, 6, 7]


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("head", [FLAT, MULTI], ids=["flat", "multilabel"])
def test_training_on_relabelled_classes_gives_relabelled_probabilities(head, kind):
    """From first weights that are permuted alike, also after some steps."""
    layout = layout_of(head, LOSSES[kind])
    permuted = relabelled_outputs(head, [2, 0, 1])
    torch.manual_seed(0)
    spec = ModelSpec(backbone="small_resnet", args={"stem": 4, "widths": [4, 8], "depths": [1, 1]})
    one = build_network(spec, layout, 16, 12)
    other = copy.deepcopy(one)
    with torch.no_grad():
        for parameter in other.head.parameters():
            parameter.copy_(parameter[permuted])
    images, targets = 255 * torch.rand(12, 3, 16, 12), targets_of(layout, codes_drawn(12))
    kept = []
    for network, own in ((one, targets), (other, targets[:, permuted])):
        loss = made(LOSSES[kind], layout, own.mean(dim=0), 12)
        optimizer = torch.optim.SGD(network.train().parameters(), lr=0.05, momentum=0.9)
        for _ in range(4):
            optimizer.zero_grad()
            loss(network(images), own).backward()
            optimizer.step()
        with torch.no_grad():
            kept.append(layout.log_probs(network.eval()(images)))
    assert not torch.allclose(kept[0], kept[0][:, permuted], atol=1e-2)
    torch.testing.assert_close(kept[1], kept[0][:, permuted], rtol=1e-3, atol=1e-4)
