"""One fold of a run in a process of its own: a task of `jobs`.

Each fold has its own state, so what is true of resuming is true here. The bits follow the number of threads, which the
run has recorded, and not that of the processes.
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
from facetwise.train.job import Job, enter_job, told_when_out_of_memory
from facetwise.train.planning.plan import make_plan


def train_by(executor: Executor, job: Job) -> None:
    """Train the folds that are left wherever `executor` runs them.

    Raises the error of the first fold that fails; the others stop, and what they saved after their last epoch stays.
    """
    root, run, fingerprint = str(job.plan.project.root), job.run.id, job.plan.fingerprint
    tasks = [Task("facetwise.train.worker", (root, run, str(fold)), fingerprint) for fold in job.left()]
    with closing(run_tasks(executor, tasks)) as events:
        for event in events:
            job.tell(event)


def train_fold_of(root: str, run_id: str, fold: str, fingerprint: str, say: Listener) -> None:
    """Train one fold of a run that another process has locked: on the next GPU when there are several."""
    project = Project.open(Path(root))
    run = RunFolder(project.workspace.runs / run_id)
    plan = make_plan(project, load_recipe(run.recipe_file))
    check_same(run, plan.fields)
    check_fingerprint(plan.fingerprint, fingerprint)
    with told_when_out_of_memory():
        train_one(enter_job(run, plan, say, place()), plan.task(int(fold)))


if __name__ == "__main__":
    root, run_id, fold, fingerprint = sys.argv[1:]
    serve(partial(train_fold_of, root, run_id, fold, fingerprint))
