"""Kill a training run with SIGKILL at random moments, resume it each time, and compare its tables bit for bit.

    python benchmarks/kill_resume.py --recipe demo --kills 3
    python benchmarks/kill_resume.py --project PROJECT --recipe recipes/cpu-tiny.toml --kills 10

The reference is an uninterrupted run of the same recipe in the same project (trained if it is not there). The other
run is started with `--again` and killed `--kills` times, each after a random part of the reference's time, then
resumed to its end. Prints a line a kill and whether the out-of-fold and test tables are the same bytes.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facetwise import api
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, list_runs


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as scratch:
        project = Project.open(arguments.project) if arguments.project else drawn_project(Path(scratch))
        sys.exit(0 if killed_equals_uninterrupted(project, arguments) else 1)


def drawn_project(folder: Path) -> Project:
    """A made contest with its folds, ready to train on."""
    api.draw_contest(folder / "contest", train_people=60, eval_people=12, workers=1)
    project = api.init(folder / "project", folder / "contest")
    api.check(project)
    api.folds(project)
    return project


def killed_equals_uninterrupted(project: Project, arguments: argparse.Namespace) -> bool:
    reference = train_reference(project, arguments)
    seconds = sum(e.seconds or 0.0 for e in reference.epochs())
    print(f"reference {reference.id}: {seconds:.0f} s of epochs")
    known = {r.id for r in list_runs(project.workspace)}
    draws = random.Random(arguments.seed)
    start = ["fit", arguments.recipe, "--again", *settings(arguments)]
    run: RunFolder | None = None
    for kill in range(1, arguments.kills + 1):
        command = start if run is None else ["fit", "--resume", run.id]
        killed_after = run_and_kill(project, command, draws.uniform(0, 2 * seconds / arguments.kills) + arguments.warm)
        new = [r for r in list_runs(project.workspace) if r.id not in known]
        run = new[0] if new else None
        print(f"kill {kill:>2}: after {killed_after:6.1f} s, {progress_of(run)}", flush=True)
    facetwise(project, start if run is None else ["fit", "--resume", run.id], check=True)
    run = next(r for r in list_runs(project.workspace) if r.id not in known)
    same = [compare(reference.path / name, run.path / name) for name in ("oof.parquet", "test.parquet")]
    return all(same)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="without it a made contest is drawn")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--warm", type=float, default=8.0, help="seconds that a start takes before it trains")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def settings(arguments: argparse.Namespace) -> list[str]:
    return [part for setting in arguments.settings for part in ("--set", setting)]


def facetwise(project: Project, command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(full(project, command), check=check, capture_output=True)


def full(project: Project, command: list[str]) -> list[str]:
    entry = "from facetwise.cli.main import main; main()"
    return [sys.executable, "-c", entry, "--project", str(project.root), *command]


def train_reference(project: Project, arguments: argparse.Namespace) -> RunFolder:
    facetwise(project, ["fit", arguments.recipe, *settings(arguments)], check=True)
    from facetwise.recipe import load_recipe
    from facetwise.train.crossval import same_run
    from facetwise.train.planning.plan import make_plan

    plan = make_plan(project, load_recipe(arguments.recipe, arguments.settings))
    found = same_run(project, plan)
    assert found is not None
    return found


def run_and_kill(project: Project, command: list[str], after: float) -> float:
    started = time.monotonic()
    process = subprocess.Popen(full(project, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return time.monotonic() - started


def progress_of(run: RunFolder | None) -> str:
    if run is None:
        return "no run yet"
    if run.finished:
        return "finished"
    last = [(e.fold, e.epoch) for e in run.epochs()[-1:]] or [(0, 0)]
    return f"at fold {last[0][0]}, epoch {last[0][1]}"


def compare(first: Path, second: Path) -> bool:
    same = first.read_bytes() == second.read_bytes()
    print(f"{first.name}: {'identical, byte for byte' if same else 'DIFFERENT'} ({first.stat().st_size} bytes)")
    return same


if __name__ == "__main__":
    main()
