"""Folds one after the other against folds side by side, `facetwise fit --jobs N`: the whole cross-validation.

    python benchmarks/jobs.py --project PROJECT                    # cpu-tiny, as many jobs as cores
    python benchmarks/jobs.py --project PROJECT --recipe cpu-small --epochs 3 --jobs 2
    python benchmarks/jobs.py                                      # on a small drawn contest, 2 epochs

Both train the same recipe from nothing, in a temporary copy of the project on the same dataset, with the same number
of threads in all; the time of a side is from the call to the finished run, the start of its processes included. The
image store is made before. The sides take turns, `--repeat` times each; the median counts. No target: what is best
depends on the network and the cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from cross_validation import bare_copy, drawn_project
from printed import machine_line, table

import facetwise as fw
from facetwise.core.project import Project


def main() -> None:
    """Train both ways and print a table."""
    options = parse()
    settings = [] if options.epochs is None else [f"train.length={options.epochs}ep", "schedule.warmup=1ep"]
    settings.append("train.device=cpu")
    print(machine_line(), flush=True)
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        given = fw.open_project(options.project) if options.project else drawn_project(Path(scratch))
        project = bare_copy(given, Path(scratch) / "copy")
        fw.folds(project)
        fw.prepare(project, options.recipe, settings=settings)
        sides, threads = sorted({1, options.jobs}), torch.get_num_threads()
        rounds = [
            {jobs: timed(project, options.recipe, settings, jobs, threads) for jobs in sides}
            for _ in range(options.repeat)
        ]
    seconds = {jobs: statistics.median(found[jobs] for found in rounds) for jobs in sides}
    print(f"{options.recipe} {' '.join(settings)}; {options.repeat} times each\n")
    rows = [
        [str(jobs), str(max(1, threads // jobs)), f"{taken:.1f}", f"{taken / seconds[1]:.2f}"]
        for jobs, taken in seconds.items()
    ]
    print(table(["jobs", "threads each", "seconds", "of one after the other"], rows))


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="whose dataset to train on; without it a small contest is drawn")
    parser.add_argument("--recipe", default="cpu-tiny")
    parser.add_argument("--epochs", type=int, help="as in the recipe when left out (a drawn contest: 2)")
    parser.add_argument("--jobs", type=int, default=torch.get_num_threads(), help="folds side by side")
    parser.add_argument("--repeat", type=int, default=1, help="times that either side trains")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick or options.project is None:
        options.epochs = options.epochs or 2
    return options


def timed(project: Project, recipe: str, settings: list[str], jobs: int, threads: int) -> float:
    """Seconds of a whole fit that begins with `threads` threads: a run sets its own number, with `jobs` a share."""
    torch.set_num_threads(threads)
    started = time.perf_counter()
    fw.fit(project, recipe, settings=settings, again=True, jobs=jobs)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
