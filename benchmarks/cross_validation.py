"""A whole cross-validation by facetwise against the plain loop: timm, PIL and a DataLoader, fold after fold.

    python benchmarks/cross_validation.py --project PROJECT                          # 5 folds, the recipe's epochs
    python benchmarks/cross_validation.py --project PROJECT --epochs 2 --folds 2     # a short one, both sides alike
    python benchmarks/cross_validation.py                                            # on a small drawn contest

Both sides train the same network from scratch on the same folds by person, as many epochs of as many steps, with the
same augmentations (as far as torchvision has them), AdamW, cosine and moving average, validate every epoch on the
held-out people and predict the test images with every fold's model. Ours is all that `facetwise fit` does, its image
store made first; the plain side decodes every JPEG in every epoch, in `--workers` processes. Nothing is written to the
project: ours works in another, on the same dataset.

Wall time suffers from what else the machine does; CPU time (of all threads and workers) less. "The network's own" is
forward, backward and step on a batch that is there, and forward of held-out and test images, timed before, between
and after the two sides, times the numbers of both. Target: ours, the store included, at most 0.85 of the plain time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from plain_timm import Photos, PlainLoop, PlainState, loader_of, plain_transform, predict, train_epoch
from printed import machine_line, table
from torch import nn

from facetwise import api
from facetwise.core.project import Project
from facetwise.core.workspace import Workspace
from facetwise.evaluate.metrics import macro_f1
from facetwise.model.backbone import build_network
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.augment import MixUp
from facetwise.recipe.optim import Cosine
from facetwise.train.loop import FoldTask, steps_per_epoch
from facetwise.train.plan import RunPlan, make_plan

TARGET = 0.85


@dataclass(frozen=True)
class Cost:
    """What one side took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads and child processes."""


def main() -> None:
    """Run both sides and print two tables."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        given = Project.open(options.project) if options.project else drawn_project(Path(scratch))
        project = bare_copy(given, Path(scratch) / "copy")
        api.folds(project, num_folds=options.folds)
        recipe = load_recipe(options.recipe, settings(options))
        compare(project, recipe, options)


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="whose dataset to train on; without it a small contest is drawn")
    parser.add_argument("--recipe", default="cpu-small")
    parser.add_argument("--epochs", type=int, help="as in the recipe when left out (a drawn contest: 2)")
    parser.add_argument("--folds", type=int, default=5, help="dealt anew, people by lot, at least 2")
    parser.add_argument("--workers", type=int, default=2, help="of the plain side's DataLoader")
    parser.add_argument("--channels-last", action="store_true", help="on the plain side too, which most people leave")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick or options.project is None:
        options.epochs, options.folds = options.epochs or 2, min(options.folds, 2)
    return options


def settings(options: argparse.Namespace) -> list[str]:
    """What differs from the recipe as it is shipped."""
    short = [] if options.epochs is None else [f"train.length={options.epochs}ep", "schedule.warmup=1ep"]
    tiny = ["train.batch_size=32"] if options.quick else []
    return [*short, *tiny, f"folds.plan={options.folds}", "train.device=cpu"]


def drawn_project(folder: Path) -> Project:
    """A project on a made contest."""
    api.draw_contest(folder / "contest", train_people=60, eval_people=12, workers=1)
    return api.init(folder / "project", folder / "contest")


def bare_copy(project: Project, folder: Path) -> Project:
    """The project on the same dataset, checked anew (its label corrections too), without stores, folds and runs."""
    folder.mkdir()
    if project.workspace.overlay_file.is_file():
        labels = project.workspace.overlay_file.parent
        shutil.copytree(labels, folder / labels.name)
    dataset = project.file.dataset.model_copy(update={"path": str(project.dataset_root)})
    copy = Project(Workspace(folder), project.file.model_copy(update={"dataset": dataset}))
    api.check(copy)
    return copy


def compare(project: Project, recipe: Recipe, options: argparse.Namespace) -> None:
    """Train both sides, time the network between, print."""
    network = [0.0, 0.0]
    own: list[tuple[float, float]] = []
    with timed() as prepared:
        api.prepare(project, recipe_file(project, recipe))
    plan = make_plan(project, recipe)
    own.append(network_seconds(plan))
    print(machine_line(), flush=True)
    with timed() as plain:
        plain_score = plain_cross_validation(plan, options)
    own.append(network_seconds(plan))
    with timed() as ours:
        run = api.fit(project, recipe, again=True)
    own.append(network_seconds(plan))
    ours_score = statistics.mean([e["val_macro_f1"] for e in run.epochs()][epochs_of(plan) - 1 :: epochs_of(plan)])
    network = [statistics.median(times) for times in zip(*own, strict=True)]
    report(plan, prepared[0], ours[0], plain[0], (ours_score, plain_score), network)


def recipe_file(project: Project, recipe: Recipe) -> Path:
    """The recipe as a file of the project."""
    from facetwise.recipe import recipe_toml

    path = project.root / "benchmark.toml"
    path.write_text(recipe_toml(recipe))
    return path


@contextmanager
def timed() -> Iterator[list[Cost]]:
    """A list that holds the cost of the block after it; workers count once they have ended."""
    found: list[Cost] = []
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    yield found
    found.append(Cost(time.perf_counter() - wall, sum(os.times()[:4]) - cpu))


# --------------------------------------------------------------------------------------------------- the plain side


def plain_cross_validation(plan: RunPlan, options: argparse.Namespace) -> float:
    """Train, validate and predict every fold; returns the mean macro F1 of the last epochs."""
    torch.use_deterministic_algorithms(False)
    scores = [plain_fold(plan, plan.task(fold), options) for fold in plan.fold_numbers]
    return statistics.mean(scores)


def plain_fold(plan: RunPlan, task: FoldTask, options: argparse.Namespace) -> float:
    """One fold; returns the last epoch's macro F1 on its held-out images."""
    recipe, size = plan.recipe, plan.recipe.train.batch_size
    paths = [plan.project.dataset_root / image for image in plan.store.rows["image"]]
    loop, state = plain_start(plan, task, channels_last=options.channels_last)
    training, plain = plain_transform(recipe, training=True), plain_transform(recipe, training=False)
    train = Photos([paths[i] for i in task.train_rows], task.train_targets, training)
    valid, test = (unlabelled(paths, rows, plain) for rows in (task.valid_rows, test_rows(plan)))
    loaders = (
        loader_of(train, size, options.workers, training=True),
        loader_of(valid, size, options.workers, training=False),
    )
    score = 0.0
    for _ in range(epochs_of(plan)):
        train_epoch(loop, state, loaders[0])
        score = scored(plan, predict(loop, state.kept, loaders[1]), task)
    if len(test):
        predict(loop, state.kept, loader_of(test, size, options.workers, training=False))
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


def network_seconds(plan: RunPlan, repeat: int = 10) -> tuple[float, float]:
    """Seconds of one training step, and of one batch's prediction, on pixels that are there; median of `repeat`."""
    torch.use_deterministic_algorithms(False)
    task, size = plan.task(plan.fold_numbers[0]), plan.recipe.train.batch_size
    loop, state = plain_start(plan, task, channels_last=True)
    images = torch.randn(size, 3, plan.recipe.input.height, plan.recipe.input.width)
    images, targets = images.contiguous(memory_format=torch.channels_last), torch.from_numpy(task.train_targets[:size])
    bare = PlainLoop(loop.blocks, loop.lr, loop.weight_decay, loop.num_steps)
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


def report(
    plan: RunPlan, prepared: Cost, ours: Cost, plain: Cost, scores: tuple[float, float], network: list[float]
) -> None:
    """Print what was compared, and the table."""
    own, whole = whole_network(plan, *network), Cost(prepared.wall + ours.wall, prepared.cpu + ours.cpu)
    given, images = plan.recipe.input, f"{len(plan.manifest.train):,} training and {len(test_rows(plan)):,} test images"
    folds = f"{len(plan.fold_numbers)} folds, {epochs_of(plan)} epochs"
    print(f"{images}, {folds}, {plan.recipe.model.backbone} at {given.height}x{given.width}\n")

    def row(name: str, cost: Cost, score: str = "") -> list[str]:
        return [
            name,
            f"{cost.wall:.1f} s",
            f"{cost.wall / plain.wall:.2f}",
            f"{cost.cpu:.1f} s",
            f"{cost.cpu / plain.cpu:.2f}",
            f"{own / cost.wall:.0%}",
            score,
        ]

    header = [
        "",
        "time",
        "of the plain time",
        "CPU time",
        "of the plain CPU time",
        "the network's own share",
        "macro F1",
    ]
    rows = [
        row("plain timm and DataLoader", plain, f"{scores[1]:.3f}"),
        row("ours, the store included", whole, f"{scores[0]:.3f}"),
        row("ours, without making the store", ours),
    ]
    print(table(header, rows))
    print(f"\nthe network's own time: {own:.1f} s; target: {TARGET} of the plain time, the store included")


if __name__ == "__main__":
    main()
