"""Head layouts: what the outputs mean."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.views import one_hot
from facetwise.model.heads import JOINT, Block, head_layout
from facetwise.recipe.model import FlatHead, MultiLabelHead, SingleHead

SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("gender", ("male", "female")),
        Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60)),
    )
)
HEADS = [FlatHead(), MultiLabelHead(), SingleHead(attribute="gender")]


def hard(codes: np.ndarray, space: LabelSpace = SPACE) -> list[np.ndarray]:
    return [one_hot(codes[:, i], size) for i, size in enumerate(space.sizes)]


def test_layouts():
    flat, multi, single = (head_layout(head, SPACE) for head in HEADS)
    assert flat.blocks == (Block(JOINT, 0, 18),)
    assert multi.blocks == (Block("mask", 0, 3), Block("gender", 3, 5), Block("age", 5, 8))
    assert single.blocks == (Block("gender", 0, 2),)
    assert [layout.num_outputs for layout in (flat, multi, single)] == [18, 8, 2]
    assert [layout.attributes for layout in (flat, multi, single)] == [SPACE.names, SPACE.names, ("gender",)]
    for layout in (flat, multi, single):
        assert len(set(layout.columns())) == layout.num_outputs


@given(st.lists(st.integers(0, 17), min_size=1, max_size=9))
def test_hard_targets_of_a_flat_head_are_the_encoded_class(joint):
    targets = head_layout(FlatHead(), SPACE).soft_targets(hard(SPACE.decode(joint)))
    np.testing.assert_array_equal(targets, one_hot(np.array(joint), 18))


@given(st.integers(0, 2**32 - 1))
def test_soft_targets_are_probabilities_in_every_block_and_the_joint_has_the_attributes_as_marginals(seed):
    random = np.random.default_rng(seed)
    soft = [random.dirichlet(np.ones(n), 4).astype(np.float32) for n in SPACE.sizes]
    joint = head_layout(FlatHead(), SPACE).soft_targets(soft)
    cube = joint.reshape(4, *SPACE.sizes)
    for axis, part in enumerate(soft, start=1):
        others = tuple(a for a in (1, 2, 3) if a != axis)
        np.testing.assert_allclose(cube.sum(axis=others), part, atol=1e-6)
    np.testing.assert_array_equal(head_layout(MultiLabelHead(), SPACE).soft_targets(soft), np.concatenate(soft, axis=1))
    np.testing.assert_array_equal(head_layout(HEADS[2], SPACE).soft_targets(soft), soft[1])


@pytest.mark.parametrize("head", HEADS, ids=lambda h: h.name)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_log_probs_normalise_each_block_in_float32(head, kind):
    layout = head_layout(head, SPACE)
    logits = 50 * torch.randn(5, layout.num_outputs, generator=torch.Generator().manual_seed(0))
    logs = layout.log_probs(logits.to(kind))
    assert logs.dtype == torch.float32
    for block in layout.blocks:
        totals = logs[:, block.start : block.stop].exp().sum(dim=1)
        torch.testing.assert_close(totals, torch.ones(5), atol=1e-5, rtol=0)


@given(st.permutations(range(3)))
def test_relabelled_classes_give_relabelled_columns(order):
    """The same outputs under class names in another order: each name still has the same column of numbers."""
    mask = SPACE.attribute("mask")
    renamed = LabelSpace((Attribute("mask", tuple(mask.classes[i] for i in order)), *SPACE.attributes[1:]))
    codes = SPACE.decode(np.arange(18))
    relabelled = codes.copy()
    relabelled[:, 0] = np.argsort(order)[codes[:, 0]]
    for head in (MultiLabelHead(), SingleHead(attribute="mask")):
        old, new = head_layout(head, SPACE), head_layout(head, renamed)
        before = dict(zip(old.columns(), old.soft_targets(hard(codes)).T, strict=True))
        after = dict(zip(new.columns(), new.soft_targets(hard(relabelled)).T, strict=True))
        assert before.keys() == after.keys()
        for column, values in before.items():
            np.testing.assert_array_equal(values, after[column])


def test_heads_that_do_not_fit():
    with pytest.raises(SettingError, match="no attribute is called `agee`") as error:
        head_layout(SingleHead(attribute="agee"), SPACE)
    assert "`age`" in error.value.hint
    large = LabelSpace(tuple(Attribute(n, tuple(map(str, range(30)))) for n in "abc"))
    with pytest.raises(SettingError, match="27000 outputs") as error:
        head_layout(FlatHead(), large)
    assert "multilabel" in error.value.hint
    assert head_layout(MultiLabelHead(), large).num_outputs == 90
