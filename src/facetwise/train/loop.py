"""Training one fold: epochs of steps, each epoch validated, recorded and saved.

state = saved state, or first weights drawn from the fold's seed
for each epoch that is left:
    order = a permutation drawn from (seed, fold, epoch)
    for each full batch of it:
        augment -> forward -> loss -> finite? -> backward -> update -> moving average
    validate the kept network on all held-out images, unaugmented
    record the epoch, then save the state
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facetwise.core.errors import SettingError
from facetwise.core.labels import IntArray
from facetwise.data.views import one_hot
from facetwise.evaluate.decide import decide
from facetwise.evaluate.metrics import macro_f1
from facetwise.model.heads import HeadLayout
from facetwise.train.augment import Augmenter
from facetwise.train.checkpoint import TrainState, load_state, save_state, save_tensors
from facetwise.train.losses import block_cross_entropy, build_loss
from facetwise.train.optim import build_optimizer, build_schedule
from facetwise.train.predict import Float32Array, prediction_table
from facetwise.train.setup import Setup
from facetwise.train.step import Stepper, derive_seed, kept_network

Listener = Callable[[dict[str, Any]], None]
"""Gets every event as it happens; `step` events are for progress bars and are not written to the run."""


@dataclass(frozen=True)
class FoldTask:
    """One model to train. Row arrays hold row numbers of the store."""

    fold: int
    train_rows: npt.NDArray[np.int64]
    train_targets: npt.NDArray[np.float32]
    """The training view: target probabilities of the head's outputs, (n_train, d)."""
    valid_rows: npt.NDArray[np.int64]
    valid_codes: IntArray
    """The scored view: class numbers, (n_valid, A)."""


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Full batches an epoch; raises SettingError when there is not even one."""
    if num_images < batch_size:
        raise SettingError(
            f"`train.batch_size` is {batch_size}, but a fold trains on {num_images} images",
            hint="lower it with `--set train.batch_size=...`",
        )
    return num_images // batch_size


@dataclass(frozen=True)
class Kept:
    """What is kept of an epoch until the epoch to use is known."""

    folder: Path

    def weights(self, epoch: int) -> Path:
        """Weights of the network after `epoch` (from 1)."""
        return self.folder / f"{epoch}.safetensors"

    def logs(self, epoch: int) -> Path:
        """Validation log-probabilities, float32 (n, d), after `epoch`."""
        return self.folder / f"{epoch}.npy"


def train_fold(setup: Setup, task: FoldTask, folder: Path, emit: Listener) -> TrainState:
    """Train (or continue) one fold in `folder`; returns the final state.

    Raises TrainingError when the loss is not finite; what was saved after the last whole epoch stays good.
    """
    recipe = setup.recipe
    per_epoch = steps_per_epoch(len(task.train_rows), recipe.train.batch_size)
    num_epochs = recipe.train.length.epochs(per_epoch)
    checkpoint = folder / "checkpoint.safetensors"
    state = new_state(setup, task.fold)
    if checkpoint.is_file():
        load_state(state, checkpoint)
    stepper = _stepper(setup, task, num_epochs * per_epoch, per_epoch)
    emit({"event": "fold", "fold": task.fold, "from_epoch": state.epoch, "epochs": num_epochs, "steps": per_epoch})
    while state.epoch < num_epochs:
        started = time.perf_counter()
        loss = _train_epoch(setup, task, state, stepper, per_epoch, emit)
        state.epoch += 1
        logs = _valid_logs(setup, task, state)
        emit(_epoch_event(setup, task, state, stepper, loss, logs, per_epoch, time.perf_counter() - started))
        _keep(setup, state, logs, folder, last=state.epoch == num_epochs)
        save_state(state, checkpoint)
    return state


def new_state(setup: Setup, fold: int) -> TrainState:
    """First weights, drawn from the run's seed and the fold's number."""
    train = setup.recipe.train
    torch.manual_seed(derive_seed(train.seed, fold, "weights"))
    network = setup.new_network()
    average = None if train.ema is None else _moving_average(network, train.ema)
    return TrainState(network, average, build_optimizer(setup.recipe.optimizer, network))


def _moving_average(network: nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(network, multi_avg_fn=partial(_average, decay), use_buffers=True)


@torch.no_grad()
def _average(decay: float, averages: list[Tensor], current: list[Tensor], num_averaged: Tensor | int) -> None:
    """Move the averages towards the current values; early on faster, so that first weights are soon forgotten."""
    count = int(num_averaged)
    share = 1 - min(decay, (1 + count) / (10 + count))
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, current, share)
    else:
        torch._foreach_copy_(averages, current)


def _stepper(setup: Setup, task: FoldTask, num_steps: int, per_epoch: int) -> Stepper:
    recipe = setup.recipe
    return Stepper(
        augmenter=Augmenter(recipe.augment),
        loss=build_loss(recipe.loss, setup.layout, torch.from_numpy(task.train_targets.mean(axis=0)).to(setup.device)),
        rate=build_schedule(recipe.schedule, recipe.optimizer.lr, num_steps, per_epoch),
        seed=(recipe.train.seed, task.fold),
        precision=setup.choices.precision.value,
    )


def _train_epoch(
    setup: Setup, task: FoldTask, state: TrainState, stepper: Stepper, per_epoch: int, emit: Listener
) -> float:
    """One epoch; returns the mean training loss (with augmentation, smoothing and dropout)."""
    torch.manual_seed(derive_seed(*stepper.seed, "epoch", state.epoch))
    targets = torch.from_numpy(task.train_targets).to(setup.device)
    total = torch.zeros((), device=setup.device)
    state.network.train()
    first = state.epoch * per_epoch
    for i, rows in enumerate(_batches(len(task.train_rows), setup.recipe.train.batch_size, stepper.seed, state.epoch)):
        x_BCHW = setup.source.batch(task.train_rows[rows])
        total += stepper(state, x_BCHW, targets[torch.from_numpy(rows).to(setup.device)], first + i)
        emit({"event": "step", "fold": task.fold, "epoch": state.epoch + 1, "step": i + 1, "steps": per_epoch})
    return float(total) / per_epoch


def _batches(num_rows: int, batch_size: int, seed: tuple[int, ...], epoch: int) -> Iterator[npt.NDArray[np.int64]]:
    order = np.random.default_rng(derive_seed(*seed, "order", epoch)).permutation(num_rows)
    for start in range(0, num_rows - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


def _valid_logs(setup: Setup, task: FoldTask, state: TrainState) -> Float32Array:
    return setup.predict(kept_network(state), task.valid_rows)


def _epoch_event(
    setup: Setup,
    task: FoldTask,
    state: TrainState,
    stepper: Stepper,
    loss: float,
    logs: Float32Array,
    per_epoch: int,
    seconds: float,
) -> dict[str, Any]:
    images = per_epoch * setup.recipe.train.batch_size
    return {
        "event": "epoch",
        "fold": task.fold,
        "epoch": state.epoch,
        "train_loss": loss,
        **valid_scores(setup.layout, logs, task.valid_codes),
        "lr": stepper.rate(state.epoch * per_epoch - 1),
        "seconds": round(seconds, 3),
        "images_per_second": round(images / seconds, 1),
    }


def valid_scores(layout: HeadLayout, logs: Float32Array, codes: IntArray) -> dict[str, float | None]:
    """Loss (without smoothing) and macro F1 of what the head predicts, on the scored labels; None without rows."""
    if len(logs) == 0:
        return {"val_loss": None, "val_macro_f1": None}
    table = prediction_table([""] * len(logs), [None] * len(logs), 0, logs, layout)
    own = [layout.space.index(name) for name in layout.attributes]
    sizes = [layout.space.sizes[i] for i in own]
    truth, predicted = (np.ravel_multi_index(tuple(c[:, own].T), sizes) for c in (codes, decide(table, layout.space)))
    hard = [one_hot(codes[:, i], size) for i, size in enumerate(layout.space.sizes)]
    loss = block_cross_entropy(torch.from_numpy(logs), torch.from_numpy(layout.soft_targets(hard)), layout)
    return {"val_loss": float(loss), "val_macro_f1": macro_f1(truth, predicted, int(np.prod(sizes)))}


def _keep(setup: Setup, state: TrainState, logs: Float32Array, folder: Path, *, last: bool) -> None:
    """Keep the epoch's weights and validation predictions: the last epoch's, or with `select = "best"` every one's."""
    if not last and setup.recipe.train.select == "last":
        return
    kept = Kept(folder / "epochs")
    kept.folder.mkdir(exist_ok=True)
    save_tensors(kept_network(state).state_dict(), kept.weights(state.epoch))
    temporary = kept.logs(state.epoch).with_suffix(".tmp.npy")
    np.save(temporary, logs)
    temporary.replace(kept.logs(state.epoch))
