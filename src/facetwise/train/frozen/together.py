"""Training heads on a frozen backbone: many folds, losses, label views and seeds together.

jobs (a run each) with equal features -> lanes (a head each: a fold of a run) -> stacks of lanes of one shape
for each step of a stack:
    each lane's own batch of features -> all logits -> each loss over its lanes -> one backward pass -> one update
    a lane whose epoch ends is validated and emits the epoch
the runs of the stack are written, except those with a lane that diverged
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import TrainingError
from facetwise.core.files.writing import write_atomic
from facetwise.core.labels import IntArray
from facetwise.core.progress import Progress
from facetwise.inference.choices import apply_choices
from facetwise.inference.predict import Float32Array, average_views
from facetwise.inference.setup import table_by
from facetwise.model.heads import HeadLayout
from facetwise.recipe import Recipe
from facetwise.train.finish import FoldResult, complete, write_fold
from facetwise.train.fold.average import averaging_share
from facetwise.train.fold.loop import mean_targets, valid_scores
from facetwise.train.frozen.features import HEAD, Features, features_key, prepare_features
from facetwise.train.frozen.lanes import Lane
from facetwise.train.frozen.stacked import (
    Parameters,
    StackedOptimizer,
    clip_heads,
    logits_of,
    move_averages,
    new_heads,
    one_head,
)
from facetwise.train.job import Job
from facetwise.train.losses import build_loss
from facetwise.train.seeds import derive_seed
from facetwise.train.stopping import choose_epochs

WAITING = ("cuda",)
"""Kinds of devices that run asynchronously: reading a number waits for all earlier work."""


SMALL_STACK = 2**20
"""Weights of all heads of a stack, up to which a step is many small operations: a second thread saves little then, and
each operation waits for it whenever other work has its core."""


def train_heads(jobs: Sequence[Job], progress: Progress | None = None) -> None:
    """Train the remaining folds of `jobs`, whose recipes all train on features, and finish their runs.

    When a loss is not finite, its run stays unfinished and the others continue; at the end the first such TrainingError
    is raised.
    """
    failed: dict[str, TrainingError] = {}
    for job in jobs:
        if not job.left():
            complete(job)
    keyed = {job.run.id: features_key(job.plan, job.setup) for job in jobs if job.left()}
    ordered = sorted((job for job in jobs if job.run.id in keyed), key=lambda job: keyed[job.run.id])
    for _, same in groupby(ordered, key=lambda job: keyed[job.run.id]):
        failed |= _train_group(list(same), progress)
    if failed:
        raise next(iter(failed.values()))


def _train_group(jobs: Sequence[Job], progress: Progress | None) -> dict[str, TrainingError]:
    """Train and finish runs on the same features; returns the errors of failed runs by id."""
    failed: dict[str, TrainingError] = {}
    apply_choices(jobs[0].setup.choices)  # threads are a global setting, and groups may differ
    features = prepare_features(jobs[0].plan, jobs[0].setup, jobs[0].notify, progress)
    for stack in _stacks([Lane.of(job, fold) for job in jobs for fold in job.left()]):
        for lane in stack:
            lane.emit_fold_events()
        with _threads_for(stack, features.num_features):
            failed |= train_stack(stack, features)
        _finish([lane for lane in stack if lane.job.run.id not in failed], features)
    return failed


@contextmanager
def _threads_for(lanes: Sequence[Lane], num_features: int) -> Iterator[None]:
    """One thread while the heads of a stack are small; a head's bits do not depend on the number of threads."""
    threads = torch.get_num_threads()
    outputs = sum(lane.job.plan.layout.num_outputs for lane in lanes)
    torch.set_num_threads(1 if outputs * num_features <= SMALL_STACK else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train_stack(lanes: Sequence[Lane], features: Features) -> dict[str, TrainingError]:
    """Train heads of one shape; each lane saves its last epoch, or with `select = "best"` all.

    Returns the errors of runs with a diverged lane, by id; the lanes of these runs must not be used.
    """
    ordered = sorted(
        lanes, key=lambda lane: -lane.num_steps
    )  # lanes that end first come last, so that truncation drops them
    stack = _Stack(ordered, features)
    for step in range(ordered[0].num_steps):
        active = [lane for lane in ordered if step < lane.num_steps]
        if stack.failed and all(lane.job.run.id in stack.failed for lane in active):
            break
        stack.step(active, step)
        for index, lane in enumerate(active):
            if (step + 1) % lane.per_epoch == 0 and lane.job.run.id not in stack.failed:
                stack.end_epoch(lane, index, step)
    return stack.failed


class _Stack:
    """The heads of one stack and their optimizer."""

    def __init__(self, lanes: Sequence[Lane], features: Features) -> None:
        first = lanes[0]
        self.features, self.layout, self.device = features, first.job.plan.layout, first.job.setup.device
        heads = new_heads(self.layout.blocks, features.num_features, [lane.seed for lane in lanes])
        self.heads: Parameters = {name: tensor.to(self.device) for name, tensor in heads.items()}
        self.averages = {name: tensor.clone() for name, tensor in self.heads.items()}
        self.limits = torch.tensor([lane.recipe.optimizer.clip or torch.inf for lane in lanes], device=self.device)
        decay = torch.tensor([lane.recipe.optimizer.weight_decay for lane in lanes], device=self.device)
        self.optimizer = StackedOptimizer(first.recipe.optimizer, decay)
        # The training rows of all lanes, concatenated, so that a step indexes them with one call.
        tasks = [lane.task for lane in lanes]
        self.starts = np.cumsum([0, *(len(task.train_rows) for task in tasks[:-1])])
        self.rows = np.concatenate([task.train_rows for task in tasks])
        self.targets = torch.from_numpy(np.concatenate([task.train_targets for task in tasks])).to(self.device)
        self.weights = torch.from_numpy(np.concatenate([task.train_weights for task in tasks])).to(self.device)
        self.shares = torch.stack([mean_targets(task) for task in tasks]).to(self.device)
        self.sizes = torch.tensor([len(lane.task.train_rows) for lane in lanes], device=self.device)
        self.totals = torch.zeros(len(lanes), device=self.device)
        self.losses = _by_loss(lanes)
        self.failed: dict[str, TrainingError] = {}
        """Run -> why it cannot be finished. Its lanes stay in the stack and do not affect others."""

    def step(self, lanes: Sequence[Lane], step: int) -> None:
        """One step of the lanes that still train, which are the first of the stack."""
        own_HB = np.stack([lane.next_rows(step) for lane in lanes]) + self.starts[: len(lanes), None]
        x_HBF = self._dropped(self.features.batch(self.rows[own_HB]), lanes, step).to(self.device)
        leaves = {name: t[: len(lanes)].detach().requires_grad_() for name, t in self.heads.items()}
        losses = self._losses(logits_of(leaves, self.layout.blocks, x_HBF), own_HB)
        self._count(losses, lanes, step)
        gradients = dict(zip(leaves, torch.autograd.grad(losses.sum(), list(leaves.values())), strict=True))
        if torch.isfinite(self.limits).any():
            gradients = clip_heads(gradients, self.limits[: len(lanes)])
        rates = torch.tensor([lane.rate(step) for lane in lanes], device=self.device)
        self.optimizer.update(self.heads, gradients, rates, step)
        shares = [averaging_share(lane.recipe.train.ema, step) for lane in lanes]
        move_averages(self.averages, self.heads, torch.tensor(shares, device=self.device))

    def _losses(self, logits_HBd: Tensor, own_HB: IntArray) -> Tensor:
        """The loss of each lane, (H,), computed once for all lanes with the same loss."""
        at = torch.from_numpy(own_HB).to(self.device)
        targets, weights = self.targets[at], self.weights[at]
        found = logits_HBd.new_zeros(len(at))
        for recipe, members in self.losses:
            own = [i for i in members if i < len(at)]
            if own:
                loss = torch.vmap(partial(batch_loss, recipe, self.layout))
                losses = loss(logits_HBd[own].float(), targets[own], weights[own], self.shares[own], self.sizes[own])
                found = found.index_put((torch.tensor(own, device=found.device),), losses)
        return found

    @staticmethod
    def _dropped(x_HBF: Tensor, lanes: Sequence[Lane], step: int) -> Tensor:
        """Dropout with each lane's mask from its own seed."""
        for i, lane in enumerate(lanes):
            if rate := lane.recipe.model.dropout:
                generator = torch.Generator().manual_seed(derive_seed(*lane.seed, "dropout", step))
                x_HBF[i] *= (torch.rand(x_HBF[i].shape, generator=generator) >= rate) / (1 - rate)
        return x_HBF

    def _count(self, losses: Tensor, lanes: Sequence[Lane], step: int) -> None:
        """Sum the losses for the epoch events, and give up runs with a loss that is not finite.

        On asynchronous devices the check is deferred to the end of the epoch.
        """
        self.totals[: len(lanes)] += losses.detach()
        if self.device.type not in WAITING and not torch.isfinite(losses).all():
            for bad in (~torch.isfinite(losses)).nonzero()[:, 0].tolist():
                self._give_up(lanes[bad], step, f"step {step}: the loss is {losses[bad].item()}")

    def _give_up(self, lane: Lane, step: int, what: str) -> None:
        self.failed.setdefault(lane.job.run.id, lane.diverged(step, what))

    def end_epoch(self, lane: Lane, index: int, step: int) -> None:
        """Validate a lane, emit its epoch, and save what may be needed of it."""
        epoch, total = (step + 1) // lane.per_epoch, float(self.totals[index])
        if not math.isfinite(total):
            self._give_up(lane, step, f"in or before step {step}: the loss is not finite")
            return
        self.totals[index] = 0.0
        head = one_head(self.averages, index)
        if not all(bool(tensor.isfinite().all()) for tensor in head.values()):
            # The last update is not covered by a loss.
            self._give_up(lane, step, f"after step {step}: the weights are not finite")
            return
        logs = predict_head(head, self.layout, self.features, lane.task.valid_rows, views=1)
        lane.job.emit(lane.epoch_event(step, total, valid_scores(self.layout, logs, lane.task)))
        if lane.recipe.train.select == "best" or step + 1 == lane.num_steps:
            lane.saved[epoch] = head, logs


def batch_loss(
    recipe: Recipe, layout: HeadLayout, logits: Tensor, targets: Tensor, weights: Tensor, shares: Tensor, size: Tensor
) -> Tensor:
    """The loss of one lane's batch, a scalar: `build_loss` with the lane's class shares and size.

    With `train.accumulate` it is the mean over the parts of the batch, as for a network: `soft-f1` sees one part at a
    time.
    """
    loss = build_loss(recipe.loss, layout, shares, size)
    if (num_parts := recipe.train.accumulate) == 1:
        return loss(logits, targets, weights)
    return torch.vmap(loss)(*(t.reshape(num_parts, -1, *t.shape[1:]) for t in (logits, targets, weights))).mean()


@torch.inference_mode()
def predict_head(
    head: Parameters, layout: HeadLayout, features: Features, rows: npt.NDArray[np.int64], views: int | None = None
) -> Float32Array:
    """Outputs as stored in tables, (n, columns), for `rows` of the store, averaged over the first `views` or all
    views."""
    one = {name: tensor[None] for name, tensor in head.items()}
    device = next(iter(one.values())).device
    kept = [
        layout.log_probs(logits_of(one, layout.blocks, features.batch(rows, view)[None].to(device))[0])
        for view in range(views or features.num_views)
    ]
    return average_views(kept, layout)


def _stacks(lanes: Sequence[Lane]) -> list[list[Lane]]:
    """Lanes grouped by shape."""
    ordered = sorted(lanes, key=lambda lane: lane.shape)
    return [list(same) for _, same in groupby(ordered, key=lambda lane: lane.shape)]


def _by_loss(lanes: Sequence[Lane]) -> list[tuple[Recipe, list[int]]]:
    """Each loss, as a recipe that has it, and the positions of its lanes."""
    found: dict[str, tuple[Recipe, list[int]]] = {}
    for i, lane in enumerate(lanes):
        found.setdefault(lane.recipe.loss.model_dump_json(), (lane.recipe, []))[1].append(i)
    return list(found.values())


def _finish(lanes: Sequence[Lane], features: Features) -> None:
    """Write every fold's head and predictions, the backbone once for each run, and the run's tables."""
    for _, same in groupby(lanes, key=lambda lane: lane.job.run.id):
        own = list(same)
        job = own[0].job
        write_atomic(job.run.backbone_file, features.backbone_file.read_bytes())
        epochs = _chosen(job, own)
        for lane in own:
            write_fold(job, lane.task, _result(lane, epochs[lane.task.fold], features))
        complete(job)


def _result(lane: Lane, epoch: int, features: Features) -> FoldResult:
    """The result of a lane: the head of the selected epoch, and its predictions over all test-time views."""
    (head, logs), plan, fold = lane.saved[epoch], lane.job.plan, lane.task.fold
    predict = partial(predict_head, head, plan.layout, features)
    valid = logs if features.num_views == 1 else predict(lane.task.valid_rows)
    test, where = plan.manifest.test, lane.job.setup.where(fold)
    table = None if test.is_empty() else table_by(predict, plan.layout, plan.store, test, fold, where)
    return FoldResult(epoch, {HEAD + name: tensor for name, tensor in head.items()}, valid, table)


def _chosen(job: Job, lanes: Sequence[Lane]) -> dict[int, int]:
    """The selected epoch of each fold; all of them were trained, which takes seconds."""
    if job.plan.recipe.train.select == "last":
        return {lane.task.fold: lane.num_steps // lane.per_epoch for lane in lanes}
    return choose_epochs(job.curves(), job.plan.recipe.train.patience)
