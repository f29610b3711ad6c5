"""Training one fold of a run in a separate process: a task of `jobs`.

Each fold has its own state, so the bits are the same as for a resumed run. They depend on the number of threads, which
the run records, and not on the number of processes.
"""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.inference.data import check_same
from facetwise.jobs.executor import Executor, Task, run_tasks
from facetwise.jobs.worker import check_fingerprint, place, serve
from facetwise.recipe import load_recipe
from facetwise.train.finish import train_one
from facetwise.train.fold.loop import Listener
from facetwise.train.job import Job, enter_job, out_of_memory_errors
from facetwise.train.planning.plan import make_plan


def train_by(executor: Executor, job: Job, until: int | None) -> None:
    """Train the remaining folds with `executor` up to an epoch, or to the end.

    Raises the error of the first fold that fails; the others are stopped and keep the state of their last epoch.
    """
    root, run, fingerprint = str(job.plan.project.root), job.run.id, job.plan.fingerprint
    tasks = [
        Task("facetwise.train.worker", (root, run, str(fold), str(until or "")), fingerprint) for fold in job.left()
    ]
    with closing(run_tasks(executor, tasks)) as events:
        for event in events:
            job.notify(event)


def train_fold_of(root: str, run_id: str, fold: str, until: str, fingerprint: str, send: Listener) -> None:
    """Train one fold of a run that another process has locked: on the next GPU when there are several."""
    project = Project.open(Path(root))
    run = RunFolder(project.workspace.runs / run_id)
    plan = make_plan(project, load_recipe(run.recipe_file))
    check_same(run, plan.fields)
    check_fingerprint(plan.fingerprint, fingerprint)
    with out_of_memory_errors():
        train_one(enter_job(run, plan, send, place()), plan.task(int(fold)), int(until) if until else None)


if __name__ == "__main__":
    root, run_id, fold, until, fingerprint = sys.argv[1:]
    serve(partial(train_fold_of, root, run_id, fold, until, fingerprint))
