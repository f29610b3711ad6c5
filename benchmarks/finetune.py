"""Fine-tuning a pretrained network as `facetwise fit` does it, against plain timm, and bare steps in several ways.

    python benchmarks/finetune.py                          # EfficientNet-Lite0, 128x96, batches of 32
    python benchmarks/finetune.py --backbone resnet18      # any other of timm's
    python benchmarks/finetune.py --compile                # one more bare side, by `torch.compile` (takes minutes)
    python benchmarks/finetune.py --quick                  # only to see it run

Weights are random, since speed does not depend on them, and images are drawn: no dataset or shelf is needed.

    ours          `train_epoch` as `facetwise fit` runs it: store, augmentations, loss, moving average, repeatable sums
    plain timm    timm's model, AdamW and ModelEmaV3, fed by a DataLoader (`--workers` processes, PIL and torchvision)
                  from JPEGs of the network's size, in torch's own memory format: what people run
    bare          forward, backward and step of timm's model on one batch of floats that is there: channels-last or
                  contiguous, fp32 or bf16, AdamW fused or not, norms frozen or not

All sides take turns, `--piece` steps each, and a ratio to bare (channels-last, fp32, fused) is taken of each round.
Wall time suffers from what else the machine does, processor time (workers included) less; so does one thread
(`OMP_NUM_THREADS=1`), as threads wait for each other. Then an epoch to its end, with a quarter as many images validated
and its state saved, against bare steps and bare predictions of as many: target 1.05. Last, which kind of operation
takes the time of a bare step.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import timm
import torch
from drawn import drawn_fold
from epoch import Cost, cost, cost_after_steps, started
from gpu_sides import loaded_batches
from operations import kind_shares
from plain_timm import PlainLoop
from printed import machine_line, spread, table
from torch import Tensor, nn

from facetwise.inference.setup import Setup
from facetwise.recipe import Recipe, load_recipe
from facetwise.train.fold.loop import FoldTask, train_epoch

TARGET = 1.05
BARE = "bare: channels-last, fp32, fused AdamW"
LEAST_SHARE = 0.01
"""Kinds of operations below it are left out of the last table."""


@dataclass
class Side:
    """One way to train."""

    name: str
    piece: Callable[[int], None]
    """Do so many steps."""
    costs: list[Cost] = field(default_factory=list)
    """Of each piece."""


def main() -> None:
    """Measure and print three tables."""
    options = parse()
    setup, task = drawn_fold(chosen_recipe(options), options.images, options.images // 4)
    size = setup.recipe.train.batch_size
    stepper, state = started(setup, task)

    def ours(num_steps: int) -> None:
        torch.use_deterministic_algorithms(True)
        train_epoch(setup, task, state, stepper, num_steps, lambda _event: None)
        state.epoch += 1

    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        batches = loaded_batches(setup, task, options, Path(scratch))
        plain = plain_piece(setup, task, loop_of(setup, ema=setup.recipe.train.ema), batches=batches)
        bare = bare_sides(setup, task, compiled=options.compile)
        sides = [Side("ours, training steps", ours), Side("plain timm and a DataLoader", plain), *bare]
        take_turns(sides, options)
    print(machine_line())
    print(f"{options.backbone}, {options.size}, batches of {size}; {options.rounds} rounds of {options.piece} steps\n")
    print_sides(sides, options, size)
    reference = next(side for side in sides if side.name == BARE)
    print_epoch(
        sides[0], reference, cost_after_steps(setup, task, state, 3), bare_prediction(setup, task), options, size
    )
    shares = kind_shares(lambda: reference.piece(1))
    rows = [[kind, f"{share:.0%}"] for kind, share in shares.items() if share >= LEAST_SHARE]
    print(table(["kind of operation, of a bare step", "share of time"], rows))


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="lite0-finetune", help="its augmentations, loss and optimizer are used")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="a name of timm's")
    parser.add_argument("--size", default="128x96", help="HEIGHTxWIDTH")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=4480, help="of the training side, for the epoch to its end")
    parser.add_argument("--piece", type=int, default=1, help="steps before the next side has its turn")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of the DataLoader")
    parser.add_argument("--compile", action="store_true", help="also bare steps compiled by torch")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.backbone, options.size, options.images, options.batch = "test_efficientnet", "64x48", 64, 16
        options.rounds, options.piece, options.workers = 4, 1, 1
    return options


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe with the benchmark's network, size and batch, random weights, all trained from the start."""
    height, width = options.size.split("x")
    settings = [f"model.backbone={options.backbone}", "model.args={}", "model.weights=none"]
    settings += [f"input.height={height}", f"input.width={width}", f"train.batch_size={options.batch}"]
    recipe = load_recipe(options.recipe, [*settings, "train.device=cpu", "train.length=1000ep"])
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"head_first": None})})


def loop_of(
    setup: Setup, *, ema: float | None = None, bf16: bool = False, last: bool = False, fused: bool = False
) -> PlainLoop:
    """A plain loop with the recipe's optimizer; `last`: channels-last."""
    blocks, optimizer = tuple(block.outputs for block in setup.layout.blocks), setup.recipe.optimizer
    return PlainLoop(
        blocks, optimizer.lr, optimizer.weight_decay, 10**6, ema=ema, bf16=bf16, channels_last=last, fused=fused
    )


def bare_sides(setup: Setup, task: FoldTask, *, compiled: bool) -> list[Side]:
    """Bare steps in several ways, the one that the others are compared with first."""
    best = loop_of(setup, last=True, fused=True)
    loops = {
        BARE: best,
        "bare: contiguous, fp32, fused AdamW": loop_of(setup, fused=True),
        "bare: channels-last, fp32, AdamW not fused": loop_of(setup, last=True),
        "bare: channels-last, bf16, fused AdamW": loop_of(setup, bf16=True, last=True, fused=True),
        "bare: contiguous, bf16, fused AdamW": loop_of(setup, bf16=True, fused=True),
    }
    sides = [Side(name, plain_piece(setup, task, loop)) for name, loop in loops.items()]
    sides.append(Side(f"{BARE}, norms frozen", plain_piece(setup, task, best, frozen_norms=True)))
    if compiled:
        sides.append(Side(f"{BARE}, compiled", plain_piece(setup, task, best, compiled=True)))
    return sides


def plain_piece(
    setup: Setup,
    task: FoldTask,
    loop: PlainLoop,
    *,
    batches: Iterator[tuple[Tensor, Tensor]] | None = None,
    frozen_norms: bool = False,
    compiled: bool = False,
) -> Callable[[int], None]:
    """Steps of a plain loop, on `batches` or on one that is there."""
    state = loop.start(plain_network(setup))
    fixed = fixed_images(setup, loop), torch.from_numpy(task.train_targets[: setup.recipe.train.batch_size])
    norms = [part for part in state.network.modules() if frozen_norms and isinstance(part, nn.BatchNorm2d)]
    for parameter in (parameter for norm in norms for parameter in norm.parameters()):
        parameter.requires_grad_(False)
    if compiled:
        state.network = torch.compile(state.network)  # type: ignore[assignment]

    def piece(num_steps: int) -> None:
        torch.use_deterministic_algorithms(False)
        state.network.train()
        for norm in norms:
            norm.eval()
        for _ in range(num_steps):
            loop.step(state, *(fixed if batches is None else next(batches)))

    return piece


def plain_network(setup: Setup) -> nn.Module:
    """timm's model with as many outputs as the head has."""
    network: nn.Module = timm.create_model(setup.recipe.model.backbone, num_classes=setup.layout.num_outputs)
    return network


def fixed_images(setup: Setup, loop: PlainLoop) -> Tensor:
    """A batch of noise in the loop's memory format."""
    recipe = setup.recipe
    images = torch.randn(recipe.train.batch_size, 3, recipe.input.height, recipe.input.width)
    return images.contiguous(memory_format=torch.channels_last) if loop.channels_last else images


def bare_prediction(setup: Setup, task: FoldTask) -> Cost:
    """What predicting the held-out images takes a bare network: a batch, times their number."""
    loop = loop_of(setup, last=True, fused=True)
    network, images = loop.start(plain_network(setup)).network.eval(), fixed_images(setup, loop)
    with torch.inference_mode():
        found = [cost(setup, lambda: network(images)) for _ in range(5)]
    batches = len(task.valid_rows) / len(images)
    return Cost(
        *(batches * statistics.median(values) for values in zip(*((c.wall, c.cpu) for c in found), strict=True))
    )


# --------------------------------------------------------------------------------------------------------- measuring


def take_turns(sides: list[Side], options: argparse.Namespace) -> None:
    """A piece of each side in turn, after one to warm up; every round begins with another side."""
    for number in range(-1, options.rounds):
        first = number % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            took = piece_cost(side, options.piece)
            side.costs += [took] if number >= 0 else []


def piece_cost(side: Side, num_steps: int) -> Cost:
    """Of a piece, worker processes included."""
    wall, cpu = time.perf_counter(), processor_seconds()
    side.piece(num_steps)
    return Cost(time.perf_counter() - wall, processor_seconds() - cpu)


def processor_seconds() -> float:
    """Of this process and of the workers that live."""
    ticks = 0
    for worker in multiprocessing.active_children():
        after_name = Path(f"/proc/{worker.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])  # utime and stime, proc(5)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------------------------------------------------- printing


def print_sides(sides: list[Side], options: argparse.Namespace, size: int) -> None:
    """A row a side, as long as bare."""
    bare = next(side for side in sides if side.name == BARE)
    rows = []
    for side in sides:
        seconds, cpu = statistics.median(walls(side)) / options.piece, min(cpus(side)) / options.piece
        wall = [one / two for one, two in zip(walls(side), walls(bare), strict=True)]
        processor = [one / two for one, two in zip(cpus(side), cpus(bare), strict=True)]
        rate = f"{size / seconds:.0f}"
        rows.append([side.name, f"{1000 * seconds:.0f}", f"{1000 * cpu:.0f}", rate, spread(wall), spread(processor)])
    header = [
        "",
        "ms a step",
        "least CPU ms a step",
        "images/s",
        "time, ratio (quartiles)",
        "CPU time, ratio (quartiles)",
    ]
    print(table(header, rows), end="\n\n")


def print_epoch(
    ours: Side, bare: Side, after: dict[str, Cost], predicted: Cost, options: argparse.Namespace, size: int
) -> None:
    """The epoch to its end: steps, validation, saving; by the least that a piece took, which others disturb least."""
    pieces = options.images / size / options.piece
    own, other = ([pieces * min(walls(side)), pieces * min(cpus(side))] for side in (ours, bare))
    rest = [sum(part.wall for part in after.values()), sum(part.cpu for part in after.values())]
    ends = [predicted.wall, predicted.cpu]
    rows = [
        ["ours", *(f"{steps + more:.1f}" for steps, more in zip(own, rest, strict=True))],
        ["bare steps and predictions", *(f"{steps + more:.1f}" for steps, more in zip(other, ends, strict=True))],
        ["ratio", *(f"{(a + b) / (c + d):.2f}" for a, b, c, d in zip(own, rest, other, ends, strict=True))],
        ["target", f"{TARGET}", f"{TARGET}"],
    ]
    what = f"an epoch of {options.images:,} images, with {', '.join(after)}"
    print(table([what, "seconds", "CPU seconds"], rows), end="\n\n")


def walls(side: Side) -> list[float]:
    """Seconds of each piece."""
    return [took.wall for took in side.costs]


def cpus(side: Side) -> list[float]:
    """Processor seconds of each piece."""
    return [took.cpu for took in side.costs]


if __name__ == "__main__":
    main()
