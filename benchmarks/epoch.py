"""The training steps of an epoch against the bare work of the network: what loading, augmentation, loss, average add.

    python benchmarks/epoch.py                          # ResNet-18 at 128x96 with the augmentations of `cpu-small`
    python benchmarks/epoch.py --backbone small_resnet  # any other backbone
    python benchmarks/epoch.py --quick                  # only to see it run

Images are drawn at random; no dataset is needed. "Ours" is `train_epoch` as `facetwise fit` runs it, in pieces of
`--piece` steps. "Bare" is forward, backward and step of a second copy of the network on one batch of float pixels that
is there already, by the same optimizer and loss, channels-last, without the switches for repeatable sums. Both take
turns, piece by piece, and a ratio is taken of each pair. Target for the training steps: at most 1.15.

The second row is an epoch to its end: after its steps, a fifth as many images as it trains on are validated and the
state is saved to the disk. Both are timed alone and shared out over an epoch's steps. "Bare" does neither, so no
target is set.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from drawn import drawn_fold, synchronise
from printed import machine_line, spread, table
from torch import Generator

from facetwise.inference.choices import autocast
from facetwise.inference.setup import Setup
from facetwise.recipe import Recipe, load_recipe
from facetwise.train.fold.checkpoint import TrainState, save_state
from facetwise.train.fold.loop import FoldTask, new_state, new_stepper, train_epoch, valid_scores
from facetwise.train.fold.step import Stepper, evaluated_network

TARGET = 1.15
NUM_EPOCHS = 1000
"""Far more than run: the schedule never ends."""


def main() -> None:
    """Measure and print two tables."""
    options = parse()
    setup, task = drawn_fold(chosen_recipe(options), options.images, options.images // 5)
    stepper, state = started(setup, task)
    bare = bare_piece(setup, task, options.piece)

    def ours() -> None:
        train_epoch(setup, task, state, stepper, options.piece, lambda _event: None)
        state.epoch += 1

    pairs = [timed_pair(setup, ours, bare, first=turn % 2) for turn in range(-1, options.rounds)][1:]
    size = setup.recipe.train.batch_size
    own, other = (statistics.median(pair[i].wall for pair in pairs) / options.piece for i in (0, 1))
    after = cost_after_steps(setup, task, state, options.repeat)
    rest = [sum(part.wall for part in after.values()), sum(part.cpu for part in after.values())]
    rest = [options.piece * seconds / (options.images // size) for seconds in rest]  # the share of a piece
    print(machine_line())
    print(f"{setup.recipe.model.backbone}, {setup.recipe.input.height}x{setup.recipe.input.width}, batches of {size}")
    print(f"{options.rounds} pairs of {options.piece} steps\n")

    def row(name: str, seconds: float, more: list[float], target: str) -> list[str]:
        wall = spread([(one.wall + more[0]) / two.wall for one, two in pairs])
        cpu = spread([(one.cpu + more[1]) / two.cpu for one, two in pairs])
        return [name, f"{1000 * seconds:.0f}", f"{size / seconds:.0f}", wall, cpu, target]

    whole = own + rest[0] / options.piece
    rows = [
        row("ours, training steps of an epoch", own, [0.0, 0.0], f"{TARGET}"),
        row("ours, with validation and saved state", whole, rest, ""),
        ["bare forward, backward, step", f"{1000 * other:.0f}", f"{size / other:.0f}", "1", "1", ""],
    ]
    header = ["", "ms a step", "images/s", "time, ratio (quartiles)", "CPU time, ratio (quartiles)", "target"]
    print(table(header, rows), end="\n\n")
    print(table(["part of our steps", "ms a step", "share"], parts(setup, task, state, stepper, own, options.repeat)))
    print("\n" + table(["once an epoch", "seconds"], [[name, f"{part.wall:.2f}"] for name, part in after.items()]))


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="cpu-small", help="its augmentations, loss and optimizer are used")
    parser.add_argument("--backbone", default="resnet18", help="`small_resnet`, or a name of timm's")
    parser.add_argument("--size", default="128x96", help="HEIGHTxWIDTH")
    parser.add_argument("--images", type=int, default=4480, help="of the training side")
    parser.add_argument("--piece", type=int, default=4, help="steps before the other side has its turn")
    parser.add_argument("--rounds", type=int, default=8, help="pairs of pieces")
    parser.add_argument("--repeat", type=int, default=15, help="times that each part is timed")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.size, options.images, options.piece, options.rounds, options.repeat = "32x24", 256, 2, 4, 3
    return options


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe with another network and size, and nothing that depends on labels."""
    height, width = options.size.split("x")
    settings = [f"model.backbone={options.backbone}", f"input.height={height}", f"input.width={width}"]
    if options.backbone != "small_resnet":
        settings.append("model.args={}")
    return load_recipe(options.recipe, settings)


def started(setup: Setup, task: FoldTask) -> tuple[Stepper, TrainState]:
    """First weights and what makes the steps."""
    state = new_state(setup, task.fold)
    per_epoch = len(task.train_rows) // setup.recipe.train.batch_size
    return new_stepper(setup, task, state.optimizer, NUM_EPOCHS * per_epoch, per_epoch), state


def bare_piece(setup: Setup, task: FoldTask, num_steps: int) -> Callable[[], None]:
    """`num_steps` of forward, backward and step on a fixed batch."""
    stepper, state = started(setup, task)
    size = setup.recipe.train.batch_size
    x_BCHW = setup.source.batch(task.train_rows[:size]).float().contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(task.train_targets[:size]).to(setup.device)
    network = state.network.train()

    def piece() -> None:
        torch.use_deterministic_algorithms(False)
        for _ in range(num_steps):
            state.optimizer.zero_grad(set_to_none=True)
            with autocast(setup.device, stepper.precision):
                logits = network(x_BCHW)
            stepper.loss(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
            state.optimizer.step()
        torch.use_deterministic_algorithms(True, warn_only=setup.device.type != "cpu")

    return piece


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads of this process: suffers less from what else the machine does."""


def timed_pair(setup: Setup, ours: Callable[[], None], bare: Callable[[], None], first: int) -> tuple[Cost, Cost]:
    """What either takes, the one or the other first."""
    found = {side: cost(setup, side) for side in ((ours, bare) if first == 0 else (bare, ours))}
    return found[ours], found[bare]


def cost(setup: Setup, work: Callable[[], object]) -> Cost:
    """Of one call, what it left to the device included."""
    synchronise(setup.device)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    synchronise(setup.device)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def cost_after_steps(setup: Setup, task: FoldTask, state: TrainState, repeat: int) -> dict[str, Cost]:
    """What an epoch takes after its steps: name -> medians of up to three times."""
    network = evaluated_network(state)
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        work: dict[str, Callable[[], object]] = {
            f"validating {len(task.valid_rows):,} images": lambda: valid_scores(
                setup.layout, setup.predict(network, task.valid_rows), task
            ),
            "saving the state": lambda: save_state(state, Path(scratch) / "checkpoint.safetensors"),
        }
        costs = {name: [cost(setup, one) for _ in range(min(3, repeat))] for name, one in work.items()}
    return {
        name: Cost(statistics.median(c.wall for c in found), statistics.median(c.cpu for c in found))
        for name, found in costs.items()
    }


def parts(
    setup: Setup, task: FoldTask, state: TrainState, stepper: Stepper, whole: float, repeat: int
) -> list[list[str]]:
    """A row for each part of a step besides the network and the optimizer, each timed alone, median of `repeat`."""
    rows = task.train_rows[: setup.recipe.train.batch_size]
    stored = setup.source.batch(rows)
    targets = torch.from_numpy(task.train_targets[: len(rows)]).to(setup.device)
    mean = torch.full((1, 3, 1, 1), 128.0, device=setup.device)
    average = stepper.average
    augmented = stepper.augmenter(stored, mean, Generator().manual_seed(0))

    def loss() -> None:
        logits = torch.zeros(len(rows), setup.layout.num_outputs, device=setup.device, requires_grad=True)
        stepper.loss(logits, targets).backward()  # type: ignore[no-untyped-call]

    timed: dict[str, Callable[[], object]] = {
        "loading from the store": lambda: setup.source.batch(rows),
        "augmenting": lambda: stepper.augmenter(stored, mean, Generator().manual_seed(0)),
        "mixing": lambda: stepper.augmenter.mix(augmented, targets, Generator().manual_seed(0)),
        "loss, forward and backward": loss,
    }
    if average is not None and state.average is not None:
        own = state.average
        timed["moving average"] = lambda: average.update(own, state.network, 10**6)
    found = {name: statistics.median(cost(setup, work).wall for _ in range(repeat)) for name, work in timed.items()}
    return [[name, f"{1000 * s:.1f}", f"{s / whole:.1%}"] for name, s in found.items()]


if __name__ == "__main__":
    main()
