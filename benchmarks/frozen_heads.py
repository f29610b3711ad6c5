"""Heads on a frozen backbone: 5 folds x 12 heads at once, against torch heads one after the other.

    python benchmarks/frozen_heads.py              # 18,900 images, 512 features, 3 epochs
    python benchmarks/frozen_heads.py --quick      # only to see it run

Features are drawn: a direction a class, and noise. The 12 heads differ in label smoothing, learning rate and weight
decay; each is trained on 5 folds, 60 in all. Both sides train the same number of epochs of the same batches with AdamW
and a cosine, and validate every epoch (loss and macro F1).

    ours    all heads as one batched problem (`train.frozen.together.train_stack`)
    plain   for each head and fold: `nn.Linear`, `AdamW(fused)`, `cross_entropy`, features taken by row number from a
            tensor; no DataLoader, nothing that could be left out

They take turns: after each third of the heads of the plain side ours trains once more. "Extracting anew" is the plain
side plus a forward pass of all images for each of the 60 heads, timed on `--extract` images of 128x96 with ResNet-18
and multiplied; ours then pays for one. Targets: 2 and 20 times as fast, at equal loss.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from drawn import SPACE, drawn_fold
from printed import machine_line, table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from facetwise.evaluate.metrics import macro_f1
from facetwise.inference.setup import recipe_layout
from facetwise.recipe import Recipe, load_recipe
from facetwise.train.fold.loop import FoldTask, steps_per_epoch
from facetwise.train.fold.optim import build_schedule
from facetwise.train.frozen.features import Features
from facetwise.train.frozen.lanes import Lane
from facetwise.train.frozen.together import train_stack
from facetwise.train.job import Job
from facetwise.train.sampling import Pool, epoch_rows
from facetwise.train.seeds import derive_seed

NUM_FOLDS = 5
SETTINGS = list(product((0.0, 0.1), (1e-3, 3e-3), (0.0, 0.01, 0.1)))
"""Label smoothing, learning rate and weight decay of the 12 heads."""
TARGETS = 2.0, 20.0
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Data:
    """Features and labels of n images."""

    features: np.ndarray[Any, np.dtype[np.float32]]
    """(n, F)."""
    codes: np.ndarray[Any, np.dtype[np.int64]]
    """(n, A)."""
    fold_of_row: np.ndarray[Any, np.dtype[np.int64]]


def main() -> None:
    """Measure both sides in turns and print."""
    options = parse()
    torch.use_deterministic_algorithms(True)
    data = drawn_data(options.images, options.features)
    lanes = [lane for number in range(len(SETTINGS)) for lane in lanes_of(recipe_of(number, options), data)]
    ours, plain, losses = [], 0.0, []
    for third in range(options.parts):
        part = lanes[third :: options.parts]
        start = time.perf_counter()
        losses += [train_plain(lane, data) for lane in part]
        plain += time.perf_counter() - start
        own, seconds = train_ours(options, data)
        ours.append(seconds)
    extracting = extraction_seconds(options)
    report(options, statistics.median(ours), plain, extracting, own, losses)


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=18_900)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--parts", type=int, default=3, help="parts of the plain side, between which ours runs")
    parser.add_argument("--extract", type=int, default=512, help="images that the forward pass is timed on")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.images, options.features, options.epochs, options.extract = 2000, 64, 2, 64
    return options


def drawn_data(count: int, num_features: int) -> Data:
    """Features of a direction a class of every attribute, and as much noise that some images are not separable."""
    random = np.random.default_rng(0)
    codes = np.stack([random.integers(0, size, count) for size in SPACE.sizes], axis=1)
    features = random.standard_normal((count, num_features), dtype=np.float32)
    for i, size in enumerate(SPACE.sizes):
        directions = random.standard_normal((size, num_features), dtype=np.float32) / math.sqrt(num_features)
        features += 3 * directions[codes[:, i]]
    return Data(features, codes, np.arange(count) % NUM_FOLDS)


def recipe_of(number: int, options: argparse.Namespace) -> Recipe:
    """The recipe of one head: `SETTINGS`, a `multilabel` head, nothing augmented."""
    smoothing, lr, decay = SETTINGS[number]
    return load_recipe(
        "cpu-small",
        [
            "augment=[]",
            'model.freeze="backbone"',
            "model.dropout=0.0",
            "labels={}",
            f'loss={{name="cross-entropy", smoothing={smoothing}}}',
            f'optimizer={{name="adamw", lr={lr}, weight_decay={decay}}}',
            'schedule={name="cosine"}',
            f'train={{length="{options.epochs}ep", batch_size={options.batch}}}',
        ],
    )


def lanes_of(recipe: Recipe, data: Data) -> Iterator[Lane]:
    """The five lanes of a recipe. A lane asks its job for the recipe, the head, the device and where to tell."""
    layout = recipe_layout(recipe, SPACE)
    plan = SimpleNamespace(recipe=recipe, layout=layout)
    job = cast(
        Job,
        SimpleNamespace(plan=plan, setup=SimpleNamespace(device=CPU), emit=lambda _: None, run=SimpleNamespace(id="")),
    )
    targets = np.concatenate([np.eye(n, dtype=np.float32)[data.codes[:, i]] for i, n in enumerate(SPACE.sizes)], axis=1)
    rows = np.arange(len(data.codes))
    for fold in range(NUM_FOLDS):
        out = data.fold_of_row == fold
        pool = Pool(data.codes[~out], rows[~out], SPACE)
        weights = np.ones(len(rows) - out.sum(), np.float32)
        task = FoldTask(fold, rows[~out], targets[~out], weights, pool, rows[out], data.codes[out])
        per_epoch = steps_per_epoch(recipe, pool)
        num_steps = per_epoch * recipe.train.length.epochs(per_epoch)
        rate = build_schedule(recipe.schedule, recipe.optimizer.lr, num_steps, per_epoch)
        yield Lane(job, task, per_epoch, num_steps, rate)


def train_ours(options: argparse.Namespace, data: Data) -> tuple[list[float], float]:
    """Train all 60 together; returns the loss of each on its held-out images, and the seconds."""
    lanes = [lane for number in range(len(SETTINGS)) for lane in lanes_of(recipe_of(number, options), data)]
    start = time.perf_counter()
    train_stack(lanes, Features(Path(), data.features[:, None]))
    seconds = time.perf_counter() - start
    return [held_out_loss(lane, torch.from_numpy(lane.saved[options.epochs][1])) for lane in lanes], seconds


def held_out_loss(lane: Lane, logs: Tensor) -> float:
    """Mean over blocks and held-out images of -log p(true class); `logs`: (n, 8) log-probabilities."""
    codes = torch.from_numpy(lane.task.valid_codes)
    parts = [logs[:, b.columns].gather(1, codes[:, i : i + 1]) for i, b in enumerate(lane.job.plan.layout.blocks)]
    return -float(torch.cat(parts, dim=1).mean())


def train_plain(lane: Lane, data: Data) -> float:
    """Train one head the plain way; returns its loss on the held-out images."""
    recipe, task, layout = lane.recipe, lane.task, lane.job.plan.layout
    features, blocks = torch.from_numpy(data.features), [b.outputs for b in layout.blocks]
    targets = torch.from_numpy(task.train_targets)
    torch.manual_seed(derive_seed(*lane.seed, "weights"))
    head = nn.Linear(features.shape[1], layout.num_outputs)
    groups: list[dict[str, Any]] = [{"params": [head.weight]}, {"params": [head.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, recipe.optimizer.lr, weight_decay=recipe.optimizer.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, lane.num_steps)
    smoothing, size = float(getattr(recipe.loss, "smoothing")), recipe.train.batch_size  # noqa: B009
    train_rows, logs = torch.from_numpy(task.train_rows), torch.empty(0)
    for epoch in range(lane.num_steps // lane.per_epoch):
        order = torch.from_numpy(epoch_rows(recipe.sampling, task.pool, lane.seed, epoch))
        for positions in torch.split(order[: lane.per_epoch * size], size):
            logits, t = head(features[train_rows[positions]]), targets[positions]
            losses = [cross_entropy(logits[:, b], t[:, b], label_smoothing=smoothing) for b in blocks]
            optimizer.zero_grad()
            (sum(losses, torch.zeros(())) / len(losses)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        logs = validated(head, features[torch.from_numpy(task.valid_rows)], blocks)
        macro_f1(SPACE.encode(task.valid_codes), SPACE.encode(decided(logs, blocks)), SPACE.num_joint)
    return held_out_loss(lane, logs)


@torch.inference_mode()
def validated(head: nn.Module, features: Tensor, blocks: Sequence[slice]) -> Tensor:
    """Log-probabilities of held-out images, (n, 8)."""
    logits = head(features)
    return torch.cat([logits[:, b].log_softmax(1) for b in blocks], dim=1)


def decided(logs: Tensor, blocks: Sequence[slice]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Classes, (n, A)."""
    return np.stack([logs[:, b].argmax(1).numpy() for b in blocks], axis=1)


def extraction_seconds(options: argparse.Namespace) -> float:
    """Seconds of one forward pass over all images, from `options.extract` of them."""
    size = "32x24" if options.quick else "128x96"
    height, width = size.split("x")
    settings = ["model.backbone=resnet18", "model.args={}", f"input.height={height}", f"input.width={width}"]
    setup, task = drawn_fold(load_recipe("cpu-small", [*settings, "train.device=cpu"]), options.extract)
    network, batch = setup.new_network().eval(), 64
    times = []
    with torch.inference_mode():
        for start in range(0, options.extract, batch):
            began = time.perf_counter()
            network.features(setup.source.batch(task.train_rows[start : start + batch]).float())
            times.append((time.perf_counter() - began) / len(task.train_rows[start : start + batch]))
    return statistics.median(times) * int(options.images)


def report(
    options: argparse.Namespace, ours: float, plain: float, extracting: float, own: list[float], losses: list[float]
) -> None:
    """Print the table."""
    heads = len(own)
    anew = plain + heads * extracting
    together = ours + extracting
    print(machine_line())
    print(
        f"{options.images:,} images, {options.features} features, {NUM_FOLDS} folds x {len(SETTINGS)} heads, "
        f"{options.epochs} epochs of batches of {options.batch}; ours: median of {options.parts}\n"
    )
    rows = [
        ["ours, all heads together", f"{ours:.1f} s", f"{statistics.mean(own):.4f}", "", ""],
        ["plain, one after the other", f"{plain:.1f} s", f"{statistics.mean(losses):.4f}", f"{plain / ours:.1f}", "2"],
        ["ours, and the features once", f"{together:.0f} s", "", "", ""],
        [f"plain, features anew for each of {heads}", f"{anew:.0f} s (multiplied)", "", f"{anew / together:.0f}", "20"],
    ]
    print(table(["", "time", "mean held-out loss", "as long as ours", "target"], rows))
    print(f"\none forward pass over all images: {extracting:.0f} s, from {options.extract} of them")


if __name__ == "__main__":
    main()
