"""Heads and losses over a small label space, and numbers drawn for them: for the tests of heads and losses."""

from __future__ import annotations

import numpy as np
import torch

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.model.heads import HeadLayout, head_layout
from facetwise.recipe.head import FlatHead, Head, MultiLabelHead
from facetwise.recipe.loss import Binary, CrossEntropy, Focal, Loss, SoftF1, Sum
from facetwise.train.losses import LossFunction, build_loss

SPACE = LabelSpace(
    (Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r")), Attribute("c", ("0", "1", "2"), cuts=(2, 5)))
)
GRIDS = {"c": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)}
CLASS_OF_BIN = (0, 0, 1, 1, 1, 2, 2)
FLAT, MULTI = FlatHead(), MultiLabelHead()
ORDINAL, BINS = MultiLabelHead(kinds={"c": "ordinal"}), MultiLabelHead(kinds={"c": "bins"})
HEADS = {"flat": FLAT, "multilabel": MULTI, "ordinal": ORDINAL, "bins": BINS}
LOSSES = {
    "cross-entropy": CrossEntropy(),
    "cross-entropy+": CrossEntropy(smoothing=0.1, prior=1.0, balance="effective", beta=0.9, share=2.0),
    "focal": Focal(),
    "focal+": Focal(gamma=0.5, smoothing=0.1, prior=0.5, balance="inverse", power=0.5),
    "soft-f1": SoftF1(),
    "soft-f1-joint": SoftF1(joint=True),
    "binary": Binary(),
    "binary+": Binary(smoothing=0.1, balance="inverse"),
    "sum": Sum(terms=[CrossEntropy(balance="inverse"), SoftF1(joint=True, share=0.5)]),
    "binary-sum": Sum(terms=[Binary(), SoftF1(share=0.5)]),
}
PAIRS = [(h, k) for h in HEADS for k in LOSSES if not (h == "bins" and "binary" in k)]
OF_IMAGES = [(h, k) for h, k in PAIRS if "f1" not in k and "sum" not in k]
NUM_TRAIN = 100


def layout_of(head: Head, loss: Loss | None = None) -> HeadLayout:
    """The layout that a recipe with this head and loss has."""
    return head_layout(head, SPACE, sigmoid=loss is not None and loss.wants_sigmoid, grids=GRIDS)


def view_of(
    classes: list[np.ndarray], values: np.ndarray | None = None, spread: dict[str, float] | None = None
) -> TrainingView:
    """A training view of class probabilities an attribute, (n, K), and of values of `c`, (n,)."""
    count = len(classes[0])
    known = np.full(count, np.nan) if values is None else values
    return TrainingView(tuple(classes), {"c": known}, spread or {}, np.ones(count, bool), np.ones(count, np.float32))


def targets_of(layout: HeadLayout, codes: np.ndarray) -> torch.Tensor:
    """Hard targets, (n, t), of class numbers (n, 3)."""
    return torch.from_numpy(layout.soft_targets(view_of([one_hot(codes[:, i], n) for i, n in enumerate(SPACE.sizes)])))


def drawn(layout: HeadLayout, count: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (float32; descending in an ordinal block, as the network makes them), soft targets, weights."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, layout.num_outputs))
    for block in layout.blocks:
        if block.kind == "ordinal":
            logits[:, block.outputs] = -np.sort(-logits[:, block.outputs], axis=1)
    soft = [random.dirichlet(np.ones(n), count).astype(np.float32) for n in SPACE.sizes]
    targets = torch.from_numpy(layout.soft_targets(view_of(soft)))
    return torch.from_numpy(logits.astype(np.float32)), targets, torch.from_numpy(random.random(count).astype("f4"))


def made(loss: Loss, layout: HeadLayout, shares: torch.Tensor | None = None, count: int = NUM_TRAIN) -> LossFunction:
    """A loss; class shares are drawn where they are not given."""
    return build_loss(loss, layout, drawn(layout, 32, 99)[1].mean(dim=0) if shares is None else shares, count)


def codes_drawn(count: int = 12, seed: int = 0) -> np.ndarray:
    """Class numbers, (n, 3)."""
    random = np.random.default_rng(seed)
    return np.stack([random.integers(0, n, count) for n in SPACE.sizes], axis=1)


def soft_classes(seed: int, count: int = 4) -> list[np.ndarray]:
    """Class probabilities an attribute, (n, K)."""
    random = np.random.default_rng(seed)
    return [random.dirichlet(np.ones(n), count).astype(np.float32) for n in SPACE.sizes]
