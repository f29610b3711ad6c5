"""Training still gives the numbers it gave: the first losses of a tiny run, and that it can learn by heart.

When a change is meant to change them: `python tests/golden/test_losses.py` writes `losses.json` again.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.predict import predict_rows
from facetwise.train.fold.loop import train_fold
from facetwise.train.fold.step import evaluated_network

sys.path.insert(0, str(Path(__file__).parent.parent))  # when it runs as a script
from made_training import make_setup

STORED = Path(__file__).parent / "losses.json"
SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
INPUT = {"height": 24, "width": 18}
HEADS = ("flat", "multilabel")


def first_losses(head: str, folder: Path) -> list[float]:
    """The losses of six steps of 16 images, with all that a step has: augmentation, dropout, prior, smoothing."""
    setup, task = make_setup(
        {
            "input": INPUT,
            "model": {
                "backbone": "small_resnet",
                "args": {"stem": 4, "widths": [4, 8], "depths": [1, 1]},
                "dropout": 0.1,
                "head": {"name": head},
            },
            "loss": {"name": "cross-entropy", "smoothing": 0.05, "prior": 0.5},
            "schedule": {"name": "cosine", "warmup": "2st"},
            "augment": [{"name": "flip"}, {"name": "affine"}, {"name": "light", "colour": 0.1}, {"name": "cutout"}],
            "train": {"length": "6ep", "batch_size": 16, "ema": 0.9, "device": "cpu"},
        },
        SPACE,
        16,
    )
    losses: list[float] = []
    train_fold(setup, task, folder, lambda e: losses.append(e["train_loss"]) if e["event"] == "epoch" else None)
    return losses


@pytest.mark.parametrize("head", HEADS)
def test_the_first_losses_are_those_that_were_stored(head, tmp_path):
    """Other processors add in another order: 2e-7 apart at most with ATEN_CPU_CAPABILITY default and avx2,
    ONEDNN_MAX_CPU_ISA SSE41 and AVX2, 1 and 4 threads; 500 times less than the tolerance."""
    assert first_losses(head, tmp_path) == pytest.approx(json.loads(STORED.read_text(encoding="utf-8"))[head], rel=1e-4)


def test_three_batches_are_learnt_by_heart(tmp_path):
    setup, task = make_setup(
        {
            "input": INPUT,
            "model": {"backbone": "small_resnet", "args": {"stem": 16, "widths": [16, 32], "depths": [1, 1]}},
            "optimizer": {"name": "adamw", "lr": 1e-2, "weight_decay": 0.0},
            "train": {"length": "30ep", "batch_size": 16, "device": "cpu"},
        },
        SPACE,
        48,
    )
    state = train_fold(setup, task, tmp_path, lambda _: None)
    logs = predict_rows(evaluated_network(state), setup.layout, setup.source, task.train_rows, batch_size=48)
    predicted = np.stack([logs[:, b.classes].argmax(axis=1) for b in setup.layout.blocks], axis=1)
    assert (predicted == task.valid_codes).mean() >= 0.99


if __name__ == "__main__":
    found = {}
    for name in HEADS:
        with tempfile.TemporaryDirectory() as scratch:
            found[name] = first_losses(name, Path(scratch))
    STORED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
