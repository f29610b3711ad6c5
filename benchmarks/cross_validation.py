"""A whole cross-validation by facetwise against the plain loop: timm, PIL and a DataLoader, fold after fold.

    python benchmarks/cross_validation.py --project PROJECT                          # 5 folds, the recipe's epochs
    python benchmarks/cross_validation.py --project PROJECT --epochs 2 --folds 2     # a short one, both sides alike
    python benchmarks/cross_validation.py --project PROJECT --contiguous --jobs 2    # with two more rows
    python benchmarks/cross_validation.py                                            # on a small drawn contest

Both sides train the same network from scratch on the same folds by person, as many epochs of as many steps, with the
same augmentations (as far as torchvision has them), AdamW, cosine and moving average, in the same memory format
(channels-last), validate every epoch on the held-out people and predict the test images with every fold's model. Ours
is all that `facetwise fit` does, its image store made first; the plain side decodes every JPEG in every epoch, in
`--workers` processes. Nothing is written to the project: ours works in another, on the same dataset.

`--contiguous` adds the plain side in torch's own memory format, which most people leave; no target is set against it.
`--jobs N` adds ours with N folds side by side, each in a process of its own with its share of the threads.

Wall time suffers from what else the machine does; CPU time (of all threads and workers) less. "The network's own" is
forward, backward and step on a batch that is there, and forward of held-out and test images, timed before, between
and after the sides in the memory format of the row, times the numbers of both. Target: ours, the store included, at
most 0.85 of the plain time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w
import torch
from plain_folds import epochs_of, network_seconds, plain_cross_validation, test_rows, whole_network
from printed import machine_line, table

from facetwise import api
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import Workspace
from facetwise.recipe import Recipe, load_recipe, recipe_toml
from facetwise.train.planning.plan import RunPlan, make_plan

TARGET = 0.85
FORMATS = {True: "channels-last", False: "contiguous"}


@dataclass(frozen=True)
class Cost:
    """What one side took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads and child processes."""


@dataclass(frozen=True)
class Side:
    """A row of the table."""

    name: str
    channels_last: bool
    cost: Cost
    score: float | None = None
    """Mean macro F1 of the folds' last epochs."""
    one_at_a_time: bool = True
    """Whether the network's own time can be compared with the wall time."""


@dataclass
class Measured:
    """What is found, side after side."""

    plan: RunPlan
    sides: list[Side] = field(default_factory=list)
    steps: dict[bool, list[tuple[float, float]]] = field(default_factory=dict)
    """Channels-last or not: seconds of a step and of a batch's prediction, a pair a measurement."""

    def time_network(self, formats: list[bool]) -> None:
        """Time the network's own work once more, on all threads."""
        for channels_last in formats:
            found = network_seconds(self.plan, channels_last=channels_last)
            self.steps.setdefault(channels_last, []).append(found)

    def own(self, channels_last: bool) -> float:
        """Seconds of the network's own work in the whole cross-validation."""
        step, batch = (statistics.median(times) for times in zip(*self.steps[channels_last], strict=True))
        return whole_network(self.plan, step, batch)


def main() -> None:
    """Run all sides and print."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        given = Project.open(options.project) if options.project else drawn_project(Path(scratch))
        project = bare_copy(given, Path(scratch) / "copy")
        api.folds(project, num_folds=options.folds)
        report(measured(project, load_recipe(options.recipe, settings(options)), options))


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="whose dataset to train on; without it a small contest is drawn")
    parser.add_argument("--recipe", default="cpu-small")
    parser.add_argument("--epochs", type=int, help="as in the recipe when left out (a drawn contest: 2)")
    parser.add_argument("--folds", type=int, default=5, help="dealt anew, people by lot, at least 2")
    parser.add_argument("--workers", type=int, default=2, help="of the plain side's DataLoader")
    parser.add_argument("--contiguous", action="store_true", help="also the plain side in torch's own memory format")
    parser.add_argument("--jobs", type=int, default=1, help="also ours with so many folds side by side")
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
    text = tomli_w.dumps(copy.file.model_dump(mode="json", exclude_none=True))
    copy.workspace.project_file.write_text(text, encoding="utf-8")  # the processes of `--jobs` open it
    api.check(copy)
    return copy


def measured(project: Project, recipe: Recipe, options: argparse.Namespace) -> Measured:
    """Train all sides one after the other, and time the network between."""
    threads, formats = torch.get_num_threads(), [True, False] if options.contiguous else [True]
    with timed() as stored:
        api.prepare(project, recipe_file(project, recipe))
    found = Measured(make_plan(project, recipe))
    print(machine_line(), flush=True)
    for channels_last in formats:
        found.time_network(formats)
        with timed() as taken:
            score = plain_cross_validation(found.plan, options.workers, channels_last=channels_last)
        found.sides.append(Side("plain timm and DataLoader", channels_last, taken[0], score))
    for jobs in [1, options.jobs] if options.jobs > 1 else [1]:
        found.time_network(formats)
        with timed() as taken:
            run = api.fit(project, recipe, again=True, jobs=jobs)
        torch.set_num_threads(threads)  # a run sets its own number, with `jobs` a share
        found.sides += our_sides(jobs, taken[0], stored[0], last_scores(found.plan, run))
    found.time_network(formats)
    return found


def our_sides(jobs: int, trained: Cost, stored: Cost, score: float) -> list[Side]:
    """Two rows: with and without the time of the image store."""
    name, alone = ("ours", True) if jobs == 1 else (f"ours, {jobs} folds side by side", False)
    whole = Cost(stored.wall + trained.wall, stored.cpu + trained.cpu)
    return [
        Side(f"{name}, the store included", True, whole, score, alone),
        Side(f"{name}, without making the store", True, trained, None, alone),
    ]


def last_scores(plan: RunPlan, run: RunFolder) -> float:
    """Mean macro F1 of the last epochs of the folds."""
    last: list[float] = [e.val_macro_f1 or 0.0 for e in run.epochs() if e.epoch == epochs_of(plan)]
    return statistics.mean(last)


def recipe_file(project: Project, recipe: Recipe) -> Path:
    """The recipe as a file of the project."""
    path = project.root / "benchmark.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    return path


@contextmanager
def timed() -> Iterator[list[Cost]]:
    """A list that holds the cost of the block after it; workers count once they have ended."""
    found: list[Cost] = []
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    yield found
    found.append(Cost(time.perf_counter() - wall, sum(os.times()[:4]) - cpu))


def report(found: Measured) -> None:
    """Print what was compared, and the table."""
    plan, base = found.plan, found.sides[0].cost
    given, images = plan.recipe.input, f"{len(plan.manifest.train):,} training and {len(test_rows(plan)):,} test images"
    folds = f"{len(plan.fold_numbers)} folds, {epochs_of(plan)} epochs"
    print(f"{images}, {folds}, {plan.recipe.model.backbone} at {given.height}x{given.width}\n")
    header = ["", "memory format", "time", "of the plain time", "CPU time", "of the plain CPU time"]
    header += ["the network's own share", "macro F1"]
    print(table(header, [row(found, side, base) for side in found.sides]))
    own = ", ".join(f"{found.own(kind):.1f} s {FORMATS[kind]}" for kind in found.steps)
    print(f"\nthe plain time is that of the first row; the network's own time: {own}")
    print(f"target: ours, the store included, at most {TARGET} of the plain time")


def row(found: Measured, side: Side, base: Cost) -> list[str]:
    """A side as the table has it."""
    cost = side.cost
    return [
        side.name,
        FORMATS[side.channels_last],
        f"{cost.wall:.1f} s",
        f"{cost.wall / base.wall:.2f}",
        f"{cost.cpu:.1f} s",
        f"{cost.cpu / base.cpu:.2f}",
        f"{found.own(side.channels_last) / cost.wall:.0%}" if side.one_at_a_time else "",
        "" if side.score is None else f"{side.score:.3f}",
    ]


if __name__ == "__main__":
    main()
