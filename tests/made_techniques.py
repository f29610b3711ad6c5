"""Every technique as a line of a recipe, for the contract battery: alone, in pairs, and many at once.

A new kind of loss, head, optimizer, schedule, sampling or augmentation, and a new key of a recipe, needs a line in
`LINES`; `contract/test_techniques.py` asks for it.
"""

import random
from itertools import combinations
from typing import Any

from facetwise.recipe import Recipe
from facetwise.recipe.load import apply_setting

BASE = {
    "input": {"height": 24, "width": 20},
    "model": {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4, 8], "depths": [1, 1]}},
    "optimizer": {"name": "adamw", "lr": 1e-2, "weight_decay": 0.0},
    "folds": {"plan": 2},
    "train": {"length": "2st", "batch_size": 8, "device": "cpu"},
}
"""Two folds of one short epoch. Nothing decays by itself, so that a weight that moves had a gradient."""

LINES = (
    # ---- the network
    "model.dropout=0.4",
    "model.drop_path=0.3",
    "model.freeze=1",
    "model.freeze=-1",
    "model.freeze=backbone",
    # ---- heads
    "model.head=flat",
    'model.head={name="single", attribute="age"}',
    'model.head={name="multilabel", attributes=["mask", "gender"]}',
    'model.head={name="multilabel", kinds={age="ordinal"}}',
    'model.head={name="single", attribute="age", kind="bins"}',
    # ---- losses
    "loss.smoothing=0.1",
    "loss.prior=0.5",
    "loss.balance=inverse",
    "loss.balance=effective",
    "loss.attribute_weights.age=2.0",
    "loss=focal",
    "loss=soft-f1",
    'loss={name="soft-f1", joint=true}',
    "loss=binary",
    'loss={name="sum", terms=[{name="cross-entropy"}, {name="soft-f1", joint=true, share=0.5}]}',
    # ---- optimizers
    'optimizer={name="adamw", lr=1e-2, weight_decay=0.5}',
    'optimizer={name="adam", lr=1e-2, betas=[0.8, 0.99]}',
    'optimizer={name="adamp", lr=1e-2, weight_decay=0.0}',
    'optimizer={name="sgd", lr=0.1, weight_decay=0.0}',
    *(f'optimizer={{name="timm", optimizer="{name}", lr=1e-2}}' for name in ("lamb", "lion", "madgrad", "nadamw")),
    "optimizer.head_lr=0.05",
    "optimizer.layer_decay=0.7",
    "optimizer.clip=0.1",
    # ---- schedules
    "schedule=constant",
    'schedule={name="step", every="1st", gamma=0.1}',
    'schedule={name="cosine", final=0.5}',
    "schedule=one-cycle",
    "schedule.warmup=1st",
    "schedule.warmup=0.6ep",
    # ---- the loop
    "train.ema=0.9",
    "train.accumulate=2",
    "train.seed=1",
    # ---- sampling
    "sampling.per_person=3",
    'sampling={name="undersample", by="mask"}',
    'sampling={name="undersample", to=2}',
    "sampling=oversample",
    'sampling={name="weighted", by="age", power=1.0}',
    # ---- augmentation
    "augment+=flip",
    "augment+=affine",
    "augment+=perspective",
    "augment+=grid-distortion",
    'augment+={name="light", colour=0.2}',
    "augment+=grey",
    "augment+=blur",
    "augment+=noise",
    "augment+=cutout",
    "augment+=trivial",
    'augment+={name="trivial", ranges="wide", operations=["rotate", "equalize", "none"]}',
    "augment+=mixup",
    "augment+=cutmix",
    "augment+=half-cutmix",
    'augment+={name="half-cutmix", partner="rare"}',
    # ---- label views
    "labels.cuts.age=[25, 50]",
    "labels.drop.age=[[25, 35]]",
    "labels.soften.age=5.0",
    "labels.overlay=false",
    "labels.overlay_weight=3.0",
    # ---- predicting
    "predict.tta=flip",
    "predict.tta=crops",
    "predict.tta=flip-crops",
)
MANY = {
    "the head first, by a rate of its own": (
        "model.head_first=1",
        "model.freeze=1",
        'optimizer={name="adamw", lr=1e-2, weight_decay=0.0, head_lr=0.02}',
        "augment+=flip",
        "train.length=2ep",
    ),
    "an ordinal head, rare partners, an average": (
        'model.head={name="multilabel", kinds={age="ordinal"}}',
        "model.freeze=1",
        'loss={name="focal", gamma=1.0, balance="effective"}',
        'optimizer={name="adamp", lr=1e-2, weight_decay=0.0, layer_decay=0.8, clip=1.0}',
        'schedule={name="one-cycle", warmup="2st"}',
        'sampling={name="oversample", by="age"}',
        "augment+=affine",
        "augment+=noise",
        'augment+={name="half-cutmix", partner="rare"}',
        "labels.cuts.age=[25, 50]",
        "labels.overlay_weight=3.0",
        "train.length=3ep",
        "train.select=best",
        "train.patience=1",
        "train.ema=0.9",
        "predict.tta=flip",
    ),
    "a flat head, a sum of losses, parts of a batch": (
        "model.head=flat",
        "model.dropout=0.2",
        "model.drop_path=0.2",
        'loss={name="sum", terms=[{name="cross-entropy", prior=0.5, smoothing=0.1}, {name="soft-f1", joint=true}]}',
        'optimizer={name="sgd", lr=0.05, weight_decay=0.0, head_lr=0.1}',
        'schedule={name="step", every="1st", gamma=0.5, warmup="1st"}',
        'sampling={name="weighted", by="age", power=0.5, per_person=5}',
        "augment+=perspective",
        "augment+=grid-distortion",
        "augment+=blur",
        "augment+=cutout",
        'augment+={name="mixup", p=0.5}',
        "labels.soften.age=5.0",
        "labels.drop.age=[[25, 30]]",
        "train.accumulate=2",
        "predict.tta=flip-crops",
    ),
}
FAMILIES = ("loss", "optimizer", "schedule", "sampling", "model.head")
"""Two lines of one of these would be one."""


def section(line: str) -> str:
    """The family that a line chooses a kind of, or its key."""
    key = line.partition("=")[0]
    return next((family for family in FAMILIES if key.startswith(family)), key)


REFUSED = (
    ("model.drop_path=0.3", "model.freeze=backbone"),
    ("model.freeze=backbone", 'optimizer={name="timm", optimizer="lamb", lr=1e-2}'),
    ("model.head=flat", "loss.attribute_weights.age=2.0"),
    ('model.head={name="multilabel", attributes=["mask", "gender"]}', "labels.cuts.age=[25, 50]"),
    ('model.head={name="single", attribute="age", kind="bins"}', "loss=binary"),
)
"""Pairs of which one contradicts the other."""
PAIRS = random.Random(7).sample([p for p in combinations(LINES, 2) if section(p[0]) != section(p[1])], 12)


def recipe_of(*lines: str) -> Recipe:
    data: dict[str, Any] = {key: dict(value) for key, value in BASE.items()} | {"augment": []}
    for line in lines:
        apply_setting(data, line)
    return Recipe.model_validate(data)
