"""The sides of `gpu_epoch.py` and what it measures: see there."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import simplejpeg
import timm
import torch
from drawn import drawn_fold, drawn_images, synchronise
from plain_timm import Photos, PlainLoop, loader_of, plain_transform
from printed import machine_line, spread, table
from torch import Tensor

from facetwise.inference.setup import Setup
from facetwise.recipe import Recipe, load_recipe
from facetwise.train.fold.checkpoint import TrainState
from facetwise.train.fold.loop import FoldTask, new_state, new_stepper, train_epoch
from facetwise.train.fold.step import Stepper

TARGETS = {"ours": "60 s", "plain fp32": "4", "plain bf16": "1.3"}
BYTES_OF_STEP = {"AdamW": 4 * 7, "moving average": 4 * 3}
"""Bytes a weight of fp32: AdamW reads weight, gradient and two means and writes all but the gradient; the average reads
itself and the weight and writes itself."""
Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass
class Side:
    """One way to train."""

    name: str
    piece: Callable[[int], None]
    """Do so many steps."""
    tf32: bool = True
    seconds: list[float] = field(default_factory=list)
    """Of each piece after the warm-up."""


def measure(options: argparse.Namespace) -> None:
    """Train all sides in turns, then time the parts, and print."""

    setup, task = drawn_fold(chosen_recipe(options), options.images)
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        own = started(setup, task)
        sides = [ours(setup, task, *own, options), *plain_sides(setup, task, options, Path(scratch))]
        take_turns(sides, options, setup.device)
    print(machine_line())
    print(f"{device_name(setup.device)}; {options.backbone}, {options.size}, batches of {options.batch}\n")
    print_sides(sides, options)
    print_bandwidth(setup, *own)
    print_pipeline(setup, task, own[0], options, sides[0])


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe with the benchmark's network, size and batch."""

    height, width = options.size.split("x")
    settings = [f"model.backbone={options.backbone}", "model.args={}", f"input.height={height}", f"input.width={width}"]
    precision = "bf16" if options.device == "cuda" else "fp32"
    settings += [f"train.batch_size={options.batch}", f"train.device={options.device}", f"train.precision={precision}"]
    return load_recipe(options.recipe, settings)


def device_name(device: torch.device) -> str:
    """For people."""

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU (a smoke test: no figure counts)"


# ---------------------------------------------------------------------------------------------------------- the sides


def started(setup: Setup, task: FoldTask) -> tuple[Stepper, TrainState]:
    """What makes our steps, and what they change."""

    state = new_state(setup, task.fold)
    per_epoch = len(task.train_rows) // setup.recipe.train.batch_size
    return new_stepper(setup, task, state.optimizer, 1000 * per_epoch, per_epoch), state


def ours(setup: Setup, task: FoldTask, stepper: Stepper, state: TrainState, options: argparse.Namespace) -> Side:
    """Our epoch, in pieces."""

    limit = options.images // options.batch

    def piece(num_steps: int) -> None:
        train_epoch(setup, task, state, stepper, min(num_steps, limit), lambda _event: None)
        state.epoch += 1

    return Side("ours", piece, tf32=False)


def plain_sides(setup: Setup, task: FoldTask, options: argparse.Namespace, scratch: Path) -> list[Side]:
    """The plain loops, each with its own network."""
    fast = setup.device.type == "cuda"
    found = [
        Side("plain fp32", plain_piece(setup, task)),
        Side("plain fp32 without TF32", plain_piece(setup, task), tf32=False),
        Side("plain bf16", plain_piece(setup, task, bf16=fast)),
    ]
    if not options.no_loader:
        batches = loaded_batches(setup, task, options, scratch)
        found.append(Side("plain bf16 and loader", plain_piece(setup, task, bf16=fast, batches=batches)))
    return found


def plain_piece(
    setup: Setup, task: FoldTask, *, bf16: bool = False, batches: Batches | None = None
) -> Callable[[int], None]:
    """Steps of a plain timm loop, on `batches` or on one that is there."""

    recipe, size = setup.recipe, setup.recipe.train.batch_size
    blocks = tuple(block.outputs for block in setup.layout.blocks)
    loop = PlainLoop(
        blocks,
        recipe.optimizer.lr,
        recipe.optimizer.weight_decay,
        10**6,
        ema=recipe.train.ema,
        device=setup.device,
        bf16=bf16,
        channels_last=bf16,
    )
    state = loop.start(timm.create_model(recipe.model.backbone, num_classes=setup.layout.num_outputs))
    images = torch.randn(size, 3, recipe.input.height, recipe.input.width, device=setup.device)
    fixed = images, torch.from_numpy(task.train_targets[:size]).to(setup.device)

    def piece(num_steps: int) -> None:
        state.network.train()
        for _ in range(num_steps):
            loop.step(state, *(fixed if batches is None else next(batches)))

    return piece


def loaded_batches(setup: Setup, task: FoldTask, options: argparse.Namespace, scratch: Path) -> Batches:
    """Batches from a DataLoader over drawn JPEGs, without end."""

    recipe = setup.recipe
    paths = [scratch / f"{i}.jpg" for i in range(min(len(task.train_rows), 512))]
    for path, pixels in zip(paths, drawn_images(len(paths), recipe.input.height, recipe.input.width), strict=True):
        path.write_bytes(simplejpeg.encode_jpeg(pixels, 85))
    repeated = [paths[i % len(paths)] for i in range(len(task.train_rows))]
    photos = Photos(repeated, task.train_targets, plain_transform(recipe, training=True))
    loader = loader_of(photos, recipe.train.batch_size, options.workers, training=True)

    def endless() -> Batches:
        while True:
            yield from loader

    return endless()


def take_turns(sides: list[Side], options: argparse.Namespace, device: torch.device) -> None:
    """A piece of each side in turn: first to warm up, then until each has its seconds."""
    for warm in (True, False):
        while warm or any(sum(side.seconds) < options.seconds for side in sides):
            for side in sides:
                if warm or sum(side.seconds) < options.seconds:
                    took = timed(side, options.piece, device)
                    side.seconds += [] if warm else [took]
            if warm:
                break


def timed(side: Side, num_steps: int, device: torch.device) -> float:
    """Seconds of a piece."""

    with switches(ours=side.name == "ours", tf32=side.tf32, device=device):
        synchronise(device)
        start = time.perf_counter()
        side.piece(num_steps)
        synchronise(device)
        return time.perf_counter() - start


@contextmanager
def switches(*, ours: bool, tf32: bool, device: torch.device) -> Iterator[None]:
    """torch's switches as facetwise sets them, or as a plain loop has them."""

    torch.use_deterministic_algorithms(ours, warn_only=device.type != "cpu")
    torch.backends.cudnn.benchmark = not ours
    torch.backends.cudnn.allow_tf32 = tf32
    yield


# ---------------------------------------------------------------------------------------------------------- printing


def print_sides(sides: list[Side], options: argparse.Namespace) -> None:
    """Seconds of an epoch and how much faster ours is."""

    epoch = options.images / options.batch / options.piece
    own = statistics.median(sides[0].seconds)
    rows = [
        [
            side.name,
            f"{options.piece * options.batch / statistics.median(side.seconds):.0f}",
            spread([s * epoch for s in side.seconds], 1),
            f"{statistics.median(side.seconds) / own:.2f}",
            TARGETS.get(side.name, ""),
        ]
        for side in sides
    ]
    print(table(["", "images/s", f"s an epoch of {options.images:,}", "as long as ours", "target"], rows), end="\n\n")


def print_bandwidth(setup: Setup, stepper: Stepper, state: TrainState) -> None:
    """What the optimizer and the average move, against what the memory can."""

    num = sum(p.numel() for p in state.network.parameters())
    bandwidth = copy_bandwidth(setup.device)
    timed_parts: dict[str, Callable[[], object]] = {"AdamW": state.optimizer.step}
    average, own = stepper.average, state.average
    if average is not None and own is not None:
        timed_parts["moving average"] = lambda: average.update(own, state.network, 10**6)
    rows = []
    for name, work in timed_parts.items():
        seconds, moved = median_seconds(work, setup.device), BYTES_OF_STEP[name] * num
        rate = moved / seconds
        rows.append(
            [
                name,
                f"{moved / 1e6:.0f} MB",
                f"{1000 * seconds:.2f} ms",
                f"{rate / 1e9:.0f} GB/s",
                f"{rate / bandwidth:.0%}",
            ]
        )
    print(f"{num / 1e6:.1f} million weights; a copy moves {bandwidth / 1e9:.0f} GB/s, read and written\n")
    print(table(["", "moved a step", "time", "rate", "of the measured bandwidth"], rows), end="\n\n")


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of copying a large tensor."""

    source = torch.empty(2**30 if device.type == "cuda" else 2**25, dtype=torch.float32, device=device).fill_(1.0)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / median_seconds(lambda: target.copy_(source), device)


def print_pipeline(setup: Setup, task: FoldTask, stepper: Stepper, options: argparse.Namespace, side: Side) -> None:
    """Augmented batches a second with nothing to eat them, against what the network eats."""

    rows = task.train_rows[: options.batch]
    targets = torch.from_numpy(task.train_targets[: options.batch]).to(setup.device)
    mean = torch.full((1, 3, 1, 1), 128.0, device=setup.device)

    def batch() -> None:
        generator = torch.Generator().manual_seed(0)
        images = stepper.augmenter(setup.source.batch(rows), mean, generator)
        stepper.augmenter.mix(images, targets, generator)

    alone = options.batch / median_seconds(batch, setup.device)
    eaten = options.piece * options.batch / statistics.median(side.seconds)
    print(
        f"input pipeline alone: {alone:,.0f} images/s, {alone / eaten:.1f} times what the network takes ({eaten:,.0f})"
    )
    print(f"store: {setup.source.placed.value} ({setup.source.placed.reason})")


def median_seconds(work: Callable[[], object], device: torch.device, repeat: int = 20) -> float:
    """Median of `repeat` calls, after three that warm up."""

    times = []
    for _ in range(repeat + 3):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])
