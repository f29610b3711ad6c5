"""The plain loop on all folds of a recipe, and the network's own share of it: for `cross_validation.py`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from plain_timm import Photos, PlainLoop, PlainState, loader_of, plain_transform, predict, train_epoch
from torch import nn

from facetwise.evaluate.metrics import macro_f1
from facetwise.model.backbone import build_network
from facetwise.recipe.augment import MixUp
from facetwise.recipe.optim import Cosine
from facetwise.train.fold.loop import FoldTask, steps_per_epoch
from facetwise.train.planning.plan import RunPlan


def plain_cross_validation(plan: RunPlan, workers: int, *, channels_last: bool) -> float:
    """Train, validate and predict every fold; returns the mean macro F1 of the last epochs."""
    torch.use_deterministic_algorithms(False)
    folds = plan.fold_numbers
    return statistics.mean([plain_fold(plan, plan.task(fold), workers, channels_last) for fold in folds])


def plain_fold(plan: RunPlan, task: FoldTask, workers: int, channels_last: bool) -> float:
    """One fold; returns the last epoch's macro F1 on its held-out images."""
    recipe, size = plan.recipe, plan.recipe.train.batch_size
    paths = [plan.project.dataset_root / image for image in plan.store.rows["image"]]
    loop, state = plain_start(plan, task, channels_last=channels_last)
    training, plain = plain_transform(recipe, training=True), plain_transform(recipe, training=False)
    train = Photos([paths[i] for i in task.train_rows], task.train_targets, training)
    valid, test = (unlabelled(paths, rows, plain) for rows in (task.valid_rows, test_rows(plan)))
    loaders = loader_of(train, size, workers, training=True), loader_of(valid, size, workers, training=False)
    score = 0.0
    for _ in range(epochs_of(plan)):
        train_epoch(loop, state, loaders[0])
        score = scored(plan, predict(loop, state.kept, loaders[1]), task)
    if len(test):
        predict(loop, state.kept, loader_of(test, size, workers, training=False))
    return score


def plain_start(plan: RunPlan, task: FoldTask, *, channels_last: bool) -> tuple[PlainLoop, PlainState]:
    """The same network, and the recipe's numbers for the plain loop."""
    recipe = plan.recipe
    per_epoch = steps_per_epoch(recipe, task.pool)
    assert isinstance(recipe.schedule, Cosine), "the plain loop has a cosine"
    loop = PlainLoop(
        blocks=tuple(block.outputs for block in plan.layout.blocks),
        lr=recipe.optimizer.lr,
        weight_decay=recipe.optimizer.weight_decay,
        num_steps=per_epoch * epochs_of(plan),
        warmup=0 if recipe.schedule.warmup is None else recipe.schedule.warmup.steps(per_epoch),
        ema=recipe.train.ema,
        mixup=next((s.alpha for s in recipe.augment if isinstance(s, MixUp)), 0.0),
        channels_last=channels_last,
    )
    torch.manual_seed(task.fold)
    return loop, loop.start(plain_network(plan))


def plain_network(plan: RunPlan) -> nn.Module:
    """Backbone, dropout and last layer of the recipe; pixels come normalised."""
    recipe = plan.recipe
    network = build_network(recipe.model, plan.layout, recipe.input.height, recipe.input.width)
    return nn.Sequential(network.backbone, network.dropout, network.head)


def unlabelled(paths: list[Path], rows: npt.NDArray[np.int64], transform: Any) -> Photos:
    """Images to predict."""
    return Photos([paths[i] for i in rows], np.zeros((len(rows), 1), np.float32), transform)


def test_rows(plan: RunPlan) -> npt.NDArray[np.int64]:
    """Rows of the store of the readable test images."""
    test = plan.manifest.test
    readable = (test["status"] == "ok").to_numpy()
    rows: npt.NDArray[np.int64] = plan.store.index(test["image"].to_list())[readable]
    return rows


def scored(plan: RunPlan, logits: torch.Tensor, task: FoldTask) -> float:
    """Macro F1 of the joint class."""
    space = plan.project.space
    predicted = np.stack([logits[:, b.outputs].argmax(1).numpy() for b in plan.layout.blocks], axis=1)
    return macro_f1(space.encode(task.valid_codes), space.encode(predicted), space.num_joint)


# -------------------------------------------------------------------------------------------- the network's own time


def network_seconds(plan: RunPlan, *, channels_last: bool, repeat: int = 10) -> tuple[float, float]:
    """Seconds of one training step, and of one batch's prediction, on pixels that are there in the memory format that
    is asked for; medians of `repeat`."""
    torch.use_deterministic_algorithms(False)
    task, size = plan.task(plan.fold_numbers[0]), plan.recipe.train.batch_size
    loop, state = plain_start(plan, task, channels_last=channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.randn(size, 3, plan.recipe.input.height, plan.recipe.input.width).contiguous(memory_format=layout)
    targets = torch.from_numpy(task.train_targets[:size])
    bare = PlainLoop(loop.blocks, loop.lr, loop.weight_decay, loop.num_steps, channels_last=channels_last)
    state.average = None
    training = median_seconds(lambda: bare.step(state, images, targets), repeat)
    state.network.eval()
    with torch.inference_mode():
        return training, median_seconds(lambda: state.network(images), repeat)


def median_seconds(work: Callable[[], object], repeat: int) -> float:
    """Median of `repeat` calls, after one that warms up."""
    times = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def whole_network(plan: RunPlan, step: float, batch: float) -> float:
    """Seconds of the network's own work in the whole cross-validation."""
    size, epochs = plan.recipe.train.batch_size, epochs_of(plan)
    tasks = [plan.task(fold) for fold in plan.fold_numbers]
    steps = sum(steps_per_epoch(plan.recipe, task.pool) for task in tasks) * epochs
    predicted = sum(len(task.valid_rows) * epochs + len(test_rows(plan)) for task in tasks)
    return steps * step + predicted / size * batch


def epochs_of(plan: RunPlan) -> int:
    """Epochs that every model trains."""
    task = plan.task(plan.fold_numbers[0])
    return plan.recipe.train.length.epochs(steps_per_epoch(plan.recipe, task.pool))
