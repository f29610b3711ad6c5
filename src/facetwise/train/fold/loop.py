"""Training one fold: epochs of steps, each epoch validated, recorded and saved.

state = saved state, or weights initialised from the fold's seed
for each remaining epoch:
    order = the sampler's draw from (seed, fold, epoch)
    for each full step of it:
        augment -> mix -> forward, loss, backward (a part at a time) -> finite? -> update -> moving average
    validate the network (or its average) on all held-out images, unaugmented
    record the epoch, save the state, then notify of the epoch
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import SettingError
from facetwise.core.files.writing import write_atomic
from facetwise.core.labels import MISSING, FloatArray, IntArray
from facetwise.core.records.done import verify_file
from facetwise.evaluate.metrics import MAIN, Metric, score_of
from facetwise.evaluate.predictions import Predictions
from facetwise.inference.predict import Float32Array, check_predictions, prediction_table
from facetwise.inference.setup import Setup
from facetwise.model.heads import HeadLayout
from facetwise.model.network import Network
from facetwise.model.tensors import load_tensors, save_tensors
from facetwise.recipe import Recipe
from facetwise.train.augment import Augmenter
from facetwise.train.fold.average import Average
from facetwise.train.fold.checkpoint import TrainState, load_state, save_state, trained_anew
from facetwise.train.fold.finite import FiniteCheck
from facetwise.train.fold.optim import build_optimizer, build_schedule, warmup_steps
from facetwise.train.fold.scaling import LossScale
from facetwise.train.fold.step import Batch, Stepper, evaluated_network
from facetwise.train.losses import build_loss, log_loss
from facetwise.train.sampling import (
    Pool,
    epoch_content,
    epoch_rows,
    epoch_size,
    partner_rows,
    rare_weights,
)
from facetwise.train.seeds import derive_seed

LOGS = "logs"
"""Metadata key of saved weights: sha256 of the predictions saved with them."""
Listener = Callable[[dict[str, Any]], None]
"""Receives every event as it happens; `step` events are for progress bars and are not recorded in the run."""


def _ignore(_event: dict[str, Any]) -> None:
    """The default listener."""


@dataclass(frozen=True)
class FoldTask:
    """One model to train. Row arrays hold rows of the store."""

    fold: int
    train_rows: npt.NDArray[np.int64]
    train_targets: npt.NDArray[np.float32]
    """The training view: target probabilities of the head, (n_train, t)."""
    train_weights: npt.NDArray[np.float32]
    """The training view: weight of each row in the loss, (n_train,)."""
    pool: Pool
    """The training view: classes and people for the sampler, n_train rows."""
    valid_rows: npt.NDArray[np.int64]
    valid_codes: IntArray
    """The scored view: class numbers, (n_valid, A); -1 where one is not known."""
    valid_values: Mapping[str, FloatArray] = field(default_factory=dict)
    """The scored view: numbers of ordinal attributes, (n_valid,), NaN where only the class is known."""
    valid_images: Sequence[str] = ()
    """Names of the held-out images, for messages."""
    metric: Metric = MAIN
    """What the project chooses by."""


def step_size(recipe: Recipe) -> int:
    """Number of images in an optimizer step."""
    return recipe.train.batch_size * recipe.train.accumulate


def steps_per_epoch(recipe: Recipe, pool: Pool) -> int:
    """Number of full steps in an epoch; raises SettingError when there is none."""
    images, size = epoch_size(recipe.sampling, pool), step_size(recipe)
    if images < size:
        raise SettingError(
            f"a step takes {size} images (`train.batch_size` * `train.accumulate`), an epoch of a fold has {images}",
            hint="lower them with `--set train.batch_size=...`, "
            f"here to {max(1, images // recipe.train.accumulate)} or less",
        )
    return images // size


@dataclass(frozen=True)
class EpochFiles:
    """Files of single epochs, stored until the epoch to use is known."""

    folder: Path

    def weights(self, epoch: int) -> Path:
        """Weights of the network after `epoch` (from 1)."""
        return self.folder / f"{epoch}.safetensors"

    def logs(self, epoch: int) -> Path:
        """Validation log-probabilities, float32 (n, d), after `epoch`."""
        return self.folder / f"{epoch}.npy"

    def load(self, epoch: int) -> tuple[dict[str, Tensor], Float32Array]:
        """Weights and validation log-probabilities after `epoch`; raises DamagedError when either was changed."""
        way_out = trained_anew(self.folder.parent)
        tensors, metadata = load_tensors(self.weights(epoch), way_out=way_out)
        if (expected := metadata.get(LOGS)) is not None:
            verify_file(self.logs(epoch), expected, way_out)
        logs: Float32Array = np.load(self.logs(epoch))
        return tensors, logs


def train_fold(
    setup: Setup,
    task: FoldTask,
    folder: Path,
    notify: Listener,
    record: Listener = _ignore,
    *,
    until: int | None = None,
) -> TrainState:
    """Train (or resume) one fold in `folder`, to its end or up to the epoch `until`; returns the last state.

    `notify` receives every event, that of an epoch after its state is saved; `record` all except steps, that of an
    epoch before. Raises TrainingError when the loss is not finite; the state saved after the last epoch stays valid.
    """
    recipe = setup.recipe
    per_epoch = steps_per_epoch(recipe, task.pool)
    num_epochs = recipe.train.length.epochs(per_epoch)
    checkpoint = folder / "checkpoint.safetensors"
    state = new_state(setup, task.fold)
    if checkpoint.is_file():
        load_state(state, checkpoint)
    stepper = new_stepper(setup, task, state.optimizer, num_epochs * per_epoch, per_epoch)
    for event in fold_events(recipe, task, state.epoch, num_epochs, per_epoch):
        record(event)
        notify(event)
    while state.epoch < (num_epochs if until is None else until):
        started = time.perf_counter()
        loss = train_epoch(setup, task, state, stepper, per_epoch, notify)
        state.epoch += 1
        if state.scale is not None and (skipped := state.scale.settle()):
            event = {"event": "overflow", "fold": task.fold, "epoch": state.epoch, "steps": skipped, "of": per_epoch}
            record(event)
            notify(event)
        logs = setup.predict(evaluated_network(state), task.valid_rows)
        seen = (
            logs if len(logs) else setup.predict(evaluated_network(state), task.train_rows[: recipe.train.batch_size])
        )
        lr = stepper.rate(state.epoch * per_epoch - 1)
        # Losses are checked before each update, so the last update is not covered.
        where = f"{setup.where(task.fold)}, after epoch {state.epoch} with learning rate {lr:.2g}"
        check_predictions(seen, setup.layout, task.valid_images, where)
        images, seconds = per_epoch * step_size(recipe), time.perf_counter() - started
        found = valid_scores(setup.layout, logs, task)
        event = epoch_event(task.fold, state.epoch, loss, found, lr=lr, images=images, seconds=seconds)
        record(event)
        _keep(setup, state, logs, folder, last=state.epoch == num_epochs)
        save_state(state, checkpoint)
        notify(event)
    return state


def fold_events(
    recipe: Recipe, task: FoldTask, from_epoch: int, num_epochs: int, per_epoch: int
) -> list[dict[str, Any]]:
    """The events of a fold's start, and of the class counts of its first epoch.

    Other epochs have the same counts, with `weighted` sampling on average. A warm-up that is cut comes first.
    """
    rows = epoch_rows(recipe.sampling, task.pool, (recipe.train.seed, task.fold), 0)
    asked, warmup = recipe.schedule.warmup, warmup_steps(recipe.schedule, num_epochs * per_epoch, per_epoch)
    cut = asked is not None and warmup < asked.steps(per_epoch)
    return [
        *([{"event": "warmup_cut", "fold": task.fold, "asked": str(asked), "steps": warmup}] if cut else []),
        {"event": "fold", "fold": task.fold, "from_epoch": from_epoch, "epochs": num_epochs, "steps": per_epoch},
        {"event": "content", "fold": task.fold, **epoch_content(task.pool, rows).as_dict()},
    ]


def new_state(setup: Setup, fold: int) -> TrainState:
    """The initial state, from the run's seed and the fold's number."""
    train = setup.recipe.train
    torch.manual_seed(derive_seed(train.seed, fold, "weights"))
    network = setup.new_network(fold)
    average = None if train.ema is None else Average(train.ema).start(network)
    scale = LossScale.start(setup.device) if setup.choices.precision.value == "fp16" else None
    return TrainState(network, average, build_optimizer(setup.recipe.optimizer, network), scale=scale)


def new_stepper(
    setup: Setup, task: FoldTask, optimizer: torch.optim.Optimizer, num_steps: int, per_epoch: int
) -> Stepper:
    """The stepper of a fold that trains for `num_steps`."""
    recipe = setup.recipe
    return Stepper(
        augmenter=Augmenter(recipe.augment),
        loss=build_loss(recipe.loss, setup.layout, mean_targets(task).to(setup.device), len(task.train_rows)),
        rate=build_schedule(recipe.schedule, recipe.optimizer.lr, num_steps, per_epoch),
        seed=(recipe.train.seed, task.fold),
        precision=setup.choices.precision.value,
        finite=FiniteCheck.of(optimizer, setup.device),
        average=None if recipe.train.ema is None else Average(recipe.train.ema),
        accumulate=recipe.train.accumulate,
        clip=recipe.optimizer.clip,
    )


def mean_targets(task: FoldTask) -> Tensor:
    """Mean target probabilities of the training rows, (t,): class frequencies."""
    return torch.from_numpy(np.average(task.train_targets, axis=0, weights=task.train_weights).astype(np.float32))


def train_epoch(
    setup: Setup, task: FoldTask, state: TrainState, stepper: Stepper, per_epoch: int, notify: Listener
) -> float:
    """One epoch; returns the mean training loss (with augmentation, smoothing and dropout)."""
    torch.manual_seed(derive_seed(*stepper.seed, "epoch", state.epoch))
    total = torch.zeros((), device=setup.device)
    state.network.train()
    if isinstance(state.network, Network):
        state.network.rest(state.epoch < (setup.recipe.model.head_first or 0))
    first = state.epoch * per_epoch
    for i, batch in enumerate(_batches(setup, task, stepper, per_epoch, state.epoch)):
        total += stepper(state, batch, first + i)
        notify({"event": "step", "fold": task.fold, "epoch": state.epoch + 1, "step": i + 1, "steps": per_epoch})
    stepper.finite.settle(stepper.rate)
    return float(total) / per_epoch


def _batches(setup: Setup, task: FoldTask, stepper: Stepper, per_epoch: int, epoch: int) -> Iterator[Batch]:
    """The batches of one epoch, in the order that the seed gives."""
    recipe = setup.recipe
    load = _loader(setup, task)
    order = epoch_rows(recipe.sampling, task.pool, stepper.seed, epoch)
    size = step_size(recipe)
    rarity = rare_weights(task.pool.joint) if stepper.augmenter.needs_rare else None
    for i in range(per_epoch):
        batch = load(order[i * size : (i + 1) * size])
        if rarity is not None:
            seed = derive_seed(*stepper.seed, "partners", epoch * per_epoch + i)
            batch = replace(batch, partners=load(partner_rows(rarity, size, seed)))
        yield batch


def _loader(setup: Setup, task: FoldTask) -> Callable[[npt.NDArray[np.int64]], Batch]:
    """A function from positions among the training rows to a batch. Targets and weights are moved to the device
    once."""
    targets = torch.from_numpy(task.train_targets).to(setup.device)
    weights = None if (task.train_weights == 1).all() else torch.from_numpy(task.train_weights).to(setup.device)

    def load(positions: npt.NDArray[np.int64]) -> Batch:
        at = torch.from_numpy(positions).to(setup.device)
        own = None if weights is None else weights[at]
        return Batch(setup.source.batch(task.train_rows[positions]), targets[at], own)

    return load


def epoch_event(
    fold: int, epoch: int, loss: float, scores: dict[str, float | None], *, lr: float, images: int, seconds: float
) -> dict[str, Any]:
    """The event of a finished epoch (from 1): mean training loss, `valid_scores`, learning rate of the last step,
    number of training images and duration."""
    return {
        "event": "epoch",
        "fold": fold,
        "epoch": epoch,
        "train_loss": loss,
        **scores,
        "lr": lr,
        "seconds": round(seconds, 3),
        "images_per_second": round(images / seconds, 1),
    }


def valid_scores(layout: HeadLayout, logs: Float32Array, task: FoldTask) -> dict[str, float | None]:
    """Log loss (`log_loss`) and macro F1 of what the head predicts, on the scored labels, and `val_score` where the
    project chooses by another score; None without rows."""
    metrics: dict[str, Metric] = {"val_macro_f1": MAIN, **({} if task.metric == MAIN else {"val_score": task.metric})}
    if len(logs) == 0:
        return {"val_loss": None, **dict.fromkeys(metrics)}
    table = prediction_table([""] * len(logs), [None] * len(logs), 0, logs, layout)
    own = [layout.space.index(name) for name in layout.attributes]
    part = layout.space.only(layout.attributes)
    predicted = part.encode(Predictions.read(table, layout.space).codes[:, own])
    truth = part.encode(task.valid_codes[:, own], missing=True)
    known = truth != MISSING
    loss = log_loss(logs, task.valid_codes, task.valid_values, layout)
    return {
        "val_loss": None if math.isnan(loss) else loss,
        **{
            name: score_of(metric, truth[known], predicted[known], part.num_joint) if known.any() else None
            for name, metric in metrics.items()
        },
    }


def _keep(setup: Setup, state: TrainState, logs: Float32Array, folder: Path, *, last: bool) -> None:
    """Save weights and validation predictions of the last epoch, or with `select = "best"` of every epoch."""
    if not last and setup.recipe.train.select == "last":
        return
    files = EpochFiles(folder / "epochs")
    files.folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, logs)
    write_atomic(files.logs(state.epoch), buffer.getvalue())
    known = {LOGS: hashlib.sha256(buffer.getvalue()).hexdigest()}
    save_tensors(evaluated_network(state).state_dict(), files.weights(state.epoch), known, checksum=True)
