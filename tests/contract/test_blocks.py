"""What every kind of block keeps to: a kind that `recipe.head` names is tested by being named there."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_heads import GRIDS, SPACE, drawn, made, soft_classes, view_of

from facetwise.core.errors import SettingError
from facetwise.evaluate.predictions import Predictions
from facetwise.inference.predict import prediction_table
from facetwise.model.blocks.block import Block
from facetwise.model.blocks.layer import output_layer
from facetwise.model.blocks.registry import block_class
from facetwise.model.heads import HeadLayout, grids_wanted, head_layout
from facetwise.recipe.head import BlockKind, FlatHead, Head, SingleHead
from facetwise.recipe.loss import AnyLoss

KINDS = get_args(BlockKind)
HEADS: dict[str, Head] = {"joint": FlatHead(), **{kind: SingleHead(attribute="c", kind=kind) for kind in KINDS}}
LAYOUTS: dict[str, HeadLayout] = {
    f"{name}, yes or no" if sigmoid else name: head_layout(head, SPACE, sigmoid=sigmoid, grids=GRIDS)
    for name, head in HEADS.items()
    for sigmoid in (False, True)
}
SEEDS = st.integers(0, 2**32 - 1)
every_kind = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


OLD_NAMES = {"years": "bins"}


def test_the_registry_has_the_kinds_that_a_recipe_can_name_and_all_that_takes_their_place():
    assert [block_class(kind).kind for kind in KINDS] == [OLD_NAMES.get(kind, kind) for kind in KINDS]
    named = {block_class(kind) for kind in KINDS}
    assert named | {kind.as_yes_or_no() for kind in named} == set(subclasses(Block))


def subclasses(kind: type) -> list[type]:
    return [found for own in kind.__subclasses__() for found in (own, *subclasses(own))]


@every_kind
def test_it_is_as_wide_as_it_says(layout):
    block, (logits, targets, _) = layout.blocks[0], drawn(layout, 5)
    assert logits.shape == (5, block.num_outputs)
    assert targets.shape == (5, block.num_targets)
    assert layout.log_probs(logits).shape == (5, len(layout.columns()))
    assert block.class_logs(logits).shape == block.class_targets(targets).shape == (5, block.num_classes)
    assert block.scores(logits).shape == targets.shape
    assert len(set(layout.columns())) == layout.num_columns
    assert int((~layout.is_log_prob()).sum()) == block.num_scores


@every_kind
@given(seed=SEEDS, scale=st.floats(0.01, 20))
def test_it_gives_distributions_whose_table_is_read_back(layout, seed, scale):
    logits = scale * drawn(layout, 4, seed)[0]
    block, kept = layout.blocks[0], layout.log_probs(logits)
    torch.testing.assert_close(kept[:, block.classes].exp().sum(dim=1), torch.ones(4), atol=1e-5, rtol=0)
    table = prediction_table(list("wxyz"), [None] * 4, 0, kept.numpy(), layout)
    read = Predictions.read(table, SPACE)
    assert read.attributes == layout.attributes
    np.testing.assert_allclose(
        np.exp(read.joint if read.is_whole else read.marginals["c"]), kept[:, block.classes].exp(), atol=1e-5
    )


@every_kind
@given(seed=SEEDS, spread=st.sampled_from([None, 0.4, 3.0]))
def test_targets_are_distributions_and_those_of_classes_are_the_labels(layout, seed, spread):
    soft = soft_classes(seed, 4)
    block, targets = layout.blocks[0], layout.soft_targets(view_of(soft, spread={"c": spread} if spread else None))
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
    of_classes = block.class_targets(torch.from_numpy(targets))
    if block.num_classes == 3:
        np.testing.assert_allclose(of_classes, soft[2], atol=1e-6)
    numbers = torch.rand(block.num_classes)
    torch.testing.assert_close(
        (torch.from_numpy(targets) * block.of_targets(numbers)).sum(dim=1), (of_classes * numbers).sum(dim=1)
    )


@every_kind
def test_scores_are_of_the_targets_what_class_logs_are_of_the_classes(layout):
    logits = drawn(layout, 6)[0]
    block = layout.blocks[0]
    by_scores = block.class_targets(block.scores(logits).softmax(dim=1))
    torch.testing.assert_close(by_scores, block.class_logs(logits).exp(), atol=1e-5, rtol=1e-4)


@every_kind
def test_each_loss_is_refused_by_name_or_reaches_every_weight(layout):
    block, (_, targets, weights) = layout.blocks[0], drawn(layout, 8)
    assert set(block.refused) <= {loss().name for loss in get_args(AnyLoss)}
    for loss in (kind() for kind in get_args(AnyLoss)):
        if loss.name in block.refused:
            with pytest.raises(SettingError, match=f"`{loss.name}` .*`{block.name}`"):
                made(loss, layout)
            continue
        torch.manual_seed(0)
        layer, features = output_layer(layout.blocks, 6), torch.randn(8, 6)
        made(loss, layout)(layer(features), targets, weights).backward()
        for name, parameter in layer.named_parameters():
            assert torch.isfinite(parameter.grad).all(), (loss.name, name)
            assert parameter.grad.abs().sum() > 0, (loss.name, name)


@every_kind
def test_yes_is_a_probability_of_each_output(layout):
    block, targets = layout.blocks[0], drawn(layout, 5)[1]
    if "binary" in block.refused:
        return
    yes = block.yes(targets)
    assert yes.shape == (5, block.num_outputs)
    assert ((yes >= 0) & (yes <= 1 + 1e-6)).all()


@pytest.mark.parametrize("name", HEADS)
def test_the_layout_is_made_again_from_recipe_and_grids(name):
    for sigmoid in (False, True):
        layout = head_layout(HEADS[name], SPACE, sigmoid=sigmoid, grids=GRIDS)
        assert head_layout(HEADS[name], SPACE, sigmoid=sigmoid, grids=layout.grids) == layout
        assert list(layout.grids) == grids_wanted(HEADS[name], SPACE)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_from_numbers_wants_an_ordinal_attribute(kind):
    if not block_class(kind).for_numbers:
        assert head_layout(SingleHead(attribute="b", kind=kind), SPACE).attributes == ("b",)
        return
    with pytest.raises(SettingError, match=f"`b` cannot be `{kind}`"):
        head_layout(SingleHead(attribute="b", kind=kind), SPACE, grids=GRIDS)
